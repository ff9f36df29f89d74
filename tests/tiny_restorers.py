"""A restorer with the smallest of networks, and photographs as files."""

import jax
import numpy as np
from PIL import Image, PngImagePlugin

from irsde_jax import configuration, models
from irsde_jax.restoration import configured
from irsde_jax.restoration.restorer import Restorer


def tiny_config(**changes):
    """IR-SDE with the smallest of networks, two evaluations."""
    config = configuration.load("default").unlock()
    config.model = dict(
        name="nafnet",
        channels=3,
        width=4,
        enc_blocks=(0,),
        middle_blocks=0,
        dec_blocks=(0,),
        dtype="float32",
        remat=False,
    )
    config.sampling.num_evals = 2
    config.update(changes)
    return config.lock()


def tiny_restorer(**changes):
    config = tiny_config(**changes)
    model = configured.make_network(config)
    params = models.init_params(model, jax.random.key(0))
    return Restorer.from_config(config, params, model)


def photo(shape=(12, 10, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, seed=0, *, by=None):
    """A photograph; `by` is the program that its metadata names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = PngImagePlugin.PngInfo()
    if by:
        notes.add_text("Software", by)
    options = {"pnginfo": notes} if path.suffix == ".png" else {}
    Image.fromarray(photo(seed=seed)).save(path, **options)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())
