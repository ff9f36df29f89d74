"""The README.md of an export, which explains its files and how to run them."""

from typing import Any

from irsde_jax.export.notes import CONFIG, LICENCE, SCRIPT, WEIGHTS

TITLE = "# An image restoration, exported from irsde_jax"

_TEXT = f"""{TITLE}

{{summary}}

## Files

{{files}}

## How to run the programs

    pip install jax=={{jax}} flatbuffers pillow
    python {SCRIPT} IMAGE RESULT [SEED]

Pillow is needed for image files and not for `.npy` files. In Python:

    import runpy

    restore = runpy.run_path("{SCRIPT}")["restore"]
    restored = restore(images)  # uint8, uint16 or floats in [0, 1], [batch, H, W, C]

The programs run on {{platforms}}. Any batch size is possible.

## Which images the script restores

{{images}}

## Until when the programs run

JAX {{jax}} (jaxlib {{jaxlib}}) and irsde_jax {{irsde_jax}} exported them on
{{exported}}.

* JAX {{jax}} itself always runs them.
* The developers of JAX promise that every JAX that is released
  {{until}} runs them, and
  every JAX of the three weeks before JAX {{jax}}:
  <https://docs.jax.dev/en/latest/export/export.html#compatibility-guarantees>.
* A newer JAX may refuse them, and `{SCRIPT}` then says so. Export them again from the
  same weights:

      {{export_again}}

  Add `--config` if it was given for this export, as it must be for weights of PyTorch.

## Terms

`{SCRIPT}` is part of irsde_jax, which has the Apache License 2.0. {{terms}}
"""

_IMAGES = f"""\
`{SCRIPT}` reads PNG, JPEG, TIFF, WebP and BMP files of 8 bits per sample, and PNG and
TIFF files of 16-bit grey. It turns them upright. The result has 8 bits per sample, also
that of 16-bit grey, and the script says so; `.npy` files keep 16 bits and floats. Where
the programs take RGB, grey images are restored as RGB and become grey again. The colour
profile is preserved; other metadata is not. Images that Pillow cannot read exactly
(floating point, 16-bit colour, CMYK, several frames, extra bands) are refused: convert
them to one of these, or use irsde_jax. Images with transparent pixels are refused too,
whose colours would be taken for picture: remove the transparency, or use irsde_jax."""

_GREY_NOISE = f"""\
These programs learnt noise that differs between the colour channels. They leave most of
the noise in grey images, and `{SCRIPT}` warns of it. Use irsde_jax for grey images."""


def readme(export: dict[str, Any], is_shipped: bool) -> str:
    """Returns the text of README.md.

    Args:
        export: The dictionary that `notes.describe` returned.
        is_shipped: Whether the weights are shipped with irsde_jax.
    """
    sigma = export["sigma"]
    noise = "" if sigma is None else f" for noise of level {255 * sigma:.4g} of 255"
    until = f"until {export['promised_until']}"
    if not export["promised_until_is_exact"]:
        until = (
            f"up to six months later (until {export['promised_until']} at the latest)"
        )
    return _TEXT.format(
        **export["versions"],
        summary=f"Task: {export['task']}{noise}. Solver: `{export['solver']}` with "
        f"{export['num_evals']} evaluation(s) of the network. The programs run without "
        "irsde_jax.",
        files=_files(export, is_shipped),
        platforms=", ".join(export["platforms"]),
        images=_images(export),
        exported=export["exported"],
        until=until,
        export_again=export["export_again"],
        terms=f"The weights are for research use only: see `{LICENCE}`."
        if is_shipped
        else "The weights have the terms of whoever trained them.",
    )


def _files(export: dict[str, Any], is_shipped: bool) -> str:
    """Returns the list of the files, as Markdown."""
    lines, scale = [], export["scale"]
    for name, (_, height, width, _) in export["programs"].items():
        size = f"images of {height} x {width} pixels (height x width)"
        result = f"; results have {scale * height} x {scale * width}"
        lines.append(f"`{name}`: the program for {size}{result if scale > 1 else ''}.")
    lines += [
        f"`{WEIGHTS}`: the weights of the network, which every program takes.",
        f"`{SCRIPT}`: a script, and a Python function, that call the programs.",
        "`export.json`: what the programs take and return, and what they compute.",
        f"`{CONFIG}`: the configuration of the network, its training and its sampling.",
    ]
    if is_shipped:
        lines.append(f"`{LICENCE}`: the licence of the weights.")
    return "\n".join(f"* {line}" for line in lines)


def _images(export: dict[str, Any]) -> str:
    """Returns the description of the images that the script accepts, as Markdown."""
    paragraphs = [_IMAGES]
    low, high = export["data_range"]
    if (low, high) != (0, 1):
        paragraphs.append(
            f"Floats in `.npy` files lie in [{low:g}, {high:g}], and so do those of "
            "the results.\nThe function `restore` and the programs take [0, 1]."
        )
    (channels,) = {shape[-1] for shape in export["programs"].values()}
    if export["process"] == "denoising" and channels > 1:
        paragraphs.append(_GREY_NOISE)
    if export["scale"] > 1:
        paragraphs.append(
            f"The programs take the small image, enlarge it {export['scale']} times "
            f"({export['enlarge']}, as Pillow does) and\nrestore it."
        )
    if export["process"] == "inpainting":
        paragraphs.append("White pixels are filled.")
    return "\n\n".join(paragraphs)
