"""The rooms of docs/design.md are those of the code, and imports run down its floors only."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

PACKAGES = ("embeddings", "zsl", "experiments")
ROW = re.compile(r"^\| (\d+) \| `([\w/.]+)` \| ", re.MULTILINE)


def rooms():
    """Folders and single modules of the packages, data rooms within their room."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).iterdir():
            code = path.suffix == ".py" and path.stem != "__init__"
            if code or (path.is_dir() and any(path.glob("*.py"))):
                found.add(f"{package}/{path.name}")
    return found


def room_of(module):
    """The room in which a module lies; none for the face of a package."""
    parts = module.split(".")
    if parts[0] not in PACKAGES or len(parts) < 2:
        return None
    name = "/".join(parts[:2])
    return name if name in rooms() else f"{name}.py" if f"{name}.py" in rooms() else None


def imported(node):
    """The modules that a tree imports, but those for the type checker alone."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def floors():
    text = (ROOT / "docs/design.md").read_text()
    return {room: int(floor) for floor, room in ROW.findall(text)}


def test_rooms_are_those_of_the_code():
    assert set(floors()) == rooms()


@pytest.mark.parametrize("room", sorted(rooms()))
def test_imports_run_down(room):
    known, package = floors(), room.partition("/")[0]
    paths = [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py"))
    for path in paths:
        for module in imported(ast.parse(path.read_text())):
            other = room_of(module)
            if other not in (None, room) and other.startswith(f"{package}/"):
                assert known[other] < known[room], f"{path.relative_to(ROOT)} imports {module}"
