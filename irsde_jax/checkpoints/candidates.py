"""Finds the state dicts in a file, whatever dictionaries and prefixes surround them.

Trainers wrap a state dict in dictionaries (`params`, `state_dict`, `model`, `net_g`)
and put prefixes before its names (`module.`, `_orig_mod.`, `net.`). No list of them is
needed: the name of a network's first tensor shows where a state dict is, and the text
before that name is the prefix.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from irsde_jax.checkpoints.placeholders import Foreign, NumpyArray, Storage, Tensor

TensorLike: TypeAlias = Tensor | NumpyArray
State: TypeAlias = Mapping[str, TensorLike]
Keys: TypeAlias = tuple[str, ...]

_MAX_DEPTH = 6
_MAX_CANDIDATES = 100
# "ema" is found as a word and in "modelEMA", but not in "schema".
_EMA = re.compile(r"(?<![A-Za-z])(ema|Ema|EMA)(?![a-z])|(?<=[a-z])(EMA|Ema)(?![a-z])")


class Candidate(NamedTuple):
    """A state dict in a file.

    Attributes:
        keys: The keys of the dictionaries around it.
        prefix: The prefix of its names in the file.
        state: The tensors by their names without the prefix.
        others: The kinds of the other values that have the prefix, by their names.
    """

    keys: Keys
    prefix: str
    state: State
    others: Mapping[str, str]

    @property
    def is_ema(self) -> bool:
        """Whether its keys and its prefix say that it is the EMA."""
        for component in reversed((*self.keys, *self.prefix.split("."))):
            if "online" in component.lower():
                return False  # ema_pytorch stores the raw weights beside the EMA.
            if names_ema(component):
                return True
        return False

    @property
    def label(self) -> str:
        """The place of the state dict in the file, for messages."""
        where = path_of(self.keys) if self.keys else "the file"
        return f"{where}, names {self.prefix}*" if self.prefix else where


def names_ema(text: str) -> bool:
    """Returns whether a key or a part of a name indicates an EMA."""
    return _EMA.search(text) is not None


def find(saved: Any, first: Sequence[str]) -> list[Candidate]:
    """Returns the state dicts that have one of the tensors `first`.

    Args:
        saved: The contents of the file.
        first: The names of tensors without a prefix, one of which a state dict has.

    Raises:
        ValueError: If there are too many state dicts.
    """
    found: list[Candidate] = []
    for keys, mapping in mappings(saved):
        named = {
            name: value for name, value in mapping.items() if isinstance(name, str)
        }
        prefixes = {
            name.removesuffix(tensor): None
            for name in named
            for tensor in first
            if f".{name}".endswith(f".{tensor}")
        }
        groups: dict[str, dict[str, Any]] = {prefix: {} for prefix in prefixes}
        longest_first = sorted(prefixes, key=len, reverse=True)
        for name, value in named.items() if prefixes else ():
            prefix = next(filter(name.startswith, longest_first), None)
            if prefix is not None:
                groups[prefix][name.removeprefix(prefix)] = value
        found += [_candidate(keys, *group) for group in groups.items()]
        if len(found) > _MAX_CANDIDATES:
            raise ValueError(f"it holds more than {_MAX_CANDIDATES} state dicts.")
    return found


def _candidate(keys: Keys, prefix: str, values: Mapping[str, Any]) -> Candidate:
    state = {name: value for name, value in values.items() if is_tensor(value)}
    others = {k: kind_of(value) for k, value in values.items() if k not in state}
    return Candidate(keys, prefix, state, others)


def mappings(value: Any) -> Iterator[tuple[Keys, Mapping[Any, Any]]]:
    """Yields all dictionaries inside `value`, with the keys that lead to them."""
    seen: set[int] = set()
    stack: list[tuple[Keys, Any]] = [((), value)]
    while stack:
        keys, value = stack.pop()
        items = items_of(value)
        if len(keys) > _MAX_DEPTH or not items or id(value) in seen:
            continue
        seen.add(id(value))  # Objects may contain themselves, or each other repeatedly.
        if isinstance(value, Mapping):
            yield keys, value
        stack += [((*keys, key), item) for key, item in reversed(items)]


def items_of(value: Any) -> list[tuple[str, Any]]:
    """Returns the named items of a dictionary or a sequence; [] for other values."""
    if isinstance(value, Mapping):
        return [(key, item) for key, item in value.items() if isinstance(key, str)]
    if isinstance(value, list | tuple) and not isinstance(value, Tensor | Storage):
        return [(str(index), item) for index, item in enumerate(value)]
    return []


def is_tensor(value: Any) -> bool:
    """Returns whether a value can be read as an array of numbers."""
    return isinstance(value, Tensor) or (
        isinstance(value, NumpyArray) and value.shape is not None
    )


def kind_of(value: Any) -> str:
    """Describes the type of a value in a few words."""
    if isinstance(value, Foreign):
        return value.kind
    if isinstance(value, Tensor | NumpyArray):
        return "tensor" if is_tensor(value) else "array that holds no numbers"
    if isinstance(value, Mapping):
        return f"dictionary of {len(value)}"
    return type(value).__name__


def path_of(keys: Keys) -> str:
    """Returns keys in Python notation, such as "ema['model']"."""
    return "".join([keys[0], *(f"[{key!r}]" for key in keys[1:])]) if keys else ""
