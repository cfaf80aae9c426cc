"""Damage to a file's content, by what the file is: bytes, lines, JSON, arrays, archives.

Each mutation takes a generator and the content, and returns another content and a few words that say what was done.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
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


def _pick(rng: Rng, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def flip_bits(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """One to eight bits turned over."""
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
    kind = _pick(rng, ("removed", "repeated", "zeroed", "random", "ones", "appended"))
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
    size = int(_pick(rng, (1, 2, 4, 8)))
    if len(content) < size:
        return flip_bits(rng, content)
    place = (
        int(rng.integers(len(content) - size + 1))
        if rng.random() < 0.5
        else int(rng.integers(min(64, len(content) - size + 1)))
    )
    value = int(_pick(rng, (0, 1, 2**15, 2**24, 2**31 - 1, 2**31, 2**40, 2**62, 2**63, 2**64 - 1))) % 2 ** (8 * size)
    return content[:place] + value.to_bytes(size, "little") + content[place + size :], f"number {value} at {place}"


def encoding(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """Another encoding, a byte order mark, other line ends."""
    text = content.decode("utf-8", "replace")
    kind = _pick(rng, ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "crlf", "cr", "gzip"))
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
    kind = _pick(
        rng,
        ("field", "field", "field", "token", "remove", "repeat", "swap", "empty", "separator", "insert", "all gone"),
    )
    hostile = str(_pick(rng, TEXTS))
    if kind in ("field", "token"):
        mark = _pick(rng, (",", "\t", " ", "=", ":", "|")) if kind == "field" else _pick(rng, ('"', "'", "[", " ", "."))
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
        old, new = _pick(rng, (",", "\t", " ")), _pick(rng, (";", "|", "\t", ",", "  "))
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
    except (ValueError, RecursionError):  # damaged before
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
        value = _pick(rng, (*VALUES, "deep"))
        text = "[" * 50_000 if value == "deep" else json.dumps(value)
        return text.encode(), f"the whole is {text[:30]}"
    node, key = _pick(rng, places)
    kind = _pick(
        rng, ("replace", "replace", "replace", "text", "remove", "rename", "repeat", "deep", "digits", "twice")
    )
    if kind == "remove":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        node[str(_pick(rng, TEXTS))[:200]] = node.pop(key)
    elif kind == "repeat" and isinstance(node, list):
        node.insert(key, node[key])
    elif kind == "text":
        node[key] = str(_pick(rng, TEXTS))
    elif kind in ("deep", "digits", "twice"):
        node[key] = "MARK"
        raw = {"deep": '{"a":' * 3000 + "1" + "}" * 3000, "digits": "9" * 5000, "twice": '1, "x": 2, "x": 3'}[kind]
        return json.dumps(root).replace('"MARK"', raw, 1).encode(), f"{key}: {kind}"
    else:
        node[key] = _pick(rng, VALUES)
    return json.dumps(root).encode(), f"{key}: {kind} {str(node.get(key, '') if isinstance(node, dict) else '')[:30]!r}"


def npy_head(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """The header of a .npy file says another shape, type or order."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12:
        return number(rng, content)
    size = int.from_bytes(content[8:10], "little")
    head, rest = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    shape = head[head.index("(") : head.index(")") + 1] if "(" in head and ")" in head else "()"
    descr = head.split("'descr': ")[-1].split(",")[0]
    kind = _pick(rng, ("shape", "shape", "descr", "order", "text"))
    if kind == "shape":
        new = _pick(
            rng,
            (
                "()",
                "(0,)",
                "(-1, 2)",
                "(3,)",
                "(10**9, 10**9)",
                "(99999999, 99999999)",
                "(2**60,)",
                "(1,)*40",
                "(1.5, 2)",
                "('a',)",
            ),
        )
        head = head.replace(shape, new)
    elif kind == "descr":
        new = _pick(
            rng,
            (
                "'|O'",
                "'<f8'",
                "'<f2'",
                "'|S0'",
                "'<U9999999'",
                "'<M8[s]'",
                "[('a', '<f4')]",
                "'|V4'",
                "'x'",
                "'<c16'",
                "'|b1'",
            ),
        )
        head = head.replace(descr, new)
    elif kind == "order":
        new, head = "order", head.replace("False", "True")
    else:
        new = str(_pick(rng, TEXTS))[:60000]
        head = new + "\n"
    coded = head.encode("latin-1", "replace")[:65535]
    return content[:8] + struct.pack("<H", len(coded)) + coded + rest, f"{kind}: {new[:30]}"


def archive(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """A zip's member damaged inside whole packing, repeated, renamed, packed another way, or a bomb of zeros."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
    except Exception:  # damaged before: zipfile and what it unpacks with raise many kinds
        return splice(rng, content)
    if not members:
        return splice(rng, content)
    name = _pick(rng, list(members))
    kind = _pick(rng, ("member", "member", "member", "twice", "rename", "missing", "bzip2", "lzma", "zeros", "nested"))
    told = ""
    if kind == "member":
        chosen = _pick(rng, (npy_head, number, flip_bits, cut, splice)) if members[name] else splice
        members[name], told = chosen(rng, members[name] or b"\0")
    elif kind == "missing":
        del members[name]
    elif kind == "rename":
        told = str(_pick(rng, TEXTS))[:100] or "x"
        members[told] = members.pop(name)
    elif kind == "zeros":
        head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**18}, 64), }}".ljust(117) + "\n"
        members[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(2**27)
    packing = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}.get(kind, zipfile.ZIP_DEFLATED)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing, compresslevel=1) as written:
        for member, value in members.items():
            written.writestr(member or "x", content if kind == "nested" and member == name else value)
        if kind == "twice":
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                written.writestr(name, members[name])
    return buffer.getvalue(), f"{name}: {kind} {told}"


def safetensors_head(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """The JSON in front of tensors changed, its length kept right."""
    if len(content) < 8:
        return flip_bits(rng, content)
    size = int.from_bytes(content[:8], "little")
    head, told = json_value(rng, content[8 : 8 + size])
    return struct.pack("<Q", len(head)) + head + content[8 + size :], f"head: {told}"


BYTES: tuple[Mutation, ...] = (flip_bits, cut, splice, number)
TEXT: tuple[Mutation, ...] = (lines, lines, lines, lines, encoding, cut, splice, flip_bits)
BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    **dict.fromkeys((".csv", ".txt", ".toml", ".tex", ".md", ".dat", ".log"), TEXT),
    ".json": (json_value, json_value, json_value, json_value, lines, encoding, cut, splice, flip_bits),
    ".npy": (npy_head, npy_head, *BYTES),
    **dict.fromkeys((".npz", ".pt", ".pth"), (archive, archive, archive, *BYTES)),
    ".safetensors": (safetensors_head, safetensors_head, safetensors_head, *BYTES),
}


def mutated(rng: Rng, path: Path, content: bytes) -> tuple[bytes, str]:
    """The content of a file with one to three mutations that fit its suffix."""
    told = []
    for _ in range(int(_pick(rng, (1, 1, 1, 2, 3)))):
        if not content:
            content = str(_pick(rng, TEXTS)).encode("utf-8", "replace") or b"\0"
        mutation = _pick(rng, BY_SUFFIX.get(path.suffix.lower(), BYTES))
        try:
            content, what = mutation(rng, content)
        except Exception:  # what was damaged before may be too odd to be damaged so
            content, what = flip_bits(rng, content)
        told.append(f"{mutation.__name__}: {what}")
    return content, "; ".join(told)
