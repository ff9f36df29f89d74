"""Several ways to restore the same images, measured alike.

A `Method` is a row of the comparison: weights with a solver, or a baseline. The images
that all of them are given are another row, the input. What a method's entry holds is
plain data, from which the tables and the report are written.
"""

import functools
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irsde_jax import baselines, configuration, intervals, samplers, scores, sheets
from irsde_jax.data import images
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.pairs import Source
from irsde_jax.perceptual import Lpips
from irsde_jax.restorer import Restorer
from irsde_jax.scores import Result

Row = dict[str, Any]
Entry = dict[str, Any]

INPUT, RESTORED, BASELINE = "input", "restored", "baseline"
"""The kinds of rows."""


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

    Raises:
        ValueError: for an unknown solver, or a number that is none.
    """
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        solver, at, number = item.partition("@")
        if solver not in samplers.SOLVERS:
            hint = configuration.nearest(solver, samplers.SOLVERS)
            raise ValueError(
                f"evaluation.solvers: {solver!r} is not one of "
                f"{sorted(samplers.SOLVERS)}{hint}."
            )
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
            sampling = chosen.config.sampling
            name = f"{sampling.solver}@{chosen.num_evals()}"
            if solver is not None and number is not None:
                name = f"{solver}@{number}"
            name = f"{label}: {name}" if len(restorers) > 1 else name
            folder = "restored" if not methods else _folder(name, methods)
            methods.append(
                Method(
                    name,
                    RESTORED,
                    folder,
                    chosen,
                    source,
                    sampling.solver,
                    chosen.num_evals(),
                )
            )
    return methods


def baseline_methods(
    names: Sequence[str], problem: baselines.Problem, others: Sequence[Method]
) -> list[Method]:
    """The baselines of those names; what is not installed says so."""
    methods: list[Method] = []
    for name in names:
        lacks = baselines.missing(name)
        function = functools.partial(_apply, baselines.BASELINES[name], problem)
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


class TestSet(NamedTuple):
    """The images that all methods are given, and how the results are measured.

    Attributes:
        source: reference images, and degraded ones where `degrade` is None.
        degrade: see `scores.evaluate_images`, as the next two.
        seed: of the sampling noise.
        crop_border: pixels.
        lpips: computed where it has weights.
    """

    source: Source
    degrade: Degradation | None
    seed: int
    crop_border: int
    lpips: Lpips

    def pictures(self, index: int) -> dict[str, np.ndarray]:
        """The "reference" and the "degraded" image, clipped to [0, 1]."""
        name, record = self.source.names[index], self.source[index]
        degraded = scores.degraded_image(record, self.degrade, name)
        return {"reference": record["x0"], "degraded": degraded.clip(0, 1)}


class Measured(NamedTuple):
    """What `run_method` found.

    Attributes:
        rows: of every image; empty where the method failed.
        examples: the first few results, with their images.
        failure: why a baseline could not be computed, or "".
    """

    rows: list[Row]
    examples: list[Result]
    failure: str = ""


def run_method(
    method: Method,
    test_set: TestSet,
    paths: Sequence[Path],
    overwrite: bool = False,
    tick: Callable[[], Any] = lambda: None,
) -> Measured:
    """Restores, writes and measures every image.

    Args:
        method: what does not have a function gives no rows.
        test_set: the images.
        paths: the files of the results.
        overwrite: whether they may be replaced.
        tick: called after each image.

    Raises:
        ValueError: where weights fail on an image. A baseline that does fails alone.
    """
    rows: list[Row] = []
    examples: list[Result] = []
    if method.function is None:
        return Measured(rows, examples)
    results = scores.evaluate_images(
        method.function,
        test_set.source,
        degrade=test_set.degrade,
        seed=test_set.seed,
        crop_border=test_set.crop_border,
    )
    try:
        for path, result in zip(paths, results, strict=True):
            restored = images.ImageFile(result.images["restored"], None, 8)
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write_image(path, restored, overwrite)
            rows.append(result.row() | _lpips(test_set, result))
            examples += [result] if len(examples) < sheets.NUM_ROWS else []
            tick()
    except ValueError as error:
        if method.kind != BASELINE:
            raise
        # Half a column compares nothing: of some images it would be another mean.
        shutil.rmtree(paths[0].parent, ignore_errors=True)
        return Measured([], [], str(error).rstrip("."))
    return Measured(rows, examples)


def _lpips(test_set: TestSet, result: Result) -> Row:
    if test_set.lpips.weights is None:
        return {}
    reference, border = result.images["reference"], test_set.crop_border
    return {
        f"{stage}_lpips": test_set.lpips(result.images[stage], reference, border)
        for stage in scores.STAGES
    }


def input_entry(rows: Sequence[Row]) -> Entry:
    """The entry of the degraded images, from the rows of any method."""
    return _entry("degraded", INPUT, rows, "degraded")


def method_entry(method: Method, measured: Measured) -> Entry:
    """The entry of a method, with what `run_method` found."""
    rows = measured.rows
    entry = _entry(method.name, method.kind, rows, "restored")
    return entry | dict(
        weights=method.weights,
        solver=method.solver,
        num_evals=method.num_evals,
        folder=method.folder if rows else "",
        not_computed=method.not_computed or measured.failure,
    )


def _names_of_metrics(rows: Sequence[Row]) -> tuple[str, ...]:
    """The metrics that rows hold: LPIPS only where it was computed."""
    has_lpips = bool(rows) and "restored_lpips" in rows[0]
    return (*scores.METRICS, "lpips") if has_lpips else scores.METRICS


def _entry(name: str, kind: str, rows: Sequence[Row], stage: str) -> Entry:
    metrics = _names_of_metrics(rows) if rows else ()
    columns = {metric: [row[f"{stage}_{metric}"] for row in rows] for metric in metrics}
    before = {metric: [row[f"degraded_{metric}"] for row in rows] for metric in metrics}
    gains = {
        metric: [_minus(a, b) for a, b in zip(columns[metric], before[metric])]
        for metric in metrics
    }
    interval = intervals.mean_and_interval
    warm = [row["seconds"] for row in rows if not row["compiled"]]
    is_input = kind == INPUT
    clock = ("seconds", "compiled")
    return dict(
        name=name,
        kind=kind,
        weights="",
        solver="",
        num_evals=0,
        folder="",
        not_computed="",
        scores={metric: interval(columns[metric]) for metric in metrics},
        gain={} if is_input else {key: interval(gains[key]) for key in metrics},
        fid=None,
        median_seconds=float(np.median(warm)) if warm and not is_input else None,
        images=[
            dict(name=row["name"], height=row["height"], width=row["width"])
            | {metric: row[f"{stage}_{metric}"] for metric in metrics}
            | ({} if is_input else {key: row[key] for key in clock})
            for row in rows
        ],
    )


def _minus(after: float, before: float) -> float:
    """The gain; of two images that are both perfect there is none, not NaN."""
    return 0.0 if math.isinf(after) and after == before else after - before


def _apply(
    baseline: baselines.Baseline,
    problem: baselines.Problem,
    image: np.ndarray,
    *,
    key: Any,
) -> np.ndarray:
    del key  # deterministic
    return np.asarray(baseline(image, problem), np.float32)


def _with_solver(restorer: Restorer, solver: str, number: int | None) -> Restorer:
    """The same weights with another solver; raises if they do not go together."""
    values = [f"--config.sampling.solver={solver}"]
    if number is not None:
        values.append(f"--config.sampling.num_evals={number}")
    config = configuration.override(restorer.config, values)
    chosen = Restorer(restorer.model, restorer.params, config)
    chosen.check(1, 32, 32)
    return chosen


def _labels(sources: Sequence[str]) -> list[str]:
    """The last part of each path, or all of it where that is not unique."""
    short = [Path(source).name.removesuffix(".pth") for source in sources]
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
