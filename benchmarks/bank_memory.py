"""Peak memory of building a large bank from vector files, compared with gensim."""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.peak import peak_of
from embeddings.banks.bank import Bank
from embeddings.banks.similarity import unit
from embeddings.io.arrays import read_array
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured

OWN = "from experiments.commands.main import app; app(sys.argv[1:], standalone_mode=False)"
PEER = """
import numpy as np
from gensim.models import KeyedVectors
names, path, out, kind = sys.argv[1:]
if kind == "kv":
    table = KeyedVectors.load(path, mmap="r")
else:
    table = KeyedVectors.load_word2vec_format(path, binary=kind == "binary")
np.save(out, table[open(names).read().split()])
"""
READ = "from embeddings import Bank; Bank.load(sys.argv[1]).select(sys.argv[2:])"


def command(
    labels: Annotated[int, typer.Option(min=1, help="Labels of the bank.")] = 1_000_000,
    width: Annotated[int, typer.Option(min=1, help="Size of a vector.")] = 300,
    out: Out = None,
) -> None:
    """Build a large bank from vector files: peak memory, compared with gensim."""
    measured(lambda progress: bench_bank_memory(labels, width, progress), out)


def bench_bank_memory(labels: int, width: int, progress: Progress) -> Figures:
    """`zsl bank build` from vector files with every name, and gensim on the same files; each in its own process."""
    matrix = labels * width * 4
    rows, measured = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _vector_files(folder, labels, width, progress)
        names = folder / "names.txt"
        for kind, path in files.items():
            bank, peer = folder / "bank.safetensors", folder / "peer.npy"
            # with and without the cache, which is a folder of its own here
            own = ["bank", "build", str(names), "--encoder", f"gensim:{path}", "--out", str(bank)]
            sides = {
                "gensim, numpy": (PEER, [str(names), str(path), str(peer), kind]),
                "zsl bank build": (OWN, own),
                "zsl bank build --no-cache": (OWN, [*own, "--no-cache"]),
                "zsl bank build --transform l2, texts cached": (OWN, [*own, "--transform", "l2"]),
            }
            for side, (code, arguments) in sides.items():
                bank.unlink(missing_ok=True)
                progress(f"{kind}: {side}", 0, 1)
                seconds, peak, _ = peak_of(code, arguments, folder / "cache")
                progress(f"{kind}: {side}", 1, 1)
                measured.append({"file": kind, "side": side, "seconds": seconds, "peak_bytes": peak})
                rows.append([kind, side, f"{seconds:.1f}", f"{peak / 1e9:.2f}", f"{peak / matrix:.2f}"])
            vectors = Bank.load(bank).vectors[:1000]  # of the last side: scaled to norm 1
            if not np.allclose(vectors, unit(read_array(peer, "gensim's vectors")[:1000]), atol=1e-6):
                raise RuntimeError(f"the vectors of {kind} differ from gensim's")
            peer.unlink()
        seconds, peak, _ = peak_of(READ, [str(bank), "name0", f"name{labels - 1}"], folder / "cache")
        measured.append({"file": "bank", "side": "Bank.load, select", "seconds": seconds, "peak_bytes": peak})
        rows.append(["bank", "Bank.load, select 2", f"{seconds:.1f}", f"{peak / 1e9:.2f}", f"{peak / matrix:.2f}"])
    title = f"A bank of {labels:,} x {width} float32, {matrix / 1e9:.2f} GB: peak memory of the whole process"
    record = {"labels": labels, "width": width, "matrix_bytes": matrix, "measured": measured, "machine": machine()}
    return Figures(title, ["file", "", "seconds", "peak GB", "peak / matrix"], rows, record)


def _vector_files(folder: Path, labels: int, width: int, progress: Progress) -> dict[str, Path]:
    """The same vectors in gensim's own format, word2vec's binary and its text.

    A thousand vectors are repeated; the first number of each row is unique.
    """
    from gensim.models import KeyedVectors

    progress("vector files", 0, 3)
    rows = np.random.default_rng(0).normal(size=(min(1000, labels), width)).astype(np.float32).round(5)
    names = [f"name{row}" for row in range(labels)]
    (folder / "names.txt").write_text("\n".join(names) + "\n")
    keyed = KeyedVectors(width)
    keyed.key_to_index = {name: row for row, name in enumerate(names)}
    keyed.index_to_key = names
    keyed.vectors = np.resize(rows, (labels, width))
    keyed.vectors[:, 0] = np.arange(1, labels + 1) / 1e6
    files = {kind: folder / f"vectors.{kind}" for kind in ("kv", "binary", "text")}
    keyed.save(str(files["kv"]), sep_limit=0)
    numbers = [" ".join(map(str, row)) for row in rows[:, 1:].astype(np.float64).round(5).tolist()]
    with files["binary"].open("wb") as binary, files["text"].open("w") as text:
        binary.write(f"{labels} {width}\n".encode())
        text.write(f"{labels} {width}\n")
        for row, name in enumerate(names):
            binary.write(f"{name} ".encode() + keyed.vectors[row].tobytes() + b"\n")
            text.write(f"{name} {(row + 1) / 1e6} {numbers[row % len(rows)]}\n")
    progress("vector files", len(files), len(files))
    return files
