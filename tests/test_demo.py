"""The demo: what ships is tried in every case of its task, what does not is named."""

import numpy as np
import pytest
import tiny_weights
from PIL import Image

from irsde_jax import weights
from irsde_jax.checkpoints import weights_file
from irsde_jax.data.photographs import PHOTOGRAPHS, UpperCrops
from irsde_jax.demo import contact_sheet, trial

SIDE = 32  # pixels


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """Makes weights of an experiment, tiny and never trained, those that ship."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(weights, "FOLDER", folder)

    def make(name, experiment):
        config = tiny_weights.config(experiment)
        params = tiny_weights.params(config)
        weights_file.write(folder / f"{name}.safetensors", params, config)

    return make


def read(path):
    return np.asarray(Image.open(path), np.float32) / 255


def psnr(image, reference):
    return -10 * np.log10(np.square(image - reference).mean())


def test_writes_images_sheet_and_table(ship, tmp_path, capsys):
    ship("deraining-tiny", "deraining:small")
    ship("denoising-tiny", "denoising:blind,small")
    out = tmp_path / "demo"
    contact_sheet.run(out, out / "sheet.png", SIDE)
    text = capsys.readouterr().out
    # two kinds of rain, one of noise; nothing for the two other tasks
    for weights_name, case in (
        ("deraining-tiny", "light rain"),
        ("deraining-tiny", "heavy rain"),
        ("denoising-tiny", "noise of sigma 25"),
    ):
        (line,) = (line for line in text.splitlines() if line.startswith(case))
        assert weights_name in line
        folder = out / weights_name / case.replace(" ", "_")
        scores = []
        for name in ("astronaut", "chelsea", "coffee"):
            degraded, restored, original = (
                read(folder / kind / f"{name}.png")
                for kind in ("degraded", "restored", "original")
            )
            assert original.shape == (SIDE, SIDE, 3)
            scores.append([psnr(degraded, original), psnr(restored, original)])
        assert line.split()[-5:-3] == [f"{x:.2f}" for x in np.mean(scores, axis=0)]
    assert "super-resolution: left out" in text
    assert "inpainting: left out" in text
    assert "denoising: left out" not in text
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.height > 3 * SIDE


def test_says_so_where_nothing_ships(ship, tmp_path, capsys):
    contact_sheet.run(tmp_path / "demo", tmp_path / "demo" / "sheet.png", SIDE)
    text = capsys.readouterr().out
    assert all(f"{task}: left out" in text for task in trial.CASES)
    assert not (tmp_path / "demo" / "sheet.png").exists()


def test_holes_are_restored_too():
    restorer = tiny_weights.make("inpainting:small")
    ((case, results),) = trial.run(restorer, side=SIDE, count=2)
    assert case == "thin strokes"
    assert [result.name for result in results] == ["astronaut", "chelsea"]
    for result in results:
        changed = result.images["degraded"] != result.images["reference"]
        assert 0.05 < changed.any(axis=-1).mean() < 0.9


def test_a_task_that_cannot_be_tried_is_a_clear_error():
    with pytest.raises(ValueError, match=r"task='dehazing'.*denoising"):
        next(trial.run(tiny_weights.make("dehazing:small"), side=SIDE))


def test_a_check_is_the_psnr_of_two_crops():
    restorer = tiny_weights.make("super_resolution:small")
    found = trial.check(restorer)
    ((_, results),) = trial.run(restorer, side=128, count=2)
    assert list(found) == ["bicubic x4: astronaut", "bicubic x4: chelsea"]
    for stated, result in zip(found.values(), results, strict=True):
        restored, reference = (result.images[key] for key in ("restored", "reference"))
        assert restored.shape == (128, 128, 3)
        assert stated == pytest.approx(psnr(restored, reference), abs=1e-3)


def test_crops_are_the_upper_middle_of_the_photographs():
    skimage = pytest.importorskip("skimage")
    source = UpperCrops(100)
    assert len(source) == len(PHOTOGRAPHS["test"])
    index = source.names.index("chelsea")  # 300 x 451
    expected = skimage.data.chelsea()[:100, 175:275]
    np.testing.assert_array_equal(np.round(source[index]["x0"] * 255), expected)
