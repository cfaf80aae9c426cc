"""Damage to the content of any file: its bytes, lines, JSON values and encoding.

Each mutation takes a generator and the content, and returns another content and a few words that say what was done.
"""

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[Rng, bytes], tuple[bytes, str]]

TEXTS = (
    *("", " ", "0", "-1", "1", "2", "nan", "inf", "-inf", "1e309", "1e400", "0x10", "true", "null", "None", "9" * 5000),
    *("../x.jpg", "../../etc/passwd", "/etc/passwd", "C:\\x.jpg", "a\\b.jpg", ".", "..", "~", "x" * 300, "a/" * 3000),
    *("\0", "\ufeff", "\u2028", "\x1b[31m", "\r", "\t", '"', "'", '""', "[", "]", "[/]", "[bold]", "cat [/m/01yrx]"),
    *(
        "{",
        "}",
        "{}",
        "[[]]",
        "['a' 'b']",
        "['a', 'b']",
        "a|b",
        "a;b",
        "=SUM(1)",
        "+1",
        "-1+2",
        "@x",
        "$\\frac$",
        "$_$",
    ),
    *("Ba$$in", "<script>alert(1)</script>", "&amp;", "\\end{tabular}", "%", "मील", "e\u0301", "é", "😀", "\ud800"[:0]),
    *("-" * 100_000, "[" * 20_000, "x" * 200_000, "1" * 400, "99999999999999999999", "18446744073709551616", "sky sea"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 10**6, 2**31, 2**63, 2**70, -(2**63), 0.5, 1e308, -1e308, "", "x", "../secret"),
    *(
        "/etc/passwd",
        "\0",
        "a" * 10_000,
        [],
        {},
        [[]],
        [None],
        {"": 0},
        ["a", 1],
        [0] * 1000,
        float("nan"),
        float("inf"),
    ),
)


def pick(rng: Rng, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def flip_bits(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """One to eight bits flipped."""
    changed = bytearray(content)
    places = rng.integers(0, len(content), int(rng.integers(1, 9)))
    for place in places:
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed), f"bits flipped at {sorted(places.tolist())}"


def cut(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """The end is gone, or the beginning."""
    place = int(rng.integers(len(content)))
    if rng.random() < 0.2:
        return content[place:], f"the first {place} bytes gone"
    return content[:place], f"cut at {place}"


def splice(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """A slice removed, repeated, zeroed, made random or moved."""
    start = int(rng.integers(len(content)))
    end = start + int(rng.integers(1, 1 + max(1, min(len(content) - start, 4096))))
    part = content[start:end]
    kind = pick(rng, ("removed", "repeated", "zeroed", "random", "ones", "appended"))
    middle = {
        "removed": b"",
        "repeated": part * int(rng.integers(2, 5)),
        "zeroed": bytes(len(part)),
        "random": rng.bytes(len(part)),
        "ones": b"\xff" * len(part),
        "appended": part,
    }[kind]
    tail = part if kind == "appended" else b""
    return content[:start] + middle + content[end:] + tail, f"bytes {start} to {end} {kind}"


def number(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """A binary number of 1, 2, 4 or 8 bytes replaced by an extreme one."""
    size = int(pick(rng, (1, 2, 4, 8)))
    if len(content) < size:
        return flip_bits(rng, content)
    place = (
        int(rng.integers(len(content) - size + 1))
        if rng.random() < 0.5
        else int(rng.integers(min(64, len(content) - size + 1)))
    )
    value = int(pick(rng, (0, 1, 2**15, 2**24, 2**31 - 1, 2**31, 2**40, 2**62, 2**63, 2**64 - 1))) % 2 ** (8 * size)
    return content[:place] + value.to_bytes(size, "little") + content[place + size :], f"number {value} at {place}"


def encoding(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """Another encoding, a byte order mark, other line ends."""
    text = content.decode("utf-8", "replace")
    kind = pick(rng, ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "crlf", "cr", "gzip"))
    if kind == "crlf":
        return text.replace("\n", "\r\n").encode(), kind
    if kind == "cr":
        return text.replace("\n", "\r").encode(), kind
    if kind == "gzip":
        return zlib.compress(content), "compressed"
    return text.encode(kind, "replace"), kind


def lines(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """Lines removed, repeated, swapped, emptied; fields replaced or separated otherwise."""
    rows = content.decode("utf-8", "surrogateescape").split("\n")
    place = int(rng.integers(len(rows)))
    kind = pick(
        rng,
        ("field", "field", "field", "token", "remove", "repeat", "swap", "empty", "separator", "insert", "all gone"),
    )
    hostile = str(pick(rng, TEXTS))
    if kind in ("field", "token"):
        mark = pick(rng, (",", "\t", " ", "=", ":", "|")) if kind == "field" else pick(rng, ('"', "'", "[", " ", "."))
        fields = rows[place].split(mark)
        fields[int(rng.integers(len(fields)))] = hostile
        rows[place] = mark.join(fields)
    elif kind == "remove":
        del rows[place]
    elif kind == "repeat":
        rows.insert(place, rows[place])
    elif kind == "swap":
        other = int(rng.integers(len(rows)))
        rows[place], rows[other] = rows[other], rows[place]
    elif kind == "empty":
        rows[place] = ""
    elif kind == "separator":
        old, new = pick(rng, (",", "\t", " ")), pick(rng, (";", "|", "\t", ",", "  "))
        rows = [row.replace(old, new) for row in rows]
    elif kind == "insert":
        rows.insert(place, hostile)
    else:
        rows = [hostile]
    return "\n".join(rows).encode("utf-8", "surrogateescape"), f"line {place + 1}: {kind} {hostile[:30]!r}"


def json_value(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """A value of JSON replaced, a key removed or renamed, an entry repeated, depth or length without end."""
    try:
        root = json.loads(content)
    except (ValueError, RecursionError):  # already damaged
        return lines(rng, content)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in entries:
            places.append((node, key))
            if len(places) < 5000:
                walk(value)

    walk(root)
    if not places or rng.random() < 0.03:
        value = pick(rng, (*VALUES, "deep"))
        text = "[" * 50_000 if value == "deep" else json.dumps(value)
        return text.encode(), f"the whole is {text[:30]}"
    node, key = pick(rng, places)
    kind = pick(rng, ("replace", "replace", "replace", "text", "remove", "rename", "repeat", "deep", "digits", "twice"))
    if kind == "remove":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        node[str(pick(rng, TEXTS))[:200]] = node.pop(key)
    elif kind == "repeat" and isinstance(node, list):
        node.insert(key, node[key])
    elif kind == "text":
        node[key] = str(pick(rng, TEXTS))
    elif kind in ("deep", "digits", "twice"):
        node[key] = "MARK"
        raw = {"deep": '{"a":' * 3000 + "1" + "}" * 3000, "digits": "9" * 5000, "twice": '1, "x": 2, "x": 3'}[kind]
        return json.dumps(root).replace('"MARK"', raw, 1).encode(), f"{key}: {kind}"
    else:
        node[key] = pick(rng, VALUES)
    return json.dumps(root).encode(), f"{key}: {kind} {str(node.get(key, '') if isinstance(node, dict) else '')[:30]!r}"
