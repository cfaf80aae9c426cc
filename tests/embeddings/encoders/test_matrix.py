"""Ready matrices: formats, ML-Decoder's layout, rows by order and by name."""

import pickle
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError

LABELS = ("sky", "polar bear", "dog")
VECTORS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def _write(path, array, key="w"):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".safetensors":
        save_file({key: torch.tensor(array)}, path)
    else:
        torch.save(torch.tensor(array) if path.suffix == ".pt" else {key: torch.tensor(array)}, path)


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pth", ".pt"])
@pytest.mark.parametrize("array", [VECTORS, VECTORS.T.copy(), VECTORS.T[None].copy(), VECTORS.astype(np.float64)])
def test_rows_and_columns_of_every_format(tmp_path, suffix, array):
    path = tmp_path / f"m{suffix}"
    _write(path, array)
    bank = build_bank(LABELS, f"matrix:{path}")
    np.testing.assert_allclose(bank.vectors, VECTORS, atol=1e-7)
    assert bank.labels == LABELS


def test_half_precision_as_mkt_saves_its_label_embeddings(tmp_path):
    torch.save(torch.tensor(VECTORS).half(), tmp_path / "label_emb.pt")
    bank = build_bank(LABELS, f"matrix:{tmp_path / 'label_emb.pt'}")
    np.testing.assert_array_equal(bank.vectors, VECTORS.astype(np.float16).astype(np.float32))


def test_rows_by_name(tmp_path):
    np.save(tmp_path / "m.npy", VECTORS)
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    spec = f"matrix:{tmp_path / 'm.npy'},labels={tmp_path / 'names.txt'}"
    np.testing.assert_array_equal(build_bank(("dog", "sky"), spec).vectors, VECTORS[[2, 0]])
    with pytest.raises(InputError, match=r"m.npy for 1 label\(s\): 'dogs' \(nearest: 'dog'\)"):
        build_bank(("dogs", "sky"), spec)


def test_one_of_several_tensors(tmp_path):
    torch.save({"a": torch.ones(4), "b": torch.tensor(VECTORS)}, tmp_path / "m.pth")
    np.testing.assert_array_equal(build_bank(LABELS, f"matrix:{tmp_path / 'm.pth'},key=b").vectors, VECTORS)
    with pytest.raises(InputError, match=r"holds tensors \['a', 'b'\]; choose one"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.pth'}")


def test_commas_and_equal_signs_in_paths(tmp_path):
    folder = tmp_path / "run=3,a"
    folder.mkdir()
    np.save(folder / "m.npy", VECTORS)
    (folder / "names.txt").write_text("\n".join(LABELS))
    spec = f"matrix:{folder / 'm.npy'},labels={folder / 'names.txt'},layout=rows"
    np.testing.assert_array_equal(build_bank(LABELS[::-1], spec).vectors, VECTORS[::-1])


def test_a_square_matrix_needs_its_layout(tmp_path):
    square = VECTORS[:, :3]
    np.save(tmp_path / "m.npy", square)
    with pytest.raises(InputError, match="is square: say .*layout=rows or"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.npy'}")
    np.testing.assert_array_equal(build_bank(LABELS, f"matrix:{tmp_path / 'm.npy'},layout=columns").vectors, square.T)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    (tmp_path / "m.pth").write_bytes(pickle.dumps(Trap()))
    np.save(tmp_path / "m.npy", np.array([Trap()], object), allow_pickle=True)
    for name in ("m.pth", "m.npy"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            build_bank(LABELS, f"matrix:{tmp_path / name}")
    assert not (tmp_path / "sprung").exists()


def test_a_tensor_that_repeats_numbers_takes_no_memory(tmp_path):
    torch.save(torch.ones(1).half().expand(3, 10**12), tmp_path / "m.pt")
    with pytest.raises(InputError, match="m.pt cannot be read .*repeats fewer numbers"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.pt'}")


def test_an_archive_that_unpacks_to_too_much_takes_no_memory(tmp_path):
    torch.save(torch.zeros(3, 100_000), tmp_path / "whole.pt")
    with ZipFile(tmp_path / "whole.pt") as whole, ZipFile(tmp_path / "m.pt", "w", ZIP_DEFLATED) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(InputError, match="m.pt cannot be read .*its members are compressed and unpack to 1,2"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.pt'}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"[3,5]", b"[3,9]"),
        (b"[3,5]", b"[3,%d]" % 10**18),
        (b"[3,5]", b"[3," + b"5" * 5000 + b"]"),
        (b"[0,60]", b"[0,99]"),
        (b"[3,5]", b"[" * 100_000),
    ],
    ids=["size", "huge", "digits", "offsets", "deep"],
)
def test_a_false_safetensors_header_gives_a_one_line_error(tmp_path, old, new):
    save_file({"w": torch.tensor(VECTORS)}, tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    assert content.count(old) == 1
    header = content[8 : 8 + int.from_bytes(content[:8], "little")].replace(old, new)
    body = content[-VECTORS.nbytes :]
    (tmp_path / "m.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + body)
    with pytest.raises(InputError, match="m.safetensors cannot be read as safetensors of tensors") as caught:
        build_bank(LABELS, f"matrix:{tmp_path / 'm.safetensors'}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pth", ".pt"])
def test_a_file_cut_anywhere_gives_a_one_line_error(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    _write(path, VECTORS)
    whole = path.read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 30)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"m{suffix} cannot be read"):
            build_bank(LABELS, f"matrix:{path}")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (VECTORS[:2], r"shape \(2, 5\), which does not fit 3 labels"),
        (VECTORS.ravel(), r"shape \(15,\), not a matrix"),
        (np.where(np.arange(3)[:, None] == 1, np.nan, VECTORS), "'polar bear' has a non-finite vector"),
        (np.where(np.arange(3)[:, None] == 2, 0, VECTORS), "'dog' has a zero vector"),
    ],
)
def test_unusable_matrices_are_named(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(InputError, match=message):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.npy'}")


def test_unusable_files_are_named(tmp_path):
    (tmp_path / "m.txt").touch()
    (tmp_path / "m.npy").write_bytes(b"\x93NUMPY")
    with (tmp_path / "z.npy").open("wb") as file:
        np.savez(file, a=VECTORS)
    faults = {
        "m.txt": "does not end in .npy",
        "m.npy": "m.npy cannot be read",
        "z.npy": "z.npy cannot be read",
        "x.npy": "no file",
    }
    for name, message in faults.items():
        with pytest.raises(InputError, match=message):
            build_bank(LABELS, f"matrix:{tmp_path / name}")
    np.save(tmp_path / "m.npy", VECTORS)
    with pytest.raises(InputError, match="takes no prompts"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.npy'}", prompts="a {}")
    with pytest.raises(InputError, match="no file .*m.npy,label=x"):
        build_bank(LABELS, f"matrix:{tmp_path / 'm.npy'},label=x")
