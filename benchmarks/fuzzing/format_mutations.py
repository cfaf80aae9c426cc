"""Mutations that know a format: the heads of arrays and tensors, the members of archives."""

import io
import struct
import zipfile

from benchmarks.fuzzing.plain_mutations import TEXTS, Rng, cut, flip_bits, json_value, number, pick, splice


def npy_head(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """The header of a .npy file says another shape, type or order."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12:
        return number(rng, content)
    size = int.from_bytes(content[8:10], "little")
    head, rest = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    shape = head[head.index("(") : head.index(")") + 1] if "(" in head and ")" in head else "()"
    descr = head.split("'descr': ")[-1].split(",")[0]
    kind = pick(rng, ("shape", "shape", "descr", "order", "text"))
    if kind == "shape":
        new = pick(
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
        new = pick(
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
        new = str(pick(rng, TEXTS))[:60000]
        head = new + "\n"
    coded = head.encode("latin-1", "replace")[:65535]
    return content[:8] + struct.pack("<H", len(coded)) + coded + rest, f"{kind}: {new[:30]}"


def archive(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """A zip's member damaged inside whole packing, repeated, renamed, packed another way, or a bomb of zeros."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
    except Exception:  # already damaged: zipfile and its decompressors raise many kinds of errors
        return splice(rng, content)
    if not members:
        return splice(rng, content)
    name = pick(rng, list(members))
    kind = pick(rng, ("member", "member", "member", "twice", "rename", "missing", "bzip2", "lzma", "zeros", "nested"))
    told = ""
    if kind == "member":
        chosen = pick(rng, (npy_head, number, flip_bits, cut, splice)) if members[name] else splice
        members[name], told = chosen(rng, members[name] or b"\0")
    elif kind == "missing":
        del members[name]
    elif kind == "rename":
        told = str(pick(rng, TEXTS))[:100] or "x"
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
