"""The model card of an exported model."""

from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

from embeddings.io.markup import markdown, markdown_code

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

SHOWN = 40  # labels named in the card
TITLES = {
    "zsl/map": "mAP of unseen labels",
    "gzsl/map": "mAP of all labels",
    "gzsl/map_seen": "mAP of seen labels among all",
    "gzsl/map_unseen": "mAP of unseen labels among all",
    "closed/map": "mAP of a closed set",
}


def card_of(model: "TrainedModel") -> str:
    """Markdown with the metadata that model hubs read.

    Args:
        model: the trained model.
    """
    data = ModelCardData(
        library_name="zero-shot-toolkit",
        pipeline_tag="image-classification",
        tags=["zero-shot", "multi-label", "ml-decoder"],
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join([*_head(model), *_figures(model), *_limits(model)]) + "\n"


def _head(model: "TrainedModel") -> list[str]:
    facts, made = model.facts, model.bank.provenance
    decoder = facts.own.get("readout") if facts.decoder is None else facts.decoder["kind"]
    backbone = facts.own.get("backbone", "none: it takes tokens") if facts.backbone is None else facts.backbone["name"]
    names = ", ".join(markdown(label) for label in facts.seen[:SHOWN])
    more = f" and {len(facts.seen) - SHOWN:,} more" if len(facts.seen) > SHOWN else ""
    return [
        f"# {markdown(facts.name)}",
        "",
        "A zero-shot multi-label image classifier: it scores any words on any picture.",
        "",
        "```python",
        "import zsl",
        "",
        'model = zsl.load("FOLDER")  # or "hf-hub:OWNER/NAME"',
        'print(model.predict("photo.jpg", "sunset, harbour"))',
        "```",
        "",
        '`zsl predict FOLDER photo.jpg --labels "sunset, harbour"` does the same on the command line.',
        "",
        "## How it was made",
        "",
        f"- Data: {markdown(facts.data)}, fingerprint {markdown_code(facts.fingerprint)}.",
        f"- Trained on {len(facts.seen):,} seen labels: {names}{more}.",
        f"- Backbone: {markdown_code(str(backbone))}. Readout: {markdown_code(str(decoder))}. Loss: {facts.loss}.",
        f"- Word vectors: encoder {markdown_code(made.encoder)}, size {model.bank.embed_dim}, prompts "
        f"{markdown_code(', '.join(made.prompts))}.",
        "",
    ]


def _figures(model: "TrainedModel") -> list[str]:
    facts = model.facts
    lines = ["## Figures", ""]
    if not facts.metrics:
        return [*lines, "It was not measured before it was exported.", ""]
    lines += ["| measure on test images | value | 95 % interval |", "| --- | --- | --- |"]
    for key, title in TITLES.items():
        if key in facts.metrics:
            low, high = facts.intervals.get(key, (None, None))
            interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
            lines.append(f"| {title} | {100 * facts.metrics[key]:.1f} | {interval} |")
    protocol = facts.protocol
    known = "; ".join(protocol.get("known_as", {}).values()) or "no published protocol"
    tested = f"{protocol.get('images'):,} test images of {markdown(str(protocol.get('data')))}"
    company = protocol.get("company")
    asked = f"; labels asked {company} (`evaluate.company`; predictions ask each by itself)" if company else ""
    normalised = protocol.get("normalise", "none")
    asked += f"; scores normalised by {normalised} (`evaluate.normalise`)" if normalised != "none" else ""
    return [*lines, "", f"Protocol: {tested}; {known}{asked}.", ""]


def _limits(model: "TrainedModel") -> list[str]:
    calibrated = (
        "Scores are probabilities calibrated on validation images (`zsl threshold`)."
        if model.thresholds is not None
        else "Scores are not calibrated: 0.5 is no meaningful threshold. Run `zsl threshold` before exporting."
    )
    return [
        "## Intended use",
        "",
        "Research on zero-shot multi-label classification: ranking words on pictures like those of training.",
        "",
        f"- {calibrated}",
        "- A word that is far from all seen labels gets a score too; the score alone does not say that it is far.",
        "- It was measured on the data above and on nothing else. Measure it on your own before you rely on it.",
        "- It has the biases of its pictures, its annotations and its text encoder.",
    ]
