"""Official PyTorch weights of IR-SDE and Refusion as parameters of our networks.

The architecture is derived from the shapes of the tensors, so only the file is needed.
Kernels of convolutions are transposed from [out, in, height, width] to
[height, width, in, out], and those of linear layers from [out, in] to [in, out].
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
    """An array, or a placeholder for an array."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...


State = Mapping[str, _Shaped]

_MAX_LEVELS = 8
_OTHER_FIELDS = {"dtype", "remat", "parent", "name"}  # The tensors do not show these.


def load_pytorch(path: str | os.PathLike) -> tuple[nn.Module, dict[str, Any]]:
    """Loads the network and the parameters of an official PyTorch file.

    Args:
        path: The file that `torch.save` wrote. It holds a state dict of the official
            ConditionalUNet or ConditionalNAFNet, conditional or denoising, which may be
            wrapped in the dictionaries of a trainer. If the file holds raw weights and
            their EMA, the EMA is used and the log says so.

    Returns:
        The model and its parameters, a nested dictionary of float32 NumPy arrays, for
        `model.apply({"params": params}, x, mu, t)`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file cannot be read, holds no weights of these networks, or
            holds several weights between which the choice is not clear.
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
    """Returns the network to which the tensors of a state dict belong.

    Raises:
        ValueError: If the tensors belong to no known network.
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
    """Returns the number of tensors that do not fit the network, and a description.

    The network is the one that the tensors themselves indicate.
    """
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
    """Returns whether a tensor is a counter of a trainer: `step`, `n_averaged`."""
    return "." not in name and math.prod(state[name].shape) == 1


_WANTED = Wanted(
    "the U-Net or the NAFNet of IR-SDE", ("init_conv.weight", "intro.weight"), _problems
)


def _with_nearest(name: str, unexpected: list[str]) -> str:
    """Returns a missing name, with the most similar unexpected name if there is one."""
    match = nearest(name, unexpected)
    return f"{name} (nearest: {match})" if match else name


def _converted(path: Path, tensor: np.ndarray) -> np.ndarray:
    """Returns the tensor in our layout, in float32."""
    if path[-1] != "kernel":
        tensor = tensor.reshape(-1)
    elif tensor.shape[2:] == (1, 1) or tensor.ndim == 2:
        tensor = tensor.reshape(tensor.shape[:2]).T
    else:
        tensor = tensor.transpose(2, 3, 1, 0)
    return np.array(tensor, np.float32, order="C")


def _ends(state: State, first: str, last: str) -> tuple[int, int, bool]:
    """Returns the width, the image channels, and whether the network gets mu.

    Args:
        state: The tensors.
        first: The name of the first layer.
        last: The name of the last layer.

    Raises:
        ValueError: If a layer is missing or the shapes do not fit together.
    """
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
    """Counts the different numbers that the group of `pattern` matches in names.

    Raises:
        ValueError: If the number of levels of a network is not plausible.
    """
    matches = (re.match(pattern, name) for name in state)
    count = len({match[1] for match in matches if match})
    if pattern.startswith("downs") and not 1 <= count <= _MAX_LEVELS:
        raise ValueError(f"{count} levels (downs.*), expected 1 to {_MAX_LEVELS}.")
    return count


def _description(model: nn.Module) -> str:
    """Returns the model as text, with the fields that were derived from the tensors."""
    fields = [name for name in model.__dataclass_fields__ if name not in _OTHER_FIELDS]
    values = [f"{name}={getattr(model, name)}" for name in fields]
    return f"{type(model).__name__}({', '.join(values)})"
