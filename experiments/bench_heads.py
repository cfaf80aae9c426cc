"""Throughput of classification heads on one backbone, as in the paper's Table 9."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor, nn

from embeddings import InputError
from embeddings.progress import Progress
from experiments.bench import Figures, machine
from zsl.acceleration import make_accelerator
from zsl.backbone import Backbone, BackboneConfig
from zsl.decoder import GroupDecoder
from zsl.losses import asymmetric_loss
from zsl.readout import Readout

WIDTH, ATTENTION_HEADS, FFN, DROPOUT, GROUPS, EMBED = 768, 8, 2048, 0.1, 100, 300
# images a second on a V100 16 GB with mixed precision: training, inference (Ridnik et al. 2021, Table 9)
PAPER = {
    "GAP": {100: (706, 2915), 1000: (703, 2910), 5000: (698, 2846)},
    "Transformer decoder": {100: (556, 2496), 1000: (44, 916), 5000: (2, 17)},
    "group decoder": {100: (575, 2588), 1000: (568, 2563), 5000: (562, 2512)},
}


class PooledHead(nn.Module):
    """Global average pooling and a linear layer."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        """Logits (batch, label)."""
        return self.linear(tokens.mean(1))


class TransformerHead(nn.Module):
    """A transformer decoder layer with a learnable query for every class, self-attention included."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.projection = nn.Linear(channels, WIDTH)
        self.queries = nn.Parameter(torch.randn(classes, WIDTH))
        self.layer = nn.TransformerDecoderLayer(WIDTH, ATTENTION_HEADS, FFN, DROPOUT, batch_first=True)
        self.weight = nn.Parameter(torch.randn(classes, WIDTH) / WIDTH**0.5)

    def forward(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        """Logits (batch, label)."""
        hidden = self.layer(self.queries.expand(len(tokens), -1, -1), self.projection(tokens).relu())
        return torch.einsum("bnd,nd->bn", hidden, self.weight)


class _Classifier(nn.Module):
    def __init__(self, backbone: Backbone, head: nn.Module):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor, vectors: Tensor) -> Tensor:
        return self.head(self.backbone(images), vectors)


def _group_decoder(channels: int, classes: int) -> Readout:
    return GroupDecoder(channels, EMBED, classes, WIDTH, num_groups=min(GROUPS, classes), ffn=FFN, dropout=DROPOUT)


HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "GAP": PooledHead,
    "Transformer decoder": TransformerHead,
    "group decoder": _group_decoder,
}


def bench_heads(
    backbone: str,
    image_size: int,
    classes: Sequence[int],
    batch_size: int,
    steps: int,
    compiled: bool,
    progress: Progress,
) -> Figures:
    """Images a second in training and in inference, "auto" precision, median over steps after three to warm up.

    The group decoder here has text queries and heads, the costliest kind; its queries and heads are made in every
    training step, and once for inference.

    Raises:
        InputError: an unknown backbone.
    """
    accelerator = make_accelerator("auto")
    rows, measured = [], []
    for count in classes:
        for title, make in HEADS.items():
            torch.manual_seed(0)
            torch._dynamo.reset()  # it gives up on a module of which it has compiled eight kinds
            body = Backbone(BackboneConfig(name=backbone))
            model = _Classifier(body, make(body.channels(image_size), count)).to(accelerator.device)
            task = f"{title}, {count:,} classes"
            progress(task, 0, 2)
            images = torch.randint(0, 256, (batch_size, 3, image_size, image_size), dtype=torch.uint8)
            images, vectors = images.to(accelerator.device), torch.randn(count, EMBED, device=accelerator.device)
            try:
                training = _train(model, images, vectors, steps, compiled)
                progress(task, 1, 2)
                inference = _predict(model, images, vectors, steps, compiled)
            except torch.OutOfMemoryError as error:
                raise InputError(f"{task}: a batch of {batch_size} does not fit; lower --batch-size") from error
            progress(task, 2, 2)
            speeds = [batch_size / seconds for seconds in (training, inference)]
            paper = PAPER[title].get(count, ("", ""))
            rows.append([title, f"{count:,}", *(f"{speed:,.1f}" for speed in speeds), *map(str, paper)])
            found = {"head": title, "classes": count, "training": speeds[0], "inference": speeds[1]}
            measured.append(found | {"device": str(accelerator.device)})
    name = torch.cuda.get_device_name() if accelerator.device.type == "cuda" else "CPU"
    precision = accelerator.mixed_precision.replace("no", "fp32")
    title = f"{backbone} {image_size}, images/s on {name}, {precision}{', compiled' if compiled else ''}"
    record = {"measured": measured, "device": name, "compiled": compiled, "precision": precision, "machine": machine()}
    header = ["head", "classes", "training", "inference", "paper (V100): training", "inference"]
    return Figures(title, header, rows, record)


def _train(model: nn.Module, images: Tensor, vectors: Tensor, steps: int, compiled: bool) -> float:
    accelerator = make_accelerator("auto")
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    run = torch.compile(model) if compiled else model
    targets = torch.zeros(len(images), len(vectors), device=images.device)
    targets[:, 0] = 1

    def step() -> None:
        with accelerator.autocast():
            logits = run(images, vectors)
        asymmetric_loss(logits.float(), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return _seconds(step, steps)


@torch.inference_mode()
def _predict(model: _Classifier, images: Tensor, vectors: Tensor, steps: int, compiled: bool) -> float:
    accelerator = make_accelerator("auto")
    model.eval()
    with accelerator.autocast():
        head = model.head
        bound = head.bind(vectors) if isinstance(head, Readout) else lambda tokens: head(tokens, vectors)

        def predict(batch: Tensor) -> Tensor:
            return bound(model.backbone(batch))

        run = torch.compile(predict) if compiled else predict
        return _seconds(lambda: run(images), steps)


def _seconds(step: Callable[[], object], steps: int) -> float:
    times = []
    for number in range(3 + steps):
        started = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number >= 3:
            times.append(time.perf_counter() - started)
    return median(times)
