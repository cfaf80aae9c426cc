"""Escapes a user's text for the terminal, Markdown, LaTeX, CSV, figures and the shell, so that it is shown as it is.

Labels, paths, captions and names of files and datasets go through the function of the medium that they are written to.
Web pages need none: their templates escape by themselves.
"""

import re
import shlex
from collections.abc import Iterable, Sequence

# letters that control a terminal, end a line or change the direction of writing, and halves of surrogate pairs
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MOST_DRAWN = 50  # letters of a name in a figure; longer names leave no room for the figure
# an underscore inside a word and a hash inside a line are plain text to Markdown
MARKDOWN = re.compile(r"[\\`*\[\]<>&|~$]|(?<!\w)_|_(?!\w)|(?<!\S)#|(?<=:)/(?=/)|(?<=www)\.")
LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after \\ and \midrule a bare one begins an option
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "°": r"$^\circ$",
    "−": "$-$",
    "–": "--",
}
# a sign of its own, or the first of two that would be one: "--" a dash, "''" a closing quote
LATEX_SIGN = re.compile(rf"[{re.escape(''.join(LATEX))}]|([-',])(?=\1)")
NOT_LATIN = re.compile("[^\x00-\u024f\u2000-\u206f]")
# what a spreadsheet takes for a formula, and what has an apostrophe before that already; numbers stay numbers
FORMULA = re.compile("'*[=+@\t\r\n＝＋－＠-]")
QUOTED = re.compile('[,"\r\n]')
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def visible(text: str) -> str:
    r"""One line for a terminal, a log or a heading.

    Letters that control the terminal are written as in Python: the end of a line as `\n`, an escape as `\x1b`.

    >>> print(visible("a\nb [/c]"))
    a\nb [/c]
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def drawn(text: str, most: int = MOST_DRAWN) -> str:
    """`visible` text for a figure (see `experiments.output.plots.plain_text`), cut at `most` letters with "…"."""
    line = visible(text)
    return line if len(line) <= most else line[: most - 1] + "…"


def markdown(text: str) -> str:
    r"""Inline Markdown (CommonMark, GitHub's tables) that shows the text.

    >>> print(markdown("a|b <i> $_$ snake_case"))
    a\|b \<i\> \$\_\$ snake_case
    """
    return MARKDOWN.sub(lambda found: f"\\{found[0]}", visible(text))


def markdown_code(text: str) -> str:
    """A Markdown code span, between runs of backticks of a length that the text does not contain.

    >>> print(markdown_code("zsl train `x`.toml"))
    `` zsl train `x`.toml ``
    """
    line = visible(text)
    runs = {len(run) for run in re.findall("`+", line)}
    fence = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    edge = " " if runs else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def latex(text: str) -> str:
    r"""LaTeX that prints the text; letters beyond Latin need LuaLaTeX or XeLaTeX (see `latex_note`).

    >>> print(latex("[50%] a_b"))
    {[}50\%{]} a\_b
    """
    return LATEX_SIGN.sub(lambda found: LATEX.get(found[0], f"{found[0]}{{}}"), visible(text))


def latex_note(text: str) -> str:
    """A LaTeX comment if the text has letters that pdfLaTeX does not print, else ""."""
    return (
        "% letters beyond Latin: use LuaLaTeX or XeLaTeX, and a font that has them\n" if NOT_LATIN.search(text) else ""
    )


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; a cell that a spreadsheet would take for a formula gets an apostrophe in front.

    `from_csv` removes the apostrophe.
    """
    return "".join(",".join(_cell(str(value)) for value in row) + "\n" for row in rows)


def _cell(text: str) -> str:
    marked = f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
    # Python's csv leaves "\r" bare, and its reader ends the line there
    return '"' + marked.replace('"', '""') + '"' if QUOTED.search(marked) else marked


def from_csv(cell: str) -> str:
    """The text of a cell that `csv_text` wrote.

    >>> from_csv("'=SUM(1)"), from_csv("'tis"), from_csv("-5")
    ('=SUM(1)', "'tis", '-5')
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def shell(*words: object) -> str:
    """A command line that a shell splits into these words.

    >>> shell("zsl", "evaluate", "runs/a b")
    "zsl evaluate 'runs/a b'"
    """
    return visible(shlex.join(map(str, words)))
