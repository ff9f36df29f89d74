"""The format of PyTorch before 1.6, on files built by hand: good, damaged, hostile."""

import struct

import chex
import ml_dtypes
import numpy as np
import pytest
from pytorch_files import GOLDEN, described, read_all
from pytorch_opcodes import integers, ordered_dict, tensor, written

from irsde_jax.checkpoints import load_pytorch
from irsde_jax.checkpoints.pytorch_file import read_state_dict

MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
FACTS = b"}" + written("little_endian") + b"\x88s"


def stored(array):
    return struct.pack("<q", array.size) + array.tobytes()


def content(pickled, storages, keys=None):
    """The bytes of a file; `storages` are arrays by key, in the order of the file."""
    listed = b"](" + b"".join(map(written, keys or storages)) + b"e"
    pickles = (MAGIC, b"M\xe9\x03", FACTS, pickled, listed)
    head = b"".join(b"\x80\x02" + pickle + b"." for pickle in pickles)
    return head + b"".join(map(stored, storages.values()))


def state_content(state):
    storages = []
    pickled = described(state, storages)
    return content(pickled, {str(key): array for key, array in enumerate(storages)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def test_official_weights_are_those_of_the_newer_format(path):
    state = read_all(GOLDEN / "nafnet.pth")
    path.write_bytes(state_content({"params_ema": state, "epoch": 3}))
    found, expected = load_pytorch(path), load_pytorch(GOLDEN / "nafnet.pth")
    assert found[0] == expected[0]
    chex.assert_trees_all_equal(found[1], expected[1])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64", "bool"])
def test_all_types_and_orders_of_storages(dtype, path):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    first = np.arange(6).reshape(2, 3).astype(dtype)
    second = np.arange(5, dtype=np.float32)
    storages = []
    pickled = described({"v": first, "w": second}, storages)
    path.write_bytes(content(pickled, {"1": second, "0": first}))
    state = read_state_dict(path, ["v", "w"])
    chex.assert_trees_all_equal(state, {"v": first, "w": second})
    assert not state["w"].flags.writeable


def test_the_first_versions_of_pytorch(path):
    """A list of pairs, strings of Python 2, no requires_grad, a part of a storage."""
    array = np.arange(8, dtype=np.float32)
    root = b"(" + written("storage") + b"ctorch\nFloatStorage\n" + written("7")
    root += written("cuda:0") + written(8)
    part = b"(" + written("view") + written(2) + written(4) + b"ttQ"
    call = b"ctorch._utils\n_rebuild_tensor\n("
    size = integers((2, 2)) + integers((2, 1))
    whole = call + root + b"NtQ" + written(0) + integers((8,)) + integers((1,)) + b"tR"
    view = call + root + part + written(0) + size + b"tR"
    pairs = b"](](U\x05whole" + whole + b"e](U\x04part" + view + b"ee"
    pickled = b"ccollections\nOrderedDict\n" + pairs + b"\x85R"
    path.write_bytes(content(pickled, {"7": array}))
    expected = {"whole": array, "part": array[2:6].reshape(2, 2)}
    chex.assert_trees_all_equal(read_state_dict(path, ["whole", "part"]), expected)
    outside = pickled.replace(part, part.replace(written(4), written(7)))
    path.write_bytes(content(outside, {"7": array}))
    with pytest.raises(ValueError, match="described in an unknown way"):
        read_state_dict(path, ["whole"])


def test_truncated_anywhere(path):
    whole = state_content({"w": np.arange(64, dtype=np.float32)})
    for length in range(0, len(whole), 13):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"weights\.pth"):
            read_state_dict(path, ["w"])
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="its contents end at"):
        read_state_dict(path, ["w"])


def test_flipped_bits_never_crash_and_change_no_shape(path):
    whole = state_content({"w": np.arange(4, dtype=np.float32)})
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            state = read_state_dict(path, ["w"])
        except ValueError:
            continue
        assert state["w"].size <= 4  # this format has no checksums


@pytest.mark.parametrize(
    ("num_elements", "keys", "message"),
    [
        (5, ["0"], "'0' is cut off"),
        (3, ["0"], "'0' has another size"),
        (2**40, ["0"], "'0' is cut off"),
        (4, ["1"], "list of storages is not that of its tensors"),
        (4, ["0", "0"], "'0' is cut off"),
    ],
)
def test_storages_are_what_the_file_holds(num_elements, keys, message, path):
    wanted = tensor("0", "FloatStorage", 4, (1,), (1,))
    if num_elements < 2**31:
        wanted = tensor("0", "FloatStorage", num_elements, (1,), (1,))
    else:
        number = b"\x8a\x06" + num_elements.to_bytes(6, "little")
        wanted = wanted.replace(written("cpu") + written(4), written("cpu") + number)
    array = np.arange(4, dtype=np.float32)
    path.write_bytes(content(ordered_dict({"w": wanted}), {"0": array}, keys))
    with pytest.raises(ValueError, match=message):
        read_state_dict(path, ["w"])


@pytest.mark.parametrize("place", range(5))
def test_nothing_is_executed_in_any_of_the_pickles(place, path, tmp_path):
    victim = tmp_path / "victim"
    call = b"cos\nsystem\n(" + written(f"touch {victim}") + b"tR"
    pickles = [MAGIC, b"M\xe9\x03", FACTS, ordered_dict({}), b"]"]
    pickles[place] += b"0" + call
    path.write_bytes(b"".join(b"\x80\x02" + item + b"." for item in pickles))
    with pytest.raises(ValueError, match=r"weights\.pth"):
        read_state_dict(path, ["w"])
    assert not victim.exists()
