"""Flags of XLA that may vanish: an unknown one would end every process at its start."""

import os
import subprocess
import sys

# The processes of pytest-xdist and the programs that tests start inherit both.
_TRIED = "IRSDE_JAX_TRIED_XLA_FLAGS"
_CODE = "import jax; jax.devices()"


def add(flag: str) -> bool:
    """Adds a flag to XLA_FLAGS, unless it is set there or this XLA does not know it.

    The flag is tried in a process of its own, once for all processes of a test run.

    Args:
        flag: The flag with its value, "--name=value".

    Returns:
        Whether XLA_FLAGS holds the flag, with this or another value.
    """
    given, tried = os.environ.get("XLA_FLAGS", ""), os.environ.get(_TRIED, "")
    name = flag.partition("=")[0]
    if name in given:
        return True
    if name in tried:
        return False
    os.environ[_TRIED] = f"{tried} {name}"
    environment = os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _CODE]
    if subprocess.run(command, env=environment, capture_output=True).returncode:
        return False
    os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()
    return True
