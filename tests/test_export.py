"""Exported programs give the library's results where the library cannot be imported."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import children
import jax
import numpy as np
import pytest
from absl import flags
from tiny_exports import run, write_weights

import irsde_jax
from irsde_jax import configuration, main
from irsde_jax.export import stablehlo
from irsde_jax.restoration.files import one_file

pytest.importorskip("flatbuffers", reason="flatbuffers serializes exported programs")

SIZE = (9, 14)  # of no multiple of two: the network pads and crops
SEED = 4_000_000_000  # more than an int32 holds

# What a machine has that only runs programs: jax and its requirements, flatbuffers.
INSTALLED = ("jax", "jaxlib", "ml_dtypes", "opt_einsum", "scipy", "numpy")
INSTALLED += ("flatbuffers", "pillow")
EXPORTED = ("irsde", "denoising", "inpainting", "sr")

SAME_SIZE = EXPORTED[:-1]

# The commands of a user, one after the other in one process: `-I -S` knows no installed
# package, and PATH holds the few above.
ALONE = """
import runpy, sys
path, *commands = sys.argv[1:]
sys.path.append(path)
try:
    import irsde_jax
except ModuleNotFoundError:
    pass
else:
    sys.exit(f"{irsde_jax.__file__} can be imported")
for command in commands:
    sys.argv = command.split("|")
    runpy.run_path(sys.argv[0], run_name="__main__")
strangers = {"irsde_jax", "flax", "chex", "ml_collections", "optax", "safetensors"}
sys.exit(", ".join(strangers & set(sys.modules)) or None)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    irsde = write_weights(folder / "irsde.safetensors", "deraining:small")
    denoising = write_weights(folder / "noise.safetensors", "denoising:small")
    filled = write_weights(folder / "filled.safetensors", "inpainting:filled,small")
    blind = write_weights(folder / "blind.safetensors", "denoising:small", sigma=None)
    sr = write_weights(folder / "sr.safetensors", "super_resolution:small", True)
    return dict(irsde=irsde, denoising=denoising, inpainting=filled, blind=blind, sr=sr)


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    for name in EXPORTED:
        arguments = (f"--weights={weights[name]}", f"--output={folder / name}")
        size = "{}x{}".format(*SIZE)
        assert run("--mode=export", *arguments, f"--sizes={size}") == 0
    return {name: folder / name for name in EXPORTED}


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """A folder for `sys.path` with nothing but the packages of `INSTALLED`."""
    folder = tmp_path_factory.mktemp("alone")
    for name in INSTALLED:
        files = importlib.metadata.distribution(name).files or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            target = Path(str(importlib.metadata.distribution(name).locate_file(top)))
            (folder / top).symlink_to(target)
    return folder


def run_alone(path: Path, *commands) -> subprocess.CompletedProcess:
    joined = ["|".join(map(str, command)) for command in commands]
    process = [sys.executable, "-I", "-S", "-c", ALONE, str(path), *joined]
    return subprocess.run(
        process, capture_output=True, text=True, timeout=children.DEADLINE
    )


def random_images(*shape: int) -> np.ndarray:
    """With a hole of white."""
    images = np.random.default_rng(0).random((*shape, 3), np.float32)
    images[..., 3:6, 4:9, :] = 1.0
    return images


def test_programs_run_without_the_package(exported, weights, alone, tmp_path):
    """Each process, a batch of one and of three: every float is the library's."""
    images = {"one": random_images(1, *SIZE), "three": random_images(3, *SIZE)}
    commands = []
    for batch, image in images.items():
        np.save(tmp_path / f"{batch}.npy", image)
        for name in SAME_SIZE:
            folder = exported[name]
            result = tmp_path / f"{name}_{batch}.npy"
            source = tmp_path / f"{batch}.npy"
            commands.append([folder / "restore.py", source, result, SEED])
    done = run_alone(alone, *commands)
    assert done.returncode == 0, done.stderr
    for name in SAME_SIZE:
        restorer = irsde_jax.load(weights[name])
        for batch, image in images.items():
            expected = restorer(image, key=jax.random.key(SEED))
            found = np.load(tmp_path / f"{name}_{batch}.npy")
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected)
            assert np.abs(found - image).max() > 0.05  # something was done
        other = restorer(image, key=jax.random.key(0))
        assert (name == "denoising") == np.array_equal(found, other)


def test_super_resolution_takes_the_small_image(exported, weights, alone, tmp_path):
    """The library's restoration of the file, but for the rounding of the enlarging."""
    small = np.random.default_rng(0).uniform(0.2, 0.8, (*SIZE, 3))
    np.save(tmp_path / "in.npy", small.astype(np.float32))
    command = [exported["sr"] / "restore.py", tmp_path / "in.npy"]
    done = run_alone(alone, [*command, tmp_path / "out.npy", SEED])
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npy")
    files = tmp_path / "in.npy", tmp_path / "library.npy"
    one_file.restore_file(irsde_jax.load(weights["sr"]), *files, jax.random.key(SEED))
    expected = np.load(tmp_path / "library.npy")
    assert found.shape == expected.shape == (4 * SIZE[0], 4 * SIZE[1], 3)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    inside = (expected > 0) & (expected < 1)
    assert inside.mean() > 0.8  # clipped values would agree too easily
    manifest = json.loads((exported["sr"] / "export.json").read_text("utf-8"))
    assert manifest["programs"] == {"9x14.stablehlo": ["batch", *SIZE, 3]}
    assert (manifest["scale"], manifest["enlarge"]) == (4, "bicubic")
    assert manifest["result"].startswith("float32 [batch, 4 H, 4 W, 3]")


def test_script_restores_an_image_file(exported, weights, alone, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    command = [exported["irsde"] / "restore.py", tmp_path / "in.png"]
    done = run_alone(alone, [*command, tmp_path / "out.png"])
    assert done.returncode == 0, done.stderr
    expected = irsde_jax.load(weights["irsde"])(pixels)
    np.testing.assert_array_equal(Image.open(tmp_path / "out.png"), expected)


def test_script_names_the_sizes_that_there_are(exported, alone, tmp_path):
    np.save(tmp_path / "in.npy", random_images(8, 8))
    command = [exported["irsde"] / "restore.py", tmp_path / "in.npy"]
    done = run_alone(alone, [*command, tmp_path / "out.npy"])
    assert done.returncode == 1
    assert "8x8: no such size was exported. There are: 9x14." in done.stderr
    assert not (tmp_path / "out.npy").exists()


def test_folder_says_what_it_holds(exported, weights):
    folder = exported["denoising"]
    names = {"9x14.stablehlo", "config.json", "export.json", "restore.py"}
    names |= {"weights.npz", "README.md"}
    assert {path.name for path in folder.iterdir()} == names
    assert {path.name for path in folder.parent.iterdir()} == set(exported)
    stored = configuration.read_stored(folder)
    given = irsde_jax.load(weights["denoising"]).config
    assert configuration.differences(stored, given) == []
    found = json.loads((folder / "export.json").read_text("utf-8"))
    assert found["programs"] == {"9x14.stablehlo": ["batch", *SIZE, 3]}
    assert found["sigma"] == pytest.approx(25 / 255)
    assert (found["solver"], found["num_evals"]) == ("mr_ode_2", 8)
    assert len(found["arguments"]) == 3
    data = (folder / "9x14.stablehlo").read_bytes()
    assert b"irsde_jax/" not in data  # no paths of the machine that exported it
    program = jax.export.deserialize(bytearray(data))
    assert program.platforms == ("cpu", "cuda", "tpu")
    # The weights are beside the program, not in it.
    assert program.in_avals[-1].shape[1:] == (*SIZE, 3)
    with np.load(folder / "weights.npz") as arrays:
        assert len(program.in_avals) == len(arrays.files) + 2


def test_nothing_is_replaced_unasked(weights, tmp_path, capsys):
    folder = tmp_path / "out"
    common = ("--mode=export", "--platforms=cpu", f"--weights={weights['denoising']}")
    arguments = (*common, f"--output={folder}")
    assert run(*arguments, "--sizes=8x8") == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run(*arguments, "--sizes=8x8") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    (folder / "notes.txt").write_text("mine")
    assert run(*arguments, "--sizes=8x12", "--overwrite") == 0
    # The old program would meet the new weights; what is not ours stays.
    assert not (folder / "8x8.stablehlo").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path for path in tmp_path.iterdir() if path != folder] == []

    (folder / "export.json").unlink()
    assert run(*arguments, "--overwrite") == 1
    assert "holds no export" in capsys.readouterr().err
    assert run(*common, f"--output={weights['denoising']}") == 1
    assert "is a file" in capsys.readouterr().err


def test_failed_export_leaves_nothing(weights, tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(stablehlo, "export_program", fail)
    arguments = (f"--weights={weights['irsde']}", f"--output={tmp_path / 'out'}")
    assert run("--mode=export", *arguments) == 1
    assert "no space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("blind", [], "one noise level.*--config.sampling.sigma=0.098"),
        ("irsde", ["--sizes=64"], "'64' is no HEIGHTxWIDTH"),
        ("irsde", ["--sizes=64x0"], "'64x0' is no HEIGHTxWIDTH"),
        ("irsde", ["--sizes=8x8,8x8"], r"names one of them twice\. Remove one\."),
        ("irsde", ["--platforms=cpu,gpu"], "'gpu' is not one of cpu, cuda"),
        ("nobody", [], "no weights"),
    ],
)
def test_mistake_is_one_line(weights, name, arguments, message, tmp_path, capsys):
    source = weights.get(name, name)
    output = tmp_path / "out"
    common = ("--mode=export", f"--weights={source}", f"--output={output}")
    assert run(*common, *arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sigma", "message"), [(1e-9, "nothing to remove"), (0.9, "max_sigma|lambda")]
)
def test_noise_level_must_fit_the_schedule(tmp_path, sigma, message):
    path = write_weights(tmp_path / "x.safetensors", "denoising:small", sigma=sigma)
    with pytest.raises(ValueError, match=message):
        stablehlo.export_program(irsde_jax.load(path), SIZE, ["cpu"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode=export", "--weights=w"], "needs --output"),
        (["--mode=export", "--output=o"], "needs --weights or --workdir"),
        (["--mode=restore", "--sizes=8x8"], "--sizes means nothing to --mode=restore"),
        (["--mode=export", "--input=i"], "--input means nothing to --mode=export"),
    ],
)
def test_flag_of_another_mode_is_refused(arguments, message):
    values = flags.FlagValues()
    main.define_flags(values)
    with pytest.raises(configuration.UsageError, match=message):
        main.parse(["main", *arguments], values)


def test_missing_flatbuffers_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"irsde_jax\[export\]"):
        stablehlo.run(None, "denoising-small", tmp_path / "out", [SIZE], ["cpu"])
