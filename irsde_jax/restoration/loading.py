"""Loads weights from a work directory, by name, or from a file of a known format."""

import os
from pathlib import Path
from typing import TypeAlias

import flax.linen as nn
import jax
import ml_collections

from irsde_jax import configuration, registry, weights
from irsde_jax.models import FlaxNetwork, Network, abstract_params, as_network
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.restorer import Restorer

Config: TypeAlias = ml_collections.ConfigDict
Given: TypeAlias = Network | nn.Module | None


def load(
    source: str | os.PathLike[str],
    config: Config | str | os.PathLike[str] | None = None,
    *,
    model: Network | nn.Module | None = None,
) -> Restorer:
    """Returns a `Restorer` for the given weights.

    Args:
        source: The weights: a work directory of `--mode train`, the name of weights
            that are shipped (`irsde_jax.list_weights`), a file of `--mode pack`
            (.safetensors), or an official PyTorch file (.pth, .pt, .ckpt, .bin).
        config: The configuration as an object, a name ("deraining") or a path. It is
            required for a PyTorch file, which stores no schedule. For other weights it
            is optional, and its task, process, schedule and network must agree with the
            stored configuration.
        model: The network, if the weights are from a training run that was given its
            network as an object. None means the network that the configuration names.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If `config` is missing for a PyTorch file, if it disagrees with the
            weights, or if the weights name a module that is not trusted; see
            `irsde_jax.registry.trust`.
    """
    path = Path(source)
    if isinstance(config, str | os.PathLike):
        config = configuration.load(os.fspath(config))
        # The user chose this file, so the modules that it names are trusted.
        registry.trust(*configuration.outside_modules(config))
    if weights.is_pytorch(path):
        return _load_official(path, config)
    if path.is_dir():
        return _load_workdir(path, config, model)
    if path.suffix == weights.SUFFIX:
        return _load_file(path, config, model)
    if (shipped := weights.find(str(source))) is not None:
        return _load_file(shipped, config, model)
    names = ", ".join(known.name for known in weights.list_weights()) or "none"
    raise FileNotFoundError(
        f"no weights {str(source)!r}: it is neither a work directory of --mode=train "
        "nor a file (.safetensors of --mode=pack, or of PyTorch: "
        f"{', '.join(weights.PYTORCH_SUFFIXES)}), and no weights of that name are "
        f"shipped (there are: {names})."
    )


def stored_config(source: str | os.PathLike[str] | None) -> Config | None:
    """Returns the configuration that is stored with weights, or None if there is none.

    Args:
        source: The weights, as for `load`. None means that there are none.

    Raises:
        ValueError: If a weights file is damaged.
    """
    if source is None:
        return None
    if configuration.has_stored(source):
        return configuration.read_stored(source)
    path = weights.find(str(source)) or Path(source)
    if path.suffix != weights.SUFFIX or not path.is_file():
        return None
    from irsde_jax.checkpoints import weights_file

    return weights_file.read_config(path)


def _load_workdir(workdir: Path, config: Config | None, model: Given) -> Restorer:
    """Returns the restorer with the EMA weights of a training run."""
    from irsde_jax.checkpoints import runs  # Orbax takes seconds to import

    if not runs.has_checkpoints(workdir):
        raise FileNotFoundError(
            f"{workdir} is not the work directory of a training run, or of one that "
            "has not finished its first checkpoint."
        )
    with runs.Checkpoints(workdir, read_only=True) as checkpoints:
        config = _agree(checkpoints.read_config(), config, workdir)
        network = _network(config, model)
        params = checkpoints.restore_ema(abstract_params(network))
    return Restorer.from_config(config, jax.device_put(params), network)


def _load_file(path: Path, config: Config | None, model: Given) -> Restorer:
    """Returns the restorer with the weights of a safetensors file."""
    from irsde_jax.checkpoints import named_arrays, weights_file

    arrays, stored = weights_file.read_arrays(path)
    config = _agree(stored, config, path)
    network = _network(config, model)
    expected = abstract_params(network)
    shapes = {name: leaf.shape for name, leaf in named_arrays.flatten(expected).items()}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError(f"{path} is damaged: its arrays are not those of {network}.")
    params = named_arrays.unflatten(arrays, expected)
    return Restorer.from_config(config, jax.device_put(params), network)


def _network(config: Config, model: Given) -> Network:
    """Returns the network that was given, or otherwise the one of the configuration."""
    return make_network(config) if model is None else as_network(model)


def _agree(stored: Config, config: Config | None, source: Path) -> Config:
    """Returns the given configuration, or the stored one if none is given.

    Raises:
        ValueError: If the given configuration disagrees with the stored one.
    """
    config = stored if config is None else config
    _require_agreement(configuration.differences(stored, config), source)
    if config.sampling.debias is None:
        # The loss that the network was trained with decides, not the one in `config`.
        config = _with_debias(config, stored.loss.name == "max_likelihood_euler")
    return config


def _load_official(path: Path, config: Config | None) -> Restorer:
    """Returns the restorer with the weights of an official PyTorch file."""
    if config is None:
        raise ValueError(
            f"{path} holds weights but no schedule: pass the configuration they were "
            f"trained with, config= one of {configuration.config_names()} or a path."
        )
    from irsde_jax.checkpoints import load_pytorch

    found, params = load_pytorch(path)
    network = make_network(config)
    disagreements = _field_differences(found, network)
    if config.prediction != "noise":
        disagreements.append(f"prediction: stored 'noise', given {config.prediction!r}")
    _require_agreement(disagreements, path)
    if config.sampling.debias is None:
        # Official weights were trained with the euler loss, even if `config` names
        # another one.
        config = _with_debias(config, True)
    return Restorer.from_config(config, jax.device_put(params), network)


def _with_debias(config: Config, debias: bool) -> Config:
    """Returns a copy of the configuration with `sampling.debias` set."""
    return configuration.override(config, [f"--config.sampling.debias={debias}"])


def _field_differences(found: nn.Module, network: Network) -> list[str]:
    """Returns descriptions of the fields in which two networks differ.

    The fields "dtype" and "remat" are ignored, because they do not change the
    parameters.
    """
    given = network.module if isinstance(network, FlaxNetwork) else network
    if type(found) is not type(given):
        return [f"network: stored {type(found).__name__}, given {type(given).__name__}"]
    names = sorted(set(found.__dataclass_fields__) - {"parent", "name"})
    free = ("dtype", "remat")
    return [
        f"model.{name}: stored {getattr(found, name)!r}, given {getattr(given, name)!r}"
        for name in names
        if name not in free and getattr(found, name) != getattr(given, name)
    ]


def _require_agreement(differences: list[str], source: Path) -> None:
    """Raises ValueError if there are differences; the message names `source`."""
    if differences:
        raise ValueError(
            f"the configuration does not belong to the weights in {source}: "
            + "; ".join(differences)
            + ". Leave --config out, or give the one they were trained with."
        )


def open_restorer(
    config: Config | None,
    workdir: str | os.PathLike[str] | None,
    source_of_weights: str | os.PathLike[str] | None,
) -> Restorer:
    """Returns the restorer for a command line.

    Args:
        config: The configuration, as for `load`.
        workdir: The work directory of a training run. It is used if `source_of_weights`
            is None.
        source_of_weights: The weights, as for `load`.

    Raises:
        ValueError: If neither weights nor a work directory are given.
    """
    source = source_of_weights if source_of_weights is not None else workdir
    if source is None:
        raise ValueError("there is nothing to restore with: give weights or a workdir.")
    return load(source, config)
