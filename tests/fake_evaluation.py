"""An evaluation by a restorer without a network."""

import numpy as np

from irsde_jax import configuration
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.evaluation import evaluate
from irsde_jax.restoration import configured, loading


class FakeRestorer:
    """Halves the way to grey: what a `Restorer` offers, without a network."""

    def __init__(self, config):
        self.config = config
        self.schedule = configured.make_schedule(config)
        self.process = configured.make_process(config, self.schedule)
        self.sampling = configured.make_sampling(config)
        self.calls = []

    def num_evals(self, sigma=None):
        return self.sampling.num_evals

    def __call__(self, image, *, key=None, **options):
        self.calls.append((image, key, options))
        return (0.5 * image + 0.25).clip(0.0, 1.0)


def make_image(seed, shape=(16, 20, 3)):
    samples = np.random.default_rng(seed).integers(0, 256, shape)
    return samples.astype(np.float32) / np.float32(255)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(path, ImageFile(pixels, None, 8))


def starter(tmp_path, monkeypatch):
    """Writes a test set; returns `start(*overrides)`, which evaluates it."""
    for seed, name in enumerate(("b.png", "a.png", "c.bmp")):
        write(tmp_path / "photos" / name, make_image(seed))

    def run(*overrides, name="quickstart", workdir=tmp_path / "run", **options):
        folder = tmp_path / "photos"
        overrides = [f"--config.evaluation.dir={folder}", *overrides]
        run.restorer = FakeRestorer(configuration.load(name, overrides))
        monkeypatch.setattr(loading, "open_restorer", lambda *_: run.restorer)
        return evaluate.run(None, workdir, **options)

    return run
