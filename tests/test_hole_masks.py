"""Masks: white is filled. Files and arrays, of every kind that people have."""

import logging

import numpy as np
import pytest
from one_conv import denoiser, make, photo
from PIL import Image
from scipy import ndimage

from irsde_jax.data.image_files import formats, hole_masks
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration.files import filling, jobs, runner

SHAPE = 24, 20
HOLE = np.zeros(SHAPE, bool)
HOLE[5:12, 4:15] = True
GROWN = ndimage.binary_dilation(HOLE, np.ones((3, 3)))
LEVELS = (255 * HOLE).astype(np.uint8)


def save(path, array, mode=None, **options):
    picture = Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


def rgba(inside, outside):
    return np.where(HOLE[..., None], np.uint8(inside), np.uint8(outside))


class TestFile:
    @pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA"])
    def test_white_is_a_hole_whatever_the_file_holds(self, mode, tmp_path):
        path = save(tmp_path / "mask.png", LEVELS, mode)
        found = hole_masks.read(HoleMask(path), *SHAPE)
        np.testing.assert_array_equal(found, HOLE)
        found = hole_masks.read(HoleMask(path, is_keep=True), *SHAPE)
        np.testing.assert_array_equal(found, ~HOLE)

    @pytest.mark.parametrize(
        "array",
        [
            rgba((255, 255, 255, 255), (0, 0, 0, 0)),
            rgba((255, 0, 0, 255), (255, 0, 0, 0)),  # a red brush on nothing
            rgba((255, 255, 255, 255), (0, 0, 0, 255)),
            HOLE.astype(np.uint8),  # numbers 0 and 1
            (257 * LEVELS.astype(np.uint16)),
            np.where(HOLE, np.uint8(250), np.uint8(3)),
        ],
        ids=["on nothing", "red", "opaque", "0 and 1", "16 bits", "two levels"],
    )
    def test_paint_and_two_levels_are_taken_exactly(self, array, tmp_path):
        path = save(tmp_path / "mask.png", array)
        np.testing.assert_array_equal(hole_masks.read(HoleMask(path), *SHAPE), HOLE)

    def test_a_mask_with_greys_grows_by_a_pixel(self, tmp_path):
        soft = ndimage.gaussian_filter(255.0 * HOLE, 0.5).round().astype(np.uint8)
        path = save(tmp_path / "mask.png", soft)
        np.testing.assert_array_equal(hole_masks.read(HoleMask(path), *SHAPE), GROWN)
        inverted = save(tmp_path / "keep.png", 255 - soft)
        found = hole_masks.read(HoleMask(inverted, is_keep=True), *SHAPE)
        np.testing.assert_array_equal(found, GROWN)
        lossy = save(tmp_path / "mask.jpg", LEVELS, quality=80)
        np.testing.assert_array_equal(hole_masks.read(HoleMask(lossy), *SHAPE), GROWN)

    def test_an_empty_mask_fills_nothing(self, tmp_path):
        path = save(tmp_path / "mask.png", 0 * LEVELS)
        assert not hole_masks.read(HoleMask(path), *SHAPE).any()

    @pytest.mark.parametrize(
        ("array", "is_keep", "message"),
        [
            (
                LEVELS[1:],
                False,
                r"mask.png has 23 x 20 .* and its image 24 x 20.*resize",
            ),
            (LEVELS // 3, False, r"mask.png marks nothing: .* 85 of 255, and 128"),
            (0 * LEVELS + 255, False, r"marks every pixel.*is filled.*add --mask_keep"),
            (0 * LEVELS, True, r"marks every pixel.*is kept.*leave --mask_keep out"),
            (rgba((0, 0, 0, 255), (0, 0, 0, 0)), False, "either may be meant"),
            ((200 * photo(SHAPE) + 30).astype(np.uint8), False, "like a photograph"),
        ],
        ids=["size", "grey", "all", "all of keep", "black on nothing", "photograph"],
    )
    def test_what_is_no_mask_is_refused(self, array, is_keep, message, tmp_path):
        path = save(tmp_path / "mask.png", array)
        with pytest.raises(ValueError, match=message):
            hole_masks.read(HoleMask(path, is_keep), *SHAPE)

    @pytest.mark.parametrize(
        ("is_keep", "advice"),
        [(False, "add --mask_keep"), (True, "leave --mask_keep out")],
    )
    def test_the_likely_opposite_is_warned_of(self, is_keep, advice, tmp_path):
        """Above three quarters of the image, with the share and the flag."""
        image = save(
            tmp_path / "image.png", (200 * photo((*SHAPE, 3))).astype(np.uint8)
        )
        levels = LEVELS if is_keep else 255 - LEVELS
        path = save(tmp_path / "mask.png", levels)
        found = filling.read(image, HoleMask(path, is_keep))
        (text,) = found.warnings
        assert f"{100 * (1 - HOLE.mean()):.1f} % of the image is filled" in text
        assert advice in text
        assert filling.read(image, HoleMask(path, not is_keep)).warnings == ()


class TestMatch:
    def folder(self, tmp_path, *names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            save(tmp_path / name, LEVELS)
        return tmp_path

    def test_masks_have_the_names_of_their_images(self, tmp_path, caplog):
        names = ["a.jpg", "sub/b.png", "c.png", "d.png"]
        files = ["a.png", "sub/b.png", "sub/b.bmp", "c_mask.png", "e.png"]
        found = hole_masks.match(self.folder(tmp_path, *files), names)
        paths = {name: mask.path.relative_to(tmp_path) for name, mask in found.items()}
        assert {name: path.as_posix() for name, path in paths.items()} == {
            "a.jpg": "a.png",
            "sub/b.png": "sub/b.png",
            "c.png": "c_mask.png",
        }
        assert "2 masks belong to no image" in caplog.text

    def test_a_file_is_for_all_images(self, tmp_path):
        path = save(tmp_path / "mask.png", LEVELS)
        found = hole_masks.match(path, ["a.png", "b.png"], is_keep=True)
        assert found == {name: HoleMask(path, True) for name in ("a.png", "b.png")}

    def test_no_mask_and_two_masks_are_errors(self, tmp_path):
        folder = self.folder(tmp_path / "masks", "a.png", "a.bmp")
        with pytest.raises(ValueError, match=r"a\.bmp and a\.png may both .* a\.jpg"):
            hole_masks.match(folder, ["a.jpg"])
        with pytest.raises(ValueError, match=r"none of its 2 images \(a.bmp, a.png\)"):
            hole_masks.match(folder, ["b.jpg"])
        with pytest.raises(FileNotFoundError, match="white marks what is to be filled"):
            hole_masks.match(tmp_path / "nothing", ["a.png"])


class TestArray:
    def restored(self, mask, image=None, **options):
        image = 0.9 * photo((*SHAPE, 3)) if image is None else image
        return image, make(process="inpainting")(image, mask=mask, **options)

    @pytest.mark.parametrize("mask", [HOLE, LEVELS, HOLE.astype(np.uint8)])
    def test_marked_pixels_are_filled_and_others_kept(self, mask):
        image, restored = self.restored(mask)
        np.testing.assert_allclose(restored[~HOLE], image[~HOLE], atol=1e-5)
        assert (np.abs(restored - image)[HOLE] > 1e-3).mean() > 0.9

    def test_what_is_in_a_hole_is_not_looked_at(self):
        image = 0.9 * photo((*SHAPE, 3))
        other = np.where(HOLE[..., None], np.float32(0.3), image)
        first, second = (self.restored(HOLE, i)[1] for i in (image, other))
        np.testing.assert_array_equal(first, second)

    def test_white_outside_the_mask_stays(self):
        image = (255 * 0.9 * photo((*SHAPE, 3))).astype(np.uint8)
        image[15:20, :9] = 255
        _, restored = self.restored(HOLE, image)
        np.testing.assert_array_equal(restored[~HOLE], image[~HOLE])

    def test_a_mask_of_white_is_what_white_is_without_a_mask(self):
        image = 0.9 * photo((*SHAPE, 3))
        image[HOLE] = 1
        _, restored = self.restored(HOLE, image)
        np.testing.assert_allclose(restored, self.restored(None, image)[1], atol=1e-5)

    def test_each_image_of_a_batch_has_its_own_mask_or_the_same(self):
        images = 0.9 * photo((2, *SHAPE, 3))
        masks = np.stack([HOLE, HOLE[::-1]])
        _, restored = self.restored(masks, images)
        np.testing.assert_allclose(restored[~masks], images[~masks], atol=1e-5)
        _, both = self.restored(HOLE, images)
        np.testing.assert_array_equal(both[0], restored[0])

    def test_tiles_and_samples_take_masks(self):
        image = 0.9 * photo((40, 40, 3))
        mask = np.pad(HOLE, ((8, 8), (10, 10)))
        restorer = make(process="inpainting")
        tiled = make(process="inpainting")
        with tiled.config.unlocked():
            tiled.config.sampling.tile = 16
        whole = restorer(image, mask=mask)
        np.testing.assert_allclose(tiled(image, mask=mask), whole, atol=1e-5)
        found = restorer.uncertainty(image, num_samples=2, mask=mask)
        assert (found.std[~mask] < 1e-5).all()
        assert (found.std[mask] > 1e-4).any(axis=-1).mean() > 0.5

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            (HOLE[1:], r"shape \(23, 20\); allowed are \(24, 20\)"),
            (np.stack([HOLE] * 3, -1), "one channel"),
            (LEVELS // 2, r"2 levels from 0 to 127; .*mask >= 128"),
            (HOLE.astype(np.float32), "float32"),
        ],
    )
    def test_other_masks_are_refused(self, mask, message):
        with pytest.raises(ValueError, match=message):
            self.restored(mask)

    def test_other_processes_take_none(self):
        for restorer in (make(), denoiser()):
            with pytest.raises(ValueError, match="fills no holes"):
                restorer(photo((*SHAPE, 3)), mask=HOLE)


class TestRun:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        restorer = make(process="inpainting")
        monkeypatch.setattr(runner, "open_restorer", lambda *_: restorer)

        def run(source="in", **options):
            target = tmp_path / "out"
            runner.run(None, None, "any", tmp_path / source, target, **options)
            return target

        return run

    def write(self, path, array):
        path.parent.mkdir(parents=True, exist_ok=True)
        return save(path, array)

    def image(self, seed=0):
        return (255 * 0.9 * photo((*SHAPE, 3), seed)).astype(np.uint8)

    def test_masks_mirror_the_input_and_only_their_holes_change(self, run, tmp_path):
        for index, name in enumerate(("a", "sub/b")):
            image = self.image(index)
            image[15:20, :9] = 255  # white of the photograph
            self.write(tmp_path / f"in/{name}.png", image)
            self.write(tmp_path / f"in/masks/{name}.png", LEVELS)
        target = run(mask=tmp_path / "in/masks")
        for name in ("a", "sub/b"):
            before, after = (
                np.asarray(Image.open(folder / f"{name}.png"))
                for folder in (tmp_path / "in", target)
            )
            np.testing.assert_array_equal(after[~HOLE], before[~HOLE])
            assert (after != before)[HOLE].mean() > 0.5
        assert not (target / "masks").exists()

    def test_an_image_without_a_mask_is_named_and_the_others_restored(
        self, run, tmp_path
    ):
        for name in ("a", "b", "c"):
            self.write(tmp_path / f"in/{name}.png", self.image())
        self.write(tmp_path / "masks/a.png", LEVELS)
        self.write(tmp_path / "masks/c.png", LEVELS[:5])
        with pytest.raises(ValueError) as caught:
            run(mask=tmp_path / "masks")
        assert "b.png: it has no mask" in str(caught.value)
        assert "c.png: the mask" in str(caught.value)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]

    def test_what_was_erased_is_opaque_afterwards_in_formats_without_alpha(
        self, run, tmp_path
    ):
        erased = np.dstack([self.image(), np.where(HOLE, 0, 255).astype(np.uint8)])
        self.write(tmp_path / "in/a.png", erased)
        target = run(kind="jpg")
        with Image.open(target / "a.jpg") as result:
            assert result.mode == "RGB"

    @pytest.mark.parametrize("output", ["out", "in", "masks"])
    def test_masks_are_neither_originals_nor_replaced(self, tmp_path, output):
        """A mask of the same stem does not get in the way of its image."""
        self.write(tmp_path / "in/a.jpg", self.image())
        self.write(tmp_path / "masks/a.png", LEVELS)
        mask = self.write(tmp_path / "in/a.png", LEVELS)
        mask = tmp_path / "masks" if output == "masks" else mask
        [*jobs_found] = jobs.plan(
            *(tmp_path / "in", tmp_path / output),
            kind="png",
            mask=mask,
        )
        by_name = {job.name: job.problem for job in jobs_found}
        if output == "out":
            assert by_name == {"a.jpg": ""}
        else:
            assert "would lie among the masks" in by_name["a.jpg"]

    def test_an_allowed_size_is_allowed_for_the_mask_as_well(
        self, run, tmp_path, monkeypatch
    ):
        self.write(tmp_path / "in/a.png", self.image())
        self.write(tmp_path / "m.png", LEVELS)
        monkeypatch.setattr(formats, "DEFAULT_MEGAPIXELS", 1e-6)
        with pytest.raises(ValueError, match="max_megapixels"):
            run(mask=tmp_path / "m.png")
        target = run(mask=tmp_path / "m.png", max_megapixels=1)
        assert (target / "a.png").is_file()

    def test_shares_and_warnings_come_before_the_run(self, run, tmp_path, caplog):
        self.write(tmp_path / "in/empty.png", self.image())
        self.write(tmp_path / "in/full.png", self.image())
        self.write(tmp_path / "masks/empty.png", 0 * LEVELS)
        self.write(tmp_path / "masks/full.png", 255 - LEVELS)
        with caplog.at_level(logging.INFO):
            target = run(mask=tmp_path / "masks")
        share = 100 * (1 - HOLE.mean())
        texts = caplog.messages
        told = f"full.png: {share:.1f} % of its pixels are filled (mask full.png)"
        assert texts.index(told) < len(texts) - 1
        assert any(t.startswith("empty.png: It has no hole") for t in texts)
        assert any("full.png" in t and "--mask_keep" in t for t in texts)
        kept = np.asarray(Image.open(target / "empty.png"))
        np.testing.assert_array_equal(kept, self.image())

    @pytest.mark.parametrize("bits", [8, 16])
    def test_all_but_the_hole_comes_back_to_the_bit(self, run, tmp_path, bits):
        image = (photo(SHAPE) * (2**bits - 1)).astype(f"uint{bits}")  # grey
        image[HOLE] = 2**bits - 1
        self.write(tmp_path / "in/grey.png", image)
        target = run()
        restored = np.asarray(Image.open(target / "grey.png"))
        np.testing.assert_array_equal(restored[~HOLE], image[~HOLE])
        assert (restored != image)[HOLE].mean() > 0.5

    def test_erased_pixels_are_filled_and_opaque(self, run, tmp_path):
        erased = np.dstack([self.image(), 255 - LEVELS])
        self.write(tmp_path / "in/erased.png", erased)
        result = np.asarray(Image.open(run() / "erased.png"))
        assert (result[..., 3] == 255).all()
        np.testing.assert_array_equal(result[~HOLE], erased[~HOLE])
        assert (result != erased)[HOLE].any(axis=-1).all()

    def test_transparency_outside_a_mask_is_kept(self, run, tmp_path):
        image = np.dstack([self.image(), np.full(SHAPE, 255, np.uint8)])
        image[15:, :, 3], image[5:7, :, 3] = 0, 0
        self.write(tmp_path / "in/logo.png", image)
        result = np.asarray(
            Image.open(run(mask=self.write(tmp_path / "m.png", LEVELS)) / "logo.png")
        )
        np.testing.assert_array_equal(result[~HOLE], image[~HOLE])
        assert (result[HOLE][:, 3] == 255).all()

    def test_several_samples_keep_what_is_known(self, run, tmp_path):
        image = self.image()
        self.write(tmp_path / "in/a.png", image)
        path = self.write(tmp_path / "m.png", LEVELS)
        target = run(mask=path, num_samples=2)
        result = np.asarray(Image.open(target / "a.png"))
        np.testing.assert_array_equal(result[~HOLE], image[~HOLE])
        spread = np.asarray(Image.open(target / "a.png.uncertainty.png"))
        assert not spread[~HOLE].any()

    def test_a_mask_that_means_nothing_is_refused(self, run, tmp_path, monkeypatch):
        self.write(tmp_path / "in/a.png", self.image())
        path = self.write(tmp_path / "m.png", LEVELS)
        with pytest.raises(ValueError, match=r"--mask_keep says .* add --mask"):
            run(mask_keep=True)
        other = make()
        monkeypatch.setattr(runner, "open_restorer", lambda *_: other)
        with pytest.raises(ValueError, match=r"fills no holes\. Leave"):
            run(mask=path)
