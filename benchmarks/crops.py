"""What the solvers are compared on: crops of photographs, and networks to restore them.

The photographs are those of `make demo-train`. The networks learn from its training
part; the eight crops are of its test part, which they never see.
"""

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from PIL import Image

from irsde_jax import configuration, metrics, processes, samplers, sde
from irsde_jax.data import degradations, pipeline, sources
from irsde_jax.data.image_files import images
from irsde_jax.data.photographs import write_photographs
from irsde_jax.data.sources import pairs
from irsde_jax.restoration.loading import load
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import loop

SIZE = 128  # pixels, the side of a crop
SCALE = 4  # of the bicubic enlargement

# Photograph, top, left: faces, fur, cloth, lettering, wood, metal.
CROPS = (
    *(("astronaut", 56, 164), ("astronaut", 328, 112), ("astronaut", 60, 360)),
    *(("chelsea", 60, 120), ("chelsea", 160, 200)),
    *(("coffee", 8, 172), ("coffee", 208, 308), ("coffee", 150, 0)),
)

ENLARGED = "bicubic_x4"
BASELINE = "irsde_denoising"  # what the Denoising process is compared with
TASKS = ("denoising", ENLARGED, BASELINE)


class Task(NamedTuple):
    """A network and the images it is judged on.

    Attributes:
        name: what to call it.
        restorer: the network with its process.
        clean: float32 in [0, 1], shape [crops, SIZE, SIZE, C].
        degraded: shape of `clean`; with noise, outside [0, 1] here and there.
        start: the step at which the reverse process starts.
    """

    name: str
    restorer: Restorer
    clean: np.ndarray
    degraded: np.ndarray
    start: int


def write_images(folder: Path) -> None:
    """The photographs, their x4 pairs and the crops, as PNG files in `folder`."""
    write_photographs(folder)
    for path in sorted((folder / "train").glob("*.png")):
        with Image.open(path) as image:
            width, height = (side - side % SCALE for side in image.size)
            _write_pair(image.crop((0, 0, width, height)), folder / "train_x4", path)
    for photograph, top, left in CROPS:
        with Image.open(folder / "test" / f"{photograph}.png") as image:
            crop = image.crop((left, top, left + SIZE, top + SIZE))
            _write_pair(crop, folder / "crops", f"{photograph}_{top}_{left}.png")


def _write_pair(clean: Image.Image, folder: Path, path: Path | str) -> None:
    """`clean` in GT; in LQ, bicubic down with antialiasing and bicubic up again."""
    small = (clean.width // SCALE, clean.height // SCALE)
    bicubic = Image.Resampling.BICUBIC
    degraded = clean.resize(small, bicubic).resize(clean.size, bicubic)
    for part, image in ((pairs.CLEAN_FOLDER, clean), (pairs.DEGRADED_FOLDER, degraded)):
        target = folder / part / Path(path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            image.save(target)


def make_config(task: str, photographs: Path, steps: int) -> ml_collections.ConfigDict:
    """The training of one of `TASKS`: that of `denoising.py:small`, varied."""
    config = configuration.load("denoising:small")
    config.data.train_dir = str(photographs / "train")
    config.validation.dir = ""
    config.train.num_steps = steps
    config.optimizer.warmup_steps = min(50, steps // 4)
    if task != "denoising":
        config.process = "irsde"
        config.schedule.update(max_sigma=10 / 255, delta=0.005)
        config.sampling.sigma = None
    if task == ENLARGED:
        config.task = "super-resolution"
        config.schedule.max_sigma = 30 / 255
        config.degradation.name = degradations.PAIRED
        config.data.train_dir = str(photographs / "train_x4")
    return config


def train_task(name: str, folder: Path, steps: int) -> Task:
    """Trains one of `TASKS` in `folder`, or goes on, or finds it trained."""
    photographs, workdir = folder / "photographs", folder / f"{name}_{steps}_steps"
    loop.train(make_config(name, photographs, steps), workdir)
    paired = name == ENLARGED
    crops = photographs / "crops" / ("" if paired else pairs.CLEAN_FOLDER)
    return load_task(name, workdir, crops)


def load_task(
    name: str, weights: Path, folder: Path, num_images: int = len(CROPS)
) -> Task:
    """Weights, and the central crops of the first images of a folder.

    Args:
        name: what to call them.
        weights: what `irsde_jax.load` takes.
        folder: clean images, or, for weights that were trained on pairs, GT and LQ.
        num_images: how many images at most.
    """
    restorer = load(weights)
    config = restorer.config
    degrade = degradations.make_degradation(**config.degradation)
    source = sources.open_source(str(folder), degrade is None)
    record = pipeline.validation_crops(source, min(len(source), num_images), SIZE)
    clean = record["x0"]
    if degrade is None:
        degraded = record["mu"]
    else:
        keys = jax.random.split(jax.random.key(0), len(clean))
        degraded = np.asarray(jax.vmap(degrade)(keys, jnp.asarray(clean)))
    start = restorer.schedule.num_steps
    if restorer.process.starts_at_input:
        sigma = restorer.sampling.sigma or config.degradation.sigma
        start = sde.start_step(restorer.schedule, sigma)
    return Task(name, restorer, clean, degraded, start)


class State(NamedTuple):
    """Where the reverse process is: images in [0, 1] but for overshoot and noise.

    Attributes:
        t: the step.
        x: the state, shape [crops, SIZE, SIZE, C].
        x0_hat: the clean image that the network's prediction at `t` implies.
    """

    t: int
    x: jax.Array
    x0_hat: jax.Array


@functools.partial(jax.jit, static_argnames=("process", "solver", "options"))
def _step(network, schedule, carry, degraded, keys, t, s, *, process, solver, options):
    """A step of `samplers.sample`: a program for each solver, not for each grid."""
    x, state = carry
    given = processes.prepare(process, degraded)
    mean = given.mean
    noise_fn = processes.make_noise_fn(
        process, schedule, network, given, **dict(options)
    )
    noise = noise_fn(x, x if mean is None else mean, jnp.full(x.shape[:1], t))
    z = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
    _, x0_hat = sde.mean_and_x0(schedule, x, mean, noise, t)
    inputs = samplers.StepInputs(schedule, x=x, mu=mean, noise=noise, z=z, t=t, s=s)
    return samplers.SOLVERS[solver].step(state, inputs), x0_hat


def walk(
    task: Task, solver: str, spacing: str, num_evals: int, clip: bool = False
) -> Iterator[State]:
    """The reverse process from `task.start` on, `num_evals + 1` states.

    Arguments as in `restore`. The last state is the result, and its own x0_hat.
    """
    restorer, degraded = task.restorer, jnp.asarray(task.degraded)
    process, schedule = restorer.process, restorer.schedule
    options = (("debias", restorer.sampling.debias), ("clip", clip))
    static = dict(process=process, options=options)
    grid = samplers.timestep_grid(schedule, num_evals, spacing, task.start)
    start_key, key = jax.random.split(jax.random.key(0))
    start, mean, _ = processes.prepare(process, degraded)
    if mean is not None and not process.starts_at_input:
        noise = jax.random.normal(start_key, start.shape)
        start = mean + schedule.max_sigma * noise
    carry = (start, samplers.SOLVERS[solver].init(start))
    for index in range(num_evals):
        keys = samplers.image_keys(jax.random.fold_in(key, index), len(start))
        arrays = (restorer.recipe.network, schedule, carry, degraded, keys)
        steps = (grid[index], grid[index + 1])
        following, x0_hat = _step(*arrays, *steps, **static, solver=solver)
        yield State(int(steps[0]), process.decode(carry[0]), process.decode(x0_hat))
        carry = following
    end = process.decode(carry[0])
    yield State(int(grid[-1]), end, end)


def restore(
    task: Task,
    solver: str,
    spacing: str,
    num_evals: int,
    update: Callable[[], object] = lambda: None,
    clip: bool = False,
) -> tuple[np.ndarray, float]:
    """The end point, in 8-bit levels as it is judged, and the seconds of one image.

    Args:
        task: network and images.
        solver: a key of `samplers.SOLVERS`.
        spacing: a key of `samplers.SPACINGS`.
        num_evals: network evaluations.
        update: called after each of them.
        clip: whether each prediction's image is clipped, see `make_noise_fn`.
    """
    arguments = (task, solver, spacing, num_evals, clip)
    jax.block_until_ready(next(walk(*arguments)))  # compiles
    began = time.perf_counter()
    for index, state in enumerate(walk(*arguments)):
        jax.block_until_ready(state)
        if index > 0:
            update()
    seconds = (time.perf_counter() - began) / len(task.clean)
    return images.to_uint8(np.asarray(state.x)) / 255.0, seconds


def scores(restored: np.ndarray, clean: np.ndarray) -> tuple[float, float, float]:
    """PSNR and SSIM in RGB, means over the images, and the ratio of their energy."""
    psnr, ssim = (f(restored, clean).mean() for f in (metrics.psnr, metrics.ssim))
    energy = laplacian_energy(restored) / laplacian_energy(clean)
    return float(psnr), float(ssim), energy


def laplacian_energy(pixels: np.ndarray) -> float:
    """Mean square of the five-point Laplacian of [..., H, W, C]."""
    inner = pixels[..., 1:-1, 1:-1, :]
    vertical = pixels[..., :-2, 1:-1, :] + pixels[..., 2:, 1:-1, :]
    horizontal = pixels[..., 1:-1, :-2, :] + pixels[..., 1:-1, 2:, :]
    return float(np.square(vertical + horizontal - 4 * inner).mean())
