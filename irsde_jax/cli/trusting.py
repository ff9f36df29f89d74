"""Whose code may run: modules that the user names on the command line, and no others.

A configuration file is code of the user's own, and so are the modules that it names. A
configuration that is stored with weights may come from a stranger: its modules are
imported only if an override or `--trust` names them.
"""

import re
from collections.abc import Iterable, Sequence

import ml_collections

from irsde_jax import registry
from irsde_jax.configuration.values import flatten, unwrap

_NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def trust_flag(text: str | None) -> None:
    """Trusts the modules of `--trust=A,B`."""
    if text:
        registry.trust(*(name.strip() for name in text.split(",")))


def trust_config(config: ml_collections.ConfigDict) -> None:
    """Trusts the modules that the user's own configuration names."""
    _trust_named(unwrap(value) for value in flatten(config).values())


def trust_overrides(overrides: Sequence[str]) -> None:
    """Trusts the modules that overrides such as --config.model.name=nets:Net name."""
    _trust_named(override.partition("=")[2] for override in overrides)


def _trust_named(values: Iterable[object]) -> None:
    for value in values:
        # Degradations are joined by "+".
        for part in value.split("+") if isinstance(value, str) else ():
            if _NAME.fullmatch(part.strip()):
                registry.trust(registry.module_of(part.strip()))
