"""The reader of PyTorch files, on files built by hand: good, odd, damaged, hostile."""

import io
import pathlib
import pickle
import struct
import sys
import tempfile
import zipfile

import chex
import ml_dtypes
import numpy as np
import pytest
from absl.testing import absltest, parameterized
from pytorch_opcodes import contiguous, ordered_dict, tensor, written

from irsde_jax.checkpoints.pytorch_file import read_state_dict

pytestmark = pytest.mark.core


class FileTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = self.folder / "weights.pth"

    def read(self, *names):
        return read_state_dict(self.path, names or ["w"])

    def write(self, items, storages=None, root="archive/", **options):
        """A file of the tensors `items` (opcodes by name) in `storages` (arrays)."""
        pickled = ordered_dict(items) if isinstance(items, dict) else items
        return self.write_records(pickled, storages or {}, root, **options)

    def write_records(self, pickled, storages, root="a/", byteorder=None, **options):
        with zipfile.ZipFile(self.path, "w", **options) as archive:
            archive.writestr(f"{root}data.pkl", b"\x80\x02" + pickled + b".")
            if byteorder is not None:
                archive.writestr(f"{root}byteorder", byteorder)
            for key, array in storages.items():
                archive.writestr(f"{root}data/{key}", array.tobytes())
        return self.path


class GoodFilesTest(FileTest):
    @parameterized.product(
        dtype=("float64", "float32", "float16", "bfloat16", "int64"),
        byteorder=(None, "little", "big"),
        root=("archive/", "a/b/", ""),
    )
    def test_all_types_orders_and_roots(self, dtype, byteorder, root):
        dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
        array = np.arange(-3, 3).reshape(2, 3).astype(dtype)
        stored = array.view(f"u{array.itemsize}")
        stored = stored.byteswap() if byteorder == "big" else stored
        self.write(
            {"w": contiguous("0", array)}, {"0": stored}, root, byteorder=byteorder
        )
        state = self.read()
        self.assertEqual(list(state), ["w"])
        self.assertEqual(state["w"].dtype.newbyteorder("="), array.dtype)
        np.testing.assert_array_equal(state["w"].astype(np.float64), array)

    def test_views_of_one_storage(self):
        storage = np.arange(24, dtype=np.float32)
        view = ("0", "FloatStorage", 24)
        self.write(
            {
                "all": tensor(*view, (2, 12), (12, 1)),
                "transposed": tensor(*view, (12, 2), (1, 12)),
                "part": tensor(*view, (2, 3), (6, 2), offset=5),
                "scalar": tensor(*view, (), (), offset=23),
                "empty": tensor(*view, (0, 3), (3, 1)),
                "repeated": tensor(*view, (4, 2), (0, 1)),
            },
            {"0": storage},
        )
        names = ("all", "transposed", "part", "scalar", "empty", "repeated")
        state = self.read(*names)
        whole = storage.reshape(2, 12)
        part = np.array([[5, 7, 9], [11, 13, 15]], np.float32)
        chex.assert_trees_all_equal(
            state,
            {
                "all": whole,
                "transposed": whole.T,
                "part": part,
                "scalar": np.float32(23),
                "empty": np.zeros((0, 3), np.float32),
                "repeated": np.tile(np.float32([0, 1]), (4, 1)),
            },
        )
        self.assertFalse(state["all"].flags.writeable)

    def test_parameters_and_plain_dictionaries(self):
        array = np.ones(2, np.float32)
        parameter = b"ctorch._utils\n_rebuild_parameter\n("
        parameter += contiguous("0", array) + b"\x88ccollections\nOrderedDict\n)RtR"
        self.write(b"}(" + written("w") + parameter + b"u", {"0": array})
        chex.assert_trees_all_equal(self.read(), {"w": array})


class BadFilesTest(FileTest):
    def test_missing(self):
        with self.assertRaisesRegex(FileNotFoundError, "weights.pth"):
            self.read()
        with self.assertRaises(FileNotFoundError):
            read_state_dict(self.folder, ["w"])

    @parameterized.parameters(b"", b"not a zip file", b"\x80\x02}.")
    def test_not_a_zip_file(self, content):
        self.path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, "weights.pth.*not a zip file"):
            self.read()

    @parameterized.parameters(
        (b"<!DOCTYPE html><html>", "a web page: download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"PK\x03\x04" + bytes(100), "whose end is missing: download it again"),
    )
    def test_what_is_often_taken_for_weights_is_named(self, content, message):
        self.path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, f"weights.pth.*{message}"):
            self.read()

    def test_truncated_anywhere(self):
        array = np.arange(64, dtype=np.float32)
        content = self.write({"w": contiguous("0", array)}, {"0": array}).read_bytes()
        for length in range(0, len(content), 37):
            self.path.write_bytes(content[:length])
            with self.assertRaises(ValueError):
                self.read()

    def test_flipped_bits_never_pass_unnoticed_or_crash(self):
        array = np.arange(8, dtype=np.float32)
        content = self.write({"w": contiguous("0", array)}, {"0": array}).read_bytes()
        caught = 0
        for position in range(len(content)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << position % 8
            self.path.write_bytes(damaged)
            try:
                state = self.read()
            except ValueError:
                caught += 1
            else:  # dates and the like
                chex.assert_trees_all_equal(state, {"w": array})
        self.assertGreater(caught, len(content) / 2)

    def test_damaged_pickle(self):
        self.write_records(b"}(X\xff\xff\xff\x7f", {})
        with self.assertRaisesRegex(ValueError, "weights.pth"):
            self.read()
        self.write_records(b"}r\xff\xff\xff\x7f", {})  # a memo of 2^31 entries
        with self.assertRaisesRegex(ValueError, "malformed"):
            self.read()

    @parameterized.parameters(
        (dict(size=(5,), stride=(1,)), "does not fit"),
        (dict(size=(4,), stride=(2,)), "does not fit"),
        (dict(size=(2,), stride=(1,), offset=3), "does not fit"),
        (dict(size=(100_000, 100_000), stride=(0, 0)), "does not fit"),
        (dict(size=(2,), stride=(-1,), offset=3), "stride"),
        (dict(size=(2,), stride=(1,), offset=-1), r"offset \(-1,\)"),
        (dict(size=(-2,), stride=(1,)), "size"),
        (dict(size=(2, 2), stride=(1,)), "stride"),
        (dict(size=(1,) * 40, stride=(1,) * 40), "size"),
    )
    def test_tensors_stay_within_their_storage(self, view, message):
        storage = np.arange(4, dtype=np.float32)
        self.write({"w": tensor("0", "FloatStorage", 4, **view)}, {"0": storage})
        with self.assertRaisesRegex(ValueError, message):
            self.read()

    @parameterized.parameters(
        (("0", "FloatStorage", 5), "should have 5 elements"),
        (("0", "DoubleStorage", 4), "should have 4 elements of float64"),
        (("0", "FloatStorage", -1), "should have -1"),
        (("1", "FloatStorage", 4), "'1' is missing"),
        (("../data.pkl", "FloatStorage", 1), "missing"),
        (("0", "ComplexFloatStorage", 2), "torch.ComplexFloatStorage"),
    )
    def test_storages_are_what_the_file_holds(self, storage, message):
        array = np.arange(4, dtype=np.float32)
        self.write({"w": tensor(*storage, (1,), (1,))}, {"0": array})
        with self.assertRaisesRegex(ValueError, message):
            self.read()

    def test_zip_bombs(self):
        zeros = np.zeros(10**6, np.float32)
        items = {"w": contiguous("0", zeros)}
        self.write(items, {"0": zeros}, compression=zipfile.ZIP_DEFLATED)
        with self.assertRaisesRegex(ValueError, "compressed"):
            self.read()
        self.write({}, {"0": zeros[:1]})
        content = self.path.read_bytes()
        entry = content.rindex(b"PK\x01\x02")  # the storage, in the central directory
        content = bytearray(content)
        content[entry + 20 : entry + 28] = struct.pack("<II", 2**30, 2**30)
        self.path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, "more bytes than the file"):
            self.read()

    @parameterized.parameters(
        (b"K\x01", "holds no tensors, but a int"),
        (b"]", "holds no tensors, but a list"),
        (
            ordered_dict({"lr": b"K\x01", "v": b"]"}),
            r"holds no named tensors: lr \(int\), v \(list\)",
        ),
        (ordered_dict({"w": b"K\x01"}), r"lacks w. No tensors: w \(int\)"),
    )
    def test_what_is_no_tensor_is_named(self, pickled, message):
        self.write(pickled)
        with self.assertRaisesRegex(ValueError, message):
            self.read()

    def test_other_byte_orders_and_no_pickle(self):
        self.write({}, byteorder="middle")
        with self.assertRaisesRegex(ValueError, "'middle'"):
            self.read()
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr("readme.txt", "hello")
        with self.assertRaisesRegex(ValueError, "0 records named data.pkl"):
            self.read()


class HostileFilesTest(FileTest):
    @parameterized.parameters(
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "eval"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("numpy.random", "Generator.__reduce__"),
        ("torch.storage", "_load_from_bytes"),
        ("torch", "load"),
        ("torch.FloatStorage", "__class__"),
        ("collections", "namedtuple"),
        ("numpy", "load"),
    )
    def test_nothing_is_executed(self, module, name):
        victim = self.folder / "victim"
        call = f"c{module}\n{name}\n(".encode() + written(f"touch {victim}") + b"tR"
        for pickled in (call, ordered_dict({"w": call})):
            self.write(pickled)
            with self.assertRaisesRegex(ValueError, f"contains a {module}.{name}"):
                self.read()
            self.assertFalse(victim.exists())

    def test_a_pickle_that_really_runs_elsewhere(self):
        victim = self.folder / "victim"

        class Touch:
            def __reduce__(self):
                return pathlib.Path.touch, (victim,)

        for protocol in range(2, 6):
            pickled = pickle.dumps({"w": Touch()}, protocol)
            with zipfile.ZipFile(self.path, "w") as archive:
                archive.writestr("a/data.pkl", pickled)
            with self.assertRaises(ValueError):
                self.read()
            self.assertFalse(victim.exists())
        pickle.load(io.BytesIO(pickled))  # the trap does work
        self.assertTrue(victim.exists())

    def test_the_class_of_a_stranger_is_neither_called_nor_imported(self):
        victim = self.folder / "victim"
        (self.folder / "stranger_of_tests.py").write_text(
            f"open({str(victim)!r}, 'w')\n"
            "class Settings:\n"
            "    def __init__(self, *args):\n"
            "        1 / 0\n"
            "    __setstate__ = __setitem__ = append = extend = __init__\n"
        )
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        array = np.arange(3, dtype=np.float32)
        name = b"cstranger_of_tests\nSettings\n"
        objects = {
            "called": name + b"(K\x01tR",
            "new": name + b")\x81}b",
            "filled": name + b")R(K\x01K\x02u(K\x03e",
            "itself": name,
        }
        self.write(objects | {"w": contiguous("0", array)}, {"0": array})
        chex.assert_trees_all_equal(self.read(), {"w": array})
        self.assertFalse(victim.exists())
        self.assertNotIn("stranger_of_tests", sys.modules)
        self.write({"w": objects["new"]})
        with self.assertRaisesRegex(ValueError, r"w \(stranger_of_tests.Settings\)"):
            self.read()

    def test_memory_is_not_taken_for_claims(self):
        nested = b")" + b"2\x86" * 200  # a pair of pairs of pairs: 2^200 leaves
        for pickled in (
            nested,
            b"(" + nested + b"tQ",
            b"}(X\x01\0\0\0w" + nested + b"u",
        ):
            self.write(pickled)
            with self.assertRaises(ValueError):
                self.read()
        classes = b"".join(b"ca\nA%d\n0" % number for number in range(1100)) + b"N"
        for pickled, message in (
            (b"\x96" + struct.pack("<Q", 2**50), "bytearray8"),
            (b"\x82\x01", "malformed"),  # a code of the registry of extensions
            (classes, "more than 1000 classes"),
        ):
            self.write(pickled)
            with self.assertRaisesRegex(ValueError, message):
                self.read()

    def test_the_reader_cannot_be_altered(self):
        array = np.ones(2, np.float32)
        state = b"}" + written("_function") + b"]s"
        for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            self.write(f"ctorch._utils\n{name}\n".encode() + state + b"b")
            with self.assertRaisesRegex(ValueError, "malformed"):
                self.read()
        self.write({"w": contiguous("0", array)}, {"0": array})
        chex.assert_trees_all_equal(self.read(), {"w": array})


if __name__ == "__main__":
    absltest.main()
