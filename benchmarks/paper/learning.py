"""Figure 10, learning curves of the losses, and Figure 11, of the theta schedules."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.paper import pictures, runs
from benchmarks.paper.runs import Setting
from irsde_jax import sde
from irsde_jax.training import curves

LOSSES = {
    "maximum likelihood, exact": "irsde",
    "maximum likelihood, euler": "irsde_euler",
    "noise matching": "irsde_noise",
}
SCHEDULES = {
    "cosine": "irsde",
    "linear": "irsde_linear",
    "constant": "irsde_constant",
}
_CURVES = {
    "validation_psnr": "PSNR of the test crops, dB",
    "validation_ssim": "SSIM of the test crops",
}


def figure10(setting: Setting) -> None:
    """Noise matching against maximum likelihood, `exact` against `euler`."""
    figure, axes = pictures.panels(2)
    _learning_curves(LOSSES, setting, axes, "figure10")
    pictures.save_plot(setting.output / "figure10.png", figure)


def figure11(setting: Setting) -> None:
    """The three schedules, and the learning curves with them."""
    figure, axes = pictures.panels(2, num_rows=2)
    for name, run in SCHEDULES.items():
        schedule = sde.make_schedule(**runs.configure(run, setting).schedule)
        theta_bar = np.asarray(schedule.theta_bar, np.float64)
        axes[0].plot(np.arange(1, len(theta_bar)), np.diff(theta_bar), label=name)
        axes[1].plot(np.exp(-theta_bar), label=name)
    axes[0].set(title="theta_bar[t] - theta_bar[t - 1]", xlabel="step t")
    axes[1].set(title="exp(-theta_bar[t]), what is left of x0 - mu", xlabel="step t")
    axes[0].legend(fontsize="small")
    _learning_curves(SCHEDULES, setting, axes[2:], "figure11")
    pictures.save_plot(setting.output / "figure11.png", figure)


def _learning_curves(
    names: Mapping[str, str], setting: Setting, axes: Any, table: str
) -> None:
    """PSNR and SSIM of the restored test crops while each network learns."""
    rows = []
    for label, run in names.items():
        found = curves.read(runs.train_run(run, setting))
        for axis, curve in zip(axes, _CURVES):
            axis.plot(*found[curve], marker=".", label=label)
        psnr, ssim = (found[curve][1] for curve in _CURVES)
        rows.append([label, *(f"{value:.2f}" for value in psnr), f"{ssim[-1]:.3f}"])
    steps = found["validation_psnr"][0]
    for axis, title in zip(axes, _CURVES.values()):
        axis.set(title=title, xlabel="training step")
    axes[0].legend(fontsize="small")
    columns = ["", *(f"PSNR at {step}" for step in steps), "SSIM at the end"]
    pictures.save_table(setting.output / f"{table}.md", columns, rows)
