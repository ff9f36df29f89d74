"""Data sets are built without TensorFlow, from folders or archives, and read alike."""

import io
import itertools
import logging
import pickle
import sys
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from irsde_jax.data.image_files import codecs
from irsde_jax.data.image_files.arrays import ImageFile
from irsde_jax.data.sources import archives, builder, datasets, pairs

KINDS = ("folder", "zip", "tar.gz")

# Data set -> split -> the clean and the other file of each pair.
MINIATURES = {
    "rain100h": {
        "train": [
            (f"RainTrainH/norain-{i}.png", f"RainTrainH/rain-{i}.png") for i in (1, 2)
        ],
        "test": [
            (
                f"rain_data_test_Heavy/norain/norain-{i}.png",
                f"rain_data_test_Heavy/rain/norain-{i}x2.png",
            )
            for i in (1, 2, 3)
        ],
    },
    "rain100l": {
        "test": [
            (f"Rain100L/norain-00{i}.png", f"Rain100L/rainy/rain-00{i}.png")
            for i in (1, 2)
        ]
    },
    "gopro": {
        split: [
            (
                f"{split}/{scene}/sharp/00000{i}.png",
                f"{split}/{scene}/blur/00000{i}.png",
            )
            for scene in ("GOPR0372_07_00", "GOPR0372_07_01")
            for i in (1, 2)
        ]
        for split in ("train", "test")
    },
    "sots": {
        "test": [
            (f"indoor/gt/{scene}.png", f"indoor/hazy/{scene}_{level}.png")
            for scene in (1400, 1401)
            for level in (1, 2)
        ]
    },
    "celebahq": {
        split: [
            (f"{split[:5].rstrip('_')}HQ/{i}.jpg", f"gt_keep_masks/thin/{i % 2}.png")
            for i in range(3)
        ]
        for split in ("train", "test_thin")
    },
    "div2k": {
        split: [
            (f"DIV2K_{split}_HR/{i}.png", f"DIV2K_{split}_LR_bicubic/X4/{i}x4.png")
            for i in ("0001", "0002")
        ]
        for split in ("train", "valid")
    },
    "paired": {
        "train": [("GT/a.png", "LQ/a.png")],
        "val": [(f"val/GT/{i}.png", f"val/LQ/{i}.jpg") for i in "ab"],
    },
}


def encode(shape=(16, 12, 3), seed=0, suffix=".png", bits=8):
    """A random image as the bytes of a file."""
    pixels = np.random.default_rng(seed).random(shape, np.float32)
    return codecs.encode(ImageFile(pixels, None, bits), suffix)


def mask(seed=0, shape=(16, 12)):
    keep = np.random.default_rng(seed).random(shape) < 0.7
    pixels = np.repeat(keep[..., None].astype(np.float32), 3, -1)
    return codecs.encode(ImageFile(pixels, None, 8), ".png")


def miniature(dataset):
    """File name -> bytes of a small copy of a data set."""
    shapes = {"div2k": (4, 3, 3)}
    files = {}
    for clean, other in itertools.chain(*MINIATURES[dataset].values()):
        larger = {"div2k": (16, 12, 3), "sots": (36, 32, 3)}.get(dataset, (16, 12, 3))
        files[clean] = encode(larger, len(files), clean[-4:])
        if dataset == "celebahq":
            files[other] = mask(int(other[-5]))
        else:
            shape = shapes.get(dataset, (16, 12, 3))
            files[other] = encode(shape, len(files), other[-4:])
    return files


def pack(folder, files, kind="folder"):
    """Writes files into a folder, as they are or as one archive."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "zip":
        with zipfile.ZipFile(folder / "data.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    elif kind == "tar.gz":
        with tarfile.open(folder / "data.tar.gz", "w:gz") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder


def expected(dataset, clean, other):
    """What a pair must be read as."""
    x0, mu = (codecs.decode(data).pixels for data in (clean, other))
    if dataset == "celebahq":
        return {"x0": x0, "mu": np.where(mu == 1, x0, np.float32(1))}
    if dataset == "sots":
        x0 = x0[10:-10, 10:-10]
    return {"x0": x0, "mu": mu}


@pytest.fixture
def small(tmp_path):
    """Where the files of two pairs are, and where data sets are built."""
    files = {f"{kind}/{i}.png": encode(seed=i) for kind in ("GT", "LQ") for i in (1, 2)}
    return pack(tmp_path / "manual", files), tmp_path / "data"


def built(data_dir, dataset="paired"):
    return data_dir / "restoration_pairs" / dataset / "1.0.0"


@pytest.mark.parametrize(
    ("dataset", "kind"),
    # The top of an archive is no top of a folder: pairs have a test of their own.
    [*itertools.product([*MINIATURES][:-1], KINDS), ("paired", "folder")],
)
def test_every_layout_is_built_and_read_back(tmp_path, dataset, kind):
    files = miniature(dataset)
    pack(tmp_path / "downloads" / "manual" / dataset, files, kind)
    for split, members in MINIATURES[dataset].items():
        source = datasets.open_dataset(dataset, split, data_dir=tmp_path)
        assert len(source) == len(source.names) == len(members)
        raw = tfds.data_source(
            f"restoration_pairs/{dataset}", split=split, data_dir=tmp_path
        )
        for index, (clean, other) in enumerate(members):
            record = source[index]
            wanted = expected(dataset, files[clean], files[other])
            assert set(record) == {"x0", "mu"}
            for key in record:
                assert record[key].dtype == np.float32
                np.testing.assert_array_equal(record[key], wanted[key])
            stored = raw[index]
            assert stored.pop("name") == source.names[index].encode()
            assert stored.pop("x0") == files[clean]
            assert list(stored.values()) == [files[other]]
    assert "tensorflow" not in sys.modules


def test_a_split_of_pairs_may_be_an_archive(tmp_path):
    files = {f"{kind}/1.png": encode(seed=3) for kind in ("GT", "LQ")}
    folder = tmp_path / "manual"
    for kind, name in (("zip", "train.zip"), ("tar.gz", "val.tar.gz")):
        pack(folder, files, kind)
        (folder / f"data.{kind}").rename(folder / name)
    for split in ("train", "val"):
        source = datasets.open_dataset("paired", split, tmp_path / "data", folder)
        assert source.names == ["1"]


def test_names_tell_the_images(tmp_path):
    for dataset, split, names in (
        ("gopro", "test", ["GOPR0372_07_00_000001", "GOPR0372_07_00_000002"]),
        ("sots", "test", ["1400_1", "1400_2", "1401_1", "1401_2"]),
        ("div2k", "valid", ["0001", "0002"]),
    ):
        folder = pack(tmp_path / dataset, miniature(dataset))
        source = datasets.open_dataset(dataset, split, tmp_path / "data", folder)
        assert source.names[: len(names)] == names


def test_small_degraded_images_stay_small(tmp_path):
    folder = pack(tmp_path / "manual", miniature("div2k"), "zip")
    record = datasets.open_dataset("div2k", "train", tmp_path, folder)[0]
    assert record["x0"].shape == (16, 12, 3)
    assert record["mu"].shape == (4, 3, 3)


def test_the_bytes_of_any_format_survive(tmp_path):
    npy = io.BytesIO()
    np.save(npy, np.random.default_rng(5).random((16, 12, 5)))
    contents = {
        "jpg": encode(suffix=".jpg"),
        "tif": encode((16, 12, 1), suffix=".tif", bits=16),
        "webp": encode(suffix=".webp"),
        "npy": npy.getvalue(),
    }
    files = {f"{kind}/{e}.{e}": v for kind in ("GT", "LQ") for e, v in contents.items()}
    folder = pack(tmp_path / "manual", files)
    source = datasets.open_dataset("paired", "train", tmp_path, folder)
    raw = tfds.data_source("restoration_pairs/paired", split="train", data_dir=tmp_path)
    assert sorted(contents) == source.names
    for index, name in enumerate(source.names):
        assert raw[index]["x0"] == raw[index]["mu"] == contents[name]
    grey = source[source.names.index("tif")]["x0"]
    assert grey.shape == (16, 12, 3)
    assert not np.array_equal(np.rint(grey * 255), grey * 255)  # more than 8 bits
    with pytest.raises(ValueError, match=r"npy \(x0\) has 5 channels where 3"):
        source[source.names.index("npy")]
    wide = datasets.open_dataset(
        "paired", "train", tmp_path, channels=5, data_range=(-1, 3)
    )
    floats = np.random.default_rng(5).random((16, 12, 5))
    found = wide[wide.names.index("npy")]["mu"]
    np.testing.assert_allclose(found, (floats + 1) / 4, atol=1e-6)


def test_a_source_is_pickled_without_what_it_opened(small):
    source = datasets.open_dataset("paired", "train", small[1], small[0])
    before = len(pickle.dumps(source))
    record = source[1]
    assert len(pickle.dumps(source)) == before
    copy = pickle.loads(pickle.dumps(source))
    assert copy.names == source.names
    np.testing.assert_array_equal(copy[1]["x0"], record["x0"])
    np.testing.assert_array_equal(source[-1]["x0"], record["x0"])
    with pytest.raises(IndexError):
        source[2]


def test_what_is_built_needs_its_files_no_longer(small):
    manual, data = small
    first = datasets.open_dataset("paired", "train", data, manual)[0]["x0"]
    manual.rename(manual.parent / "gone")
    again = datasets.open_dataset("paired", "train", data, manual)[0]["x0"]
    np.testing.assert_array_equal(again, first)
    assert len(datasets.open_dataset("paired", "train", data)) == 2


def test_files_that_changed_are_warned_of(small, caplog):
    manual, data = small
    datasets.open_dataset("paired", "train", data, manual)
    assert not caplog.records
    datasets.open_dataset("paired", "train", data, manual)
    assert not caplog.records
    pack(manual, {f"{kind}/3.png": encode() for kind in ("GT", "LQ")})
    assert len(datasets.open_dataset("paired", "train", data, manual)) == 2
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{built(data)} was built from {manual}" in record.message


def test_the_files_of_another_folder_are_not_taken_for_these(small, tmp_path):
    datasets.open_dataset("paired", "train", small[1], small[0])
    files = {f"{kind}/9.png": encode(seed=9) for kind in ("GT", "LQ")}
    other = pack(tmp_path / "other", files)
    with pytest.raises(ValueError, match=r"was built from .*manual, not from .*other"):
        datasets.open_dataset("paired", "train", small[1], other)


def test_an_interrupted_build_leaves_nothing_whole(small, monkeypatch):
    manual, data = small
    read, calls = archives.Tree.read, itertools.count()

    def interrupted(tree, name):
        if next(calls) == 3:  # in the middle of the second pair
            raise KeyboardInterrupt
        return read(tree, name)

    monkeypatch.setattr(builder, "_BATCH_EXAMPLES", 1)
    monkeypatch.setattr(archives.Tree, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.open_dataset("paired", "train", data, manual)
    assert not built(data).exists()
    assert not list(data.rglob("*array_record*"))
    monkeypatch.undo()
    # What a process leaves that was killed: a folder of another name.
    pack(built(data).with_name("incomplete.X_1.0.0"), {"dataset_info.json": b"{}"})
    assert len(datasets.open_dataset("paired", "train", data, manual)) == 2


def test_two_processes_may_build_at_once(small, monkeypatch):
    manual, data = small
    write = datasets.RestorationPairs._write

    def slow_write(self, *arguments):
        write(self, *arguments)
        monkeypatch.undo()
        datasets.open_dataset("paired", "train", data, manual)  # the faster one

    monkeypatch.setattr(datasets.RestorationPairs, "_write", slow_write)
    assert len(datasets.open_dataset("paired", "train", data, manual)) == 2


def test_a_missing_folder_says_what_to_get(tmp_path):
    for dataset in MINIATURES:
        with pytest.raises(FileNotFoundError) as caught:
            datasets.open_dataset(dataset, "train", tmp_path)
        layout = datasets.layouts.LAYOUTS[dataset]
        place = tmp_path / "downloads" / "manual" / dataset
        for part in (layout.page, layout.files, f"There is no {place}"):
            assert part in str(caught.value)


def test_a_folder_without_the_files_says_what_to_get(tmp_path):
    (tmp_path / "GT").mkdir()
    (tmp_path / "LQ").mkdir()
    for dataset in ("paired", "gopro"):
        with pytest.raises(FileNotFoundError, match=f"no images of {dataset}.*Get"):
            datasets.open_dataset(dataset, "train", tmp_path / "data", tmp_path)
    assert not list((tmp_path / "data").rglob("*.json*array*"))


def test_unknown_names_are_told_the_known_ones(small):
    with pytest.raises(ValueError, match=r"dataset='rain' is not one of .*'rain100h'"):
        datasets.open_dataset("rain", "train", small[1])
    (small[0] / "empty" / "GT").mkdir(parents=True)
    for split in ("test", "empty"):
        with pytest.raises(ValueError, match=rf"split='{split}' is not one of \['tr"):
            datasets.open_dataset("paired", split, small[1], small[0])


def test_a_missing_half_or_partner_is_an_error(small):
    manual, data = small
    (manual / "LQ" / "2.png").unlink()
    with pytest.raises(ValueError, match=r"1 images of split 'train'.*GT/2\.png"):
        datasets.open_dataset("paired", "train", data, manual)
    (manual / "LQ" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"none is /LQ/"):
        datasets.open_dataset("paired", "train", data, manual)


@pytest.mark.parametrize(
    ("dataset", "clean", "other", "rule"),
    [
        ("paired", (16, 12), (15, 12), "of the same size"),
        ("sots", (36, 32), (17, 12), "larger by 10 pixels a side"),
        ("div2k", (16, 12), (16, 12), "4 times as large"),
        ("celebahq", (16, 12), (12, 16), "of the same size"),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(tmp_path, dataset, clean, other, rule):
    split, ((first, second), *_) = next(iter(MINIATURES[dataset].items()))
    files = {first: encode((*clean, 3)), second: encode((*other, 3))}
    folder = pack(tmp_path / "manual", files)
    sizes = rf"is {clean[0]} x {clean[1]} and .* is {other[0]} x {other[1]} \(height"
    with pytest.raises(ValueError, match=rf"manual.*{sizes}.*must be .*{rule}"):
        datasets.open_dataset(dataset, split, tmp_path, folder)


def test_a_clean_image_of_the_cropped_size_is_not_cropped(tmp_path):
    files = {"GT/1.png": encode(), "LQ/1_1.png": encode()}
    folder = pack(tmp_path / "manual", files)
    record = datasets.open_dataset("sots", "test", tmp_path, folder)[0]
    np.testing.assert_array_equal(record["x0"], record["mu"])


def test_the_size_of_a_turned_photograph_is_that_of_it_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    turned = io.BytesIO()
    Image.new("RGB", (16, 12)).save(turned, "JPEG", exif=exif)
    files = {"GT/1.jpg": turned.getvalue(), "LQ/1.png": encode((16, 12, 3))}
    folder = pack(tmp_path / "manual", files)
    record = datasets.open_dataset("paired", "train", tmp_path, folder)[0]
    assert record["x0"].shape == record["mu"].shape == (16, 12, 3)


@pytest.mark.parametrize("content", [b"", b"no image", encode()[:20]])
def test_a_file_that_is_no_image_is_an_error_that_names_it(small, content):
    pack(small[0], {"LQ/2.png": content})
    with pytest.raises(ValueError, match=r"LQ/2\.png cannot be read as an image"):
        datasets.open_dataset("paired", "train", small[1], small[0])
    assert not built(small[1]).exists()


def test_damage_behind_the_header_is_met_when_it_is_read(small):
    pack(small[0], {"LQ/2.png": encode(seed=2)[:-300]})
    source = datasets.open_dataset("paired", "train", small[1], small[0])
    assert source[0]["mu"].shape == (16, 12, 3)
    with pytest.raises(ValueError, match=r"paired/train: 2 \(degraded\) cannot be"):
        source[1]


def test_transparency_is_an_error(small):
    alpha = np.ones((16, 12, 1), np.float32)
    opaque = ImageFile(np.full((16, 12, 3), 0.2, np.float32), alpha, 8)
    alpha_half = ImageFile(opaque.pixels, alpha / 2, 8)
    for name, image in (("GT/1.png", opaque), ("GT/2.png", alpha_half)):
        pack(small[0], {name: codecs.encode(image, ".png")})
    source = datasets.open_dataset("paired", "train", small[1], small[0])
    np.testing.assert_allclose(source[0]["x0"], 0.2)
    with pytest.raises(ValueError, match=r"2 \(clean\) has transparent pixels"):
        source[1]


def test_damaged_and_hostile_archives_are_errors(tmp_path):
    for file in ("broken.zip", "broken.tar.gz"):
        folder = pack(tmp_path / file.replace(".", "_"), {file: b"PK\3\4"})
        with pytest.raises(ValueError, match=f"{file} is damaged or incomplete"):
            datasets.open_dataset("paired", "train", tmp_path / "data", folder)
    folder = pack(tmp_path / "hostile", {"../../x.png": encode()}, "zip")
    with pytest.raises(ValueError, match=r"'\.\./\.\./x\.png' points outside"):
        datasets.open_dataset("paired", "train", tmp_path / "data", folder)
    assert not list(tmp_path.rglob("x.png"))


def test_a_missing_archive_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no .*Rain100H\.zip.*Get RainTrainH"):
        datasets.open_dataset("rain100h", "test", tmp_path, tmp_path / "Rain100H.zip")


def test_an_archive_may_be_named_itself(tmp_path):
    pack(tmp_path / "manual", miniature("rain100l"), "zip")
    path = tmp_path / "manual" / "data.zip"
    assert len(datasets.open_dataset("rain100l", "test", tmp_path, path)) == 2


def test_a_build_is_announced_and_nothing_is_printed(small, caplog, capsys):
    with caplog.at_level(logging.INFO, "irsde_jax"):
        datasets.open_dataset("paired", "train", small[1], small[0])
    texts = [record.message for record in caplog.records if "irsde" in record.name]
    assert texts[0].startswith("Building restoration_pairs/paired/1.0.0 in ")
    assert texts[-1].startswith("Built ")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2/2" in captured.err  # the progress bar


def test_no_temporary_folder_is_left(small, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    datasets.open_dataset("paired", "train", small[1], small[0])
    assert not list((tmp_path / "tmp").iterdir())


def test_real_pairs_are_read_as_from_their_folder(shared_data, tmp_path):
    folder = shared_data / "RainTrainH"
    source = datasets.open_dataset("paired", "train", tmp_path, folder)
    plain = pairs.PairedFolder(folder)
    assert source.names == plain.names
    for index in (0, 5, len(plain) - 1):
        for key in ("x0", "mu"):
            np.testing.assert_array_equal(source[index][key], plain[index][key])


def test_real_haze_is_cropped(shared_data, tmp_path):
    source = datasets.open_dataset("sots", "test", tmp_path, shared_data / "SOTS")
    assert source.names == ["1400_1", "1400_2", "1401_1", "1401_2"]
    errors = [record["x0"] - record["mu"] for record in map(source.__getitem__, (0, 2))]
    psnrs = [-10 * np.log10(np.mean(error**2)) for error in errors]
    np.testing.assert_allclose(psnrs, [14.79, 17.87], atol=0.01)  # as published there
