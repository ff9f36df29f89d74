"""Chooses the state dict in a file that holds the wanted weights.

Trainers save raw weights beside their exponential moving average (EMA), step numbers
and the optimizer's state. Among the state dicts that fit the network, the EMA is
chosen; if the choice is ambiguous, an error is raised. The log says what was chosen and
what was skipped.
"""

import difflib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from irsde_jax.checkpoints import candidates
from irsde_jax.checkpoints.candidates import (
    Candidate,
    State,
    TensorLike,
    is_tensor,
    items_of,
    kind_of,
    mappings,
    names_ema,
    path_of,
)
from irsde_jax.checkpoints.placeholders import Foreign

logger = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """The requirements on a state dict.

    Attributes:
        what: The description of the weights for error messages.
        first: The names of tensors of which the state dict has exactly one.
        problems: The function that returns the number of problems of a state dict and
            a text that describes them. The number is 0 if the state dict fits.
    """

    what: str
    first: Sequence[str]
    problems: Callable[[State], tuple[int, str]]


def choose(
    saved: Any,
    wanted: Wanted,
    array: Callable[[TensorLike], np.ndarray],
    file_name: str,
) -> State:
    """Returns the wanted state dict, and logs what was chosen.

    Args:
        saved: The saved object in the file.
        wanted: The requirements on the state dict.
        array: The function that reads a tensor, to compare candidates.
        file_name: The name of the file, for the log.

    Raises:
        ValueError: If no state dict fits, or if several different ones fit and it is
            not clear which one is the EMA.
    """
    found = candidates.find(saved, wanted.first)
    if not found:
        raise ValueError(_nothing_found(saved, wanted))
    problems = [wanted.problems(candidate.state) for candidate in found]
    fitting = [c for c, (count, _) in zip(found, problems) if not count]
    if not fitting:
        raise ValueError(_misfit(found, problems))
    pool = [candidate for candidate in fitting if candidate.is_ema] or fitting
    chosen = pool[0]
    if any(_differ(chosen.state, other.state, array) for other in pool[1:]):
        labels = "; ".join(candidate.label for candidate in pool)
        reason = "more than one is an EMA" if chosen.is_ema else "none is called EMA"
        raise ValueError(
            f"it holds {len(pool)} state dicts that fit equally, and {reason}: "
            f"{labels}. Save the one that you want in a file of its own."
        )
    _report(saved, chosen, file_name)
    return chosen.state


def abbreviated(names: Iterable[str], limit: int = 8) -> str:
    """Returns the first names, joined by commas, and the number of the others."""
    names = list(names)
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns the most similar one of `names`, or "" if none is similar."""
    return next(iter(difflib.get_close_matches(name, list(names)[:5000], n=1)), "")


def _differ(
    first: State, second: State, array: Callable[[TensorLike], np.ndarray]
) -> bool:
    """Returns whether two state dicts hold different tensors."""
    return set(first) != set(second) or not all(
        first[name] == second[name]
        or np.array_equal(array(first[name]), array(second[name]))
        for name in first
    )


def _misfit(found: list[Candidate], problems: list[tuple[int, str]]) -> str:
    """Describes the problems of the candidate that has the fewest."""
    index = min(range(len(found)), key=lambda index: problems[index][0])
    candidate, text = found[index], problems[index][1]
    if candidate.others:
        kinds = [f"{name} ({kind})" for name, kind in candidate.others.items()]
        text += f" No tensors: {abbreviated(kinds)}."
    if candidate.keys or candidate.prefix:
        text = f"{candidate.label}: {text}"
    if len(found) > 1:
        others = (other.label for i, other in enumerate(found) if i != index)
        text += f" It fits best; also found: {abbreviated(others)}."
    return text


def _nothing_found(saved: Any, wanted: Wanted) -> str:
    """Explains why there is no candidate, with what was found and a similar name."""
    if isinstance(saved, Foreign):
        return (
            f"it holds a whole {saved.kind} object, which only its own code can read. "
            "Save its weights: torch.save(model.state_dict(), path)."
        )
    text = f"it is not {wanted.what}: no tensor is called {' or '.join(wanted.first)}."
    names = [
        ".".join((*keys, name))
        for keys, mapping in mappings(saved)
        for name, value in mapping.items()
        if isinstance(name, str) and is_tensor(value)
    ]
    entries = items_of(saved)
    if names:
        text += f" Its {len(names)} tensors are {abbreviated(names)}."
    elif entries:
        kinds = abbreviated(f"{key} ({kind_of(item)})" for key, item in entries)
        text += f" It holds no named tensors: {kinds}."
    else:
        text += f" It holds no tensors, but a {kind_of(saved)}."
    pairs = [(match, name) for name in wanted.first if (match := nearest(name, names))]
    if pairs:
        match, name = max(
            pairs, key=lambda pair: difflib.SequenceMatcher(None, *pair).ratio()
        )
        text += f" The nearest is {match} to {name}."
    return text


def _report(saved: Any, chosen: Candidate, file_name: str) -> None:
    """Logs which part of a file is used, unless it is the whole file.

    A warning is logged if the file has an EMA that does not fit.
    """
    left = _left(saved, chosen)
    if left or chosen.keys or chosen.prefix:
        logger.info(
            "%s: the weights in %s are used%s.%s",
            file_name,
            chosen.label,
            ", the EMA" if chosen.is_ema else "",
            f" Left out: {abbreviated(left)}." if left else "",
        )
    averages = [] if chosen.is_ema else _averages(saved, chosen)
    if averages:
        logger.warning(
            "%s: the raw weights are used. What is called EMA does not fit: %s.",
            file_name,
            abbreviated(averages),
        )


def _left(saved: Any, chosen: Candidate) -> list[str]:
    """Returns the entries beside the chosen state dict, on its level and above."""
    left = []
    value = saved
    for depth, key in enumerate(chosen.keys):
        items = dict(items_of(value))
        left += [
            f"{path_of((*chosen.keys[:depth], other))} ({kind_of(item)})"
            for other, item in items.items()
            if other != key
        ]
        value = items[key]
    used = {chosen.prefix + name for name in chosen.state}
    beside = [name.split(".")[0] for name, _ in items_of(value) if name not in used]
    for name, count in Counter(beside).items():
        left.append(f"{name}.* ({count} values)" if count > 1 else name)
    return left


def _averages(saved: Any, chosen: Candidate) -> list[str]:
    """Returns the entries whose names say EMA, without numbers such as its decay."""
    used = saved
    for key in chosen.keys:
        used = dict(items_of(used))[key]
    found = {
        path_of((*keys, key.split(".")[0]) if is_tensor(item) else (*keys, key))
        for keys, mapping in mappings(saved)
        for key, item in items_of(mapping)
        if names_ema(key)
        and item is not used  # One dictionary may have two names.
        and (
            isinstance(item, Foreign)
            or bool(items_of(item))
            or (is_tensor(item) and np.prod(item.shape) > 1)
        )
    }
    return sorted(found)
