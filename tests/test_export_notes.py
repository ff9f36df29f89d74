"""What an export says about itself: by whom, when, until when, under which terms."""

import datetime
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tiny_exports
from absl import flags

from irsde_jax import configuration, main, weights
from irsde_jax.export import notes, stablehlo
from irsde_jax.restoration import grids, loading

pytest.importorskip("flatbuffers", reason="flatbuffers serializes exported programs")


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Exports, all but the program: that takes seconds and says nothing here."""
    stub = SimpleNamespace(serialize=lambda: b"program")
    monkeypatch.setattr(stablehlo, "export_program", lambda *arguments: stub)

    def call(source, *overrides):
        folder = tmp_path / "exported"
        arguments = (f"--weights={source}", f"--output={folder}", "--overwrite")
        assert tiny_exports.run("--mode=export", *arguments, *overrides) == 0
        return folder

    return call


def day(text):
    return datetime.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("version", "exported", "until", "is_exact"),
    [
        ("0.10.0", "2026-11-28", "2026-10-16", True),
        ("0.12.0.1", "2026-10-20", "2027-04-20", True),
        ("99.0", "2030-08-31", "2031-02-28", False),
        ("99.0", "2030-12-01", "2031-06-01", False),
    ],
)
def test_promise_ends_six_months_after_the_release(version, exported, until, is_exact):
    found = notes.promised_until(version, day(exported))
    assert found == (day(until), is_exact)


@pytest.mark.parametrize("version", ["0.10.0", "99.0"])
def test_export_says_by_what_it_was_made_and_until_when_it_runs(
    make, monkeypatch, version
):
    monkeypatch.setattr(jax, "__version__", version)
    before = datetime.datetime.now(datetime.UTC).date()
    folder = make("deraining-small")
    found = json.loads((folder / "export.json").read_text("utf-8"))
    assert found["format_version"] == 2
    assert (
        before <= day(found["exported"]) <= datetime.datetime.now(datetime.UTC).date()
    )
    until, is_exact = notes.promised_until(version, day(found["exported"]))
    assert found["promised_until"] == until.isoformat()
    assert found["promised_until_is_exact"] is is_exact
    assert found["versions"]["jax"] == version
    text = " ".join((folder / "README.md").read_text("utf-8").split())
    assert f"JAX {version} (jaxlib " in text
    assert f"exported them on {found['exported']}" in text
    assert f"until {until}{'' if is_exact else ' at the latest'}" in text
    assert "export.html#compatibility-guarantees" in text
    assert found["export_again"] in text
    for name in (path.name for path in folder.iterdir()):
        assert name == "README.md" or f"`{name}`" in text  # it says what it is


def test_export_again_is_a_command(make):
    flags_given = ("--sizes=32x40,64x48", "--platforms=tpu,cpu")
    flags_given += ("--config.sampling.num_evals=3", "--config.sampling.sigma=0.0625")
    arguments = parsed(make("denoising-small", *flags_given))
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["main", *arguments], values)
    assert values.weights == "denoising-small"
    assert values.sizes == "32x40,64x48"
    assert values.platforms == "tpu,cpu"
    assert set(flags_given[2:]) <= set(overrides)


# All differ from what the weights bring along. Without memory, only `tile=0` exports.
CHANGES = (
    "sampling.solver=posterior",
    "sampling.num_evals=7",
    "sampling.spacing=log_snr",
    "sampling.clip=true",
    "sampling.debias=true",
    "sampling.memory_gigabytes=1e-9",
    "sampling.tile=0",
    "model.dtype=bfloat16",
    "data.scale=2",
    "data.enlarge=nearest",
    "data.data_range=(-1.0,1.0)",
)


@pytest.mark.parametrize("changes", [(), CHANGES])
def test_export_again_makes_the_same_program(make, changes):
    name = "super-resolution-x4-small"
    changes = [f"--config.{change}" for change in changes]
    given = configuration.override(loading.stored_config(name), changes)
    again = [a for a in parsed(make(name, *changes)) if a.startswith("--config.")]
    found = configuration.override(loading.stored_config(name), again)
    first, second = loading.load(name, given), loading.load(name, found)
    assert first.network == second.network
    assert first.recipe.program_options() == second.recipe.program_options()
    steps = [grids.timesteps(each.recipe, None, None) for each in (first, second)]
    np.testing.assert_array_equal(*steps)
    assert first.image_format == second.image_format
    assert first.config.data == second.config.data
    assert second.tiles(4096, 4096) is None


def parsed(folder: Path) -> list[str]:
    """The arguments of the command that exports a folder again."""
    found = json.loads((folder / "export.json").read_text("utf-8"))
    python, module, name, *arguments = shlex.split(found["export_again"])
    assert (python, module, name) == ("python", "-m", "irsde_jax.main")
    return arguments


def test_readme_warns_of_grey_images_only_where_noise_is_coloured(make, tmp_path):
    path = tiny_exports.write_weights(
        tmp_path / "grey.safetensors", "denoising:small", channels=1
    )
    assert "learnt noise" not in (make(path) / "README.md").read_text("utf-8")


def test_readme_says_what_floats_are(make):
    folder = make("deraining-small", "--config.data.data_range=(-1.0,1.0)")
    text = (folder / "README.md").read_text("utf-8")
    assert "Floats in `.npy` files lie in [-1, 1]" in text
    found = json.loads((folder / "export.json").read_text("utf-8"))
    assert found["data_range"] == [-1, 1]


def test_licence_of_shipped_weights_goes_with_them(make, tmp_path):
    folder = make("deraining-small")
    licence = folder / "WEIGHTS_LICENSE.md"
    assert licence.read_bytes() == weights.LICENCE.read_bytes()
    assert "research use only" in (folder / "README.md").read_text("utf-8")
    own = tiny_exports.write_weights(tmp_path / "own.safetensors", "deraining:small")
    assert make(own) == folder  # the same folder again
    assert not licence.exists()
    assert "whoever trained them" in (folder / "README.md").read_text("utf-8")
    make(weights.find("deraining-small"))
    assert licence.exists()


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("deraining-small", ["Images with transparent pixels are refused"]),
        ("denoising-small", ["Use irsde_jax for grey images", "level 15.94 of 255"]),
        ("super-resolution-x4-small", ["enlarge it 4 times", "results have 128 x 160"]),
        ("inpainting-small", ["White pixels are filled"]),
    ],
)
def test_readme_says_what_is_special_about_the_task(make, name, sentences):
    more = ["--config.sampling.sigma=0.0625"] if name == "denoising-small" else []
    text = (make(name, "--sizes=32x40", *more) / "README.md").read_text("utf-8")
    text = " ".join(text.split())
    assert "images of 32 x 40 pixels" in text
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert ("grey images. ##" in text) == (name == "denoising-small")


def test_readme_of_somebody_else_is_not_replaced(make, capsys):
    folder = make("deraining-small")
    (folder / "README.md").write_text("# My notes\n")
    arguments = ("--weights=deraining-small", f"--output={folder}", "--overwrite")
    assert tiny_exports.run("--mode=export", *arguments) == 1
    assert "was not written by an export" in capsys.readouterr().err
    assert (folder / "README.md").read_text() == "# My notes\n"
