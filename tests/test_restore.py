"""Restorer and `--mode restore`: types, shapes, files, keys, bad input."""

import os
import shutil
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from tiny_restorers import photo, tiny_config, tiny_restorer

from irsde_jax import configuration
from irsde_jax.checkpoints import runs
from irsde_jax.checkpoints.train_state import TrainState
from irsde_jax.data.image_files import images
from irsde_jax.restoration import loading, noise_keys, restorer
from irsde_jax.restoration.files import one_file, runner

pytestmark = pytest.mark.core

GOLDEN = Path(__file__).with_name("golden") / "networks"


@pytest.fixture(scope="module")
def irsde():
    return tiny_restorer()


@pytest.fixture
def workdir(tmp_path, irsde):
    """A work directory whose EMA weights are those of `irsde`."""
    folder = tmp_path / "run"
    empty = jax.tree.map(np.zeros_like, irsde.params)
    state = TrainState(np.int32(7), empty, irsde.params, (np.int32(7),))
    configuration.write(irsde.config, folder)
    with runs.Checkpoints(folder) as checkpoints:
        checkpoints.save(state, irsde.config)
    return folder


class TestRestorer:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    @pytest.mark.parametrize("batched", [False, True])
    def test_returns_the_type_and_shape_it_got(self, irsde, dtype, batched):
        image = photo() if dtype == np.uint8 else (photo() / 255).astype(dtype)
        image = np.stack([image, image]) if batched else image
        restored = irsde(image)
        assert type(restored) is np.ndarray
        assert restored.dtype == dtype
        assert restored.shape == image.shape
        assert restored.max() <= (255 if dtype == np.uint8 else 1)

    def test_is_deterministic_and_follows_its_key(self, irsde):
        image = photo() / 255
        np.testing.assert_array_equal(irsde(image), irsde(image))
        other = irsde(image, key=jax.random.key(1))
        assert np.abs(irsde(image) - other).max() > 1e-3

    def test_grid_and_solver_can_be_chosen(self, irsde):
        image = photo() / 255
        assert not np.allclose(irsde(image), irsde(image, num_evals=3))
        assert not np.allclose(irsde(image), irsde(image, solver="mr_ode_1"))

    def test_denoising_starts_at_the_noise_level(self):
        denoiser = tiny_restorer(
            process="denoising", schedule=dict(max_sigma=75 / 255, delta=0.04)
        )
        image = photo() / 255
        with pytest.raises(ValueError, match="too small to estimate"):
            denoiser(image[:4])
        weak, strong = (denoiser(image, sigma=s / 255) for s in (5, 50))
        assert np.abs(weak - image).mean() < np.abs(strong - image).mean()
        np.testing.assert_allclose(denoiser(image, sigma=0.0), image, atol=1e-7)
        # fewer steps than the configured evaluations are left: it takes those there are
        assert denoiser(image, sigma=1 / 255).shape == image.shape
        with pytest.raises(ValueError, match="max_sigma"):
            denoiser(image, sigma=80 / 255)

    @pytest.mark.parametrize(
        ("image", "options", "message"),
        [
            (photo((12, 10, 4)), {}, r"\[H, W, 3\].*images\[\.\.\., :3\]"),
            (photo((2, 12, 10)), {}, r"batch of grey images.*images\[\.\.\., None\]"),
            (photo((3, 12, 10)), {}, r"numpy\.moveaxis\(images, 0, -1\)"),
            (photo((1, 2, 12, 10)), {}, r"\[batch, H, W, 3\]"),
            (photo((0, 10, 3)), {}, "at least one pixel"),
            (photo().astype(np.int32), {}, "uint8"),
            (photo(), dict(solver="posteriori"), "posterior"),
            (photo(), dict(num_evals=101), "1..100"),
            (photo(), dict(sigma=0.1), "denoising"),
        ],
    )
    def test_wrong_argument_is_a_clear_error(self, irsde, image, options, message):
        with pytest.raises(ValueError, match=message):
            irsde(image, **options)


class TestLoad:
    def test_work_directory_gives_its_ema_weights(self, workdir, irsde):
        loaded = loading.load(workdir)
        image = photo() / 255
        np.testing.assert_array_equal(loaded(image), irsde(image))
        assert loaded.config.sampling.num_evals == 2

    def test_configuration_of_another_run_is_refused(self, workdir):
        other = tiny_config(process="denoising", schedule=dict(max_sigma=0.2))
        with pytest.raises(ValueError, match=r"process.*schedule\.max_sigma"):
            loading.load(workdir, other)

    def test_agreeing_configuration_may_choose_the_sampling(self, workdir):
        config = tiny_config(sampling=dict(num_evals=3))
        assert loading.load(workdir, config).config.sampling.num_evals == 3

    def test_official_file_needs_and_takes_a_configuration(self):
        path = GOLDEN / "nafnet.pth"
        with pytest.raises(ValueError, match="no schedule"):
            loading.load(path)
        with pytest.raises(ValueError, match=r"model\.width"):
            loading.load(path, tiny_config())
        from irsde_jax.checkpoints import load_pytorch

        model, _ = load_pytorch(path)
        config = tiny_config().unlock()
        for name in ("width", "enc_blocks", "middle_blocks", "dec_blocks", "channels"):
            config.model[name] = getattr(model, name)
        loaded = loading.load(path, config.lock())
        assert loaded(photo()).shape == (12, 10, 3)
        # they were trained with the euler loss, whatever the configuration trains with
        assert loaded.sampling.debias
        assert config.sampling.debias is None
        configuration.to_json(loaded.config)

    @pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin", ".pth.tar", ".PTH"])
    def test_pytorch_files_of_any_suffix_are_read(self, suffix, tmp_path):
        path = tmp_path / f"weights{suffix}"
        shutil.copy(GOLDEN / "nafnet.pth", path)
        with pytest.raises(ValueError, match="no schedule"):
            loading.load(path)
        with pytest.raises(ValueError, match=r"model\.width: stored 8"):
            loading.load(path, tiny_config())
        path.write_bytes(b"something else")
        with pytest.raises(ValueError, match=f"{path.name}.*begins like neither"):
            loading.load(path, tiny_config())

    @pytest.mark.parametrize("source", ["denoising-smal", "no/such/folder", "x.pth"])
    def test_missing_weights_are_a_clear_error(self, source):
        with pytest.raises(FileNotFoundError, match=source):
            loading.load(source, tiny_config())

    def test_folder_that_is_no_run_is_a_clear_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="not the work directory"):
            loading.load(tmp_path)

    def test_malicious_official_file_does_nothing(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "pwned"),)

        import pickle

        path = tmp_path / "evil.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}))
        with pytest.raises(ValueError, match="mkdir"):
            loading.load(path, tiny_config())
        assert not (tmp_path / "pwned").exists()


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        """Grey, colour, transparent, 16-bit and 1 x 1 images, one in a subfolder."""
        root = tmp_path / "in"
        (root / "sub").mkdir(parents=True)
        Image.fromarray(photo()).save(root / "colour.png")
        Image.fromarray(photo((12, 10))).save(root / "grey.png")
        Image.fromarray(photo((12, 10, 4))).save(root / "alpha.png")
        deep = photo((12, 10)).astype(np.uint16) * 257
        Image.fromarray(deep).save(root / "deep.png")
        Image.fromarray(photo((1, 1, 3))).save(root / "sub" / "pixel.png")
        return root

    def run(self, workdir, source, output, **options):
        return runner.run(None, workdir, None, source, output, **options)

    def test_folder_is_mirrored_in_kind(self, workdir, folder, tmp_path):
        written = self.run(workdir, folder, tmp_path / "out")
        names = {path.relative_to(tmp_path / "out").as_posix() for path in written}
        expected = {"colour.png", "grey.png", "alpha.png", "deep.png", "sub/pixel.png"}
        assert names == expected
        on_disk = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
        assert on_disk == {Path(name).name for name in expected}
        for name in expected:
            before, after = (
                images.read_image(root / name) for root in (folder, tmp_path / "out")
            )
            assert after.pixels.shape == before.pixels.shape
            assert after.bits == before.bits
            if before.alpha is not None:
                np.testing.assert_allclose(after.alpha, before.alpha)

    def test_grey_is_repeated_for_a_colour_network_and_averaged(
        self, workdir, irsde, tmp_path
    ):
        source = tmp_path / "grey.npy"
        grey = photo((12, 10)).astype(np.float32) / 255
        np.save(source, grey)
        self.run(workdir, source, tmp_path / "out")
        colour = np.repeat(grey[..., None], 3, axis=-1)
        restored = irsde(colour, key=noise_keys.file_key(0, "grey.npy"))
        assert np.ptp(restored, axis=-1).max() > 1e-3
        found = np.load(tmp_path / "out" / "grey.npy")
        assert found.shape == (12, 10)
        np.testing.assert_allclose(found, restored.mean(axis=-1), atol=1e-6)

    def test_floats_are_restored_in_the_range_of_the_weights(
        self, irsde, tmp_path, monkeypatch
    ):
        levels = photo().astype(np.float16) * 16 - 1000
        np.save(tmp_path / "ct.npy", levels)
        config = irsde.config.copy_and_resolve_references().unlock()
        config.data.data_range = (-1000.0, 3080.0)
        ranged = restorer.Restorer.from_config(
            config.lock(), irsde.params, irsde.network
        )
        key, target = jax.random.key(0), tmp_path / "out.npy"
        one_file.restore_file(ranged, tmp_path / "ct.npy", target, key)
        pixels = (levels.astype(np.float64) + 1000) / 4080
        expected = 4080 * irsde(pixels, key=key) - 1000
        np.testing.assert_allclose(np.load(target), expected, atol=1e-2)
        with pytest.raises(ValueError, match=r"ct\.npy.*data_range"):
            one_file.restore_file(irsde, tmp_path / "ct.npy", target, key)

    def test_result_depends_on_seed_and_relative_path_alone(
        self, workdir, folder, tmp_path
    ):
        self.run(workdir, folder, tmp_path / "all")
        self.run(workdir, folder / "colour.png", tmp_path / "one")
        self.run(workdir, folder / "colour.png", tmp_path / "seed.png", seed=1)
        read = lambda path: images.read_image(path).pixels  # noqa: E731
        alone = read(tmp_path / "one" / "colour.png")
        np.testing.assert_array_equal(read(tmp_path / "all" / "colour.png"), alone)
        assert not np.array_equal(read(tmp_path / "seed.png"), alone)

    def test_what_exists_is_finished_unless_it_is_to_be_replaced(
        self, workdir, folder, tmp_path, caplog
    ):
        out = tmp_path / "out"
        out.mkdir()
        (out / "grey.png").write_bytes(b"mine")
        caplog.set_level("INFO")
        written = self.run(workdir, folder, out)
        assert "skipping 1 of 5" in caplog.text
        assert len(written) == 4
        assert (out / "grey.png").read_bytes() == b"mine"
        assert self.run(workdir, folder, out) == []
        self.run(workdir, folder, out, overwrite=True)
        assert images.read_image(out / "grey.png").pixels.shape == (12, 10, 1)

    def test_original_is_never_replaced(self, workdir, folder):
        before = (folder / "colour.png").read_bytes()
        with pytest.raises(ValueError, match="replace its original"):
            self.run(workdir, folder, folder, overwrite=True)
        assert (folder / "colour.png").read_bytes() == before

    def test_bad_file_is_named_and_does_not_stop_the_others(
        self, workdir, folder, tmp_path
    ):
        (folder / "broken.png").write_bytes((folder / "colour.png").read_bytes()[:60])
        with pytest.raises(ValueError, match=r"1 of 6 images.*broken\.png"):
            self.run(workdir, folder, tmp_path / "out")
        done = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert len(done) == 5

    def test_missing_input_is_a_clear_error(self, workdir, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match="--input"):
            self.run(workdir, tmp_path / "nowhere", tmp_path / "out")
        shutil.rmtree(folder / "sub")
        for path in folder.iterdir():
            path.unlink()
        with pytest.raises(ValueError, match="png"):
            self.run(workdir, folder, tmp_path / "out")
