"""Official PyTorch weights of IR-SDE and Refusion as parameters of our networks.

The architecture is read off the tensors: nothing but the file is needed. Kernels of
convolutions go from [out, in, height, width] to [height, width, in, out], those of
linear layers from [out, in] to [in, out].
"""

import math
import os
import re
from collections.abc import Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from irsde_jax.checkpoints import pytorch_file
from irsde_jax.checkpoints.official_names import Path, official_names
from irsde_jax.checkpoints.state_dicts import Wanted, abbreviated, nearest
from irsde_jax.models import ConditionalNAFNet, ConditionalUNet


class _Shaped(Protocol):
    """An array, or a placeholder of one."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...


State = Mapping[str, _Shaped]

_MAX_LEVELS = 8
_OTHER_FIELDS = {"dtype", "remat", "parent", "name"}  # not in the tensors


def load_pytorch(path: str | os.PathLike) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the parameters in an official PyTorch file.

    Args:
        path: A file of `torch.save` with a state dict of the official ConditionalUNet
            or ConditionalNAFNet, conditional or denoising, alone or as trainers wrap
            it. Of raw weights and their EMA the EMA is taken; the log says so.

    Returns:
        The model and its parameters, a nested dictionary of float32 NumPy arrays, for
        `model.apply({"params": params}, x, mu, t)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, holds weights of none of these networks, or
            holds several and it is not known which are meant.
    """
    with pytorch_file.opened(path) as file:
        state = file.state_dict(_WANTED)
        model = read_architecture(state)
        flat = {
            own: _converted(own, file.array(state[name]))
            for name, (own, _) in official_names(model).items()
        }
    return model, traverse_util.unflatten_dict(flat)


def read_architecture(state: State) -> nn.Module:
    """The network that these tensors are the weights of.

    Raises:
        ValueError: if they are of no network that is known here.
    """
    if "init_conv.weight" in state:
        features, channels, conditional = _ends(state, "init_conv", "final_conv")
        depth = _count(state, r"downs\.(\d+)\.")
        return ConditionalUNet(channels, features, depth, conditional)
    if "intro.weight" in state:
        width, channels, conditional = _ends(state, "intro", "ending")
        levels = range(_count(state, r"downs\.(\d+)\."))
        return ConditionalNAFNet(
            channels=channels,
            width=width,
            enc_blocks=tuple(_count(state, rf"encoders\.{i}\.(\d+)\.") for i in levels),
            middle_blocks=_count(state, r"middle_blks\.(\d+)\."),
            dec_blocks=tuple(_count(state, rf"decoders\.{i}\.(\d+)\.") for i in levels),
            conditional=conditional,
        )
    raise ValueError(
        "neither the U-Net (no init_conv.weight) nor the NAFNet (no intro.weight); the "
        f"tensors are {abbreviated(state)}."
    )


def _problems(state: State) -> tuple[int, str]:
    """How many tensors are not those of the network that they suggest, and which."""
    try:
        model = read_architecture(state)
    except ValueError as error:
        return max(1, len(state)), str(error)
    names = official_names(model)
    unexpected = [
        name for name in state if name not in names and not _is_counter(name, state)
    ]
    problems = {
        "missing": [
            _with_nearest(name, unexpected) for name in names if name not in state
        ],
        "unexpected": unexpected,
        "of a wrong shape": [
            f"{name} {state[name].shape} instead of {shape}"
            for name, (_, shape) in names.items()
            if name in state and state[name].shape != shape
        ],
        "not of floats": [
            f"{name} ({state[name].dtype})"
            for name in (*names, *unexpected)
            if name in state and not jnp.issubdtype(state[name].dtype, jnp.floating)
        ],
    }
    found = "; ".join(
        f"{len(names)} {problem}: {abbreviated(names)}"
        for problem, names in problems.items()
        if names
    )
    count = sum(map(len, problems.values()))
    return count, f"not the weights of {_description(model)}. Tensors {found}."


def _is_counter(name: str, state: State) -> bool:
    """Whether a tensor counts something, as `step` and `n_averaged` of trainers do."""
    return "." not in name and math.prod(state[name].shape) == 1


_WANTED = Wanted(
    "the U-Net or the NAFNet of IR-SDE", ("init_conv.weight", "intro.weight"), _problems
)


def _with_nearest(name: str, unexpected: list[str]) -> str:
    """A missing name, with the one that may have been meant by it."""
    match = nearest(name, unexpected)
    return f"{name} (nearest: {match})" if match else name


def _converted(path: Path, tensor: np.ndarray) -> np.ndarray:
    """The tensor in our layout, in float32."""
    if path[-1] != "kernel":
        tensor = tensor.reshape(-1)
    elif tensor.shape[2:] == (1, 1) or tensor.ndim == 2:
        tensor = tensor.reshape(tensor.shape[:2]).T
    else:
        tensor = tensor.transpose(2, 3, 1, 0)
    return np.array(tensor, np.float32, order="C")


def _ends(state: State, first: str, last: str) -> tuple[int, int, bool]:
    """Width, image channels, and whether mu is seen, from first and last layer."""
    shapes = []
    for name in (f"{first}.weight", f"{last}.weight"):
        if name not in state or len(state[name].shape) != 4:
            raise ValueError(f"{name} is missing or not the kernel of a convolution.")
        shapes.append(state[name].shape)
    (width, num_in, *_), (num_out, *_) = shapes
    if num_in not in (num_out, 2 * num_out):
        raise ValueError(
            f"{first}.weight takes {num_in} channels, {last}.weight gives {num_out}; "
            "expected twice as many in (x and mu), or as many (denoising)."
        )
    return width, num_out, num_in != num_out


def _count(state: State, pattern: str) -> int:
    """How many different numbers the group of `pattern` has among the names."""
    matches = (re.match(pattern, name) for name in state)
    count = len({match[1] for match in matches if match})
    if pattern.startswith("downs") and not 1 <= count <= _MAX_LEVELS:
        raise ValueError(f"{count} levels (downs.*), expected 1 to {_MAX_LEVELS}.")
    return count


def _description(model: nn.Module) -> str:
    """The model with the fields that were read off the tensors."""
    fields = [name for name in model.__dataclass_fields__ if name not in _OTHER_FIELDS]
    values = [f"{name}={getattr(model, name)}" for name in fields]
    return f"{type(model).__name__}({', '.join(values)})"
