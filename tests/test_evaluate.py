"""Evaluation: the folder of results is complete, and mistakes are named."""

import csv
import json
import logging

import fake_evaluation
import numpy as np
import pytest
from fake_evaluation import make_image, write
from PIL import Image

from irsde_jax.data.image_files import images


@pytest.fixture
def start(tmp_path, monkeypatch):
    return fake_evaluation.starter(tmp_path, monkeypatch)


def test_the_folder_of_results_is_complete(start, tmp_path, capsys):
    report = start("--config.seed=3", "--config.evaluation.crop_border=2")
    target = tmp_path / "run" / "evaluation" / "photos"
    names = {str(path.relative_to(target)) for path in target.rglob("*.*")}
    restored = {f"restored/{stem}.png" for stem in "abc"}
    baselines = ("nl_means", "wavelet")
    restored |= {f"methods/{name}/{stem}.png" for stem in "abc" for name in baselines}
    tables = {"metrics.csv", "metrics.json", "summary.csv", "per_image.csv"}
    assert names == restored | tables | {"comparison.png", "report.html"}

    stored = json.loads((target / "metrics.json").read_text("utf-8"))
    assert stored == report  # here everything is finite
    assert (stored["solver"], stored["num_evals"], stored["seed"]) == (
        "mr_ode_2",
        5,
        3,
    )
    assert (stored["crop_border"], stored["bits"]) == (2, 8)
    assert stored["config"]["process"] == "denoising"
    assert [row["name"] for row in stored["images"]] == ["a.png", "b.png", "c.bmp"]
    with (target / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["restored_psnr_y"]) == stored["images"][1]["restored_psnr_y"]
    mean = np.mean([float(row["restored_psnr_rgb"]) for row in rows])
    assert stored["mean"]["restored_psnr_rgb"] == pytest.approx(mean)

    output = capsys.readouterr().out
    assert "3 images, mr_ode_2, 5 evaluations, seed 3; 8 bits, border 2; " in output
    made = "made here, gaussian_noise with sigma=0.0980392, seed 0"
    assert f"degraded images: {made}\n" in output
    assert stored["degraded"] == made
    assert f"Degraded images: {made}." in (target / "report.html").read_text("utf-8")
    (line,) = (line for line in output.splitlines() if line.startswith("mean "))
    assert f"{mean:7.2f}" in line
    with Image.open(target / "comparison.png") as sheet:
        assert sheet.width > 3 * 200
    image, _, options = start.restorer.calls[0]
    found = images.read_image(target / "restored" / "a.png").pixels
    expected = images.to_uint8((0.5 * image + 0.25).clip(0, 1))
    np.testing.assert_array_equal(images.to_uint8(found), expected)
    assert options == {}


def test_results_are_never_overwritten_unasked(start, tmp_path):
    start(output=tmp_path / "results")
    with pytest.raises(FileExistsError, match="results is not empty"):
        start(output=tmp_path / "results")
    start(output=tmp_path / "results", overwrite=True)
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(FileExistsError, match="a file"):
        start(output=tmp_path / "taken")
    with pytest.raises(ValueError, match="give output or a workdir"):
        start(workdir=None)


def test_pairs_are_taken_from_their_folders(start, tmp_path):
    clean, degraded = make_image(0), make_image(0) * 0.5
    write(tmp_path / "test" / "GT" / "x.png", clean)
    write(tmp_path / "test" / "LQ" / "x.png", degraded)
    folder = f"--config.evaluation.dir={tmp_path / 'test'}"
    report = start(folder, name="deraining")
    assert [row["name"] for row in report["images"]] == ["x"]
    assert report["num_evals"] == 10
    assert report["degraded"] == "those of the test set"
    (image, *_), *_ = start.restorer.calls
    assert image.dtype == np.float32
    assert (tmp_path / "run" / "evaluation" / "test" / "restored" / "x.png").exists()

    write(tmp_path / "test" / "GT" / "y.png", clean)
    write(tmp_path / "test" / "LQ" / "y.png", clean[:8])
    with pytest.raises(
        ValueError, match=r"test: y: the clean image is 16 x 20 and .* is 8 x 20"
    ):
        start(folder, name="deraining", output=tmp_path / "new")
    assert not start.restorer.calls  # found before anything was restored
    assert not (tmp_path / "new").exists()


def test_the_report_says_how_files_were_paired(start, tmp_path, capsys):
    for name in ("a", "b"):
        write(tmp_path / "test" / "GT" / f"{name}.png", make_image(0))
        for level in (1, 2):
            path = tmp_path / "test" / "LQ" / f"{name}_{level}_0.9.png"
            write(path, make_image(level))
    folder = f"--config.evaluation.dir={tmp_path / 'test'}"
    report = start(folder, name="deraining")
    names = [f"{name}_{level}_0.9" for name in "ab" for level in (1, 2)]
    assert [row["name"] for row in report["images"]] == names
    text = "GT/{id} with LQ/{id}_{level}, 4 examples of 2 clean images"
    assert report["pairing"] == text and not report["cropping"]
    target = tmp_path / "run" / "evaluation" / "test"
    assert f"Pairs: {text}." in (target / "report.html").read_text("utf-8")
    assert f"Pairs: {text}.\n" in capsys.readouterr().out
    stems = sorted(path.stem for path in (target / "restored").iterdir())
    assert stems == names
    # The reference is that of the scene, not of the level.
    rows = {row["name"]: row["degraded_psnr_rgb"] for row in report["images"]}
    assert rows["a_1_0.9"] == rows["b_1_0.9"] != rows["a_2_0.9"]


def test_clean_images_are_cropped_to_a_multiple_of_the_factor(start, tmp_path, capsys):
    """As papers do: what is measured is what the cropped images give."""
    sizes = ((17, 22, 3), (16, 20, 3), (19, 20, 3))
    for number, size in enumerate(sizes):
        whole = make_image(number, size)
        write(tmp_path / "whole" / f"{number}.png", whole)
        write(tmp_path / "cropped" / f"{number}.png", whole[:16, :20])
    reports = {}
    for name in ("whole", "cropped"):
        reports[name] = start(
            f"--config.evaluation.dir={tmp_path / name}",
            "--config.evaluation.crop_border=0",
            name="super_resolution:synthetic",
        )
        assert all(image.shape == (16, 20, 3) for image, *_ in start.restorer.calls)
    text = (
        "2 of 3 clean images were cropped from the top left to a multiple of 4, as "
        "papers do."
    )
    assert reports["whole"]["mean"] == pytest.approx(
        reports["cropped"]["mean"] | {"median_seconds": pytest.approx(0, abs=1e3)}
    )
    assert [reports[name]["cropping"] for name in reports] == [text, ""]
    page = tmp_path / "run" / "evaluation" / "whole" / "report.html"
    assert text in page.read_text("utf-8")
    assert capsys.readouterr().out.count(text) == 1


def test_a_border_of_the_references_is_cut_off_if_asked(start, tmp_path):
    whole = make_image(0)
    write(tmp_path / "test" / "GT" / "x.png", whole)
    write(tmp_path / "test" / "LQ" / "x.png", whole[2:-2, 2:-2])
    folder = f"--config.evaluation.dir={tmp_path / 'test'}"
    with pytest.raises(ValueError, match=r"Set data\.border=2"):
        start(folder, name="dehazing")
    report = start(folder, "--config.data.border=2", name="dehazing")
    assert report["images"][0]["degraded_psnr_rgb"] == float("inf")
    text = "1 of 1 clean images were cropped by 2 pixels on every side."
    assert report["cropping"] == text


def test_five_channels_of_floats_are_measured_and_written_as_they_are(start, tmp_path):
    for seed, kind in enumerate(("GT", "LQ")):
        (tmp_path / "test" / kind).mkdir(parents=True)
        levels = 8 * np.random.default_rng(seed).random((16, 20, 5)) - 2
        np.save(tmp_path / "test" / kind / "x.npy", levels.astype(np.float16))
    report = start(
        f"--config.evaluation.dir={tmp_path / 'test'}",
        *("--config.data.data_range=(-2.0,6.0)", "--config.model.channels=5"),
        "--config.evaluation.crop_border=0",
        name="deraining",
    )
    ((image, *_),) = start.restorer.calls[:1]
    assert 0 <= image.min() < 1e-2 and 0.99 < image.max() <= 1
    target = tmp_path / "run" / "evaluation" / "test"
    found = np.load(target / "restored" / "x.npy")
    np.testing.assert_allclose(found, 8 * (0.5 * image + 0.25) - 2, atol=1e-5)
    assert report["bits"] == 32
    clean = (np.load(tmp_path / "test/GT/x.npy").astype(np.float64) + 2) / 8
    psnr = -10 * np.log10(np.mean((0.5 * image + 0.25 - clean) ** 2))
    assert report["mean"]["restored_psnr_rgb"] == pytest.approx(psnr, abs=1e-4)
    assert "kept as floats" in (target / "report.html").read_text("utf-8")
    assert (target / "comparison.png").is_file()


def test_mistakes_in_the_test_folder_are_named(start, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"evaluation\.dir='nowhere'"):
        start("--config.evaluation.dir=nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no images"):
        start(f"--config.evaluation.dir={tmp_path / 'empty'}")
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(ValueError, match=r"broken\.png cannot be read"):
        start()
    assert not (tmp_path / "run").exists()


def test_files_of_one_stem_keep_their_whole_names(start, tmp_path):
    write(tmp_path / "photos" / "a.bmp", make_image(7))
    start(output=tmp_path / "out")
    names = {path.name for path in (tmp_path / "out" / "restored").iterdir()}
    assert names == {"a.png.png", "a.bmp.png", "b.png.png", "c.bmp.png"}


def test_another_noise_level_than_the_process_is_told_is_said(start, caplog):
    with caplog.at_level(logging.WARNING):
        start("--config.degradation.sigma=0.2")
    assert "degradation.sigma=0.2 is added" in caplog.text


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_of_grey_images_is_grey(start, tmp_path, channels):
    """In one channel, as in the literature, and baselines too are given one."""
    grey = make_image(5, (16, 20, 1)).repeat(channels, axis=-1)
    (tmp_path / "photos" / "a.png").unlink()
    write(tmp_path / "photos" / "a.png", grey)
    report = start(output=tmp_path / "results")
    degraded, *_ = start.restorer.calls[0]
    assert degraded.shape == (16, 20, 3)
    np.testing.assert_array_equal(degraded, degraded[..., :1].repeat(3, axis=-1))
    colourful = start.restorer.calls[1][0]
    assert np.abs(colourful - colourful[..., :1]).max() > 0.1
    text = "seed 0; grey images (1 of 3) are degraded in one channel"
    assert report["degraded"].endswith(text)
    assert text in (tmp_path / "results" / "report.html").read_text("utf-8")
    found = images.read_image(tmp_path / "results" / "methods" / "wavelet" / "a.png")
    assert np.ptp(found.pixels, axis=-1).max() == 0


@pytest.mark.parametrize(
    ("told", "is_said"), [(0.098, False), (0.0985, False), (0.1, True), (0.09, True)]
)
def test_a_rounded_noise_level_is_no_other_one(start, caplog, told, is_said):
    start(f"--config.sampling.sigma={told}", "--config.evaluation.baselines=()")
    assert ("the process is told" in caplog.text) == is_said
