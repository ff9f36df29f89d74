"""Four simulated CPU devices, a compilation cache, and where the image sets are."""

import os
from collections.abc import Iterator
from pathlib import Path

import chex
import children
import jax
import pytest
import xla_flags

pytest_plugins = ["pages"]

ROOT = Path(__file__).resolve().parents[1]

# Before JAX initialises its backends: `pmap` is real on a laptop.
chex.set_n_cpu_devices(4)

# Compiling takes most of the time of tests this small, and LLVM's last optimisations
# most of that. XLA_FLAGS=--xla_backend_optimization_level=3 tests what users run.
xla_flags.add("--xla_backend_optimization_level=1")

# Compiled programs are kept between runs and shared by the processes of pytest-xdist.
if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
    jax.config.update("jax_compilation_cache_dir", str(ROOT / ".cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    """Ends what a test has started; a fixture of a module ends its own."""
    before = children.running()
    yield
    children.end_all(but=before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of image sets; tests that need it are skipped without it."""
    default = ROOT.parent / "shared" / "data"
    path = Path(os.environ.get("IRSDE_JAX_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no image sets in {path}; IRSDE_JAX_DATA names their folder")
    return path
