"""The ways to restore that are compared: weights with a solver, or a baseline."""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irsde_jax import configuration, samplers
from irsde_jax.evaluation import baselines
from irsde_jax.evaluation.classical import Problem
from irsde_jax.restoration import grey
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.weights import PYTORCH_SUFFIXES

INPUT, RESTORED, BASELINE = "input", "restored", "baseline"
"""The kinds of rows of a comparison; the degraded images are one too."""


class Method(NamedTuple):
    """One way to restore an image.

    Attributes:
        name: unique in a comparison.
        kind: `RESTORED` or `BASELINE`.
        folder: of its results, in that of the evaluation.
        function: `(image, key=key) -> image`; None where it cannot be computed.
        weights: where they came from; "" for a baseline.
        solver: "" for a baseline.
        num_evals: network evaluations an image; 0 for a baseline.
        not_computed: the reason why there is no `function`, or "".
    """

    name: str
    kind: str
    folder: str
    function: Callable[..., np.ndarray] | None
    weights: str = ""
    solver: str = ""
    num_evals: int = 0
    not_computed: str = ""


def parse_solvers(text: str) -> list[tuple[str, int | None]]:
    """Reads "mr_ode_2@5,posterior" as pairs: a solver, and its evaluations or None.

    A solver of the user's own is named as in `samplers.find_solver`.

    Raises:
        ValueError: If a solver is unknown, or if a number of evaluations is missing.
    """
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        solver, at, number = item.partition("@")
        try:
            samplers.find_solver(solver)
        except ValueError as error:
            raise ValueError(f"evaluation.solvers: {error}") from error
        if at and not (number.isdecimal() and int(number)):
            raise ValueError(
                f"evaluation.solvers: {item!r} has no number of evaluations after the "
                "@; write posterior@100."
            )
        found.append((solver, int(number) if at else None))
    if len(set(found)) < len(found):
        raise ValueError(f"evaluation.solvers={text!r} names one of them twice.")
    return found


def restoring_methods(
    restorers: Sequence[tuple[str, Restorer]], solvers: str
) -> list[Method]:
    """Each of the weights with each of the solvers.

    Args:
        restorers: where the weights came from, and the weights.
        solvers: see `parse_solvers`; "": the one of each configuration.

    Returns:
        The first one's results go to `restored/`, the others' to `methods/NAME/`.
    """
    methods: list[Method] = []
    wanted: list[tuple[str | None, int | None]] = [*parse_solvers(solvers)]
    labels = _labels([source for source, _ in restorers])
    for label, (source, restorer) in zip(labels, restorers):
        for solver, number in wanted or [(None, None)]:
            chosen = restorer
            if solver is not None:
                chosen = _with_solver(restorer, solver, number)
            sampling = chosen.sampling
            name = f"{sampling.solver}@{chosen.num_evals()}"
            if solver is not None and number is not None:
                name = f"{solver}@{number}"
            name = f"{label}: {name}" if len(restorers) > 1 else name
            folder = "restored" if not methods else _folder(name, methods)
            methods.append(
                Method(
                    name=name,
                    kind=RESTORED,
                    folder=folder,
                    function=chosen,
                    weights=source,
                    solver=sampling.solver,
                    num_evals=chosen.num_evals(),
                )
            )
    return methods


def baseline_methods(
    names: Sequence[str], problem: Problem, others: Sequence[Method]
) -> list[Method]:
    """The baselines of those names; what is not installed says so."""
    methods: list[Method] = []
    for name in names:
        lacks = baselines.missing(name)
        function = functools.partial(_apply, name, problem)
        methods.append(
            Method(
                baselines.label(name, problem),
                BASELINE,
                _folder(name, [*others, *methods]),
                None if lacks else function,
                not_computed=lacks,
            )
        )
    return methods


def _apply(name: str, problem: Problem, image: np.ndarray, *, key: Any) -> np.ndarray:
    del key  # deterministic
    shape, baseline = image.shape, baselines.BASELINES[name]
    if name in baselines.DENOISERS and grey.is_grey(image):
        image = image[..., :1]  # they too take noise for independent in each channel
    restored = np.asarray(baseline(image, problem), np.float32)
    return np.broadcast_to(restored, shape)


def _with_solver(restorer: Restorer, solver: str, number: int | None) -> Restorer:
    """The same weights with another solver; raises if they do not go together."""
    values = [f"--config.sampling.solver={solver}"]
    if number is not None:
        values.append(f"--config.sampling.num_evals={number}")
    config = configuration.override(restorer.config, values)
    chosen = Restorer.from_config(config, restorer.params, restorer.network)
    chosen.check(1, 32, 32)
    return chosen


def _labels(sources: Sequence[str]) -> list[str]:
    """The last part of each path, or all of it where that is not unique."""
    names = [Path(source).name for source in sources]
    short = [
        name.removesuffix(next(filter(name.endswith, PYTORCH_SUFFIXES), ""))
        for name in names
    ]
    return short if len(set(short)) == len(short) else list(sources)


def _folder(name: str, others: Sequence[Method]) -> str:
    """A folder of that name, in letters that every file system has."""
    folder = "methods/" + (re.sub(r"[^\w@.-]+", "_", name).strip("._") or "_")
    taken = {method.folder for method in others}
    return next(
        candidate
        for candidate in (folder, *(f"{folder}_{index}" for index in range(2, 10**6)))
        if candidate not in taken
    )
