"""Degradations and sources of images that a user's own module defines."""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_weights
from absl import flags

from irsde_jax import configuration, main, registry
from irsde_jax.app import samples
from irsde_jax.cli import check, running
from irsde_jax.data import degradations, sources
from irsde_jax.evaluation import evaluate
from irsde_jax.training import loop

MODULE = """
import jax
import numpy as np

def darken(key, image, *, gain=0.5, noise=0.0):
    return gain * image + noise * jax.random.normal(key, image.shape)

class Ramps:
    names = ["steep", "flat"]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        ramp = np.linspace(0, 1 / (index + 1), 24, dtype=np.float32)
        return {"x0": np.broadcast_to(ramp[:, None, None], (24, 24, 3))}

class Pairs(Ramps):
    def __getitem__(self, index):
        x0 = super().__getitem__(index)["x0"]
        return {"x0": x0, "mu": x0 / 2}

class Grey(Ramps):
    def __getitem__(self, index):
        return {"x0": super().__getitem__(index)["x0"][..., :1]}

class Empty(Ramps):
    names = []

def nothing():
    return None

number = 3
"""
DARKEN, RAMPS = "outside_images:darken", "outside_images:Ramps"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A module outside of the package that can be imported, and that nobody trusts."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    (tmp_path / "outside_images.py").write_text(MODULE)
    yield
    sys.modules.pop("outside_images", None)


@pytest.fixture
def trusted(written):
    registry.trust("outside_images")


def tiny_config():
    """One step of training, one validation and an evaluation on the user's images."""
    config = tiny_weights.config("denoising:small").unlock()
    config.degradation = dict(name=DARKEN, gain=0.25, sigma=25 / 255)
    config.data.update(train_dir=RAMPS, crop_size=16, num_threads=1)
    config.train.update(batch_size=4, num_steps=1, checkpoint_every=1, log_every=1)
    config.validation.update(dir=RAMPS, every=1, num_images=2, crop_size=16)
    config.evaluation.update(dir=RAMPS, baselines=())
    return config.lock()


def test_a_degradation_is_found_by_name_and_takes_its_options(trusted):
    image = jnp.full((4, 4, 3), 0.8)
    degrade = degradations.make_degradation(DARKEN, gain=0.25, sigma=0.1)
    np.testing.assert_allclose(degrade(jax.random.key(0), image), 0.2, rtol=1e-6)
    text = degradations.describe(DARKEN, gain=0.25, sigma=0.1)
    assert text == f"{DARKEN} with gain=0.25"
    assert degradations.shrinking_factor(DARKEN) == 1
    with pytest.raises(ValueError, match=r"no option 'gains'.*\['gain', 'noise'\]"):
        degradations.make_degradation(DARKEN, gains=0.25)


def test_a_degradation_joins_those_of_the_package(trusted):
    image = jnp.full((8, 8, 3), 0.8)
    name = f"bicubic+{DARKEN}"
    degrade = degradations.make_degradation(name, factor=2, gain=0.5)
    np.testing.assert_allclose(degrade(jax.random.key(0), image), 0.4, rtol=1e-5)
    assert degradations.shrinking_factor(name, factor=2) == 2


def test_a_degradation_that_is_no_function_is_an_error(trusted):
    with pytest.raises(ValueError, match=r"is 3; it must be a function"):
        degradations.make_degradation("outside_images:number")


def test_a_source_is_found_by_name(trusted):
    source = sources.open_source(RAMPS, None)
    assert (len(source), source.names) == (2, ["steep", "flat"])
    assert source[1]["x0"].max() == 0.5
    pairs = sources.open_source("outside_images:Pairs", True)
    np.testing.assert_array_equal(2 * pairs[0]["mu"], pairs[0]["x0"])
    assert set(sources.open_source("outside_images:Pairs", False)[0]) == {"x0"}


@pytest.mark.parametrize(
    ("name", "paired", "message"),
    [
        ("number", None, "is 3; it must be a callable"),
        ("nothing", None, "returns NoneType, which has no names, __len__"),
        ("Empty", None, "has 0 images"),
        ("Grey", None, r"shape \(24, 24, 1\); it must be float32 \[H, W, 3\]"),
        ("Ramps", True, "has no degraded images"),
        ("Ramp", None, "has no 'Ramp'. Did you mean 'Ramps'"),
    ],
)
def test_what_is_no_source_is_an_error(trusted, name, paired, message):
    with pytest.raises(ValueError, match=message):
        sources.open_source(f"outside_images:{name}", paired)


def test_nothing_is_imported_that_nobody_trusts(written):
    with pytest.raises(ValueError, match=r"degradation\.name=.*nothing was imported"):
        degradations.make_degradation(DARKEN)
    with pytest.raises(ValueError, match=r"data source=.*nothing was imported"):
        sources.open_source(RAMPS, None)
    assert "outside_images" not in sys.modules


@pytest.mark.parametrize(
    ("address", "is_folder"),
    [
        ("photos", True),
        ("photos/a:b", True),
        ("C:\\photos", True),
        ("a.module:b c", True),
        ("tfds:rain100h/train", False),
        ("module:Name", False),
        ("a.module_2:Name.of_it", False),
    ],
)
def test_a_folder_is_told_from_a_name(address, is_folder):
    assert sources.is_folder(address) == is_folder


def test_a_folder_that_exists_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    assert sources.is_folder("a:b")


def test_a_run_stores_the_names_and_evaluate_finds_them(
    trusted, tmp_path, monkeypatch, capsys
):
    loop.train(tiny_config(), tmp_path / "run")
    stored = configuration.read_stored(tmp_path / "run")
    assert (stored.degradation.name, stored.data.train_dir) == (DARKEN, RAMPS)

    evaluate.run(None, tmp_path / "run")
    results = tmp_path / "run" / "evaluation" / "outside_images_Ramps"
    report = json.loads((results / "metrics.json").read_text("utf-8"))
    assert [row["name"] for row in report["images"]] == ["steep", "flat"]
    assert f"{DARKEN} with gain=0.25" in report["degraded"]

    monkeypatch.setattr(registry, "_trusted", set())
    with pytest.raises(ValueError, match="nobody has said that the module"):
        evaluate.run(None, tmp_path / "run", overwrite=True)


def test_the_doctor_examines_a_source(trusted, capsys):
    config = tiny_config().unlock()
    config.validation.dir = config.evaluation.dir = ""
    findings = check.run(config)
    assert not [finding for finding in findings if finding.is_error]
    assert f"train: {RAMPS}, 2 clean images" in capsys.readouterr().out


def test_the_page_goes_without_photographs_that_only_a_stranger_can_degrade(
    written, tmp_path, caplog
):
    restorer = tiny_weights.make_from(tiny_config())
    assert samples.write_samples(restorer, tmp_path) == []
    assert "nothing was imported" in caplog.text


def resolved(*arguments):
    """The configuration of a command line."""
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["main", *arguments], values)
    return running.resolve(values, overrides)


def test_modules_of_ones_own_configuration_and_overrides_are_trusted(written):
    config = resolved(
        "--mode=config",
        "--config=denoising",
        f"--config.degradation.name=bicubic+{DARKEN}",
    )
    assert degradations.make_degradation(config.degradation.name, factor=2)


def test_a_configuration_file_is_trusted(written, tmp_path):
    default = configuration.find_config("default")
    path = tmp_path / "mine.py"
    path.write_text(
        "import runpy\ndef get_config():\n"
        f"    config = runpy.run_path({str(default)!r})['get_config']()\n"
        f"    config.data.train_dir = {RAMPS!r}\n    return config\n"
    )
    config = resolved("--mode=config", f"--config={path}")
    assert len(sources.open_source(config.data.train_dir, None)) == 2


def test_ones_own_work_directory_is_trusted(written, tmp_path):
    configuration.write(tiny_config(), tmp_path / "run")
    config = resolved("--mode=check", f"--workdir={tmp_path / 'run'}")
    assert len(sources.open_source(config.data.train_dir, None)) == 2
