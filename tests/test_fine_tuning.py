"""Training that starts from official weights, by the loop that users run."""

from pathlib import Path

import chex
import numpy as np
import pytest
from PIL import Image

from irsde_jax import configuration
from irsde_jax.checkpoints import load_pytorch
from irsde_jax.training import loop

WEIGHTS = Path(__file__).parent / "golden" / "networks" / "denoising_nafnet.pth"


@pytest.fixture
def config(tmp_path):
    """One step that changes nothing, of the network in WEIGHTS, on noise."""
    (tmp_path / "photographs").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photographs" / "0.png")
    config = configuration.load("quickstart").unlock()
    config.model.update(width=8, enc_blocks=(1, 2), dec_blocks=(1, 1))
    config.data.update(train_dir=str(tmp_path / "photographs"), crop_size=16)
    config.validation.dir = ""
    config.train.update(batch_size=4, num_steps=1)
    config.optimizer.update(learning_rate=0.0, decay="constant", warmup_steps=0)
    return config.lock()


def test_training_starts_from_official_weights(config, tmp_path):
    _, expected = load_pytorch(WEIGHTS)
    state = loop.train(config, tmp_path / "run", weights=WEIGHTS)
    chex.assert_trees_all_equal(state.params, expected)
    chex.assert_trees_all_close(state.ema_params, expected, rtol=1e-6)


def test_weights_of_another_network_are_refused(config, tmp_path):
    with config.unlocked():
        config.model.width = 4
    with pytest.raises(ValueError, match=r"model\.width: stored 8, given 4"):
        loop.train(config, tmp_path / "run", weights=WEIGHTS)
