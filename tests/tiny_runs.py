"""Trainings in processes of their own, small enough to be started many times."""

import json
import os
import subprocess
import sys
from pathlib import Path

import children
import jax
import numpy as np
from PIL import Image

from irsde_jax import configuration
from irsde_jax.checkpoints import runs

ROOT = Path(__file__).resolve().parents[1]

_CONFIG = """
import runpy

def get_config():
    config = runpy.run_path({default!r})["get_config"]()
    config.model = dict(name="nafnet", channels=3, width=4, enc_blocks=(1,),
                        middle_blocks=0, dec_blocks=(0,), dtype="float32", remat=False)
    config.data.update(train_dir={images!r}, crop_size=16, num_threads=1)
    config.degradation.name = "gaussian_noise"
    config.optimizer.update(decay="cosine", learning_rate=1e-3, warmup_steps=5)
    config.train.update(batch_size=16, num_steps=20, log_every=1, checkpoint_every=10)
    config.validation.dir = ""
    config.sampling.num_evals = 2
    return config
"""


def write_config(folder: Path) -> Path:
    """Six photographs made of coarse random colours, and a configuration for them."""
    images = folder / "images"
    images.mkdir(parents=True)
    for seed in range(6):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        image.save(images / f"{seed}.png")
    path = folder / "tiny.py"
    default = str(ROOT / "configs" / "default.py")
    path.write_text(_CONFIG.format(default=default, images=str(images)))
    return path


def start(
    config: Path,
    workdir: Path,
    *flags: str,
    num_devices: int = 1,
    log: Path | None = None,
) -> subprocess.Popen:
    """The training as a user starts it; what it says goes to `log`."""
    xla = os.environ.get("XLA_FLAGS", "").split()
    xla = [flag for flag in xla if "host_platform_device_count" not in flag]
    xla.append(f"--xla_force_host_platform_device_count={num_devices}")
    cache = jax.config.jax_compilation_cache_dir
    environment = os.environ | {"XLA_FLAGS": " ".join(xla), "JAX_PLATFORMS": "cpu"}
    command = [
        *(sys.executable, "-m", "irsde_jax.main"),
        *(f"--config={config}", f"--workdir={workdir}"),
        *flags,
        *([f"--compilation_cache={cache}"] if cache else []),
    ]
    with (log or Path(f"{workdir}.log")).open("a") as output:
        return children.start(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        )


def run(config: Path, workdir: Path, *flags: str, **options) -> int:
    """Trains to the end; returns the exit code."""
    return children.exit_code(start(config, workdir, *flags, **options))


def said(workdir: Path) -> str:
    """What the processes of a work directory have said so far."""
    path = Path(f"{workdir}.log")
    return path.read_text() if path.exists() else ""


def num_lines(workdir: Path) -> int:
    """How many lines the log of metrics has: a sign of life."""
    path = workdir / "logs" / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def losses(workdir: Path) -> list[float]:
    """The loss of each step, of logs with log_every=1."""
    lines = (workdir / "logs" / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["loss"] for entry in entries if "loss" in entry]


def final_state(workdir: Path):
    """The state of the latest checkpoint, as host arrays."""
    from irsde_jax import models
    from irsde_jax.restoration import configured
    from irsde_jax.training import optimizers, train_step

    config = configuration.read_stored(workdir)
    model = configured.make_network(config)
    optimizer = optimizers.make_optimizer(config.train.num_steps, **config.optimizer)
    like = jax.eval_shape(
        lambda: train_step.init_train_state(
            models.init_params(model, jax.random.key(0)), optimizer
        )
    )
    with runs.Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.restore(like)


def assert_same_bits(a, b) -> None:
    """Every leaf of two states, bit by bit."""
    jax.tree.map(np.testing.assert_array_equal, a, b)
