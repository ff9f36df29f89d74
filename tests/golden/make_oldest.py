"""Writes `tests/golden/oldest`: files that the oldest supported versions wrote.

    python3.11 tests/lower_bounds.py export > oldest.txt
    python3.11 -m venv .oldest
    .oldest/bin/python -m pip install -c oldest.txt -e ".[export]"
    .oldest/bin/python tests/golden/make_oldest.py

`tests/test_oldest_files.py` reads them with the versions that are installed. Run this
again when a lower bound of setup.cfg or the format of a file changes. The numbers are
the same every time; dates, and the names that Orbax gives its files, are not.

The folder holds a run of four steps as it was after two of them (`run`, `images`), its
weights as one file (`packed.safetensors`), the program for its restorations
(`exported`), what came out of all of them (`expected.npz`), and the versions.
"""

import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
from flax import traverse_util
from PIL import Image

import irsde_jax
from irsde_jax import configuration
from irsde_jax.cli import pack
from irsde_jax.export import stablehlo
from irsde_jax.training import loop

TESTS = Path(__file__).resolve().parents[1]
FOLDER = TESTS / "golden" / "oldest"
SIZE, SEED = (12, 16), 7
# Packages that write these files, or decide what is in them.
PACKAGES = ("jax", "flax", "grain", "ml_collections", "numpy", "optax")
PACKAGES += ("orbax-checkpoint", "safetensors", "flatbuffers")


def make_config():
    """Four steps of a network of a few hundred parameters, on noise."""
    config = configuration.load("default").unlock()
    config.model = dict(
        name="nafnet",
        channels=3,
        width=4,
        enc_blocks=(1,),
        middle_blocks=0,
        dec_blocks=(0,),
        dtype="float32",
        remat=False,
    )
    config.degradation.name = "gaussian_noise"
    config.data.update(train_dir="images", crop_size=16, num_threads=1)
    config.optimizer.update(decay="cosine", learning_rate=1e-3, warmup_steps=1)
    config.train.update(batch_size=4, num_steps=4, log_every=1, checkpoint_every=2)
    config.validation.dir = ""
    # With this output a network that has learnt nothing yet returns an image.
    config.prediction, config.loss.name = "velocity", "x0"
    config.sampling.update(solver="mr_sde_2", num_evals=2)
    return config.lock()


def write_images(folder):
    """Three photographs made of coarse random colours."""
    folder.mkdir()
    for seed in range(3):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        image.save(folder / f"{seed}.png")


def flat(params):
    """The parameters by their names, as host arrays."""
    return traverse_util.flatten_dict(jax.device_get(params), sep="/")


def make(folder):
    """Writes everything into an empty folder, the current one."""
    write_images(folder / "images")
    state = loop.train(make_config(), "run")
    shutil.rmtree("run/checkpoints/4")
    for path in Path("run").iterdir():
        if path.name not in ("checkpoints", "config.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    pack.run(None, "run", "packed.safetensors")
    stablehlo.run(None, "packed.safetensors", "exported", [SIZE], ["cpu"])
    images = np.random.default_rng(0).uniform(0.2, 0.8, (2, *SIZE, 3))
    images = images.astype(np.float32)
    arrays = {"images": images}
    arrays |= {f"trained/{name}": x for name, x in flat(state.params).items()}
    for source in ("run", "packed.safetensors"):  # the latter has fewer bits
        restore = irsde_jax.load(source)
        arrays |= {f"{source}/{name}": x for name, x in flat(restore.params).items()}
        arrays[f"restored/{source}"] = restore(images, key=jax.random.key(SEED))
    np.savez_compressed("expected.npz", **arrays)
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    Path("versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    import lower_bounds

    wanted = lower_bounds.versions(["export"])
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    wrong = [
        f"{name} {found[name]}, wanted {wanted[name]}"
        for name in PACKAGES
        if not lower_bounds.is_same(found[name], wanted[name])
    ]
    if wrong:
        sys.exit(f"These are not the oldest versions: {'; '.join(wrong)}.")
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        make(Path(temporary))
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(temporary, FOLDER)
        os.chdir(TESTS)
