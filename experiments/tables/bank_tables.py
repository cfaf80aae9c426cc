"""What `zsl bank` prints and draws: a bank's summary, the comparison of two, maps and histograms."""

import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.banks.bank import Bank
from embeddings.banks.similarity import Comparison, duplicates, nearest_seen, norms, unit
from embeddings.encoders.table import parts_of
from embeddings.io.markup import drawn
from experiments.output.plots import legend_below, name_points, new_plot

MOST_UNSEEN = 10_000  # with more unseen labels than this, a summary does not look for their nearest seen ones
MOST_MAPPED = 5_000  # labels on a map; of more labels, this many are drawn at random
NAMED = 100  # labels with their names on a map


def summary(bank: Bank) -> dict[str, Any]:
    """A bank's summary, as `zsl bank show --json` prints it."""
    lengths = norms(bank)
    made = bank.provenance
    kinds = Counter(_kind(note) for note in bank.notes)
    few = 0 < len(bank.unseen) <= MOST_UNSEEN
    return {
        "labels": len(bank),
        "seen": len(bank.seen),
        "unseen": len(bank.unseen),
        "skipped": list(made.skipped),
        "remarks": list(made.remarks),
        "width": bank.embed_dim,
        "encoder": made.encoder,
        "revision": made.revision,
        "prompts": list(made.prompts),
        "oov": list(made.oov),
        "transforms": [transform.name for transform in bank.transforms],
        "seed": made.seed,
        "found_as": dict(kinds.most_common()),
        "norms": {"least": float(lengths.min()), "median": float(np.median(lengths)), "most": float(lengths.max())},
        "duplicates": [list(group) for group in duplicates(bank)],
        "nearest_seen_similarity": float(nearest_seen(bank)[1].mean()) if few else None,
        "sha256": bank.sha256,
    }


def _kind(note: str) -> str:
    """The kind of a note: what was done for a label, without its words."""
    kinds = {
        "alias ": "by alias",
        "description(s)": "by descriptions",
        "vector of ": "in another spelling",
        "mean of ": "mean of parts",
        "from subwords": "from subwords",
        "random vector": "random vector",
    }
    return ", ".join(kind for sign, kind in kinds.items() if sign in note) or "as it stands"


def summary_lines(bank: Bank, told: dict[str, Any]) -> list[str]:
    """The summary as lines of text."""
    least, median, most = (told["norms"][name] for name in ("least", "median", "most"))
    prompts = told["prompts"]
    lines = [
        f"labels      {told['labels']:,}: {told['seen']:,} seen, {told['unseen']:,} unseen; width {told['width']}",
        f"encoder     {told['encoder']} ({told['revision'] or 'no revision'})",
        f"text        {prompts[0]!r}" + (f" and {len(prompts) - 1} more templates, mean" if len(prompts) > 1 else ""),
        f"policy      {', '.join(told['oov'])} (for encoders that are tables of words)",
        f"transforms  {', '.join(told['transforms']) or 'none'}",
        f"coverage    {told['labels']:,} of {told['labels'] + len(told['skipped']):,} labels: "
        + ", ".join(f"{count:,} {kind}" for kind, count in told["found_as"].items()),
        f"norms       {least:.3g} to {most:.3g}, median {median:.3g}",
    ]
    if told["skipped"]:
        lines.append(f"skipped     {_listed(told['skipped'])}")
    groups = [" = ".join(map(repr, group)) for group in told["duplicates"]]
    lines.append(f"duplicates  {_listed(groups) if groups else 'none: no two labels share a vector'}")
    if told["nearest_seen_similarity"] is not None:
        lines.append(f"unseen      mean similarity to the nearest seen label {told['nearest_seen_similarity']:.3f}")
    return [*lines, f"sha256      {told['sha256']}"]


def _listed(items: list[str], most: int = 10) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def comparison_rows(result: Comparison) -> list[list[str]]:
    """A comparison as rows of a table: the measure, its value, what the value means."""
    rows = [
        ["labels in common", f"{result.labels:,}", "" if result.ranked == result.labels else f"{result.ranked} ranked"],
        ["rank agreement", f"{result.rank_agreement:.3f}", "1: same order of neighbours; 0: unrelated"],
        [
            f"{result.neighbours}-neighbour overlap",
            f"{result.neighbour_overlap:.3f}",
            "share of nearest labels that both name",
        ],
        ["linear CKA", f"{result.cka:.3f}", "1: same geometry up to rotation and scale; 0: unrelated (debiased)"],
    ]
    if result.nearest_seen is not None and result.same_nearest is not None:
        first, second = result.nearest_seen
        rows.append(["nearest seen similarity", f"{first:.3f} / {second:.3f}", "mean over unseen labels, A / B"])
        rows.append(["same nearest seen label", f"{result.same_nearest:.3f}", "share of unseen labels"])
    return rows


def save_map(bank: Bank, path: Path) -> None:
    """A 2-D map of the labels by t-SNE of their cosine distances; seen and unseen in two colours."""
    from sklearn.manifold import TSNE

    rows = np.arange(len(bank))
    if len(rows) > MOST_MAPPED:  # every unseen label that fits, and a draw of the seen ones
        unseen = rows[len(bank.seen) :][: MOST_MAPPED // 2]
        picked = np.random.default_rng(0).choice(len(bank.seen), MOST_MAPPED - len(unseen), replace=False)
        rows = np.concatenate([np.sort(picked), unseen])
    perplexity = min(30.0, (len(rows) - 1) / 3)
    # equal vectors have no principal axes
    init = "pca" if bank.embed_dim > 1 and unit(bank.vectors[rows]).var(axis=0).sum() > 1e-9 else "random"
    model = TSNE(
        2,
        perplexity=max(perplexity, 0.5),
        metric="cosine",
        init=init,
        random_state=0,
    )
    places = model.fit_transform(unit(bank.vectors[rows])) if len(rows) > 2 else np.eye(2)[: len(rows)]
    with new_plot(path, (9, 8.4)) as (figure, axes):
        for part, chosen, size, colour in (
            ("seen", rows < len(bank.seen), 8, "tab:blue"),
            ("unseen", rows >= len(bank.seen), 22, "tab:orange"),
        ):
            title = f"{part} ({chosen.sum():,})"
            if chosen.any():
                x, y = places[chosen].T
                axes.scatter(x, y, s=size, color=colour, label=title, alpha=0.7, lw=0)
        named = np.flatnonzero(rows >= len(bank.seen)) if len(bank.unseen) else np.arange(len(rows))
        named = named[np.linspace(0, len(named) - 1, min(NAMED, len(named))).astype(int)]
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(
            _title(f"{len(rows):,} labels under {_short(bank)}: t-SNE of cosine distances", 100),
            fontsize=10,
            loc="left",
        )
        legend_below(figure)
        name_points(axes, [(*places[place], bank.labels[rows[place]]) for place in named])


def save_nearest_seen(bank: Bank, path: Path) -> None:
    """The histogram of each unseen label's similarity to its nearest seen label."""
    _, similarity = nearest_seen(bank)
    with new_plot(path, (6.5, 3.8)) as (figure, axes):
        axes.hist(similarity, bins=min(30, max(5, len(similarity) // 3)), color="tab:orange", edgecolor="white")
        axes.axvline(similarity.mean(), color="black", linestyle=":", lw=1, label=f"mean {similarity.mean():.2f}")
        axes.set_xlabel("cosine similarity to the nearest seen label")
        axes.set_ylabel("unseen labels")
        axes.locator_params(axis="y", integer=True)
        title = f"How near {len(similarity):,} unseen labels are to seen ones under {_short(bank)}"
        axes.set_title(_title(title, 75), fontsize=10, loc="left")
        legend_below(figure)


def _title(text: str, letters: int) -> str:
    return "\n".join(textwrap.wrap(text, letters))


def _short(bank: Bank) -> str:
    """The encoder's spec without folders, for a figure."""
    parts = (part.partition(":") for part in parts_of(bank.provenance.encoder))
    short = " + ".join(f"{family}{colon}{argument.rstrip('/').rpartition('/')[2]}" for family, colon, argument in parts)
    return drawn(short)
