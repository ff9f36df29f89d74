"""The table of command-line flags.

To add a flag, add one entry to `FLAGS` and use its value in `modes`. The parser
(`definitions`), the help pages and the check that a flag belongs to a mode are derived
from the entry.
"""

from pathlib import Path

from irsde_jax.cli.flag import Flag, Kind

DEFAULT_MODE = "train"


_USES_WEIGHTS = ("evaluate", "restore", "pack", "export", "app")
_HAS_CONFIG = ("train", "check", *_USES_WEIGHTS, "config")
_IS_SEEDED = ("train", "evaluate", "restore")
_HAS_OUTPUT = ("evaluate", "restore", "check", "pack", "export", "plot")

FLAGS: tuple[Flag, ...] = (
    Flag(
        "config",
        Kind.PATH,
        _HAS_CONFIG,
        help="The experiment: a name, NAME:VARIANT or a Python file. By default it is "
        "the configuration that is stored with the weights or in the work directory.",
        value="NAME",
        again="join variants by commas, as in --config=deraining:small,synthetic",
    ),
    Flag(
        "workdir",
        Kind.PATHS,
        (*_HAS_CONFIG, "plot"),
        help="The folder of a training run: checkpoints, logs and configuration. "
        "--mode=plot takes several, joined by commas.",
        value="DIR",
        again="--mode=plot takes several, joined by commas",
    ),
    Flag(
        "weights",
        Kind.PATHS,
        ("train", *_USES_WEIGHTS, "config"),
        help="The weights: a shipped name, work directory, .safetensors or PyTorch "
        "file. --mode=train starts from them. --mode=evaluate takes several: "
        "A,B.",
        value="NAME",
    ),
    Flag(
        "input",
        Kind.PATH,
        ("restore",),
        help="The image, the folder or the quoted pattern ('trip/*.jpg') to restore.",
        value="PATH",
        again="a folder or a quoted pattern such as 'trip/*.jpg' names several images",
    ),
    Flag(
        "output",
        Kind.PATH,
        _HAS_OUTPUT,
        help="The folder, or the file, for the results.",
        value="PATH",
    ),
    Flag(
        "overwrite",
        Kind.SWITCH,
        _HAS_OUTPUT,
        help="Replace results that exist already.",
    ),
    Flag(
        "suffix",
        Kind.TEXT,
        ("restore",),
        help="The text that is appended to the names of restored images, such as "
        "_clean.",
        value="TEXT",
        may_be_empty=True,
    ),
    Flag(
        "format",
        Kind.TEXT,
        ("restore",),
        help="The format of restored images, such as png. By default it is the format "
        "of each original.",
        value="NAME",
    ),
    Flag(
        "quality",
        Kind.INTEGER,
        ("restore",),
        help="The quality of restored JPEG, AVIF and WebP images, from 1 to 100.",
        value="N",
        low=1,
        high=100,
    ),
    Flag(
        "num_samples",
        Kind.INTEGER,
        ("restore",),
        help="The number of restorations of each image. Their mean is written, and a "
        "map of where they differ.",
        value="N",
        low=1,
    ),
    Flag(
        "mask",
        Kind.PATH,
        ("restore",),
        help="The mask, in which white is filled by inpainting weights. It is an "
        "image, or a folder of masks that are named as the images. By default white "
        "areas of the images are filled, or what was erased.",
        value="PATH",
        again="a folder holds a mask for each image",
    ),
    Flag(
        "mask_keep",
        Kind.SWITCH,
        ("restore",),
        help="Keep what is white in --mask, and fill the rest. The masks of the "
        "published test sets are like that.",
    ),
    Flag(
        "max_megapixels",
        Kind.DECIMAL,
        ("restore",),
        help="The largest image that is read, in millions of pixels. By default it is "
        "179, because a small file can promise any number of pixels.",
        value="N",
        low=0,
    ),
    Flag(
        "no_metadata",
        Kind.SWITCH,
        ("restore",),
        help="Do not write into the metadata of restored images how they were made. "
        "The metadata of the originals are preserved all the same.",
    ),
    Flag(
        "seed",
        Kind.INTEGER,
        _IS_SEEDED,
        help="The seed of all random numbers, an integer of 32 bits.",
        value="N",
        low=-(2**31),
        high=2**32 - 1,
    ),
    Flag(
        "compilation_cache",
        Kind.PATH,
        (*_IS_SEEDED, "app"),
        help="The folder that keeps compiled programs between runs.",
        value="DIR",
    ),
    Flag(
        "sizes",
        Kind.TEXT,
        ("export",),
        help="The image sizes to export, such as 256x256,512x768.",
        value="HxW,HxW",
        again="join the sizes by commas",
    ),
    Flag(
        "platforms",
        Kind.TEXT,
        ("export",),
        help="The platforms that exported programs run on, such as cpu,cuda,tpu.",
        value="NAMES",
        again="join the platforms by commas",
    ),
    Flag(
        "host",
        Kind.TEXT,
        ("app",),
        help="The network address of the page; 0.0.0.0 lets other machines in.",
        value="ADDRESS",
    ),
    Flag(
        "port",
        Kind.INTEGER,
        ("app",),
        help="The port of the page. By default it is the first free one from 7860.",
        value="N",
        low=1,
        high=65535,
    ),
    Flag(
        "trust",
        Kind.TEXT,
        _HAS_CONFIG,
        help="The modules of your own that a stored configuration may import. Those "
        "that --config, --config.KEY or --workdir name are trusted.",
        value="MODULES",
        again="join modules by commas",
    ),
    Flag(
        "distributed",
        Kind.SWITCH,
        ("train",),
        help="Join the processes that the environment of the cluster names.",
    ),
    Flag(
        "coordinator",
        Kind.TEXT,
        ("train",),
        help="The address of process 0, for a training in several processes.",
        value="HOST:PORT",
    ),
    Flag(
        "num_processes",
        Kind.INTEGER,
        ("train",),
        help="The number of processes that train together.",
        value="N",
        low=1,
    ),
    Flag(
        "process_id",
        Kind.INTEGER,
        ("train",),
        help="The number of this process, counted from 0.",
        value="N",
        low=0,
    ),
)


def flags_of(mode: str) -> tuple[Flag, ...]:
    """Returns the flags that a mode uses, in the order of the table."""
    return tuple(flag for flag in FLAGS if mode in flag.modes)


def known_names() -> set[str]:
    """Returns the names of all flags that users may give."""
    return {"mode", "verbosity", *(flag.name for flag in FLAGS)}


def split_weights(text: str | None) -> list[str]:
    """Returns the names in `--weights=A,B`.

    An existing path that contains a comma is not split.
    """
    if text is None:
        return []
    return [text] if Path(text).exists() else text.split(",")
