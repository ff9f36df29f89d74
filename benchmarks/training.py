"""The training loop: what a step achieves, and what is spent on all that is around it.

Run as `python -m benchmarks.training`. It prints one table after another: the step of
both networks against a matrix product of the same run; checkpoints in the background
and the log against neither, in interleaved pairs; the wait for input; the start with
an empty and a filled compilation cache; and the step split over simulated devices,
which share the same cores: that is a check and an overhead, no speed-up.

The images are made here, 32 of 160 x 160 pixels, so that nothing is read but them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import ml_collections
import numpy as np
from PIL import Image

from benchmarks import timing
from irsde_jax import configuration, models
from irsde_jax.checkpoints import runs
from irsde_jax.training import experiment, loop, train_step

CROP = 64  # pixels
DEVICES = (1, 2, 4, 8)


def small_config(images: Path, **train_settings: int) -> ml_collections.ConfigDict:
    """`denoising:small` on the benchmark's images, without validation."""
    config = configuration.load("denoising:small").unlock()
    config.data.train_dir = str(images)
    config.validation.dir = ""
    config.train.update(train_settings)
    return config.lock()


def networks() -> Iterator[tuple[str, ml_collections.ConfigDict]]:
    """The networks whose step is timed, of sizes that a CPU trains."""
    yield "NAFNet, 0.38 M", configuration.load("denoising:small")
    config = configuration.load("denoising:small").unlock()
    unet = dict(name="unet", channels=3, features=16, depth=4)
    config.model = unet | dict(dtype="float32", remat=False)
    yield "U-Net, 16 features", config.lock()


def time_step(config: ml_collections.ConfigDict) -> tuple[float, float, int]:
    """Median seconds of a step, its floating-point operations and the parameters."""
    parts = experiment.build(config)
    params = models.init_params(parts.network, jax.random.key(0))
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    batch_size = config.train.batch_size
    state = train_step.place(train_step.init_train_state(params, parts.optimizer))
    clean = np.random.default_rng(0).random((batch_size, CROP, CROP, 3), np.float32)
    batch = train_step.put({"x0": clean})
    keys = train_step.example_keys(jax.random.key(0), 0, batch_size)
    keys = train_step.shard(keys)
    compiled = parts.step_fn.lower(state, batch, keys).compile()
    flops = compiled.cost_analysis()["flops"]
    times = []
    for _ in range(timing.NUM_PAIRS + 2):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, batch, keys))
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:]), flops, size


def steps_table() -> None:
    """Images and operations a second of a training step."""
    print(f"\nA step, {CROP} x {CROP}, float32, median of {timing.NUM_PAIRS}")
    print(f"{'':20}{'batch':>7}{'images/s':>10}{'GFLOP/s':>9}{'of matmul':>11}")
    for name, config in networks():
        peak = timing.matmul_gflops()
        seconds, flops, size = time_step(config)
        rate, batch = flops / seconds / 1e9, config.train.batch_size
        print(
            f"{name:20}{batch:7}{batch / seconds:10.1f}{rate:9.1f}{rate / peak:11.2f}"
            f"   {size / 1e6:.2f} M parameters, matmul {peak:.0f} GFLOP/s"
        )


def seconds_between(workdir: Path, first: int, last: int) -> float:
    """Seconds between the log lines of two steps."""
    lines = (workdir / "logs" / "metrics.jsonl").read_text().splitlines()
    times = {entry["step"]: entry["time"] for entry in map(json.loads, lines)}
    return times[last] - times[first]


def overhead(
    folder: Path, images: Path, name: str, plain: dict[str, int], extra: dict[str, int]
) -> list[float]:
    """Ratios of five interleaved pairs of trainings, with `extra` to `plain`."""
    steps = dict(num_steps=300, checkpoint_every=10_000)
    seconds: dict[str, list[float]] = {"plain": [], "extra": []}
    for pair in range(timing.NUM_PAIRS):
        # Alternately first: neither always meets a machine that is warmed up.
        order = (("plain", plain), ("extra", extra))[:: 1 if pair % 2 else -1]
        for kind, settings in order:
            workdir = folder / f"{name}_{kind}_{pair}"
            loop.train(small_config(images, **steps | settings), workdir)
            seconds[kind].append(seconds_between(workdir, 100, 300))
    return [b / a for a, b in zip(seconds["plain"], seconds["extra"], strict=True)]


def overhead_table(folder: Path, images: Path) -> None:
    """What checkpoints and the log cost, and the wait for input."""
    print(f"\nTime of 200 steps, ratios of {timing.NUM_PAIRS} interleaved pairs")
    print(f"{'':44}{'median':>8}{'least':>8}{'most':>8}")
    rows = (
        (
            "checkpoints every 50 steps to none",
            dict(log_every=100),
            dict(log_every=100, checkpoint_every=50),
        ),
        ("a log line every 10 steps to every 100", dict(log_every=100), {}),
        ("the same twice", dict(log_every=100), dict(log_every=100)),
    )
    for number, (name, plain, extra) in enumerate(rows):
        extra = extra or dict(log_every=10)
        ratios = overhead(folder, images, str(number), plain, extra)
        middle = statistics.median(ratios)
        print(f"{name:44}{middle:8.3f}{min(ratios):8.3f}{max(ratios):8.3f}")
    lines = (folder / "2_plain_0" / "logs" / "metrics.jsonl").read_text().splitlines()
    shares = [json.loads(line)["input_wait_share"] for line in lines]
    print(f"share of the time spent waiting for input: {shares[-1]:.4f}")


def checkpoint_table(folder: Path) -> None:
    """What a checkpoint costs by itself: a number that other programs hardly change."""
    config = small_config(folder)
    parts = experiment.build(config)
    params = models.init_params(parts.network, jax.random.key(0))
    state = jax.device_get(train_step.init_train_state(params, parts.optimizer))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 2**20
    cpu, wait = [], []
    with runs.Checkpoints(folder / "alone", keep=3) as checkpoints:
        for step in range(1, timing.NUM_PAIRS + 3):
            began, spent = time.perf_counter(), time.process_time()
            checkpoints.save(state._replace(step=np.int32(step)), config)
            wait.append(time.perf_counter() - began)
            checkpoints.wait()
            cpu.append(time.process_time() - spent)
    cpu_s, wait_s = (statistics.median(times[2:]) for times in (cpu, wait))
    print(f"\nA checkpoint of {size:.1f} MiB, median of {timing.NUM_PAIRS}")
    print(f"{'CPU, all of it':44}{cpu_s:8.3f} s")
    print(f"{'what the loop waits for':44}{wait_s:8.3f} s")


def run_apart(images: Path, workdir: Path, *flags: str, devices: int = 1) -> float:
    """Runs a training in a process of its own; seconds to its first line of the log."""
    xla = f"--xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-m", "irsde_jax.main", "--config=denoising:small"]
    command += [f"--workdir={workdir}", f"--config.data.train_dir={images}"]
    command += ["--config.validation.dir=", *flags]
    began = time.time()
    environment = os.environ | {"XLA_FLAGS": xla}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    with (workdir / "logs" / "metrics.jsonl").open() as log:
        return json.loads(log.readline())["time"] - began


def start_table(folder: Path, images: Path) -> None:
    """From the command to the end of the first step."""
    print("\nFrom the command to the end of the first step, seconds")
    flags = "--config.train.num_steps=1", f"--compilation_cache={folder / 'cache'}"
    for name in ("empty compilation cache", "filled", "filled, once more"):
        seconds = run_apart(images, folder / f"start_{name}", *flags)
        print(f"{name:44}{seconds:8.1f}")


def devices_table(folder: Path, images: Path) -> None:
    """The step over simulated devices of the same cores."""
    print("\nA batch of 16 over simulated devices of the same cores (no speed-up)")
    print(f"{'devices':>10}{'images/s':>10}{'to one':>8}{'loss of step 30':>18}")
    flags = "--config.train.batch_size=16", "--config.train.num_steps=30"
    first = 0.0
    for number in DEVICES:
        workdir = folder / f"devices_{number}"
        every = "--config.train.log_every=10"
        run_apart(images, workdir, *flags, every, devices=number)
        speed = 16 * 20 / seconds_between(workdir, 10, 30)
        first = first or speed
        last = (workdir / "logs" / "metrics.jsonl").read_text().splitlines()[-1]
        loss = json.loads(last)["loss"]
        print(f"{number:10}{speed:10.1f}{speed / first:8.2f}{loss:18.8f}")


def write_images(folder: Path) -> Path:
    """Smooth colours with some noise."""
    folder.mkdir()
    for seed in range(32):
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
        coarse.resize((160, 160), Image.Resampling.BICUBIC).save(
            folder / f"{seed:02}.png"
        )
    return folder


TABLES = ("steps", "checkpoint", "overhead", "start", "devices")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    chosen = parser.parse_args().tables
    print(timing.hardware())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = write_images(folder / "images")
        # Each training compiles the same step: one of them should.
        jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
        tables = dict(
            steps=steps_table,
            checkpoint=partial(checkpoint_table, folder),
            overhead=partial(overhead_table, folder, images),
            start=partial(start_table, folder, images),
            devices=partial(devices_table, folder, images),
        )
        for table in chosen:
            tables[table]()


if __name__ == "__main__":
    main()
