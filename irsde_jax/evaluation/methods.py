"""The methods that an evaluation compares: weights with a solver, or baselines."""

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
"""The kinds of entries of a comparison; `INPUT` is for the degraded images."""


class Method(NamedTuple):
    """A method that restores an image.

    Attributes:
        name: The name, which is unique in a comparison.
        kind: The kind, `RESTORED` or `BASELINE`.
        folder: The folder of its results, inside the folder of the evaluation.
        function: The function `(image, key=key) -> image`, or None if the method cannot
            be computed.
        weights: The source of the weights; "" for a baseline.
        solver: The name of the solver; "" for a baseline.
        num_evals: The number of network evaluations per image; 0 for a baseline.
        not_computed: The reason why there is no `function`, or "".
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
    """Parses a list of solvers such as "mr_ode_2@5,posterior".

    Returns:
        Pairs of a solver and its number of evaluations, or None if no number is given.

    A solver of the user's own is named as in `samplers.find_solver`.

    Raises:
        ValueError: If a solver is unknown, a number is not valid, or an item is given
            twice.
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
    """Returns the methods that combine each of the weights with each of the solvers.

    Args:
        restorers: The source of the weights and the restorer, for each of the weights.
        solvers: The solvers, in the form that `parse_solvers` reads. "" takes the
            solver of each configuration.

    Returns:
        The methods. The results of the first go to `restored/`, those of the others to
        `methods/NAME/`.
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
    """Returns the baselines of those names.

    A baseline whose packages are not installed has no function, but a reason.

    Args:
        names: The names, keys of `baselines.BASELINES`.
        problem: The facts about the degradation.
        others: The methods whose folders are already in use.
    """
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
        image = image[..., :1]  # They assume independent noise in each channel.
    restored = np.asarray(baseline(image, problem), np.float32)
    return np.broadcast_to(restored, shape)


def _with_solver(restorer: Restorer, solver: str, number: int | None) -> Restorer:
    """Returns the same weights with another solver.

    Raises:
        ValueError: If the solver cannot be used with these weights.
    """
    values = [f"--config.sampling.solver={solver}"]
    if number is not None:
        values.append(f"--config.sampling.num_evals={number}")
    config = configuration.override(restorer.config, values)
    chosen = Restorer.from_config(config, restorer.params, restorer.network)
    chosen.check(1, 32, 32)
    return chosen


def _labels(sources: Sequence[str]) -> list[str]:
    """Returns the last part of each path, or whole paths if these are not unique."""
    names = [Path(source).name for source in sources]
    short = [
        name.removesuffix(next(filter(name.endswith, PYTORCH_SUFFIXES), ""))
        for name in names
    ]
    return short if len(set(short)) == len(short) else list(sources)


def _folder(name: str, others: Sequence[Method]) -> str:
    """Returns an unused folder of that name, in characters that all systems allow."""
    folder = "methods/" + (re.sub(r"[^\w@.-]+", "_", name).strip("._") or "_")
    taken = {method.folder for method in others}
    return next(
        candidate
        for candidate in (folder, *(f"{folder}_{index}" for index in range(2, 10**6)))
        if candidate not in taken
    )
