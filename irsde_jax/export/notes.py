"""`export.json`: what exported programs take and compute, and until when they run.

JAX promises that an exported program runs with every JAX that is released up to six
months after the JAX that exported it, and with those of the three weeks before:
https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees. What counts
is when the two were released, not the day of the export.
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
"""2: super-resolution programs take small images; export.json holds the promise."""

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
"""Version of JAX -> the day of its release. A JAX does not know its own."""

_PROMISED_MONTHS = 6


def promised_until(version: str, exported: datetime.date) -> tuple[datetime.date, bool]:
    """The last release day of a JAX that is promised to run a program.

    Args:
        version: The JAX that exported the program.
        exported: The day of the export.

    Returns:
        The day, and whether it is exact. Of a JAX that is not in `RELEASES` it is only
        known that it was released by the day of the export: the promise ends on the
        returned day or earlier.
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
    """What `export.json` says: what the programs take, compute, and until when.

    Args:
        restorer: The restorer that is exported.
        programs: File name of a program -> height and width of the images it takes.
        platforms: The platforms that the programs run on.
        source: What the weights were loaded from.
        exported: The day of the export. None is today, in UTC.
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
    """The command that exports the same programs again, from the same weights."""
    # The rest of a path belongs to the machine of the export.
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
    """Dotted key -> value of the settings that an export depends on.

    Those that the weights decide, such as their process, are left out.
    """
    config = restorer.config
    keys = ["sampling.solver", "sampling.num_evals", "sampling.spacing"]
    keys += ["sampling.sigma", "sampling.clip", "model.dtype"]
    keys += ["data.data_range", "data.scale"]
    keys += ["data.enlarge"] if config.data.scale > 1 else []
    parts = {key: key.split(".") for key in keys}
    choices = {key: config[group].get(name) for key, (group, name) in parts.items()}
    # A program restores whole images, whatever the memory. The restorer has decided
    # on `debias` where it is unset.
    return choices | {"sampling.tile": 0, "sampling.debias": restorer.sampling.debias}
