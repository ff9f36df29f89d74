"""Weights in one file: what is written is read, by path and by name."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import irsde_jax
from irsde_jax import configuration, main, models, restorer, weights
from irsde_jax.checkpoints import weights_file


@pytest.fixture(scope="module")
def config():
    config = configuration.load("denoising:small").unlock()
    config.model.update(width=4, enc_blocks=(1,), dec_blocks=(1,), middle_blocks=0)
    return config.lock()


@pytest.fixture(scope="module")
def params(config):
    model = restorer.make_model(config)
    return jax.device_get(models.init_params(model, jax.random.key(0)))


@pytest.fixture
def path(tmp_path, config, params):
    return weights_file.write(tmp_path / "mine.safetensors", params, config)


def test_file_is_read_as_it_was_written_to_float16(path, config, params):
    found, stored = weights_file.read(path)
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a, b.astype(np.float16)),
        found,
        params,
    )
    assert configuration.differences(stored, config) == []
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(found))
    restore = irsde_jax.load(path)
    image = np.full((8, 8, 3), 0.5, np.float32)
    assert restore(image).shape == image.shape


def test_pack_writes_what_load_reads(path, tmp_path):
    """The command line, from one file to another; nothing is replaced unasked."""
    values = main.flags.FlagValues()
    main.define_flags(values)
    target = tmp_path / "copy.safetensors"
    argv = ["main", "--mode=pack", f"--weights={path}", f"--output={target}"]
    overrides = main.parse(argv, values)
    assert main.run(values, overrides) == 0
    assert target.read_bytes()[-100:] == path.read_bytes()[-100:]
    assert main.run(values, overrides) == 1  # it exists


def test_shipped_weights_are_found_by_name(path, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    path.with_suffix(".json").write_text(
        json.dumps({"task": "denoising", "figures": {"CBSD68": "30 dB"}})
    )
    (known,) = irsde_jax.list_weights()
    assert (known.name, known.card["task"]) == ("mine", "denoising")
    assert "30 dB" in weights.table()
    assert irsde_jax.load("mine").config.task == "denoising"
    with pytest.raises(FileNotFoundError, match="mine"):
        irsde_jax.load("yours")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_damaged_file_is_a_clear_error(path, damage):
    content = path.read_bytes()
    changed = {"truncated": content[:-50], "text": b"hello " * 50, "empty": b""}
    path.write_bytes(changed[damage])
    with pytest.raises(ValueError, match="damaged"):
        irsde_jax.load(path)


def test_file_of_somebody_else_is_a_clear_error(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.ones(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="--mode=pack"):
        irsde_jax.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError):
        irsde_jax.load(tmp_path / "none.safetensors")


def test_what_float16_cannot_hold_is_refused(tmp_path, config):
    for value in (np.nan, 1e6):
        with pytest.raises(ValueError, match="float16"):
            weights_file.write(
                tmp_path / "x.safetensors", {"w": np.float32([value])}, config
            )
    assert list(tmp_path.iterdir()) == []


def test_every_shipped_file_has_its_card_and_is_small():
    for known in weights.list_weights():
        assert {"task", "licence", "data", "command", "figures"} <= set(known.card)
        assert known.path.stat().st_size < 6e6
        irsde_jax.load(known.name)
