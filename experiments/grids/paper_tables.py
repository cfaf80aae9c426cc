"""The tables that `zsl ablate NAME` trains: those of the paper, and further ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from embeddings.encoders.encoder import Family
from embeddings.encoders.table import family_of, split_spec
from experiments.grids.variants import COST, Ablation, Variant

MINILM = "sentence-transformers:sentence-transformers/all-MiniLM-L6-v2"
ENCODERS = ("lexical", MINILM, "corpus", "random")
TOP_1 = "closed/f1@1"  # of images with one label each, F1@1 is top-1 accuracy
# the usual zero-shot methods
BASELINES = tuple(Variant({"decoder.kind": kind}) for kind in ("eszsl", "conse", "gap-text"))
# what a pair says by itself: its class token, and its best patch
PAIR_ROWS = tuple(Variant({"decoder.kind": "pair", "decoder.reading": reading}) for reading in ("class", "top"))
# of the NUS-WIDE figures, as the released code chooses it
ON_TEST = "test images: in each epoch, the released code takes the larger mAP of plain and averaged weights there"
TWO_WAY = {"train.loss": "two_way"}
# what the recipe photographs trains: none of its members is a decoder
RECOMMENDED = (
    {"kind": "kernel-eszsl"},
    {"kind": "gap-text", "cosine": True, "train": {"loss": "two_way"}},
)


def encoder_variants(encoders: Sequence[str], prompts: Sequence[str] = ()) -> tuple[Variant, ...]:
    """A decoder and an ESZSL for each encoder.

    Every encoder but `random` knows something about names. If there are several of
    these, a last row of each kind joins them.

    Args:
        encoders: specs; some may be joined already.
        prompts: templates with `{}` for the name. Encoders that read any text have rows with these prompts too; a
            table of words may lack the words of a template.
    Raises:
        InputError: an unknown family.
    """
    distinct = dict.fromkeys(encoders)
    single = [spec for spec in distinct if len(split_spec(spec)) == 1 and family_of(spec).informed]
    joined = ["+".join(single)] if len(single) > 1 else []
    plain = dict.fromkeys([*encoders, *joined])
    rows: list[dict[str, Any]] = [{"bank.encoder": spec} for spec in plain]
    if prompts:
        texts = [spec for spec in plain if all(_reads_texts(family_of(part)) for part in split_spec(spec))]
        rows = [row | {"bank.prompts": ["{}"]} for row in rows]
        rows += [{"bank.encoder": spec, "bank.prompts": [*prompts]} for spec in texts]
    return (*map(Variant, rows), *(Variant({"decoder.kind": "eszsl"} | row) for row in rows))


def _reads_texts(family: Family) -> bool:
    """Whether a family reads any text, and knows something of it."""
    return family.informed and not family.words


def _query_head(query: str, head: str, paper: dict[str, float]) -> Variant:
    return Variant({"decoder.kind": "ml-decoder", "decoder.query": query, "decoder.head": head}, paper)


def _decoded(head: str, group_size: int, paper: dict[str, float] | None = None) -> Variant:
    keys = {"decoder.kind": "ml-decoder", "decoder.head": head, "decoder.group_size": group_size}
    return Variant(keys, paper or {})


def _unseen(percent: float) -> dict[str, float]:
    return {"zsl/map": percent / 100}


def _closed(percent: float, g_mac: float | None = None, metric: str = "closed/map") -> dict[str, float]:
    return {metric: percent / 100} | ({} if g_mac is None else {COST: g_mac})


# Table 8
GROUP_DECODERS = (
    _query_head("text", "learnable", _unseen(2.4)),
    _query_head("text", "shared", _unseen(2.6)),
    _query_head("learnable", "text", _unseen(23.4)),
    _query_head("text", "text", _unseen(28.7)),
)


def _augmented(random_queries: int, query_noise: float) -> Variant:
    return Variant({"train.random_queries": random_queries, "decoder.query_noise": query_noise})


def _stacked(layers: int, map_percent: float, g_mac: float) -> Variant:
    return Variant({"decoder.kind": "ml-decoder", "decoder.layers": layers}, _closed(map_percent, g_mac))


def _trained_with(kind: str, loss: str, paper: dict[str, float] | None = None) -> Variant:
    return Variant({"decoder.kind": kind, "train.loss": loss}, paper or {})


def _transfer(recipe: str, published: str, top_1: float) -> Ablation:
    """Table 17 on one of its datasets; the paper has no figure of average pooling there."""
    return Ablation(
        "Table 17: transfer to sets of one label an image; F1@1 is top-1 accuracy",
        (Variant({"decoder.kind": "gap"}), Variant({"decoder.kind": "ml-decoder"}, _closed(top_1, metric=TOP_1))),
        recipe=recipe,
        published=published,
    )


def _sized(pixels: int, paper: dict[str, float] | None = None) -> Variant:
    return Variant({"data.image_size": pixels}, paper or {})


ABLATIONS: dict[str, Ablation] = {
    "table7": Ablation(
        "Table 7: query types on a closed set",
        tuple(Variant({"decoder.query": query}) for query in ("learnable", "text", "random")),
        recipe="scenes_closed",
        settings=("decoder.head=learnable", "decoder.group_size=1"),
        published="MS-COCO",
    ),
    "table8": Ablation(
        "Table 8: query type x head type in zero-shot group decoding",
        GROUP_DECODERS + BASELINES,
        recipe="scenes",
        epoch=ON_TEST,
        on_pairs=PAIR_ROWS,
    ),
    "table10": Ablation(
        "Table 10: stacked layers with self-attention on a closed set, against global average pooling",
        (
            Variant({"decoder.kind": "gap"}, _closed(87.02, 23.0)),
            _stacked(1, 88.09, 24.1),
            _stacked(2, 88.16, 25.0),
            _stacked(3, 88.21, 25.9),
        ),
        recipe="scenes_closed",
        settings=(
            "decoder.query=learnable",
            "decoder.head=learnable",
            "decoder.group_size=1",
            "decoder.self_attention=true",
        ),
        published="MS-COCO at 448 px",
    ),
    "table13": Ablation(
        "Table 13: input resolution on a closed set",
        tuple(_sized(pixels) for pixels in (32, 64, 96)),
        recipe="scenes_closed",
        published="MS-COCO",
        on_files=(_sized(224, _closed(85.5, 9.3)), _sized(448, _closed(90.0, 36.2)), _sized(640, _closed(91.1, 73.5))),
    ),
    "table14": Ablation(
        "Table 14: Pascal VOC 2007, global average pooling and full decoding under asymmetric loss",
        (
            Variant({"decoder.kind": "gap"}, _closed(95.8)),
            Variant({"decoder.kind": "ml-decoder"}, _closed(96.6)),
        ),
        recipe="voc",
        published="Pascal VOC 2007 (gap: that of ASL, TResNet-L)",
    ),
    "table15": Ablation(
        "Table 15: losses on a closed set of many labels",
        (
            _trained_with("gap", "bce", _closed(84.8)),
            _trained_with("gap", "focal", _closed(84.9)),
            _trained_with("gap", "asymmetric", _closed(86.3)),
            _trained_with("ml-decoder", "bce"),
            _trained_with("ml-decoder", "focal"),
            _trained_with("ml-decoder", "asymmetric", _closed(86.8)),
        ),
        recipe="scenes_many",
        published="Open Images v6",
    ),
    "table16": Ablation(
        "Table 16: sigmoid and softmax with one label an image; F1@1 is top-1 accuracy",
        (
            _trained_with("gap", "bce", _closed(79.7, metric=TOP_1)),
            _trained_with("ml-decoder", "bce", _closed(80.3, metric=TOP_1)),
            _trained_with("gap", "softmax", _closed(79.3, metric=TOP_1)),
            _trained_with("ml-decoder", "softmax", _closed(80.1, metric=TOP_1)),
        ),
        recipe="scenes_single",
        published="ImageNet",
    ),
    "table17": replace(
        _transfer("cifar100", "CIFAR-100 with Swin-L", 95.1),
        on_data={"stanford_cars": _transfer("stanford_cars", "Stanford Cars with TResNet-L", 96.41)},
    ),
    "nus-wide": Ablation(
        "Full and group decoding, the main result of the paper, beside zero-shot baselines",
        (
            _decoded("shared", 1, _unseen(31.1) | {"zsl/f1@3": 0.341, "zsl/f1@5": 0.308}),
            _decoded("text", 10, _unseen(28.7)),  # as num_groups = 100 for 925 labels
            Variant({"decoder.kind": "label-attention"}),
            *BASELINES,
        ),
        recipe="demo",
        settings=("decoder.query=text",),
        epoch=ON_TEST,
        on_pairs=PAIR_ROWS,
    ),
    "readouts": Ablation(
        "Readouts without a decoder, and the blend that is recommended for photographs",
        (
            *BASELINES,
            Variant({"decoder.kind": "gap-text", "decoder.cosine": True} | TWO_WAY),
            Variant({"decoder.kind": "kernel-eszsl"}),
            Variant({"decoder.kind": "blend", "decoder.members": list(RECOMMENDED)}),
        ),
        recipe="demo",
        on_pairs=PAIR_ROWS,
    ),
    "encoders": Ablation(
        "Text encoders, each with a decoder and with ESZSL",
        encoder_variants(ENCODERS),
        recipe="scenes",
        # corpus vectors exist for words of the training tags only: phrases get means of them, synonyms random vectors
        settings=('bank.oov=["phrase", "lower", "parts", "random"]',),
    ),
    "grouping": Ablation(
        "Which labels share a group",
        tuple(
            Variant({"decoder.kind": "ml-decoder", "decoder.grouping": grouping})
            for grouping in ("given", "random", "redrawn", "similar", "dissimilar")
        )
        + BASELINES,
        recipe="demo",
        settings=("decoder.query=text", "decoder.head=text"),
        on_pairs=PAIR_ROWS,
    ),
    "augmentation": Ablation(
        "Query augmentation (appendix J): random queries and additive noise",
        (_augmented(0, 0.0), _augmented(100, 0.0), _augmented(0, 0.1), _augmented(0, 0.3), _augmented(100, 0.1)),
        recipe="demo",
        settings=("decoder.query=text", "decoder.head=text"),
    ),
    "group-size": Ablation(
        "Labels of a group: accuracy against cost",
        tuple(_decoded("text", size) for size in (4, 8, 16, 32, 64)) + BASELINES,
        recipe="demo",
        settings=("decoder.query=text",),
        on_pairs=PAIR_ROWS,
    ),
}

# what `zsl demo` trains: Table 8, and the readout that is recommended where pictures show several small objects
DEMO = replace(
    ABLATIONS["table8"],
    caption=f"{ABLATIONS['table8'].caption}; then the readout that is recommended for such pictures",
    variants=(*ABLATIONS["table8"].variants, Variant({"decoder.kind": "label-attention", "decoder.queries": 16})),
)
