"""Golden runs: record what small commands write, to show that a refactoring changes no byte.

    python -m benchmarks.golden record FOLDER      # before the change
    python -m benchmarks.golden compare FOLDER     # after it, on the same machine with the same packages

Commands run in the same folder both times, on one thread. Left out of the comparison: the toolkit's revision, seconds,
and the times of files.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TINY = (
    "data.train=160 data.test=80 backbone.pretrain.epochs=1 train.epochs=1 train.validation=0.2 "
    "decoder.width=32 decoder.ffn=32 evaluate.bootstrap=20"
)
SETTINGS = " ".join(f"--set {setting}" for setting in TINY.split())
TABLE = SETTINGS.replace("--set decoder.width=32", "--set decoder.width=32 --set decoder.group_size=8")
PLAIN = SETTINGS.replace(" --set decoder.width=32 --set decoder.ffn=32", "")
COMMANDS = {
    "bank": "bank build names.txt --encoder lexical+random --transform center --transform l2 --out bank.safetensors",
    "inspect": "bank show bank.safetensors",
    "train": f"train demo {SETTINGS} --out train",
    "tuned": f"train demo {SETTINGS} --set backbone.mode=tuned --set augment.flip=true --out tuned",
    "solved": f"train demo {PLAIN} --set decoder.kind=eszsl --out solved",
    "pooled": f"train demo {PLAIN} --set decoder.kind=conse --out pooled",
    "evaluate": "evaluate train",
    "scores": "evaluate --from-scores train/scores --out scores",
    "together": "evaluate train solved pooled --out together",
    "extract": f"data extract demo {PLAIN} --out tokens",
    "ablate": f"ablate table8 --config demo {TABLE} --seeds 2 --workers 2 --out table8",
    "baselines": f"ablate nus-wide --config demo {TABLE} --set decoder.kind=ml-decoder --out baselines",
    "calibrate": "calibrate-gzsl train",
    "recipes": "ablate table8 --config demo --dry-run --out planned",
    "report": "report table8 baselines --out report.html",
}
SAME = [  # where two runs of one checkout differ
    (re.compile(rb'"git": "[^"]*"'), b'"git": ""'),
    (re.compile(rb'"id": "[0-9a-f]{32}"'), b'"id": ""'),  # of a grid
    (re.compile(rb"\(\d+ s\)"), b"(s)"),
    (re.compile(rb"[0-9a-f]{40}(-dirty)?"), b"revision"),
]


def digests(folder: Path) -> dict[str, str]:
    """The hash of each file, without what differs between two runs of one checkout."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".lock" and path.name != "lock":
            content = path.read_bytes()
            for pattern, replacement in SAME:
                content = pattern.sub(replacement, content)
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def run_all(folder: Path) -> None:
    """Runs every command in an empty folder; its output is written to files too."""
    (folder / "names.txt").write_text("red cat\nblue dog\nold harbour\n")
    environment = os.environ | {
        "PYTHONPATH": str(Path.cwd()),
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "SOURCE_DATE_EPOCH": "0",
        "PYTHONHASHSEED": "0",
        "COLUMNS": "160",
    }
    for name, command in COMMANDS.items():
        done = subprocess.run(
            [sys.executable, "-m", "experiments.commands.main", *command.split()],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        (folder / f"{name}.out").write_text(done.stdout)
        (folder / f"{name}.err").write_text(done.stderr)
        print(f"{name}: {done.returncode} {done.stderr.strip().splitlines()[-1:] or ''}", flush=True)
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def main() -> None:
    """Records or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    place = Path(tempfile.gettempdir()) / "golden-runs"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    run_all(place)
    now, kept = digests(place), asked.folder / "digests.json"
    if asked.action == "record":
        asked.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(place, asked.folder / "files", dirs_exist_ok=True)
        kept.write_text(json.dumps(now, indent=1))
        print(f"{len(now)} files recorded")
        return
    before = json.loads(kept.read_text())
    differing = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    for name in differing:
        kind = "differs" if name in now and name in before else "only before" if name in before else "only now"
        print(f"{kind}: {name}")
    print(f"{len(now)} files, {len(differing)} differ; {place} against {asked.folder / 'files'}")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
