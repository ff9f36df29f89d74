"""The data doctor: each thing that can be wrong with images is planted, and found."""

import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

from irsde_jax import configuration, main, metrics
from irsde_jax.cli import check
from irsde_jax.data.doctor import comparing, inspection, photo_hash
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.images import ImageFile

PARTS = ("train", "validation", "test")
SIZE = (48, 64)


def photograph(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An image [H, W, 3] with large shapes and fine texture, of 8-bit levels."""
    rng = np.random.default_rng(seed)
    blocks = rng.uniform(0.1, 0.9, (8, 8, 3))
    coarse = Image.fromarray(images.to_uint8(blocks)).resize(size[::-1], Image.BICUBIC)
    fine = rng.normal(0, 0.08, (*size, 3))
    return images.to_uint8(np.asarray(coarse) / 255 + fine) / np.float32(255)


def rainy(pixels: np.ndarray, seed: int = 0, share: float = 0.05) -> np.ndarray:
    """White streaks, a few pixels high, on a share of the pixels."""
    rng = np.random.default_rng(seed)
    drops = rng.uniform(size=pixels.shape[:2]) < share / 5
    streaks = sum(np.roll(drops, row, axis=0) for row in range(5)).clip(0, 1)
    return np.maximum(pixels, 0.9 * streaks[..., None]).astype(np.float32)


def save(path: Path, pixels: np.ndarray, bits: int = 8, alpha=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(path, ImageFile(pixels, alpha, bits), overwrite=True)


@pytest.fixture
def paired(tmp_path) -> Path:
    """Healthy folders: four pairs each, no photograph twice."""
    for number, part in enumerate(PARTS):
        for index in range(4):
            clean = photograph(10 * number + index)
            save(tmp_path / part / "GT" / f"{index}.png", clean)
            save(tmp_path / part / "LQ" / f"{index}.png", rainy(clean, index))
    return tmp_path


@pytest.fixture
def clean(tmp_path) -> Path:
    """Healthy folders of four clean images each."""
    for number, part in enumerate(PARTS):
        for index in range(4):
            save(tmp_path / part / f"{index}.png", photograph(10 * number + index))
    return tmp_path


def arguments(root: Path, config: str) -> list[str]:
    return [
        f"--config={config}",
        *(f"--config.{key}=32" for key in ("data.crop_size", "validation.crop_size")),
        "--config.validation.num_images=4",
        f"--config.data.train_dir={root / 'train'}",
        f"--config.validation.dir={root / 'validation'}",
        f"--config.evaluation.dir={root / 'test'}",
    ]


def doctor(root: Path, *more: str, config: str = "default") -> list[inspection.Finding]:
    _, *overrides = arguments(root, config)
    return check.run(configuration.load(config, [*overrides, *more]))


def command(root: Path, *more: str, config: str = "default") -> int:
    values = flags.FlagValues()
    main.define_flags(values)
    argv = ["main", "--mode=check", *arguments(root, config), *more]
    return main.run(values, main.parse(argv, values))


def test_healthy_pairs_are_fit_for_training(paired, capsys):
    files = sorted(paired.rglob("*"))
    assert command(paired) == 0
    text = capsys.readouterr().out
    assert "errors: 0, warnings: 0" in text
    assert "train: " in text and "4 pairs" in text
    assert "height x width: 48 x 64 (4)" in text
    assert "files: RGB, 8 bits (4)" in text
    assert sorted(paired.rglob("*")) == files


def test_healthy_clean_images_are_fit_for_training(clean, capsys):
    assert command(clean, config="denoising") == 0
    text = capsys.readouterr().out
    assert "4 clean images" in text
    assert "PSNR" not in text


def remove_partner(root):
    (root / "train/LQ/2.png").unlink()


def leave_no_pairs(root):
    shutil.rmtree(root / "train/LQ")


def share_a_stem(root):
    save(root / "train/GT/2.bmp", photograph(77))


def cut_a_row(root):
    save(root / "train/LQ/2.png", rainy(photograph(2))[:-1])


def truncate(root):
    path = root / "train/GT/2.png"
    path.write_bytes(path.read_bytes()[:500])


def lose_the_colour_of_holes(root):
    alpha = np.ones((*SIZE, 1), np.float32)
    alpha[:9] = 0
    save(root / "train/GT/2.png", photograph(2), alpha=alpha)


def shrink(root):
    for kind in ("GT", "LQ"):
        pixels = images.read_image(root / f"train/{kind}/2.png").pixels
        save(root / f"train/{kind}/2.png", pixels[:31])


def move(root):
    wide = photograph(2, (52, 67))
    save(root / "train/GT/2.png", wide[:-4, :-3])
    save(root / "train/LQ/2.png", rainy(wide)[4:, 3:])


def leave_undegraded(root):
    shutil.copy(root / "train/GT/2.png", root / "train/LQ/2.png")


def leave_all_undegraded(root):
    for path in (root / "train/GT").iterdir():
        shutil.copy(path, root / "train/LQ")


def deepen(root):
    for kind in ("GT", "LQ"):
        grey = rainy(photograph(2)).mean(axis=-1, keepdims=True)
        save(root / f"train/{kind}/2.png", grey + (kind == "LQ") * 0.01, bits=16)


def add_a_text(root):
    (root / "train/GT/2.txt").write_text("no image")


def turn_into(part, name):
    def plant(root):
        """Saves train/GT/2.png, turned and as JPEG, with a row and a column less."""
        turned = np.rot90(photograph(2))[:-1, :-1]
        for kind, pixels in (("GT", turned), ("LQ", rainy(turned))):
            (root / part / kind / "3.png").unlink()
            save(root / part / kind / name, pixels)

    return plant


@pytest.mark.parametrize(
    ("plant", "is_error", "text", "name"),
    [
        (remove_partner, True, "without their partner", "GT/2.png"),
        (leave_no_pairs, True, "no folder .*train/LQ", None),
        (share_a_stem, True, "differ by their ending", "GT/2.bmp and GT/2.png"),
        (cut_a_row, True, "unequal size", "GT/2.png: 48 x 64, degraded 47 x 64"),
        (truncate, True, "cannot be used", "GT/2.png cannot be read as an image"),
        (lose_the_colour_of_holes, True, "cannot be used", "GT/2.png has transparent"),
        (shrink, True, "smaller than the crop of 32 x 32", "GT/2.png: 31 x 64"),
        (
            turn_into("test", "3.jpg"),
            True,
            "train that are in test",
            "GT/2.png = GT/3.jpg",
        ),
        (leave_all_undegraded, True, "identical", "GT/0.png"),
        (leave_undegraded, False, "identical", "GT/2.png"),
        (move, False, "may be shifted", "GT/2.png: by -4 rows and -3 columns"),
        (deepen, False, "another kind", "GT/2.png"),
        (add_a_text, False, "not images", "GT/2.txt"),
        (
            turn_into("validation", "3.jpg"),
            False,
            "train that are in validation",
            "GT/2.png",
        ),
        (turn_into("train", "3.jpg"), False, "repeatedly", "GT/2.png = GT/3.jpg"),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else(
    paired, capsys, plant, is_error, text, name
):
    plant(paired)
    [finding] = doctor(paired)
    assert finding.is_error == is_error
    assert re.search(text, finding.text)
    if name is None:
        assert not finding.names
    else:
        assert any(shown.startswith(name) for shown in finding.names), finding
    printed = capsys.readouterr().out
    assert f"{'ERROR' if is_error else 'warning'}: " in printed
    assert finding.text in printed
    assert command(paired) == int(is_error)


def test_unreadable_and_small_clean_images_are_found(clean):
    save(clean / "train/1.png", photograph(1)[:, :20])
    (clean / "train/2.png").write_bytes(b"")
    bad, small = doctor(clean, config="denoising")
    assert bad.is_error and bad.names[0].startswith("2.png is empty")
    assert small.is_error and small.names == ["1.png: 48 x 20"]


def test_a_photograph_that_is_there_often_is_named_once(clean):
    for name in ("9.png", "8.bmp", "7.jpg"):
        save(clean / "train" / name, photograph(2))
    [finding] = doctor(clean, config="denoising")
    assert finding.names == ["2.png = 7.jpg, 8.bmp, 9.png"]


def test_a_data_set_is_looked_into(paired, capsys):
    (paired / "manual").mkdir()
    (paired / "train").rename(paired / "manual" / "paired")
    truncate_to = (paired / "manual/paired/LQ/1.png").read_bytes()[:2000]
    (paired / "manual/paired/LQ/1.png").write_bytes(truncate_to)
    turn_into("test", "3.jpg")(paired)  # train's 2.png
    more = (
        "--config.data.train_dir=tfds:paired/train",
        f"--config.data.tfds_dir={paired / 'built'}",
        f"--config.data.manual_dir={paired / 'manual'}",
    )
    bad, shared = doctor(paired, *more)
    assert bad.is_error and bad.text == "images that cannot be used"
    assert "paired/train: 1 (degraded) cannot be read" in bad.names[0]
    assert shared.is_error and shared.names == ["2 = GT/3.jpg"]
    assert "train: tfds:paired/train, 4 pairs" in capsys.readouterr().out
    split, *_ = doctor(paired, "--config.data.train_dir=tfds:paired/val", *more[1:])
    assert split.is_error and "split='val'" in split.text


def test_a_data_set_that_is_not_there_says_what_to_get(paired):
    more = (
        "--config.data.train_dir=tfds:gopro/train",
        "--config.evaluation.dir=tfds:gopro/test",
        f"--config.data.tfds_dir={paired / 'built'}",
    )
    train, test = doctor(paired, *more)
    assert (train.is_error, test.is_error) == (True, False)
    assert "Get " in train.text and "Get " in test.text


def test_pairs_of_super_resolution_and_keep_masks_are_pairs(paired, capsys):
    for part in PARTS:
        for path in (paired / part / "LQ").iterdir():
            small = images.read_image(path).pixels[::4, ::4]
            save(path, small)
    assert doctor(paired)[0].text == "pairs of unequal size"
    assert not doctor(paired, "--config.data.scale=4")
    keep = np.ones((*SIZE, 1), np.float32)
    keep[10:30, 20:50] = 0
    for part in PARTS:
        save(paired / part / "mask" / "0.png", keep)
    capsys.readouterr()
    assert not doctor(paired)
    assert "4 pairs" in capsys.readouterr().out
    save(paired / "train" / "mask" / "0.png", keep[:-1])
    [bad] = doctor(paired)
    assert bad.is_error and len(bad.names) == 4 and "its mask" in bad.names[0]


def rename(root, clean, degraded):
    """Gives the files of all folders other names, from their number."""
    for part in PARTS:
        for kind, name in (("GT", clean), ("LQ", degraded)):
            for path in sorted((root / part / kind).iterdir()):
                path.rename(path.with_stem(name.format(path.stem)))


def test_the_scheme_of_names_is_said(paired, capsys):
    rename(paired, "norain-{}", "rain-{}")
    assert not doctor(paired)
    assert "pairs: GT/norain-{id} with LQ/rain-{id}\n" in capsys.readouterr().out
    rename(paired, "p{}", "q{}")
    first, *_ = doctor(paired)
    assert first.is_error and "No known naming scheme" in first.text
    assert "--config.data.pair=" in first.text
    assert first.names[0] == "GT/pnorain-0.png" and len(first.names) == 8
    pair = "--config.data.pair=GT/pnorain-{id}:LQ/qrain-{id}"
    capsys.readouterr()
    assert not doctor(paired, pair)
    assert "pairs: GT/pnorain-{id} with LQ/qrain-{id}\n" in capsys.readouterr().out


def test_a_clean_image_with_several_degraded_ones_is_one_photograph(paired, capsys):
    rename(paired, "{}", "{}_1")
    for part in PARTS:
        for path in sorted((paired / part / "LQ").iterdir()):
            shutil.copy(path, path.with_stem(path.stem[:-1] + "2"))
    assert not doctor(paired)
    text = "pairs: GT/{id} with LQ/{id}_{level}, 8 examples of 4 clean images\n"
    assert text in capsys.readouterr().out
    save(paired / "train/LQ/2_2.png", rainy(photograph(2))[:-1])
    [unequal] = doctor(paired)
    assert unequal.names == ["GT/2.png (LQ/2_2.png): 48 x 64, degraded 47 x 64"]
    save(paired / "train/LQ/2_2.png", rainy(photograph(2)))
    turned = np.rot90(photograph(2))
    save(paired / "test/GT/3.png", turned)
    for level in (1, 2):
        save(paired / f"test/LQ/3_{level}.png", rainy(turned, level))
    leaks = [finding for finding in doctor(paired) if "train that" in finding.text]
    assert [leak.names for leak in leaks] == [["GT/2.png = GT/3.png"]]


def test_contested_names_are_errors(paired):
    rename(paired, "{}", "{}_1")
    save(paired / "train/GT/2_1.png", photograph(5))
    save(paired / "train/LQ/2_1_1.png", rainy(photograph(5)))
    [finding] = doctor(paired)
    assert finding.is_error and "more than one clean image" in finding.text
    assert finding.names == ["LQ/2_1_1.png: GT/2.png, GT/2_1.png"]


def test_crops_of_super_resolution_are_counted(paired, capsys):
    for part in PARTS:
        for path in (paired / part / "LQ").iterdir():
            save(path, images.read_image(path).pixels[:44, :60:][::4, ::4])
        for path in (paired / part / "GT").iterdir():
            save(path, images.read_image(path).pixels[:47, :61])
    assert not doctor(paired, "--config.data.scale=4")
    text = "clean images cropped from the top left to a multiple of 4, as papers do"
    assert capsys.readouterr().out.count(f"{text}: 4 of 4\n") == 3


def test_crops_of_an_evaluation_are_told(clean, capsys):
    save(clean / "test/1.png", photograph(21)[:-1])
    factor = ("--config.degradation.name=bicubic", "--config.degradation.factor=4")
    assert not doctor(clean, *factor, config="super_resolution:synthetic")
    text = (
        "an evaluation crops 1 of 4 clean images from the top left to a multiple of 4"
    )
    assert text in capsys.readouterr().out


def test_a_border_is_named_and_cut_off_if_asked(paired):
    for part in PARTS:
        for path in (paired / part / "LQ").iterdir():
            save(path, images.read_image(path).pixels[2:-2, 2:-2])
    assert doctor(paired)[0].text == "pairs of unequal size"
    assert not doctor(paired, "--config.data.border=2")


def test_a_test_set_may_bring_the_degraded_images(paired, tmp_path, capsys):
    """Where a training makes its own: clean images are those in GT."""
    output = tmp_path / "sheet"
    assert command(paired, f"--output={output}", config="denoising") == 0
    text = capsys.readouterr().out
    assert "train: " in text and "train, 4 clean images" in text
    assert "test, 4 pairs" in text
    assert (output / check.SHEET_NAME).is_file()


def test_folders_that_do_not_exist_are_told_apart(clean):
    for part in PARTS:
        shutil.rmtree(clean / part)
    found = doctor(clean, config="denoising")
    assert [finding.is_error for finding in found] == [True, True, False]
    assert all("there is no folder" in finding.text for finding in found)
    [train, test] = doctor(clean, "--config.validation.dir=", config="denoising")
    assert (train.is_error, test.is_error) == (True, False)


def test_validation_needs_its_number_of_images_and_crops_only_those(clean):
    save(clean / "validation/3.png", photograph(13)[:20])
    [small] = doctor(clean, config="denoising")
    assert small.is_error and small.names == ["3.png: 20 x 64"]
    fewer, more = (f"--config.validation.num_images={number}" for number in (3, 5))
    assert not doctor(clean, fewer, config="denoising")
    _, number = doctor(clean, more, config="denoising")
    assert number.is_error and "num_images=5" in number.text


def test_at_most_ten_names_are_shown_and_all_are_counted():
    names = [f"{index}.png" for index in range(25)]
    lines = inspection.to_text(inspection.Finding(True, "odd images", names))
    assert lines[0] == "ERROR: odd images (25)"
    assert [line.strip() for line in lines[1:-1]] == names[:10]
    assert lines[-1].strip() == "... and 15 more"


@pytest.mark.parametrize("config", ["default", "denoising"])
def test_the_contact_sheet_is_written_where_asked(request, tmp_path, config):
    root = request.getfixturevalue("paired" if config == "default" else "clean")
    (root / "test" / ("GT/1.png" if config == "default" else "1.png")).write_bytes(b"")
    output = tmp_path / "new" / "sheets"
    assert command(root, f"--output={output}", config=config) == 1
    [path] = output.iterdir()
    with Image.open(path) as sheet:
        assert sheet.width > 4 * 200
    assert command(root, f"--output={output}", "--overwrite", config=config) == 1


def test_a_contact_sheet_is_not_replaced_unasked(paired, tmp_path, capsys):
    save(tmp_path / "out" / check.SHEET_NAME, photograph(0))
    assert command(paired, f"--output={tmp_path / 'out'}") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and "exists already" in captured.err
    assert not captured.out  # found out before the images are read


def test_check_needs_a_configuration_and_takes_a_stored_one(clean, tmp_path, capsys):
    values = flags.FlagValues()
    main.define_flags(values)
    assert main.run(values, main.parse(["main", "--mode=check"], values)) == 2
    assert "--config is missing" in capsys.readouterr().err
    _, *overrides = arguments(clean, "denoising")
    workdir = tmp_path / "run"
    workdir.mkdir()
    configuration.write(configuration.load("denoising", overrides), workdir)
    argv = ["main", "--mode=check", f"--workdir={workdir}"]
    assert main.run(values, main.parse(argv, values)) == 0


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(images.to_uint8(pixels)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), np.float32) / 255


def recognised(one: np.ndarray, other: np.ndarray) -> bool:
    hashes = [photo_hash.photo_hash(pixels)[None] for pixels in (one, other)]
    return list(photo_hash.matches(*hashes)) == [(0, 0)]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: as_jpeg(x, 30),
        np.rot90,
        lambda x: np.rot90(x, -1),
        lambda x: np.rot90(x, 2),
        lambda x: x[:, ::-1],
        lambda x: x[:-1],
        lambda x: x[:, :-1],
        lambda x: as_jpeg(np.rot90(x)[:-1, :-1], 50),
        lambda x: 0.2 + 0.5 * x,
        lambda x: photo_hash.luminance(x)[..., None],
        lambda x: x[::2, ::2],
    ],
    ids=[
        *("jpeg", "left", "right", "half_turn", "mirror", "row", "column"),
        *("all", "contrast", "grey", "smaller"),
    ],
)
def test_a_photograph_is_recognised(change):
    pixels = photograph(5, (241, 321))
    assert recognised(pixels, change(pixels))


def test_different_photographs_are_not_confused():
    hashes = np.array([photo_hash.photo_hash(photograph(seed)) for seed in range(60)])
    assert list(photo_hash.matches(hashes, hashes)) == [(i, i) for i in range(60)]


def test_images_without_contents_match_nothing():
    ramp = np.broadcast_to(np.linspace(0, 1, 64)[:, None, None], (64, 48, 3))
    for pixels in (np.full((9, 9, 3), 0.4, np.float32), ramp.astype(np.float32)):
        assert not recognised(pixels, pixels)
    assert not list(photo_hash.matches(np.zeros((0, 256)), np.zeros((3, 256))))


def test_a_hash_of_an_image_smaller_than_the_thumbnail():
    pixels = np.random.default_rng(0).uniform(size=(5, 7, 3)).astype(np.float32)
    assert recognised(pixels, np.rot90(pixels))


@pytest.mark.parametrize("shift", [(0, 1), (-1, 0), (3, -2), (-10, 25)])
def test_a_shift_is_found_in_heavy_rain(shift):
    wide = photo_hash.luminance(photograph(1, (260, 300)))
    moved = np.roll(wide, shift, axis=(0, 1))[30:-30, 30:-30]
    degraded = rainy(moved[..., None], share=0.15)[..., 0]
    assert comparing.find_shift(wide[30:-30, 30:-30], degraded) == shift


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_aligned_pairs_and_unrelated_images_are_not_called_shifted(share):
    planes = [photo_hash.luminance(photograph(seed, (96, 128))) for seed in range(6)]
    for seed, plane in enumerate(planes):
        degraded = rainy(plane[..., None], seed, share)[..., 0]
        assert comparing.find_shift(plane, degraded) is None
        blurred = (degraded + np.roll(degraded, 1, 0) + np.roll(degraded, -1, 0)) / 3
        assert comparing.find_shift(plane, blurred) is None
        assert comparing.find_shift(planes[seed - 1], degraded) is None
    flat = np.full((40, 40), 0.5, np.float32)
    assert comparing.find_shift(flat, flat) is None


def test_the_psnr_is_that_of_the_metrics():
    pixels = photograph(3)
    degraded = rainy(pixels)
    pair = comparing.compare(pixels, degraded)
    assert pair.psnr_rgb == pytest.approx(float(metrics.psnr(degraded, pixels)), 1e-4)
    expected = float(metrics.psnr(degraded, pixels, luma=True))
    assert pair.psnr_y == pytest.approx(expected, 1e-4)


def test_a_histogram_counts_every_value():
    assert inspection.histogram([20.0]) == ["  20 to  21 dB      1 #"]
    assert inspection.histogram([20.5, 25.1, 39.9, 20.1]) == [
        "  20 to  22 dB      2 ##",
        *(f"  {low} to  {low + 2} dB      0" for low in (22,)),
        "  24 to  26 dB      1 #",
        *(f"  {low} to  {low + 2} dB      0" for low in range(26, 38, 2)),
        "  38 to  40 dB      1 #",
    ]
    lines = inspection.histogram(np.linspace(3, 70, 1000))
    assert len(lines) <= 12
    assert sum(int(line.split()[4]) for line in lines) == 1000


def test_the_67_photographs_that_bsds500_shares_with_rain100_are_found(shared_data):
    lines = (shared_data / "Rain100/bsds500_overlap.txt").read_text().splitlines()
    listed = [line.split() for line in lines if not line.startswith("#")]
    expected = {
        (Path(path).name, name) for name, split, path in listed if split == "train"
    }
    facts = []
    for folder in ("BSDS500/train", "Rain100/GT"):
        facts.append([])
        for path in images.list_images(shared_data / folder):
            with Image.open(path) as image:
                image.draft("L", (240, 160))  # half the size where that is cheap: JPEG
                pixels = np.asarray(image.convert("L"), np.float32)[..., None] / 255
            photo = photo_hash.photo_hash(pixels)
            facts[-1].append(inspection.Facts(path.name, photo=photo))
    shared = inspection.find_shared(*facts)
    assert len(shared) == len({photograph for photograph, _ in expected}) == 67
    found = set()
    for line in shared:
        photograph, names = line.split(" = ")
        found |= {(photograph, name) for name in names.split(", ")}
    assert found == expected
