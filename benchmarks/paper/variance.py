"""Figure 12: the variance against the step, and steps that cannot be told apart.

Somebody who knows x0 and mu sees one state and is to say whether it is x_t or x_{t-1}.
Both are Gaussian, with independent values. With J the sum of the two Kullback-Leibler
divergences of one value,

    J = ((r - 1)^2 / r + d^2 (1/v_t + 1/v_{t-1})) / 2,    r = v_t / v_{t-1},
    d^2 = mean of (x0 - mu)^2, times (a_{t-1} - a_t)^2,

the log-likelihood ratio of n values is nearly normal with mean +- n J / 2 and variance
n J, so the best guess is right with probability Phi(sqrt(n J) / 2). One half is chance.
"""

import numpy as np
from scipy.stats import norm

from benchmarks import crops
from benchmarks.paper import pictures, runs
from benchmarks.paper.runs import Setting
from irsde_jax import sde
from irsde_jax.sde import Schedule

NEAR_CHANCE = 0.75
"""Right less often than this, between 1/2 and 1: the steps cannot be told apart."""

SIGMA = 25 / 255  # of the noise: the rms of x0 - mu
SIZES = {"a 128 x 128 crop": 3 * 128**2, "8 x 8 pixels": 3 * 8**2}  # n, values
STARTS = (100, 85, 70, 55, 40, 25, 10)
SHOWN_SIZE = 64  # pixels, of the central crops restored from these starts


def variances(schedule: Schedule) -> np.ndarray:
    """v_t = lambda^2 (1 - exp(-2 theta_bar_t)), float64 [T + 1]."""
    theta_bar = np.asarray(schedule.theta_bar, np.float64)
    return float(schedule.max_sigma) ** 2 * -np.expm1(-2 * theta_bar)


def divergences(schedule: Schedule, rms: float) -> np.ndarray:
    """J between x_t and x_{t-1}, one value, for t = 2..T: shape [T - 1].

    (x_0 has no variance: there J is infinite.)

    Args:
        schedule: SDE coefficients.
        rms: root mean square of x0 - mu; 0 for the Denoising process, whose mean stays.
    """
    v, kept = variances(schedule)[1:], np.exp(-np.asarray(schedule.theta_bar[1:]))
    ratio = v[1:] / v[:-1]
    shift = rms * np.diff(kept.astype(np.float64))
    return ((ratio - 1) ** 2 / ratio + shift**2 * (1 / v[1:] + 1 / v[:-1])) / 2


def probability_right(divergence: np.ndarray, num_values: int) -> np.ndarray:
    """How often the best guess is right, Phi(sqrt(n J) / 2), shape of `divergence`."""
    return norm.cdf(np.sqrt(num_values * divergence) / 2)


def first_alike(probability: np.ndarray) -> int | None:
    """The first t from which on no step can be told from the one before.

    Args:
        probability: of a right guess for t = 2..T, shape [T - 1].
    """
    telling = np.flatnonzero(probability >= NEAR_CHANCE)
    t = 2 if len(telling) == 0 else int(telling[-1]) + 3
    return t if t <= len(probability) + 1 else None


def figure12(setting: Setting) -> None:
    """Variances, the best guess, and what the late steps are worth to a network."""
    figure, axes = pictures.panels(3)
    rows = []
    for run in ("irsde", "irsde_linear", "irsde_constant", "denoising"):
        config = runs.configure(run, setting)
        schedule = sde.make_schedule(**config.schedule)
        denoising = config.process == "denoising"
        label = (
            "Denoising, cosine" if denoising else f"IR-SDE, {config.schedule.thetas}"
        )
        v = variances(schedule)
        axes[0].plot(v / v[-1], label=label)
        found = divergences(schedule, 0.0 if denoising else SIGMA)
        guesses = [probability_right(found, n) for n in SIZES.values()]
        (line,) = axes[1].plot(np.arange(2, len(v)), guesses[0])
        axes[1].plot(np.arange(2, len(v)), guesses[1], "--", color=line.get_color())
        half = int(np.argmax(v >= v[-1] / 2))
        rows.append([label, str(half), *(str(first_alike(g)) for g in guesses)])
    axes[0].set(title="variance, of its largest", xlabel="step t")
    axes[0].legend(fontsize="small")
    axes[1].set(title="best guess between t and t - 1: right", xlabel="step t")
    axes[1].axhline(NEAR_CHANCE, color="black", linestyle=":")
    psnrs = _later_starts(setting)
    axes[2].plot(list(psnrs), list(psnrs.values()), "o-")
    axes[2].set(
        title="IR-SDE, cosine: PSNR, dB", xlabel="step where the reverse starts"
    )
    pictures.save_plot(setting.output / "figure12.png", figure)
    columns = ("process", "half its variance at", *(f"alike from: {n}" for n in SIZES))
    pictures.save_table(setting.output / "figure12.md", columns, rows)
    columns = ("the reverse starts at", *map(str, psnrs))
    row = ["PSNR", *(f"{psnr:.2f}" for psnr in psnrs.values())]
    pictures.save_table(setting.output / "figure12_starts.md", columns, [row])


def _later_starts(setting: Setting) -> dict[int, float]:
    """Start -> PSNR where the reverse starts there, at mu + lambda z, every step."""
    task = runs.load_tasks("irsde", setting)[0]
    edge = (crops.SIZE - SHOWN_SIZE) // 2
    inner = slice(edge, edge + SHOWN_SIZE)
    clean, degraded = (x[:, inner, inner] for x in (task.clean, task.degraded))
    task = task._replace(clean=clean, degraded=degraded)
    found = {}
    for start in STARTS:
        late = task._replace(start=start)
        restored, _ = crops.restore(late, "posterior", "uniform", start)
        found[start] = crops.scores(restored, clean)[0]
    return found
