"""Layouts of downloaded data sets: which files form a split, and which form a pair.

A layout consists of paths with placeholders, in all spellings that are known for a data
set. For example, `norain/norain-{id}` and `rain/norain-{id}x2` find clean and degraded
images. Two files form a pair if the placeholders that both paths have hold the same
text. File name endings are left out, and case is ignored. Folders before the path are
ignored as well, so a folder, an archive, and an archive that contains the folder all
match.

Nothing is downloaded. `how_to_get` says what to download and where to put it.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SPLIT = "{split}"
"""A placeholder at the start of a path for a folder whose name becomes the split."""


class Spelling(NamedTuple):
    """The paths of the files of a split.

    A path that starts with a slash must match from the top of the user's folder.

    Attributes:
        clean: The path of the clean images, with placeholders.
        other: The path of the degraded images or masks, with placeholders.
    """

    clean: str
    other: str


class Layout(NamedTuple):
    """The description of a data set as it is downloaded.

    Attributes:
        title: The title of the data set.
        page: The project page.
        files: The files to download from the page.
        splits: The spellings of each split by its name. The first spelling that finds
            files of both kinds is used.
        terms: The licence or terms as stated by the authors.
        seen: Whether the spellings were checked against a source, which a comment
            names.
        other: The kind of the other images: "mu" for degraded images, or "mask" for
            keep-masks, where white is kept. Image i uses mask i modulo the number of
            masks.
        border: The pixels by which clean images may be larger on each side. This border
            is cut off.
        scale: The factor by which clean images are larger than degraded ones.
    """

    title: str
    page: str
    files: str
    splits: Mapping[str, tuple[Spelling, ...]]
    terms: str
    seen: bool
    other: str = "mu"
    border: int = 0
    scale: int = 1


def _rain(letter: str, weight: str) -> dict[str, tuple[Spelling, ...]]:
    """Returns the splits of Rain100H ("H", "Heavy") or Rain100L ("L", "Light")."""
    spellings = {}
    for split, old in (("train", f"RainTrain{letter}"), ("test", f"Rain100{letter}")):
        new = f"rain_data_{split}_{weight}", f"rain_{weight}_{split}"
        spellings[split] = (
            Spelling(f"{old}/norain-{{id}}", f"{old}/rain-{{id}}"),
            Spelling(f"{old}/norain-{{id}}", f"{old}/rainy/rain-{{id}}"),
            *(
                Spelling(f"{folder}/norain/norain-{{id}}", f"{folder}/{rain}")
                for folder in new
                for rain in (
                    "rain/X2/norain-{id}x2",
                    "rain/norain-{id}x2",
                    "rain/norain-{id}",
                )
            ),
            Spelling(f"{split}{letter}/GT/{{id}}", f"{split}{letter}/LQ/{{id}}"),
        )
    spellings["test"] += tuple(
        Spelling(f"{folder}/GT/{{id}}", f"{folder}/LQ_{letter}/{{id}}")
        for folder in ("", "Rain100")
    )
    return spellings


def _masked(folder: str, mask_folders: Sequence[str]) -> tuple[Spelling, ...]:
    """Returns spellings with clean images in `folder` and masks in a mask folder.

    The first of `mask_folders` that exists is used.
    """
    return tuple(Spelling(f"{folder}/{{id}}", f"{m}/{{mask}}") for m in mask_folders)


_RAIN_PAGE = "https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html"
_MASK_KINDS = ("thin", "thick", "genhalf", "ex64", "ev2li")

LAYOUTS: dict[str, Layout] = {
    # The names of the older archives are in datasets/readme.txt, DerainDataset.py and
    # statistic/ of csdwren/PReNet. Those of the newer archives, with X2 and x2, are in
    # READMEs and loaders of four public repositories. The names trainH/GT are in the
    # README of Algolzw/image-restoration-sde.
    "rain100h": Layout(
        title="Rain100H: heavy synthetic rain (Yang et al., CVPR 2017)",
        page=_RAIN_PAGE,
        files="RainTrainH.zip (1800 pairs) and Rain100H.zip (100 pairs), or the newer "
        "rain_data_train_Heavy.zip and rain_data_test_Heavy.gz (not the same images)",
        splits=_rain("H", "Heavy"),
        terms="none stated; for research",
        seen=True,
    ),
    "rain100l": Layout(
        title="Rain100L: light synthetic rain (Yang et al., CVPR 2017)",
        page=_RAIN_PAGE,
        files="RainTrainL.zip (200 pairs) and Rain100L.zip (100 pairs), or the newer "
        "rain_data_train_Light.zip and rain_data_test_Light.gz (not the same images)",
        splits=_rain("L", "Light"),
        terms="none stated; for research",
        seen=True,
    ),
    # The folder tree is in the READMEs of BaraaFAbed/Image-Restoration-CV-Project and
    # of others. blur_gamma is read only if there is no folder blur.
    "gopro": Layout(
        title="GoPro: motion blur (Nah et al., CVPR 2017)",
        page="https://seungjunnah.github.io/Datasets/gopro.html",
        files="GOPRO_Large.zip (2103 and 1111 pairs)",
        splits={
            split: tuple(
                Spelling(f"{split}/{{scene}}/sharp/{{id}}", f"{split}/{{scene}}/{blur}")
                for blur in ("blur/{id}", "blur_gamma/{id}")
            )
            for split in ("train", "test")
        },
        terms="generally described as CC BY 4.0",
        seen=True,
    ),
    # The names are in the READMEs of c-yn/CSNet (gt) and PaddlePaddle/PaddleVideo
    # (clear) and in loaders (nyuhaze500). SOTS.zip is said to hold the indoor part as a
    # rar archive.
    "sots": Layout(
        title="RESIDE SOTS, indoor: synthetic haze (Li et al., TIP 2019)",
        page="https://sites.google.com/view/reside-dehaze-datasets/reside-standard",
        files="SOTS (500 hazy images of 50 scenes), the indoor.rar in it unpacked",
        splits={
            "test": (
                Spelling("indoor/gt/{id}", "indoor/hazy/{id}_{level}"),
                Spelling("indoor/clear/{id}", "indoor/hazy/{id}_{level}"),
                Spelling("nyuhaze500/gt/{id}", "nyuhaze500/hazy/{id}_{level}"),
                Spelling("/GT/{id}", "/LQ/{id}_{level}"),
            )
        },
        terms="none stated at the sources seen; for research",
        seen=True,
        border=10,
    ),
    # The names trainHQ, testHQ and gt_keep_masks are in the option files for inpainting
    # in Algolzw/image-restoration-sde. CelebA-HQ itself does not define a layout.
    "celebahq": Layout(
        title="CelebA-HQ at 256 x 256 with keep-masks (Karras et al., ICLR 2018)",
        page="https://github.com/tkarras/progressive_growing_of_gans",
        files="the images, scaled to 256 x 256, in folders trainHQ and testHQ; and "
        "gt_keep_masks (folders thin, thick, ...) from the page of IR-SDE, "
        "https://github.com/Algolzw/image-restoration-sde, or masks of your own in a "
        "folder masks",
        splits={
            "train": _masked("trainHQ", ("masks", "masks/thin", "gt_keep_masks/thin")),
            "test": _masked("testHQ", ("masks",)),
            **{
                f"test_{kind}": _masked(
                    "testHQ", (f"masks/{kind}", f"gt_keep_masks/{kind}")
                )
                for kind in _MASK_KINDS
            },
        },
        terms="CC BY-NC 4.0, as clovaai/stargan-v2 states for its copy",
        seen=True,
        other="mask",
    ),
    # The names are in the README of Erikellerx/SuperRes and in a file list of DIV2K and
    # Flickr2K pairs.
    "div2k": Layout(
        title="DIV2K, bicubic x4 (Agustsson and Timofte, CVPRW 2017)",
        page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        files="DIV2K_train_HR.zip and DIV2K_train_LR_bicubic_X4.zip (800 pairs), "
        "DIV2K_valid_HR.zip and DIV2K_valid_LR_bicubic_X4.zip (100 pairs)",
        splits={
            split: (
                Spelling(
                    f"DIV2K_{split}_HR/{{id}}",
                    f"DIV2K_{split}_LR_bicubic/X4/{{id}}x4",
                ),
            )
            for split in ("train", "valid")
        },
        terms="for academic research only; the photographs belong to their owners",
        seen=True,
        scale=4,
    ),
    # This layout is our own and that of the official IR-SDE repository.
    "paired": Layout(
        title="Pairs of your own",
        page="no page: they are your own",
        files="folders GT (clean) and LQ (degraded) with the same file names, at the "
        "top (split train) or each split in a folder of its name",
        splits={
            "train": (Spelling("/GT/{id}", "/LQ/{id}"),),
            SPLIT: (Spelling(f"{SPLIT}/GT/{{id}}", f"{SPLIT}/LQ/{{id}}"),),
        },
        terms="your own",
        seen=True,
    ),
}
"""The layouts by the name of the data set."""


def get_layout(dataset: str) -> Layout:
    """Returns the layout of a data set. An unknown name raises ValueError."""
    if dataset not in LAYOUTS:
        raise ValueError(f"dataset={dataset!r} is not one of {sorted(LAYOUTS)}.")
    return LAYOUTS[dataset]


def how_to_get(dataset: str, folder: str | os.PathLike) -> str:
    """Describes what to download, from where, and where to put it."""
    layout = get_layout(dataset)
    expected = [
        f"  {split}: {spelling.clean} with {spelling.other}"
        for split, spellings in layout.splits.items()
        for spelling in spellings
    ]
    unsure = "" if layout.seen else " (from memory, not checked against a source)"
    return (
        f"{layout.title}. Get {layout.files}, from {layout.page} (terms: "
        f"{layout.terms}), and put it into {folder}, as archives (zip, tar, tar.gz) or "
        f"unpacked. Looked for{unsure}, each with an image's file name ending:\n"
        + "\n".join(expected)
    )
