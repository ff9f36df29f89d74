"""Pairs for deraining: borrowed streaks, and no photograph of the test set."""

import sys

import numpy as np
import pytest
from miniatures import smooth_image

from benchmarks import rain_pairs
from irsde_jax.data.image_files import images

SIDE = 48


@pytest.fixture
def folders(tmp_path):
    """Three photographs, one rainy pair, and a test set that holds the second one."""
    for folder in ("clean", "pairs/GT", "pairs/LQ", "tested"):
        (tmp_path / folder).mkdir(parents=True)
    for seed in range(3):
        smooth_image(seed, SIDE).save(tmp_path / "clean" / f"{seed}.png")
    smooth_image(1, SIDE).save(tmp_path / "tested" / "another_name.png")
    scene = np.asarray(smooth_image(7, SIDE), np.float32) / 255 * 0.5
    rainy = scene.copy()
    rainy[:, ::8] += 0.4
    for folder, pixels in (("GT", scene), ("LQ", rainy)):
        rain_pairs.write(tmp_path / "pairs" / folder / "a.png", pixels)
    return tmp_path


def run(folders, monkeypatch, output="out"):
    arguments = ["rain_pairs", "--clean", folders / "clean", "--pairs"]
    arguments += [folders / "pairs", "--tested", folders / "tested", "--output"]
    arguments += [folders / output]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    rain_pairs.main()


def read(path):
    return images.read_image(path).pixels


def test_photographs_of_the_test_set_are_left_out(folders, monkeypatch, capsys):
    run(folders, monkeypatch)
    assert "1 of 3 photographs" in capsys.readouterr().out
    names = {path.name for path in (folders / "out" / "GT").iterdir()}
    assert names == {path.name for path in (folders / "out" / "LQ").iterdir()}
    assert {name.split("_")[1] for name in names} == {"0", "2"}
    assert len(names) == 2 * 4
    for name in names:
        clean, rainy = (read(folders / "out" / kind / name) for kind in ("GT", "LQ"))
        seed = int(name.split("_")[1])
        np.testing.assert_array_equal(clean, read(folders / "clean" / f"{seed}.png"))
        assert np.abs(rainy - clean).max() > 0.1, name
        if "borrowed" in name:
            assert (rainy - clean).min() >= 0, name  # light is added, none taken

    run(folders, monkeypatch, "again")  # the same command makes the same files
    for name in names:
        again = (folders / "again" / "LQ" / name).read_bytes()
        assert again == (folders / "out" / "LQ" / name).read_bytes()


def test_nothing_is_overwritten(folders, monkeypatch):
    (folders / "out").mkdir()
    with pytest.raises(SystemExit, match="exists"):
        run(folders, monkeypatch)


@pytest.mark.parametrize("shape", [(20, 30), (70, 40), (48, 48)])
def test_a_borrowed_layer_has_the_size_of_the_photograph(shape):
    layer = np.zeros((SIDE, SIDE), np.float32)
    layer[:, ::6] = 0.5
    random = np.random.default_rng(0)
    for _ in range(5):
        borrowed = rain_pairs.borrow(random, [layer], shape)
        assert borrowed.shape == shape
        low, high = 0.0, 0.5 * rain_pairs.STRENGTHS[1] * 1.2  # bicubic overshoots
        assert low <= borrowed.min() <= borrowed.max() <= high
        assert borrowed.max() > 0.1
