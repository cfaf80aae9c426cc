"""matplotlib figures as SVG for a page: with the page's fonts and colours (light, dark, print), and text as text."""

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from embeddings.io.markup import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
# placeholder colours of charts; the page's style sheet replaces them to suit its background
INK, MUTED, RULE, MAIN, OTHER, PAGE = (f"#00000{digit}" for digit in range(1, 7))
COLOURS = {INK: "ink", MUTED: "muted", RULE: "rule", MAIN: "main", OTHER: "other", PAGE: "page"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.labelsize": 8,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
}


def tip(text: str) -> str:
    """An artist's gid that shows the text when the artist is pointed at."""
    return f"tip:{visible(text)}"


def as_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an <svg> element.

    Args:
        name: unique on the page; ids are made from it, so that equal figures give equal text.
        label: a description of the figure, for screen readers.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    _clean(root, _referred(root))
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width * 4 / 3:g}",  # points to pixels
        "height": f"{height * 4 / 3:g}",
        "role": "img",
        "aria-label": visible(label),
    }
    return ET.tostring(root, encoding="unicode")


def _referred(root: ET.Element) -> set[str]:
    """The ids that attributes refer to."""
    values = [value for element in root.iter() for key, value in element.attrib.items() if key != "id"]
    pairs = [re.fullmatch(r"#(.+)|.*url\(#([^)]+)\).*", value, re.DOTALL) for value in values]
    return {found[1] or found[2] for found in pairs if found}


def _clean(element: ET.Element, used: set[str]) -> None:
    """Drops what would reach beyond the figure (its style sheet, metadata, ids that nothing refers to), and puts the
    page's colours and fonts in attributes. Text is left alone: it may hold anything."""
    for child in list(element):
        tag = child.tag.removeprefix(f"{{{SVG}}}")
        if tag in ("style", "metadata") or child.tag.startswith("{http://www.w3.org/1999/02"):
            element.remove(child)
            continue
        _clean(child, used)
        child.tail = _short(child.tail)
    if element.tag != f"{{{SVG}}}text":
        element.text = _short(element.text)
    name = element.attrib.get("id", "")
    target = element.attrib.pop(XLINK, None)
    if target is not None:
        element.attrib["href"] = target
    for key, value in list(element.attrib.items()):
        own = re.sub(r"(\.\d\d)\d+", r"\1", value) if key in ("d", "x", "y") else _styled(value)  # of a point
        if (key == "id" and name not in used) or (key == "transform" and re.fullmatch(r"rotate\(-?0 .*", own)):
            del element.attrib[key]
        else:
            element.attrib[key] = own
    if name.startswith("tip:"):
        title = ET.Element("title")
        title.text = name[4:]
        element.insert(0, title)
    element.tag = element.tag.removeprefix(f"{{{SVG}}}")


def _short(between: str | None) -> str | None:
    """The blanks between elements as one."""
    return " " if between and not between.strip() else between


def _styled(value: str) -> str:
    for stand_in, name in COLOURS.items():
        value = value.replace(stand_in, f"var(--{name})")
    value = re.sub(r"font-family: [^;]*;? ?", "", value)  # the page's own fonts
    value = re.sub(r"font: (?:(bold|\d+) )?([\d.]+px) [^;]*", r"font-weight: \1; font-size: \2", value)
    return re.sub(r"\s*\n\s*", " ", value.replace("font-weight: ; ", ""))
