"""matplotlib figures as SVG inside a page: its fonts, its colours on light, dark and paper, text as text."""

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
# stand-ins that charts draw with; the page's style sheet knows what they are on its background
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
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.labelsize": 8,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
}


def as_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an <svg> element.

    Artists with a gid "tip:TEXT" show TEXT when they are pointed at.

    Args:
        name: unlike that of any other figure of the page; ids are made from it, so equal figures are equal text.
        label: what is seen, for readers who do not see it.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width * 4 / 3:g}",  # points to pixels
        "height": f"{height * 4 / 3:g}",
        "role": "img",
        "aria-label": label,
    }
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r'url\(#([^)]+)\)|"#([^"]+)"', text))
    _clean(root, {name for pair in used for name in pair if name})
    return _coloured(ET.tostring(root, encoding="unicode"))


def _clean(element: ET.Element, used: set[str]) -> None:
    """Drops what would reach beyond the figure: its style sheet, metadata, and ids that nothing refers to."""
    for child in list(element):
        tag = child.tag.removeprefix(f"{{{SVG}}}")
        if tag in ("style", "metadata") or child.tag.startswith("{http://www.w3.org/1999/02"):
            element.remove(child)
            continue
        _clean(child, used)
    for place in ("d", "x", "y"):
        if place in element.attrib:
            element.attrib[place] = re.sub(r"(\.\d\d)\d+", r"\1", element.attrib[place])  # of a point
    target = element.attrib.pop(XLINK, None)
    if target is not None:
        element.attrib["href"] = target
    name = element.attrib.get("id", "")
    if name not in used:
        element.attrib.pop("id", None)
    if name.startswith("tip:"):
        title = ET.Element("title")
        title.text = name[4:]
        element.insert(0, title)
    element.tag = element.tag.removeprefix(f"{{{SVG}}}")


def _coloured(text: str) -> str:
    for stand_in, name in COLOURS.items():
        text = text.replace(stand_in, f"var(--{name})")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's own fonts
    text = re.sub(r"font: (?:(bold|\d+) )?([\d.]+px) [^;\"]*", r"font-weight: \1; font-size: \2", text)
    text = text.replace("font-weight: ; ", "")
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    return re.sub(r"\s*\n\s*", " ", text)
