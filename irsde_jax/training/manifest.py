"""The file `summary.json` of a finished run: its results and how they were produced."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np

from irsde_jax import configuration
from irsde_jax.configuration import whole_files
from irsde_jax.data.image_files.file_names import to_bytes

FILE_NAME = "summary.json"

_PACKAGES = (
    "irsde_jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "numpy",
    "pillow",
    "ml_collections",
)
_SOURCE = Path(__file__).resolve().parents[2]


def write(
    workdir: Path,
    config: ml_collections.ConfigDict,
    data: Mapping[str, Any],
    results: Mapping[str, Any],
) -> Path:
    """Writes the summary of a run atomically and returns the path of the file.

    Args:
        workdir: The work directory of the run.
        config: The configuration of the run.
        data: The fingerprint of the training images, from `fingerprint`.
        results: The final numbers of the run, by name.
    """
    content = {"results": dict(results), "manifest": describe(config, data)}
    path = workdir / FILE_NAME
    text = json.dumps(content, indent=2) + "\n"
    whole_files.write(path, text.encode(), overwrite=True)
    return path


def describe(
    config: ml_collections.ConfigDict, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns versions, commit, devices, configuration, data, seed and command."""
    devices = jax.devices()
    return {
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
        "devices": {
            "kind": devices[0].device_kind,
            "platform": devices[0].platform,
            "count": len(devices),
            "processes": jax.process_count(),
            "host": platform.platform(),
        },
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "configuration": json.loads(configuration.to_json(config)),
        "data": dict(data),
        "seed": config.seed,
        "command": shlex.join([sys.executable, *sys.argv]),
    }


def fingerprint(names: Sequence[str], first_batch: Mapping[str, Any]) -> dict[str, Any]:
    """Returns digests that distinguish one set of training images from another.

    Args:
        names: The names of the images, in their order.
        first_batch: The batch of step 0 in this process. It depends on the pixels and
            on the seed.
    """
    batch = hashlib.sha256()
    for name in sorted(first_batch):
        batch.update(np.ascontiguousarray(first_batch[name]).tobytes())
    return {
        "num_images": len(names),
        "names_sha256": hashlib.sha256(to_bytes("\n".join(names))).hexdigest(),
        "first_batch_sha256": batch.hexdigest(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Returns the commit of this source code; None if it is not in its repository."""
    command = ["git", "-C", str(_SOURCE), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = output.stdout.split("\n")
    # An installation may lie inside the repository of another project.
    if output.returncode or Path(lines[0]).resolve() != _SOURCE:
        return None
    return lines[1]
