"""What a bank says about its labels: cosine neighbours, duplicates, and how two banks agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.mapping import ROWS, blocks, release

MOST_RANKED = 2_000  # labels whose similarities are ranked; of more labels, a random sample of this size is used
NEIGHBOURS = 10
ROUNDING = 1e-5  # unit vectors closer than this count as equal
FEW = 3  # up to this many texts may share another text's vector: "Sky" and "sky" in a model without capitals
SQUARE = 4_096  # labels on each side of a block of similarities that is in memory


def unit(vectors: Float[np.ndarray, "label embed"]) -> Float[np.ndarray, "label embed"]:
    """The vectors scaled to norm 1; their products are cosine similarities.

    >>> unit(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def duplicates(bank: Bank) -> list[tuple[str, ...]]:
    """Groups of labels that share one vector, so that no model can tell them apart.

    >>> duplicates(Bank(("sky", "dog", "heaven"), np.array([[1, 2], [3, 4], [1, 2]])))
    [('sky', 'heaven')]
    """
    factors = np.random.default_rng(0).integers(1, 2**63, bank.embed_dim, np.uint64)
    # a sum of products modulo 2^64 finds the few rows that may be equal
    sums = [(block.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64) for block in blocks(bank.vectors)]
    hashes = np.concatenate(sums)
    order = np.argsort(hashes, kind="stable")
    equal = np.zeros(len(bank) + 1, bool)
    equal[1:-1] = hashes[order[1:]] == hashes[order[:-1]]
    groups: dict[bytes, list[int]] = {}
    for place, row in enumerate(np.sort(order[equal[:-1] | equal[1:]])):
        if place % ROWS == 0:
            release(bank.vectors)
        groups.setdefault(bank.vectors[row].tobytes(), []).append(int(row))
    return [tuple(bank.labels[row] for row in group) for group in groups.values() if len(group) > 1]


def told_apart(bank: Bank, place: str, advice: str) -> str:
    """A remark about labels whose vector equals another label's, up to rounding; "" if there are none.

    Args:
        bank: labels and vectors.
        place: the encoder, for the message.
        advice: what to check, for the message.
    Raises:
        InputError: they are at least half of all labels, or more than three and more than one in a hundred.
    """
    pairs = _coinciding(bank.vectors)
    if not pairs:
        return ""
    shown = ", ".join(f"{bank.labels[first]!r} = {bank.labels[second]!r}" for first, second in sorted(pairs)[:3])
    if len(pairs) >= len(bank) / 2 or len(pairs) > max(FEW, len(bank) / 100):
        raise InputError(
            f"{place} has {len(bank) - len(pairs):,} distinct vectors for {len(bank):,} texts ({shown}); {advice}"
        )
    return f"texts that have the vector of another, and cannot be told from it: {len(pairs):,} ({shown})"


def _coinciding(vectors: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows with the same direction; n rows with one direction give n - 1 pairs.

    Directions are compared with a tolerance, because the batch size changes the last bits of a model's vectors. Rows
    are sorted by their projection on a random direction, which puts equal rows next to each other.
    """
    along = np.random.default_rng(0).normal(size=vectors.shape[1])
    places = np.concatenate([unit(block) @ along for block in blocks(vectors)])
    order = np.argsort(places, kind="stable")
    pairs = []
    for place in np.flatnonzero(np.diff(places[order]) < ROUNDING * np.linalg.norm(along)):
        first, second = sorted(order[place : place + 2].tolist())
        if np.linalg.norm(np.subtract(*unit(vectors[[first, second]]))) < ROUNDING:
            pairs.append((first, second))
    return pairs


def norms(bank: Bank) -> Float[np.ndarray, " label"]:
    """The norm of every vector."""
    return np.concatenate([np.linalg.norm(block, axis=1) for block in blocks(bank.vectors)])


def neighbors(bank: Bank, label: str, k: int, among: Sequence[str] | None = None) -> list[tuple[str, float]]:
    """The k labels nearest to a label, with their cosine similarities, nearest first.

    Args:
        bank: labels and vectors.
        label: a label of the bank.
        k: number of neighbours.
        among: the labels that may be neighbours; None allows all labels of the bank.
    Returns:
        at most k pairs of a label and its similarity, in [-1, 1].
    Raises:
        InputError: a label that is not in the bank.

    >>> bank = Bank(("sky", "dog", "wolf"), np.array([[1, 0], [0, 1], [0.6, 0.8]]))
    >>> [(name, round(similarity, 3)) for name, similarity in neighbors(bank, "dog", k=2)]
    [('wolf', 0.8), ('sky', 0.0)]
    """
    (row,) = bank.rows([label])
    rows = np.arange(len(bank)) if among is None else np.array(bank.rows(among), np.int64)
    rows = rows[rows != row]
    target = unit(bank.vectors[[row]])[0]
    parts = [unit(bank.vectors[rows[start : start + ROWS]]) @ target for start in range(0, len(rows), ROWS)]
    similarity = np.concatenate([np.zeros(0, np.float32), *parts])
    best = np.argsort(-similarity, kind="stable")[:k]
    return [(bank.labels[rows[place]], float(similarity[place])) for place in best]


def nearest_seen(bank: Bank) -> tuple[Int[np.ndarray, " unseen"], Float[np.ndarray, " unseen"]]:
    """For each unseen label, the seen label nearest to it.

    Args:
        bank: labels and vectors.
    Returns:
        (unseen,) the row of the nearest seen label, and (unseen,) their cosine similarity.

    >>> bank = Bank(("sky", "dog", "wolf"), np.array([[1, 0], [0, 1], [0.6, 0.8]]), num_seen=2)
    >>> rows, similarities = nearest_seen(bank)
    >>> bank.labels[rows[0]], round(float(similarities[0]), 3)
    ('dog', 0.8)
    """
    first = len(bank.seen)
    rows, similarities = np.zeros(len(bank) - first, np.int64), np.full(len(bank) - first, -np.inf)
    for begin in range(0, len(rows), SQUARE):
        part = slice(begin, begin + SQUARE)
        unseen = unit(bank.vectors[first:][part])
        for start in range(0, first, SQUARE):
            similarity = unseen @ unit(bank.vectors[start : min(start + SQUARE, first)]).T
            best = similarity.argmax(axis=1)
            value = similarity[np.arange(len(best)), best]
            nearer = value > similarities[part]
            rows[part][nearer], similarities[part][nearer] = start + best[nearer], value[nearer]
    return rows, similarities


@dataclass(frozen=True)
class Comparison:
    """How well two banks agree on the labels that both have.

    Args:
        labels: number of labels that both have.
        ranked: number of them that took part in the rankings.
        rank_agreement: mean over labels of Spearman's correlation of the label's similarities to the others.
        neighbours: number of a label's neighbours that are compared: 10, or fewer in a small bank.
        neighbour_overlap: mean share of a label's neighbours that both banks have.
        cka: linear centred kernel alignment (Kornblith et al. 2019) of the ranked labels, by the unbiased estimator of
            Song et al. (2012): 0 on average for unrelated banks, however few the labels.
        nearest_seen: each bank's mean similarity of unseen labels to the nearest seen one; None without unseen ones.
        same_nearest: share of unseen labels whose nearest seen label is the same in both.
    """

    labels: int
    ranked: int
    rank_agreement: float
    neighbours: int
    neighbour_overlap: float
    cka: float
    nearest_seen: tuple[float, float] | None
    same_nearest: float | None


def compare(a: Bank, b: Bank) -> Comparison:
    """Compares two banks over the labels that both have.

    Args:
        a: a bank; it says which labels are seen.
        b: another bank, of any width.
    Returns:
        measures of agreement.
    Raises:
        InputError: fewer than four labels in common.

    >>> bank = Bank(tuple("abcde"), np.random.default_rng(0).normal(size=(5, 7)))
    >>> compare(bank, bank).rank_agreement
    1.0
    """
    known = set(b.labels)
    common = [label for label in a.labels if label in known]
    if len(common) < 4:
        raise InputError(f"the banks have {len(common)} labels in common; a comparison needs four")
    pair = [unit(a.select(common)), unit(b.select(common))]
    chosen = np.arange(len(common))
    if len(common) > MOST_RANKED:
        chosen = np.sort(np.random.default_rng(0).choice(len(common), MOST_RANKED, replace=False))
    first, second = (_similarities(vectors[chosen]) for vectors in pair)
    neighbours = max(1, min(NEIGHBOURS, (len(chosen) - 1) // 2))
    num_seen = len(set(a.seen) & known)
    seen_means, same = None, None
    if 0 < num_seen < len(common):
        found = [nearest_seen(Bank(tuple(common), vectors, num_seen=num_seen)) for vectors in pair]
        seen_means = (float(found[0][1].mean()), float(found[1][1].mean()))
        same = float((found[0][0] == found[1][0]).mean())
    return Comparison(
        len(common),
        len(chosen),
        _spearman(first, second),
        neighbours,
        _overlap(first, second, neighbours),
        _cka(*(vectors[chosen] for vectors in pair)),
        seen_means,
        same,
    )


def _similarities(vectors: np.ndarray) -> np.ndarray:
    """Each label's similarities to the others, (label, label - 1)."""
    similar = vectors @ vectors.T
    return similar[~np.eye(len(similar), dtype=bool)].reshape(len(similar), -1)


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=1) for values in (first, second)]
    centred = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    product = (centred[0] * centred[1]).sum(1)
    return float(np.divide(product, spread, out=np.zeros_like(product), where=spread > 0).mean())


def _overlap(first: np.ndarray, second: np.ndarray, k: int) -> float:
    best = [np.argsort(-values, axis=1, kind="stable")[:, :k] for values in (first, second)]
    return float(np.mean([len(np.intersect1d(x, y)) / k for x, y in zip(*best, strict=True)]))


def _cka(first: np.ndarray, second: np.ndarray) -> float:
    grams = []
    for vectors in (first, second):
        gram = np.asarray(vectors, np.float64) @ np.asarray(vectors, np.float64).T
        np.fill_diagonal(gram, 0)
        grams.append(gram)
    across = _hsic(grams[0], grams[1])
    own = _hsic(grams[0], grams[0]) * _hsic(grams[1], grams[1])
    return across / own**0.5 if own > 0 else 0.0


def _hsic(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimate of HSIC (Song et al. 2012) from two Gram matrices whose diagonals are 0."""
    n = len(first)
    product = (first * second).sum() + first.sum() * second.sum() / ((n - 1) * (n - 2))
    return float((product - 2 / (n - 2) * (first.sum(axis=0) * second.sum(axis=0)).sum()) / (n * (n - 3)))
