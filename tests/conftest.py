"""Shape annotations are checked at run time in tests; small data made here stands in for users' files."""

import gc
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from jaxtyping import install_import_hook
from PIL import Image

import tests.typecheck  # noqa: F401 - the hook below names it
from tests.names import SEEN, UNSEEN
from tests.pairs import small_pair

# before any test imports them
install_import_hook(["embeddings", "zsl"], "tests.typecheck.checked")

# here and in the processes that tests start: their tensors are smaller than the cost of sharing them out
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
GOLDEN = Path(__file__).parent / "golden"
# files of a minute and more: they start first, so that all workers of pytest-xdist end together
LONGEST = ("test_processes.py", "test_resume.py", "test_ray_cluster.py", "test_ablate.py", "test_ablate_tables.py")
LONGEST += ("test_benchmarks.py", "test_driver.py", "test_data.py", "test_site.py", "test_fuzz.py", "test_library.py")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are no name of a test: an archive holds the time of day, and all processes must collect the same names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, the others in their order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Every training ends with a collection of garbage, which need not look through all modules each time."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """A test that failed may have left processes, which multiprocessing would wait for."""
    for process in multiprocessing.active_children():
        process.kill()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another run encoded, or writes to the user's folders."""
    monkeypatch.setenv("ZSL_CACHE", str(tmp_path / "zsl-cache"))


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps one precision a process, as a command has; each test is a command of its own."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(autouse=True)
def _frozen_modules() -> Iterator[None]:
    """What a test imported, of which torch's compiler is the most, is no garbage either."""
    before = len(sys.modules)
    yield
    if len(sys.modules) > before + 100:
        gc.freeze()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder in the CSV layout: 40 training and 20 test JPEGs of 32 px, 5 seen and 3 unseen labels."""
    root = tmp_path / "photographs"
    (root / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    lines = ["filepath,classes,split_name"]
    for index in range(60):
        train = index < 40
        names = SEEN if train else SEEN + UNSEEN
        chosen = generator.choice(len(names), 2, replace=False)
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{index}.jpg")
        classes = ", ".join(names[i] for i in chosen)
        lines.append(f'images/{index}.jpg,"[{classes}]",{"train" if train else "val"}')
    (root / "data.csv").write_text("\n".join(lines) + "\n")
    (root / "split.json").write_text(json.dumps({"train class": SEEN, "test class": UNSEEN}))
    return root


SMALL = (
    "data.train=80",
    "data.test=60",
    "data.image_size=32",
    "data.seen=100",
    "backbone.pretrain.epochs=1",
    "bank.encoder=lexical:64",
    "decoder.width=64",
    "decoder.ffn=32",
    "decoder.group_size=50",
    "train.epochs=1",
    "train.validation=0.2",
)


@pytest.fixture
def small() -> list[str]:
    """Options that shrink a recipe over scenes to seconds."""
    return [argument for setting in SMALL for argument in ("--set", setting)]


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that gives the folder of a small image-text pair of a design, written once."""
    made: dict[str, Path] = {}

    def folder(design: str) -> Path:
        if design not in made:
            made[design] = small_pair(tmp_path_factory.mktemp("pair"), design)
        return made[design]

    return folder
