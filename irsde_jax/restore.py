"""Restoring: weights from wherever they are, image files from a folder to another."""

import logging
import os
import zlib
from pathlib import Path
from typing import TypeAlias

import flax.linen as nn
import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from irsde_jax import configuration, weights
from irsde_jax.array_types import PRNGKey
from irsde_jax.data import images
from irsde_jax.models import abstract_params
from irsde_jax.restorer import Restorer, make_model

__all__ = ["Restorer", "file_key", "load", "open_restorer", "restore_file", "run"]

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)


def load(
    source: str | os.PathLike, config: Config | str | os.PathLike | None = None
) -> Restorer:
    """A `Restorer` from weights.

    Args:
        source: a work directory of `--mode train`, the name of weights that are shipped
            (`irsde_jax.list_weights`), a file of `--mode pack` (.safetensors), or an
            official PyTorch file (.pth).
        config: for a .pth, which holds no schedule, the configuration it belongs to, as
            an object, a name ("deraining") or a path. Elsewhere it is
            optional: task, process, schedule and network must agree with the stored.

    Raises:
        FileNotFoundError: if there are no such weights.
        ValueError: if `config` is missing for a .pth or disagrees with the weights.
    """
    path = Path(source)
    if isinstance(config, str | os.PathLike):
        config = configuration.load(os.fspath(config))
    if path.suffix == ".pth":
        return _load_official(path, config)
    if path.is_dir():
        return _load_workdir(path, config)
    if path.suffix == weights.SUFFIX:
        return _load_file(path, config)
    if (shipped := weights.find(str(source))) is not None:
        return _load_file(shipped, config)
    names = ", ".join(known.name for known in weights.list_weights()) or "none"
    raise FileNotFoundError(
        f"no weights {str(source)!r}: it is neither a work directory of --mode=train "
        "nor a file (.safetensors of --mode=pack, or PyTorch's .pth), and no weights "
        f"of that name are shipped (there are: {names})."
    )


def _load_workdir(workdir: Path, config: Config | None) -> Restorer:
    """The EMA weights of a training run."""
    from irsde_jax.checkpoints import runs  # Orbax takes seconds to import

    if not runs.has_checkpoints(workdir):
        raise FileNotFoundError(
            f"{workdir} is not the work directory of a training run, or of one that "
            "has not finished its first checkpoint."
        )
    with runs.Checkpoints(workdir, read_only=True) as checkpoints:
        config = _agree(checkpoints.read_config(), config, workdir)
        model = make_model(config)
        params = checkpoints.restore_ema(abstract_params(model))
    return Restorer(model, jax.device_put(params), config)


def _load_file(path: Path, config: Config | None) -> Restorer:
    """The weights of a safetensors file."""
    from irsde_jax.checkpoints import weights_file

    params, stored = weights_file.read(path)
    config = _agree(stored, config, path)
    model = make_model(config)
    shapes = jax.tree.map(np.shape, params)
    if shapes != jax.tree.map(np.shape, abstract_params(model)):
        raise ValueError(f"{path} is damaged: its arrays are not those of {model}.")
    return Restorer(model, jax.device_put(params), config)


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
    model = make_model(config)
    _require_agreement(_field_differences(found, model), path)
    if config.sampling.debias is None:
        # Official weights were trained with the euler loss, whatever ours would be.
        config = _with_debias(config, True)
    return Restorer(model, jax.device_put(params), config)


def _with_debias(config: Config, debias: bool) -> Config:
    """A copy of the configuration that says whether to take out the euler bias."""
    return configuration.override(config, [f"--config.sampling.debias={debias}"])


def _field_differences(found: nn.Module, given: nn.Module) -> list[str]:
    """What two networks disagree on; how they are computed is free."""
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
    workdir: str | os.PathLike | None,
    source_of_weights: str | os.PathLike | None,
) -> Restorer:
    """The restorer of a command line: of its weights, or else of its work directory."""
    source = source_of_weights if source_of_weights is not None else workdir
    if source is None:
        raise ValueError("there is nothing to restore with: give weights or a workdir.")
    return load(source, config)


def file_key(seed: int, name: str) -> PRNGKey:
    """The key of a file: of the seed and its relative path alone."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def run(
    config: Config | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None,
    input: str | os.PathLike,
    output: str | os.PathLike,
    seed: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """`--mode restore`: restores an image file, or a folder and its subfolders.

    Every result has the name, the format and the bit depth of its original; grey images
    go through a colour network as grey; transparency is kept. An image's result depends
    on the seed and its relative path alone. A file that cannot be read does not stop
    the others.

    Args:
        config: see `load`.
        workdir: of the run whose weights are used, if `weights` is None.
        weights: what `load` takes.
        input: an image file or a folder.
        output: a folder, made if it is missing; for a single image also the name of a
            file.
        seed: of the sampling noise.
        overwrite: whether existing results are replaced.

    Returns:
        The files written.

    Raises:
        FileExistsError: if a result exists and `overwrite` is False; nothing is done.
        ValueError: if an output is its own input, or, after all others were restored,
            if some images could not be.
    """
    jobs = _plan(Path(input), Path(output), overwrite)
    restorer = open_restorer(config, workdir, weights)
    scale = restorer.config.data.scale
    if scale > 1:
        logger.info("super-resolution: the results are %d times as large", scale)
    written, failures = [], []
    for name, source, target in tqdm(jobs, desc="restore", unit="image"):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            restore_file(restorer, source, target, file_key(seed, name), overwrite)
            written.append(target)
        except (ValueError, OSError) as error:
            failures.append(f"{name}: {error}")
    logger.info("restored %d of %d images to %s", len(written), len(jobs), output)
    if failures:
        raise ValueError(
            f"{len(failures)} of {len(jobs)} images were not restored. "
            + " ".join(failures)
        )
    return written


def restore_file(
    restorer: Restorer,
    source: Path,
    target: Path,
    key: PRNGKey,
    overwrite: bool = False,
) -> None:
    """Restores one image file, of any size, grey or colour, with or without alpha.

    For super-resolution it is enlarged first, as the images of the training were.
    """
    channels, data = restorer.model.channels, restorer.config.data
    image = images.read_image(source, data.data_range)
    pixels = images.to_channels(image.pixels, channels, str(source))
    pixels = images.enlarge(pixels, data.scale, data.enlarge)
    if image.alpha is not None:
        alpha = images.enlarge(image.alpha, data.scale, data.enlarge).clip(0, 1)
        image = image._replace(alpha=alpha)
    restored = restorer(pixels, key=key)
    if image.pixels.shape[-1] == 1:
        restored = restored.mean(axis=-1, keepdims=True, dtype=np.float32)
    images.write_image(target, image._replace(pixels=restored), overwrite=overwrite)


def _plan(source: Path, output: Path, overwrite: bool) -> list[tuple[str, Path, Path]]:
    """(relative name, image, result) of all that is to be done."""
    if source.is_dir():
        if output.is_file():
            raise FileExistsError(f"--output={output} is a file; give a folder.")
        found = images.list_images(source, recursive=True)
        # Results of an earlier run in a folder inside the input are not originals.
        inside = output.resolve() != source.resolve()
        if inside and output.resolve().is_relative_to(source.resolve()):
            found = [
                path
                for path in found
                if not path.resolve().is_relative_to(output.resolve())
            ]
        names = [path.relative_to(source) for path in found]
        jobs = [(n.as_posix(), source / n, output / n) for n in names]
    elif source.is_file():
        jobs = [(source.name, source, _target_of_one(source, output))]
    else:
        raise FileNotFoundError(
            f"--input={source} does not exist; give an image or a folder of images."
        )
    originals = {original.resolve() for _, original, _ in jobs}
    for _, _, target in jobs:
        if target.resolve() in originals:
            raise ValueError(
                f"the result {target} would replace its original, or that of another "
                "image; choose another --output."
            )
    existing = [str(target) for _, _, target in jobs if target.exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"{len(existing)} of {len(jobs)} results exist already, such as "
            f"{existing[0]}; choose another --output, or replace them with --overwrite."
        )
    return jobs


def _target_of_one(source: Path, output: Path) -> Path:
    """Where the result of a single image goes: `output`, or a file in it."""
    if output.is_dir() or not output.suffix:
        return output / source.name
    if output.suffix.lower() not in images.SUFFIXES:
        raise ValueError(
            f"--output={output} ends in {output.suffix}; an image ends in one of "
            f"{', '.join(images.SUFFIXES)}. For a folder of that name, make it first."
        )
    return output
