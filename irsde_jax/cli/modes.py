"""The table of command-line modes, with one function for each mode.

The function of a mode converts the values of the flags into the arguments of a library
function. The imports are inside these functions, because importing JAX takes seconds.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import ml_collections
from absl import flags

from irsde_jax import configuration
from irsde_jax.cli import weights_table
from irsde_jax.cli.flags import split_weights

Config: TypeAlias = ml_collections.ConfigDict

WEIGHTS = "weights or workdir"
"""The key in `Mode.needs` of a mode that gets its network from either flag."""


def _train(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.checkpoints import hosts
    from irsde_jax.training import loop

    if values.distributed or values.coordinator:
        hosts.initialize(values.coordinator, values.num_processes, values.process_id)
    loop.train(config, values.workdir, weights=values.weights)


def _evaluate(
    values: flags.FlagValues, config: Config | None, *others: Config | None
) -> None:
    from irsde_jax.evaluation import evaluate

    names = split_weights(values.weights)
    more = {"others": list(zip(names[1:], others))} if others else {}
    evaluate.run(
        config=config,
        workdir=values.workdir,
        weights=names[0] if names else None,
        output=values.output,
        overwrite=values.overwrite,
        **more,
    )


def _restore(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.restoration.files import runner

    runner.run(
        config=config,
        workdir=values.workdir,
        weights=values.weights,
        input=values.input,
        output=values.output,
        seed=values.seed or 0,
        overwrite=values.overwrite,
        suffix=values.suffix or "",
        kind=values.format,
        quality=values.quality,
        num_samples=1 if values.num_samples is None else values.num_samples,
        max_megapixels=values.max_megapixels,
        provenance=not values.no_metadata,
        mask=values.mask,
        mask_keep=values.mask_keep,
    )


def _check(values: flags.FlagValues, config: Config | None) -> int:
    from irsde_jax.cli import check

    assert config is not None  # the mode requires one
    findings = check.run(config, output=values.output, overwrite=values.overwrite)
    return int(any(finding.is_error for finding in findings))


def _pack(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.cli import pack

    source = values.weights or values.workdir
    pack.run(config, source, values.output, overwrite=values.overwrite)


def _export(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.export import stablehlo

    stablehlo.run(
        config,
        values.weights or values.workdir,
        values.output,
        stablehlo.parse_sizes(values.sizes or stablehlo.DEFAULT_SIZES),
        stablehlo.parse_platforms(values.platforms or stablehlo.DEFAULT_PLATFORMS),
        overwrite=values.overwrite,
    )


def _print_weights(values: flags.FlagValues, config: Config | None) -> None:

    del values, config
    print(weights_table.weights_table())


def _app(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.app import server

    server.run(
        config=config,
        workdir=values.workdir,
        weights=values.weights,
        host=values.host or server.HOST,
        port=values.port,
    )


def _plot(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.training import curves

    del config
    curves.run(
        values.workdir.split(","), output=values.output, overwrite=values.overwrite
    )


def _print_config(values: flags.FlagValues, config: Config | None) -> None:
    del values
    assert config is not None  # the mode requires one
    print(configuration.to_text(config))


class Mode(NamedTuple):
    """A mode of the command line.

    Attributes:
        summary: The description of the mode in the overview.
        run: The function that runs the mode, called with the flags and the
            configuration. It returns the exit code, or None for 0.
        examples: The example command lines without the program's name. The overview
            shows the first one.
        needs: The flags that are required, with their purposes. A key may be `WEIGHTS`.
        takes_config: Whether the mode reads a configuration, which `--config.KEY=VALUE`
            can change.
        needs_config: Whether a configuration is required.
    """

    summary: str
    run: Callable[..., int | None]
    examples: tuple[str, ...]
    needs: Mapping[str, str] = MappingProxyType({})
    takes_config: bool = True
    needs_config: bool = False


MODES: dict[str, Mode] = {
    "restore": Mode(
        "Restore image files.",
        _restore,
        (
            "--mode=restore --weights=denoising-small --input=photos --output=restored",
            "--mode=restore --weights=denoising-small --input='trip/*.jpg' "
            "--output=out --format=png",
            "--mode=restore --workdir=runs/a --input=a.png --output=b.png "
            "--config.sampling.clip=True",
            "--mode=restore --weights=inpainting-small --input=photo.png "
            "--mask=hole.png --output=out",
        ),
        {
            WEIGHTS: "for the network",
            "input": "the image or folder to restore",
            "output": "the folder for the results",
        },
    ),
    "app": Mode(
        "Serve a web page that restores photographs.",
        _app,
        ("--mode=app --weights=denoising-small --port=8000",),
        {WEIGHTS: "for the network"},
    ),
    "weights": Mode(
        "List the weights that are shipped with the package.",
        _print_weights,
        ("--mode=weights",),
        takes_config=False,
    ),
    "train": Mode(
        "Train a network, or continue a training that was stopped. This is the default "
        "mode.",
        _train,
        (
            "--config=deraining --workdir=runs/rain --config.data.train_dir=photos",
            "--config=quickstart --workdir=runs/quick --config.train.batch_size=8",
            "--config=denoising --workdir=runs/tuned --weights=denoising-small",
        ),
        {"workdir": "for its results"},
        needs_config=True,
    ),
    "evaluate": Mode(
        "Measure weights on test images, and write a report.",
        _evaluate,
        (
            "--mode=evaluate --workdir=runs/rain --config.evaluation.dir=photos/test",
            "--mode=evaluate --weights=runs/a,runs/b --output=compared",
        ),
        {WEIGHTS: "for the network"},
    ),
    "check": Mode(
        "Look for mistakes in the images of an experiment before its training.",
        _check,
        ("--mode=check --config=deraining --config.data.train_dir=photos",),
        needs_config=True,
    ),
    "plot": Mode(
        "Draw the learning curves of trainings.",
        _plot,
        ("--mode=plot --workdir=runs/a,runs/b --output=curves.png",),
        {"workdir": "one or several joined by commas"},
        takes_config=False,
    ),
    "pack": Mode(
        "Write the weights of a training to one small file.",
        _pack,
        ("--mode=pack --workdir=runs/rain --output=rain.safetensors",),
        {WEIGHTS: "for the network", "output": "the file NAME.safetensors"},
    ),
    "export": Mode(
        "Write programs that restore without this package.",
        _export,
        ("--mode=export --workdir=runs/rain --output=exported --sizes=256x256,64x96",),
        {WEIGHTS: "for the network", "output": "the folder for the programs"},
    ),
    "config": Mode(
        "Print all settings of a configuration.",
        _print_config,
        ("--mode=config --config=deraining:small",),
        needs_config=True,
    ),
}
