"""A hook of MkDocs: pages that live outside `docs/`, and the source files that pages link to, become pages of the site.

So a link is written once, as a path in the repository, and works on the forge and on the site.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {  # path in the repository: page of the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"benchmarks/{path.name}": f"benchmarks/{path.name}" for path in sorted(ROOT.glob("benchmarks/*.md"))},
    "benchmarks/gpu/README.md": "benchmarks/gpu.md",
}
LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash", ".ipynb": "python"}
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?(?=\))")


def targets(markdown: str, origin: str) -> list[str]:
    """The files that a page links to, as paths in the repository."""
    return [_resolved(found.group(1), origin) for found in LINK.finditer(markdown)]


def _resolved(link: str, origin: str) -> str:
    return os.path.normpath(Path(origin).parent / link)


def _page_of(path: str) -> str | None:
    """The page of the site that shows a file of the repository."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}.md" if Path(path).suffix in LANGUAGES else None


def _origin_of(page: str) -> str:
    return next((path for path, shown in OUTSIDE.items() if shown == page), f"docs/{page}")


def rewritten(markdown: str, page: str) -> str:
    """A page's text with its links made relative to its place in the site."""
    origin = _origin_of(page)

    def link(found: re.Match[str]) -> str:
        shown = _page_of(_resolved(found.group(1), origin))
        if shown is None:
            return found.group(0)  # MkDocs complains of it
        return os.path.relpath(shown, Path(page).parent) + (found.group(2) or "")

    return LINK.sub(link, markdown)


def source_page(path: str) -> str:
    """The page that shows a source file; of a notebook, its cells."""
    language, text = LANGUAGES[Path(path).suffix], (ROOT / path).read_text()
    if path.endswith(".ipynb"):
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
        return "\n\n".join(f"```{language}\n{source}\n```" if kind == "code" else source for kind, source in cells)
    return f'# {path}\n\n`````{language} linenums="1"\n{text}`````\n'


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are not in `docs/`."""
    texts = {origin: (ROOT / origin).read_text() for origin in OUTSIDE}
    for origin, text in texts.items():
        files.append(File.generated(config, OUTSIDE[origin], content=text))
    texts.update({f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()})
    linked = {path for origin, text in texts.items() for path in targets(text, origin)}
    for path in sorted(linked):
        shown = _page_of(path)
        if shown is not None and shown.startswith("source/") and (ROOT / path).is_file():
            files.append(File.generated(config, shown, content=source_page(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Makes links fit the site."""
    return markdown if page.file.src_uri.startswith("source/") else rewritten(markdown, page.file.src_uri)
