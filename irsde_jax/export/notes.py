"""The content of `export.json`, which describes exported programs.

It says what the programs take and compute, and until when they are guaranteed to run.
JAX guarantees that an exported program runs with every JAX version that is released up
to six months after the version that exported it, and with those of the three weeks
before: https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees. The
release dates of the two versions count, not the day of the export.
"""

import calendar
import datetime
import importlib.metadata
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

import irsde_jax
from irsde_jax.restoration.restorer import Restorer

FORMAT_VERSION = 2
"""The version of the format of exports.

In version 2, super-resolution programs take small images, and export.json contains the
date until which JAX guarantees that the programs run.
"""

WEIGHTS, CONFIG, SCRIPT = "weights.npz", "config.json", "restore.py"
LICENCE = "WEIGHTS_LICENSE.md"

RELEASES = {
    "0.10.0": datetime.date(2026, 4, 16),
    "0.10.1": datetime.date(2026, 5, 18),
    "0.10.2": datetime.date(2026, 6, 17),
    "0.11.0": datetime.date(2026, 7, 16),
    "0.11.1": datetime.date(2026, 8, 17),
    "0.11.2": datetime.date(2026, 9, 17),
    "0.12.0": datetime.date(2026, 10, 16),
    "0.12.0.1": datetime.date(2026, 10, 20),
}
"""The release dates of JAX by version, because JAX does not know its own."""

_PROMISED_MONTHS = 6


def promised_until(version: str, exported: datetime.date) -> tuple[datetime.date, bool]:
    """Returns the last release date of JAX versions guaranteed to run a program.

    Args:
        version: The version of JAX that exported the program.
        exported: The day of the export.

    Returns:
        The date, and whether it is exact. If the version is not in `RELEASES`, it is
        only known that it was released by the day of the export. The guarantee then
        ends on the returned date or earlier.
    """
    released = RELEASES.get(version)
    start = exported if released is None else released
    months = start.month - 1 + _PROMISED_MONTHS
    year, month = start.year + months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return datetime.date(year, month, min(start.day, last)), released is not None


def describe(
    restorer: Restorer,
    programs: dict[str, tuple[int, int]],
    platforms: Sequence[str],
    source: str,
    exported: datetime.date | None = None,
) -> dict[str, Any]:
    """Returns the content of `export.json`.

    Args:
        restorer: The restorer that is exported.
        programs: The heights and widths of the images that the programs take, by file
            name of the program.
        platforms: The platforms that the programs run on.
        source: The name or path of the weights.
        exported: The day of the export. None means today, in UTC.
    """
    sampling, form = restorer.sampling, restorer.image_format
    channels, scale = form.channels, form.scale
    exported = exported or datetime.datetime.now(datetime.UTC).date()
    until, is_exact = promised_until(jax.__version__, exported)
    side = "" if scale == 1 else f"{scale} "
    return {
        "format_version": FORMAT_VERSION,
        "programs": {n: ["batch", *size, channels] for n, size in programs.items()},
        "arguments": [
            f"weights: the arrays of {WEIGHTS} as a dictionary, name to float32",
            "seed: uint32 []; image i is restored with the key "
            "jax.random.fold_in(jax.random.key(seed), i)",
            f"images: float32 [batch, H, W, {channels}] in [0, 1]",
        ],
        "result": f"float32 [batch, {side}H, {side}W, {channels}] in [0, 1]",
        "task": restorer.config.task,
        "process": restorer.config.process,
        "solver": sampling.solver,
        "num_evals": restorer.num_evals(),
        "sigma": sampling.sigma,
        "scale": scale,
        "enlarge": form.enlarge if scale > 1 else None,
        "data_range": list(form.data_range),
        "platforms": list(platforms),
        "versions": {
            "irsde_jax": irsde_jax.__version__,
            "jax": jax.__version__,
            "jaxlib": importlib.metadata.version("jaxlib"),
        },
        "exported": exported.isoformat(),
        "promised_until": until.isoformat(),
        "promised_until_is_exact": is_exact,
        "export_again": _command(restorer, programs, platforms, source),
    }


def _command(
    restorer: Restorer,
    programs: dict[str, tuple[int, int]],
    platforms: Sequence[str],
    source: str,
) -> str:
    """Returns the command that exports the same programs from the same weights."""
    # Only the name is included. The rest of the path is specific to this machine.
    name = shlex.quote(Path(source).resolve().name)
    sizes = ",".join(f"{height}x{width}" for height, width in programs.values())
    return " ".join(
        [
            f"python -m irsde_jax.main --mode=export --weights={name} --output=FOLDER",
            f"--sizes={sizes} --platforms={','.join(platforms)}",
            *(
                shlex.quote(f"--config.{key}={value}")
                for key, value in _choices(restorer).items()
                if value is not None
            ),
        ]
    )


def _choices(restorer: Restorer) -> dict[str, Any]:
    """Returns the settings that an export depends on, as dotted keys and values.

    Settings that the weights determine, such as their process, are omitted.
    """
    config = restorer.config
    keys = ["sampling.solver", "sampling.num_evals", "sampling.spacing"]
    keys += ["sampling.sigma", "sampling.clip", "model.dtype"]
    keys += ["data.data_range", "data.scale"]
    keys += ["data.enlarge"] if config.data.scale > 1 else []
    parts = {key: key.split(".") for key in keys}
    choices = {key: config[group].get(name) for key, (group, name) in parts.items()}
    # A program always restores whole images. If `debias` is unset, the restorer has
    # chosen a value, which is used here.
    return choices | {"sampling.tile": 0, "sampling.debias": restorer.sampling.debias}
