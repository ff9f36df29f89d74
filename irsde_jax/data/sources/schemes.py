"""The names and folders of pairs that are known without a setting.

`FOLDERS` lists where the clean and the degraded images may be, and `NAMES` lists how
the names of a pair may differ. Each entry was found in a public data set, which a
comment names. `folder_layouts` finds the folders.
"""

from irsde_jax.data.sources.layouts import Spelling
from irsde_jax.data.sources.templates import Template

PLAIN_CLEAN, PLAIN_DEGRADED = "GT", "LQ"
"""The folders of ground truth and low quality, as here and in the official IR-SDE."""

PLAIN = Spelling(f"{PLAIN_CLEAN}/{{id}}", f"{PLAIN_DEGRADED}/{{id}}")
"""The scheme for files that have the same names in both folders."""

FOLDERS = (
    Spelling(PLAIN_CLEAN, PLAIN_DEGRADED),
    Spelling("clean", "noisy"),
    Spelling("sharp", "blur"),  # GoPro
    Spelling("norain", "rain"),  # newer archives of Rain100
    Spelling("gt", "hazy"),  # RESIDE
    Spelling("clear", "hazy"),  # RESIDE
    Spelling("HR", "LR"),
    Spelling("high", "low"),  # LOL
    Spelling("target", "input"),  # the test sets of MPRNet
)
"""The folders of clean and of degraded images in the folder of a set."""

SEQUENCES = (
    Spelling("sharp", "blur"),
    Spelling("sharp", "blur_gamma"),
)
"""The folders inside the folder of each sequence, as in GoPro."""

MARKED = (
    Spelling("norain-{id}", "rain-{id}"),  # older archives of Rain100
    Spelling("{id}_HR", "{id}_LR"),  # Set5 and Urban100 of SelfExSR: img_001_SRF_4_HR
    *(Spelling("{id}_HR", f"{{id}}_LR{scale}") for scale in (2, 3, 4)),  # RealSR
    Spelling("{id}_GT", "{id}_LQ"),
    Spelling("{id}_clean", "{id}_noisy"),
    Spelling("sharp_{id}", "blur_{id}"),  # samples of DeblurGAN
)
"""The naming schemes that distinguish clean and degraded images in one folder."""

NAMES = (
    Spelling("{id}", "{id}"),
    *MARKED,
    *(Spelling("{id}", f"{{id}}x{scale}") for scale in (2, 3, 4, 8)),  # DIV2K, Rain100
    Spelling("{id}", "{id}_{level}"),  # RESIDE: 1400_1, and 1_1_0.9
)
"""The naming schemes of clean and degraded images. The first has priority."""


def parse(setting: str) -> list[Spelling]:
    """Parses the setting `data.pair`: CLEAN:DEGRADED, separated by commas.

    Raises:
        ValueError: If one of the parts is not a scheme.
    """
    found = []
    for text in filter(None, (part.strip() for part in setting.split(","))):
        sides = [side.strip("/ ") for side in text.split(":")]
        sides = _rejoined_kinds(sides)
        if len(sides) != 2 or not all(sides):
            raise ValueError(
                f"data.pair={setting!r}: {text!r} is no pair of templates. Write the "
                "paths of a clean and of a degraded image without their endings, such "
                "as GT/norain-{id}:LQ/rain-{id}."
            )
        try:
            clean, other = (set(Template(side).placeholders) for side in sides)
        except ValueError as error:
            raise ValueError(f"data.pair={setting!r}: {error}") from error
        if not clean & other:
            raise ValueError(
                f"data.pair={setting!r}: the two templates of {text!r} share no "
                "placeholder. Write one, such as {id}, for what both names share."
            )
        found.append(Spelling(*sides))
    return found


def _rejoined_kinds(parts: list[str]) -> list[str]:
    """Joins parts of placeholders such as `{id:int}` that were split at their colon."""
    sides: list[str] = []
    for part in parts:
        if sides and sides[-1].count("{") > sides[-1].count("}"):
            sides[-1] += f":{part}"
        else:
            sides.append(part)
    return sides
