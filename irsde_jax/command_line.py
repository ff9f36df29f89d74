"""The flags of the command line: which there are, and which go together."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from irsde_jax import configuration
from irsde_jax.configuration import UsageError
from irsde_jax.weights import is_pytorch

# The flags that a mode reads; another one is a mistake and is said to be.
_RUN = ("config", "workdir", "weights", "seed", "compilation_cache")
_RESULTS = ("suffix", "format", "quality", "num_samples")
_HOSTS = ("distributed", "coordinator", "num_processes", "process_id")
FLAGS_OF_MODE = {
    "train": (*_RUN, *_HOSTS),
    "evaluate": (*_RUN, "output", "overwrite"),
    "restore": (*_RUN, "input", "output", "overwrite", *_RESULTS),
    "check": ("config", "workdir", "output", "overwrite"),
    "pack": ("config", "workdir", "weights", "output", "overwrite"),
    "export": (
        *("config", "workdir", "weights", "output", "overwrite"),
        *("sizes", "platforms"),
    ),
    "weights": (),
    "app": ("config", "workdir", "weights", "compilation_cache", "host", "port"),
    "plot": ("workdir", "output", "overwrite"),
    "config": ("config", "workdir", "weights"),
}


class _JoinedFlag(flags.Flag):
    """--weights: given again, its values are joined by commas."""

    def __init__(self, help_text: str):
        parser: flags.ArgumentParser = flags.ArgumentParser()
        serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
        super().__init__(parser, serializer, "weights", None, help_text)

    def parse(self, argument: str) -> None:
        """Takes one more value."""
        self.value = f"{self.value},{argument}" if self.present else argument
        self.present += 1


def split_weights(text: str | None) -> list[str]:
    """The weights that `--weights=A,B` names; a path that holds a comma is one."""
    if text is None:
        return []
    return [text] if Path(text).exists() else text.split(",")


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command line in `values`."""

    def text(name: str, help_text: str) -> None:
        flags.DEFINE_string(name, None, help_text, flag_values=values)

    text(
        "config",
        f"Experiment: {config_names()} or a file. --config.KEY=VALUE changes it.",
    )
    modes = ", ".join(FLAGS_OF_MODE)
    flags.DEFINE_string("mode", "train", modes, flag_values=values)
    text("workdir", "Folder of a training run: checkpoints, logs, configuration.")
    values["weights"] = _JoinedFlag(
        "Weights: a work directory or an official PyTorch file; A,B compares several."
    )
    text("input", "Image, folder or quoted pattern ('trip/*.jpg') to restore.")
    text("output", "Folder, or image, that the results go to.")
    text("compilation_cache", "Folder for compiled programs, kept between runs.")
    flags.DEFINE_integer("seed", None, "Seed of all randomness.", flag_values=values)
    text("host", "Address of the page; 0.0.0.0 lets other machines in.")
    flags.DEFINE_integer("port", None, "Port of the page.", flag_values=values)
    text("sizes", "Of exported programs, HEIGHTxWIDTH: 256x256,512x768.")
    text("platforms", "That exported programs run on: cpu,cuda,tpu.")
    flags.DEFINE_bool("overwrite", False, "Replace results.", flag_values=values)
    text("suffix", "What the names of restored images end in.")
    text("format", "Of restored images, such as png; by default as they were.")
    for name, help_text in (
        ("quality", "Of restored JPEG and WebP images, 1 to 100."),
        ("num_samples", "Restorations an image: their mean, and where they differ."),
    ):
        flags.DEFINE_integer(name, None, help_text, flag_values=values)
    text("coordinator", "Of a training in several processes: HOST:PORT of process 0.")
    for name, help_text in (
        ("num_processes", "How many processes train together."),
        ("process_id", "Which of them this is, from 0."),
    ):
        flags.DEFINE_integer(name, None, help_text, flag_values=values)
    help_text = "Join the processes that the cluster's environment names."
    flags.DEFINE_bool("distributed", False, help_text, flag_values=values)


def parse(argv: Sequence[str], values: flags.FlagValues) -> list[str]:
    """Reads `argv` (program name first) into `values`; returns the overrides.

    Raises:
        UsageError: if a flag is unknown, lacks its value or does not go with the mode.
    """
    overrides, rest = configuration.split_overrides(argv)
    try:
        unexpected = values(rest)[1:]
    except flags.UnrecognizedFlagError as error:
        known = {name for names in FLAGS_OF_MODE.values() for name in names}
        known |= {"mode", "verbosity"}
        raise UsageError(
            f"unknown flag --{error.flagname}"
            f"{configuration.nearest(error.flagname, known)} "
            f"(allowed: {', '.join(f'--{name}' for name in sorted(known))})"
        ) from error
    except flags.Error as error:
        modes = (
            f"; --mode is one of {', '.join(FLAGS_OF_MODE)}"
            if "mode" in str(error)
            else ""
        )
        raise UsageError(" ".join(str(error).split()) + modes) from error
    if unexpected:
        raise UsageError(f"unexpected argument {unexpected[0]!r}; flags start with --")
    if values.mode not in FLAGS_OF_MODE:
        raise UsageError(
            f"--mode={values.mode}: not one of {', '.join(FLAGS_OF_MODE)}"
            f"{configuration.nearest(values.mode, FLAGS_OF_MODE)}"
        )
    _check_combination(values)
    return overrides


def _check_combination(values: flags.FlagValues) -> None:
    """Raises if a flag is missing in this mode, or means nothing in it."""
    mode = values.mode
    for name in (
        *("config", "workdir", "weights"),
        "seed",
        "compilation_cache",
        "input",
        "output",
        "overwrite",
        *_RESULTS,
        *("host", "port", "sizes", "platforms"),
        *_HOSTS,
    ):
        if values[name].present and name not in FLAGS_OF_MODE[mode]:
            modes = [other for other in FLAGS_OF_MODE if name in FLAGS_OF_MODE[other]]
            raise UsageError(
                f"--{name} means nothing to --mode={mode}; it goes with {modes}"
            )
    if mode == "restore":
        for name, what in (
            ("input", "the image or folder to restore"),
            ("output", "the folder for the results"),
        ):
            if not values[name].value:
                raise UsageError(f"--mode=restore needs --{name}, {what}")
    if mode == "pack" and not values.output:
        raise UsageError("--mode=pack needs --output=NAME.safetensors")
    if mode == "export" and not values.output:
        raise UsageError("--mode=export needs --output, the folder for the programs")
    if mode in ("evaluate", "restore", "pack", "export", "app") and not (
        values.weights or values.workdir
    ):
        raise UsageError(f"--mode={mode} needs --weights or --workdir")
    if mode == "plot" and not values.workdir:
        raise UsageError("--mode=plot needs --workdir, one or several joined by commas")
    _check_hosts(values)
    if mode == "train" and not values.workdir:
        config = "" if values.config else f"--config, one of {config_names()}, and "
        raise UsageError(f"--mode=train needs {config}--workdir, for its results")
    names = split_weights(values.weights)
    if len(names) > 1 and mode != "evaluate":
        raise UsageError(
            f"--weights={values.weights}: --mode={mode} takes one; --mode=evaluate "
            "compares several"
        )
    if len(set(names)) < len(names) or "" in names[1:]:
        raise UsageError(f"--weights={values.weights}: one is empty or given twice")
    official = [name for name in names if is_pytorch(name)]
    if official and mode != "train" and not values.config:
        raise UsageError(
            f"--weights={official[0]}: a PyTorch file holds no schedule, so it needs "
            f"--config, one of {config_names()} or a file"
        )


def _check_hosts(values: flags.FlagValues) -> None:
    """Raises unless all that names the processes of a training is given, or none."""
    named = [name for name in _HOSTS[1:] if values[name].present]
    if values.distributed and named:
        raise UsageError(
            "--distributed asks the cluster's environment; it goes without "
            f"--{named[0]}"
        )
    if named and len(named) < len(_HOSTS) - 1:
        raise UsageError(
            "a training in several processes needs all of "
            + ", ".join(f"--{name}" for name in _HOSTS[1:])
            + f"; given: {', '.join(f'--{name}' for name in named)}"
        )


def config_names() -> str:
    """The experiments that `--config` knows by name."""
    return ", ".join(configuration.config_names())
