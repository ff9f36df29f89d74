"""Configurations: they are found by name, loaded, overridden, stored and compared.

A configuration is a locked `ml_collections.ConfigDict`, which `get_config` of a Python
file returns. This package turns names, paths and command-line overrides into
configurations. It imports neither JAX nor the rest of irsde_jax, so that mistakes are
reported at once.
"""

from irsde_jax.configuration.groups import call_with
from irsde_jax.configuration.loading import (
    complete,
    config_dir,
    config_names,
    config_variants,
    find_config,
    load,
)
from irsde_jax.configuration.outside import outside_modules
from irsde_jax.configuration.overrides import override, split_overrides
from irsde_jax.configuration.paths import PATH_SETTINGS, expand_home
from irsde_jax.configuration.stored import (
    differences,
    from_json,
    has_stored,
    read_stored,
    to_json,
    to_text,
    write,
)
from irsde_jax.configuration.values import UsageError, nearest

__all__ = [
    "PATH_SETTINGS",
    "UsageError",
    "call_with",
    "complete",
    "config_dir",
    "config_names",
    "config_variants",
    "differences",
    "expand_home",
    "find_config",
    "from_json",
    "has_stored",
    "load",
    "nearest",
    "outside_modules",
    "override",
    "read_stored",
    "split_overrides",
    "to_json",
    "to_text",
    "write",
]
