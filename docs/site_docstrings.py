"""An extension of Griffe: examples in docstrings, lines that begin with `>>>`, become blocks of code of the site."""

import re
import textwrap
from typing import Any

from griffe import Extension, Module, Object

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n.*\S.*)*", re.MULTILINE)


def fenced(docstring: str) -> str:
    """The docstring with a fence around each example."""

    def block(found: re.Match[str]) -> str:
        indent = found.group(1)
        code = textwrap.dedent(found.group())
        return textwrap.indent(f"```pycon\n{code}\n```", indent)

    return EXAMPLE.sub(block, docstring)


class Examples(Extension):
    """Fences the examples of every object."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Is called for each object within a package once it is read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Is called for the package itself."""
        self.on_object(obj=pkg)
