"""Every shipped experiment and variant: its network, its data, and a run of two steps.

One tiny network and one size stand for all, so that the runs share what is compiled.
"""

import functools
import math

import jax
import jax.numpy as jnp
import miniatures
import numpy as np
import pytest
from PIL import Image
from tiny_trainings import TINY_MODEL

from irsde_jax import configuration, models
from irsde_jax.evaluation import evaluate
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.files import runner
from irsde_jax.training import loop

SIDE = miniatures.SIDE
NAMES = [name for name in configuration.config_names() if name != "default"]
JOINED = (
    "deraining:light,small,synthetic",
    "deraining:refusion,synthetic",
    "denoising:blind,small",
    "inpainting:thick,small",
)
EXPERIMENTS = (
    *NAMES,
    *(f"{n}:{v}" for n in NAMES for v in configuration.config_variants(n)),
    *JOINED,
)


def tiny(experiment):
    """The experiment with the tiny network, one size, and two steps."""
    config = configuration.load(experiment).unlock()
    config.model = dict(TINY_MODEL)
    config.data.update(crop_size=SIDE, num_threads=1)
    config.train.update(batch_size=4, num_steps=2, log_every=1, checkpoint_every=2)
    config.validation.update(every=2, num_images=1, crop_size=SIDE)
    config.evaluation.crop_border = min(config.evaluation.crop_border, 2)
    config.optimizer.warmup_steps = 0
    # The last of several steps has no noise and no memory of its own.
    config.sampling.num_evals = 2
    return config.lock()


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Miniatures of all data sets: `datasets/...` and what stands for "tfds:..."."""
    root = tmp_path_factory.mktemp("miniatures")
    for name in miniatures.FILES:
        miniatures.make(name, root / "manual" / name)
    clean = ("photographs", "validation", "DF2K", "McMaster", "train", "test")
    paired = [f"{n}/{s}" for n in ("RESIDE", "shadow") for s in ("train", "validation")]
    paired += ["rain_pairs", "rain_validation"]
    for folder in (*clean, *(f"{p}/{part}" for p in paired for part in ("GT", "LQ"))):
        _write_images(root / "datasets" / folder)
    for part in ("GT", "LQ"):
        _write_images(root / "datasets" / "shadow" / "test" / part)
    return root


def _write_images(folder):
    folder.mkdir(parents=True)
    for seed in range(2):
        miniatures.smooth_image(seed, SIDE).save(folder / f"{seed}.png")


def place(config, root):
    """The configuration with its data in `root`."""

    def moved(address):
        # A miniature is too small to be cut into training and validation images.
        address = address.partition("[")[0]
        return address if address.startswith("tfds:") else f"{root}/{address}"

    with config.unlocked():
        config.data.update(
            train_dir=moved(config.data.train_dir),
            tfds_dir=f"{root}/tfds",
            manual_dir=f"{root}/manual",
        )
        if config.validation.dir:
            config.validation.dir = moved(config.validation.dir)
        config.evaluation.dir = moved(config.evaluation.dir)
    return config


@functools.cache
def num_parameters(model, side):
    """Of a network, traced at a size."""
    params = models.abstract_params(model)
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    time = jax.ShapeDtypeStruct((1,), jnp.int32)
    output = jax.eval_shape(model.apply, {"params": params}, image, image, time)
    assert output.shape == image.shape
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_network_has_its_published_size(experiment):
    config = configuration.load(experiment)
    count = num_parameters(make_network(config), config.data.crop_size)
    variants = experiment.partition(":")[2].split(",")
    if experiment == "shipped:inpainting":
        assert 1.8e6 < count < 1.9e6  # a level deeper
    elif "small" in variants or experiment.startswith(("quickstart", "shipped")):
        assert 0.3e6 < count < 0.5e6
    elif "refusion" in variants:
        assert abs(count - 76.6e6) < 0.1e6
    elif config.process == "denoising":
        assert 136e6 < count < 138e6  # another attention, no mean at its input
    else:
        assert round(count / 1e4) == 13715


# One run for each experiment, two that join variants and one for each other process.
# The rest differs in settings alone, which the test above and those of the
# configuration read.
SHORT = (*NAMES, *JOINED[1:3], "deraining:ddpm", "inpainting:filled")
RUN = [
    pytest.param(name, marks=() if name in SHORT else pytest.mark.long)
    for name in EXPERIMENTS
]


@pytest.mark.parametrize("experiment", RUN)
def test_it_trains_evaluates_and_restores(experiment, data, tmp_path):
    config = place(tiny(experiment), data)
    workdir = tmp_path / "run"
    state = loop.train(config, workdir)
    assert int(state.step) == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))

    report = evaluate.run(None, workdir)
    assert len(report["images"]) >= 1
    assert math.isfinite(report["mean"]["restored_psnr_rgb"])

    photograph = data / "datasets" / "photographs" / "0.png"
    output = tmp_path / "restored"
    runner.run(None, workdir, None, input=photograph, output=output)
    with Image.open(output / "0.png") as image:
        assert image.size == (SIDE * config.data.scale,) * 2
