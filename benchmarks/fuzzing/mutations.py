"""Which mutations fit a file, by its suffix."""

from pathlib import Path

from benchmarks.fuzzing.format_mutations import archive, npy_head, safetensors_head
from benchmarks.fuzzing.plain_mutations import (
    TEXTS,
    Mutation,
    Rng,
    cut,
    encoding,
    flip_bits,
    json_value,
    lines,
    number,
    pick,
    splice,
)

BYTES: tuple[Mutation, ...] = (flip_bits, cut, splice, number)
TEXT: tuple[Mutation, ...] = (lines, lines, lines, lines, encoding, cut, splice, flip_bits)
BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    **dict.fromkeys((".csv", ".txt", ".toml", ".tex", ".md", ".dat", ".log"), TEXT),
    ".json": (json_value, json_value, json_value, json_value, lines, encoding, cut, splice, flip_bits),
    ".npy": (npy_head, npy_head, *BYTES),
    **dict.fromkeys((".npz", ".pt", ".pth"), (archive, archive, archive, *BYTES)),
    ".safetensors": (safetensors_head, safetensors_head, safetensors_head, *BYTES),
}


def mutated(rng: Rng, path: Path, content: bytes) -> tuple[bytes, str]:
    """The content of a file with one to three mutations that fit its suffix."""
    told = []
    for _ in range(int(pick(rng, (1, 1, 1, 2, 3)))):
        if not content:
            content = str(pick(rng, TEXTS)).encode("utf-8", "replace") or b"\0"
        mutation = pick(rng, BY_SUFFIX.get(path.suffix.lower(), BYTES))
        try:
            content, what = mutation(rng, content)
        except Exception:  # an already damaged file may not fit this mutation
            content, what = flip_bits(rng, content)
        told.append(f"{mutation.__name__}: {what}")
    return content, "; ".join(told)
