"""Trainings of a few steps in this process, on images made here."""

import jax
import numpy as np
from PIL import Image

from irsde_jax import configuration

# No block at all, four convolutions: the loop needs a network, not a good one.
TINY_MODEL = dict(
    name="nafnet",
    channels=3,
    width=4,
    enc_blocks=(0,),
    middle_blocks=0,
    dec_blocks=(0,),
    dtype="float32",
    remat=False,
)


def smooth_image(seed, size=24):
    """Coarse random colours, enlarged: something with structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def write_pairs(tmp_path):
    """Three pairs: clean images, and darker ones in LQ; returns their folder."""
    for name in ("GT", "LQ"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(3):
        image = smooth_image(seed)
        image.save(tmp_path / "data" / "GT" / f"{seed}.png")
        image.point(lambda v: v // 2).save(tmp_path / "data" / "LQ" / f"{seed}.png")
    return tmp_path / "data"


def tiny_config(folder, num_steps=4, **changes):
    """Four steps on 16 x 16 crops, a checkpoint and a validation every two."""
    config = configuration.load("default").unlock()
    config.model = dict(TINY_MODEL)
    config.update(
        dict(
            data=dict(train_dir=str(folder), crop_size=16, num_threads=1),
            train=dict(
                batch_size=4, num_steps=num_steps, log_every=1, checkpoint_every=2
            ),
            validation=dict(dir=str(folder), every=2, num_images=2, crop_size=16),
            sampling=dict(num_evals=2),
            optimizer=dict(decay="constant", learning_rate=1e-3),
        )
    )
    config.update(changes)
    return config.lock()


def host(state):
    return jax.device_get(state)


def assert_same_state(a, b):
    assert a.step == b.step
    jax.tree.map(np.testing.assert_array_equal, host(a), host(b))
