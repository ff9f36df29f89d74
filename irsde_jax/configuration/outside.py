"""Finds the modules outside this package that a configuration names."""

import re

import ml_collections

from irsde_jax.configuration.values import flatten, unwrap

# The values of these settings may have the form "package.module:Name".
_NAMES = (
    "model.name",
    "process",
    "sampling.solver",
    "schedule.thetas",
    "degradation.name",
    "data.train_dir",
    "validation.dir",
    "evaluation.dir",
)
_OUTSIDE = re.compile(r"([^\W\d][\w.]*):[^\W\d][\w.]*")


def outside_modules(config: ml_collections.ConfigDict) -> set[str]:
    """Returns the modules in settings of the form "package.module:Name"."""
    values = flatten(config)
    texts = [str(unwrap(values[key])) for key in _NAMES if key in values]
    found = (_OUTSIDE.fullmatch(part) for text in texts for part in text.split("+"))
    return {match[1] for match in found if match}
