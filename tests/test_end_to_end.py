"""Train, evaluate and restore by the command line, as a user does, on tiny images."""

import json

import numpy as np
import pytest
from absl import flags
from PIL import Image

from irsde_jax import main
from irsde_jax.data.image_files import images

pytestmark = pytest.mark.core

TINY = (
    *(
        "--config=quickstart",
        "--config.data.crop_size=16",
        "--config.train.num_steps=2",
    ),
    *("--config.train.batch_size=4", "--config.train.log_every=1"),
    *("--config.model.width=4", "--config.model.enc_blocks=(1,)"),
    *("--config.model.dec_blocks=(1,)", "--config.validation.crop_size=16"),
)


def run(*arguments):
    """The exit code of `python -m irsde_jax.main ARGUMENTS`."""
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["main", *map(str, arguments)], values)
    return main.run(values, overrides)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(2):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        enlarged = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        enlarged.save(folder / f"{seed}.png")
    return folder


def test_a_first_run(photographs, tmp_path, capsys):
    workdir = tmp_path / "run"
    folders = (
        f"--config.data.train_dir={photographs}",
        f"--config.validation.dir={photographs}",
        f"--config.evaluation.dir={photographs}",
    )
    assert run(*TINY, *folders, f"--workdir={workdir}") == 0
    assert run("--mode=evaluate", f"--workdir={workdir}") == 0
    assert "degr." in capsys.readouterr().out
    results = workdir / "evaluation" / "photographs"
    assert (results / "comparison.png").stat().st_size > 0

    # once more, with another solver and an uncertainty map; not over the first results
    again = ("--mode=evaluate", f"--workdir={workdir}")
    assert run(*again) == 1
    assert "is not empty" in capsys.readouterr().err
    options = (
        "--config.sampling.solver=posterior",
        "--config.evaluation.num_samples=2",
    )
    assert run(*again, *options, f"--output={tmp_path / 'uncertain'}") == 0
    report = json.loads((tmp_path / "uncertain" / "metrics.json").read_text("utf-8"))
    assert [entry["num_samples"] for entry in report["uncertainty"]] == [2, 2]
    assert (tmp_path / "uncertain" / "uncertainty.png").stat().st_size > 0

    restore = ("--mode=restore", f"--workdir={workdir}", f"--input={photographs}")
    assert run(*restore, f"--output={tmp_path / 'out'}") == 0
    before, after = (
        images.read_image(folder / "0.png").pixels
        for folder in (photographs, tmp_path / "out")
    )
    assert after.shape == before.shape
    # the same command again has nothing to do
    written = (tmp_path / "out" / "0.png").stat().st_mtime_ns
    assert run(*restore, f"--output={tmp_path / 'out'}") == 0
    assert (tmp_path / "out" / "0.png").stat().st_mtime_ns == written

    other = f"--config.schedule.max_sigma={0.2}"
    assert run(*TINY, *folders, other, f"--workdir={workdir}") == 1
    assert "schedule.max_sigma: stored" in capsys.readouterr().err
