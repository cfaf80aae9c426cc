"""The pages that users read, and the code in them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {ROOT / name for name in ("README.md", "CONTRIBUTING.md")}
    | set(ROOT.glob("docs/**/*.md"))
    | set(ROOT.glob("benchmarks/*.md"))
)
FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(zsl [^`]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    title: str
    text: str


def blocks(language: str) -> list[Block]:
    """All fenced blocks of a language."""
    return [
        Block(str(page.relative_to(ROOT)), found.group(2), found.group(3).strip(), textwrap.dedent(found.group(4)))
        for page in PAGES
        for found in FENCE.finditer(page.read_text())
        if found.group(2) == language
    ]


def python_of(text: str) -> list[str]:
    """The Python of a piece of a page."""
    return [textwrap.dedent(found.group(4)) for found in FENCE.finditer(text) if found.group(2) == "python"]


def commands() -> list[tuple[str, str]]:
    """Every `zsl` command of the pages, each with its page: the lines of bash blocks, and code within sentences."""
    found = []
    for block in blocks("bash"):
        for line in block.text.replace("\\\n", " ").splitlines():
            command = re.search(r"\bzsl [^#&|]*", line.partition(" #")[0])
            if command and not line.lstrip().startswith("#"):
                found.append((block.page, command.group().strip()))
    for page in PAGES:
        prose = FENCE.sub("", page.read_text())
        found += [(str(page.relative_to(ROOT)), " ".join(code.split())) for code in INLINE.findall(prose)]
    return sorted(set(found))
