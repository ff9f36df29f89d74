"""Weights in one file: what is written is read, by path and by name."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open

import irsde_jax
from irsde_jax import configuration, main, models, weights
from irsde_jax.checkpoints import weights_file
from irsde_jax.cli import weights_table
from irsde_jax.demo import trial
from irsde_jax.restoration import configured, loading


@pytest.fixture(scope="module")
def config():
    config = configuration.load("denoising:small").unlock()
    config.model.update(width=4, enc_blocks=(1,), dec_blocks=(1,), middle_blocks=0)
    return config.lock()


@pytest.fixture(scope="module")
def params(config):
    model = configured.make_network(config)
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
    text = weights_table.weights_table()
    assert "CBSD68: 30 dB" in text
    assert f"{known.num_parameters / 1e6:.2f} M" in text
    assert str(weights.LICENCE) in text
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


SHIPPED = {known.name: known for known in weights.list_weights()}
shipped = pytest.mark.parametrize("name", SHIPPED)


def test_what_ships_fits_into_the_package():
    assert SHIPPED
    assert sum(known.megabytes for known in SHIPPED.values()) <= 24


@shipped
def test_a_shipped_file_is_small_and_says_what_it_is(name):
    known = SHIPPED[name]
    assert known.megabytes <= 6
    with safe_open(known.path, framework="numpy") as file:
        assert file.metadata()["format_version"] == weights_file.FORMAT_VERSION
        assert {file.get_slice(key).get_dtype() for key in file.keys()} == {"F16"}  # noqa: SIM118
    params = irsde_jax.load(name).params
    assert known.num_parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


@shipped
def test_a_shipped_file_has_a_complete_card(name):
    card = SHIPPED[name].card
    found = {key: type(value) for key, value in card.items()}
    assert found == weights.CARD
    assert all(value for key, value in card.items() if key != "seed")
    assert all(type(value) is str for value in card["figures"].values())
    assert all(value > 0 for value in card["seconds_per_image"].values())
    sampling = loading.stored_config(name).sampling
    assert card["default"].startswith(f"{sampling.solver}, {sampling.num_evals} eval")
    assert "research use" in card["licence"]


@shipped
def test_shipped_weights_reach_what_their_card_says(name):
    """On crops of two photographs, by default settings, within 0.05 dB."""
    stated = SHIPPED[name].card["check"]
    measured = trial.check(irsde_jax.load(name))
    assert measured.keys() == stated.keys()
    for case, psnr in stated.items():
        assert measured[case] == pytest.approx(psnr, abs=0.05), case


def test_the_page_of_the_weights_explains_every_key_of_a_card():
    page = Path(__file__).parents[1] / "docs" / "weights.md"
    text = page.read_text("utf-8")
    assert [key for key in weights.CARD if f"`{key}`" not in text] == []


def test_the_licence_quotes_the_terms_of_the_photographs():
    text = weights.LICENCE.read_text("utf-8")
    for part in ("research use only", "BSDS500", "RainTrainH", "Apache-2.0"):
        assert part in text
    assert "non-commercial research and educational purposes" in text
