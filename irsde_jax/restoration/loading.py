"""Weights from wherever they are: a work directory, a name, a file of any format."""

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
    """A `Restorer` from weights.

    Args:
        source: a work directory of `--mode train`, the name of weights that are shipped
            (`irsde_jax.list_weights`), a file of `--mode pack` (.safetensors), or an
            official PyTorch file (.pth, .pt, .ckpt, .bin).
        config: for a PyTorch file, which holds no schedule, the configuration it
            belongs to, as an object, a name ("deraining") or a path. Elsewhere it is
            optional: task, process, schedule and network must agree with the stored.
        model: The network, for weights of a training that was given its network as an
            object. None is the network that the configuration names.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if `config` is missing for a PyTorch file, or disagrees with the
            weights; or if the weights name a module that is not trusted, see
            `irsde_jax.registry.trust`.
    """
    path = Path(source)
    if isinstance(config, str | os.PathLike):
        config = configuration.load(os.fspath(config))
        registry.trust(*configuration.outside_modules(config))  # the user's own file
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
    """The configuration that weights bring along; None where they bring none.

    Args:
        source: what `load` takes.

    Raises:
        ValueError: if a weights file is damaged.
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
    """The EMA weights of a training run."""
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
    """The weights of a safetensors file."""
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
    """The network that was given, or else that of the configuration."""
    return make_network(config) if model is None else as_network(model)


def _agree(stored: Config, config: Config | None, source: Path) -> Config:
    """The configuration to restore with: the stored one, or one that agrees with it."""
    config = stored if config is None else config
    _require_agreement(configuration.differences(stored, config), source)
    if config.sampling.debias is None:
        # What the network was trained with decides, not what `config` would train.
        config = _with_debias(config, stored.loss.name == "max_likelihood_euler")
    return config


def _load_official(path: Path, config: Config | None) -> Restorer:
    """The weights of an official PyTorch file."""
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
        # Official weights were trained with the euler loss, whatever ours would be.
        config = _with_debias(config, True)
    return Restorer.from_config(config, jax.device_put(params), network)


def _with_debias(config: Config, debias: bool) -> Config:
    """A copy of the configuration that says whether to take out the euler bias."""
    return configuration.override(config, [f"--config.sampling.debias={debias}"])


def _field_differences(found: nn.Module, network: Network) -> list[str]:
    """What two networks disagree on; how they are computed is free."""
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
    """The restorer of a command line: of its weights, or else of its work directory."""
    source = source_of_weights if source_of_weights is not None else workdir
    if source is None:
        raise ValueError("there is nothing to restore with: give weights or a workdir.")
    return load(source, config)
