"""Pairing of the files of a folder by the naming schemes of public data sets.

A scheme consists of two templates (`templates.py`), relative to the folder and without
file name endings: `GT/norain-{id}:LQ/rain-{id}x2`. Files form a pair if the
placeholders that both templates have hold the same text, so one clean image may have
many degraded ones. Equal names have priority. Any other scheme is used only if it
leaves no file over and no choice between two partners. `--config.data.pair` gives a
scheme that is not known here.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from irsde_jax.data.image_files import folders, images
from irsde_jax.data.sources import folder_layouts, matching, schemes
from irsde_jax.data.sources.applied_schemes import Pairing, apply, apply_strictly
from irsde_jax.data.sources.folder_layouts import Files
from irsde_jax.data.sources.layouts import Spelling
from irsde_jax.data.sources.matching import Pair

logger = logging.getLogger(__name__)

_SETTING = "--config.data.pair"


def find(root: str | os.PathLike, pair: str = "") -> Pairing:
    """Returns the pairs of a folder by the scheme that fits, or by the nearest one.

    Args:
        root: The folder.
        pair: The setting `data.pair`: schemes to try before the known ones, separated
            by commas. If they match no pair in the folder, only known ones are used.

    Raises:
        FileNotFoundError: If the folder is not laid out as pairs.
        ValueError: If the setting is not a scheme, if two files give the same text for
            a template, if the folders of two layouts are found, or if two schemes fit
            but give different pairs.
    """
    root = Path(root)
    found = _find_asked(root, pair) or _find_known(root)
    if found is None:
        raise FileNotFoundError(_no_layout(root, pair))
    return found


def require(root: str | os.PathLike, pair: str = "") -> Pairing:
    """Returns the pairs of a folder in which every file has one partner.

    Args:
        root: The folder.
        pair: The setting `data.pair`, as for `find`.

    Raises:
        FileNotFoundError: If the folder is not laid out as pairs.
        ValueError: If `find` raises it, if two files share a name, or if a file has no
            partner or several. The message contains some names, the nearest scheme and
            the setting.
    """
    pairing = find(root, pair)
    for first, second in pairing.clashes:
        raise ValueError(
            f"{root}: {first} and {second} share the name {Path(first).stem!r}, by "
            "which pairs are matched. Rename or remove one."
        )
    if not pairing.is_complete:
        raise ValueError(explain(root, pairing))
    seen: dict[str, Pair] = {}
    for example in pairing.pairs:
        other = seen.setdefault(example.name, example)
        if other is not example:
            raise ValueError(
                f"{root}: {other.other} and {example.other} would both be called "
                f"{example.name!r}. Rename one of them."
            )
    if pair and not pairing.asked:
        logger.warning("%s: data.pair=%s matches no pair here", root, pair)
    if pairing.unmatched:
        logger.warning(
            "%s: data.pair leaves out %d images that it does not match: %s",
            root,
            len(pairing.unmatched),
            folders.shown(pairing.unmatched),
        )
    if pairing.scheme != schemes.PLAIN:
        logger.info("%s: pairs are %s", root, pairing.describe())
    return pairing


def explain(root: str | os.PathLike, pairing: Pairing) -> str:
    """Describes why a pairing is not complete, and what the user can do."""
    scheme, count = _text(pairing.scheme), len(pairing.pairs)
    hint = f"Name the scheme by {_SETTING}"
    if pairing.contested:
        other, owners = pairing.contested[0]
        return (
            f"{root}: {matching.contest(other, owners)} ({scheme}). {hint} or rename "
            "the files. A placeholder such as {level:int} stands for digits alone."
        )
    number = len(pairing.alone)
    text = (
        f"{number} images in {root} have no partner: {folders.shown(pairing.alone)}. "
    )
    if pairing.asked:
        return f"{text}The scheme is {_SETTING}={scheme}, which pairs {count}."
    if count:
        text += f"The nearest naming scheme, {scheme}, makes {count} pairs. "
    else:
        text += "No known naming scheme pairs any of these names. "
    clean, other = (folders.shown(names, 3) for names in pairing.files)
    return (
        f"{text}Clean: {clean}; degraded: {other}. Add or remove files, or name the "
        f"scheme by {_SETTING}, such as {_SETTING}=GT/clean-{{id}}:LQ/noisy-{{id}}, "
        "where {id} stands for what both names share."
    )


def has_pairs(root: str | os.PathLike, pair: str = "") -> bool:
    """Returns whether a folder is laid out as pairs, not as clean images alone."""
    root = Path(root)
    if _find_asked(root, pair) is not None or (root / schemes.PLAIN_CLEAN).is_dir():
        return True
    layout = folder_layouts.find_layout(root)
    if layout is None or not layout.is_flat:
        return layout is not None and not folder_layouts.has_images(root)
    found = _find_known(root)
    return found is not None and found.is_complete


def clean_paths(root: str | os.PathLike, pair: str = "") -> list[Path]:
    """Returns the clean images of a folder, which may be laid out as pairs."""
    root = Path(root)
    if asked := _find_asked(root, pair):
        return [root / name for name in dict.fromkeys(p.clean for p in asked.pairs)]
    if (root / schemes.PLAIN_CLEAN).is_dir():
        return folder_layouts.list_side(root / schemes.PLAIN_CLEAN)
    layout = (
        None if folder_layouts.has_images(root) else folder_layouts.find_layout(root)
    )
    if layout is None:
        return images.list_images(root)
    return [root / name for name in layout.files.clean]


def _find_asked(root: Path, pair: str) -> Pairing | None:
    """Returns the pairs by the user's schemes, or None if they match no pair."""
    asked = schemes.parse(pair)
    if not asked or not folder_layouts.has_images(root, recursive=True):
        return None
    names = folder_layouts.relative(root, images.list_images(root, recursive=True))
    for scheme in asked:
        pairing = apply(scheme, Files(names, names))
        if pairing.pairs or pairing.contested:
            return pairing._replace(asked=True)
    return None


def _find_known(root: Path) -> Pairing | None:
    """Returns the pairs by the known schemes, or None without a layout of pairs."""
    layout = folder_layouts.find_layout(root)
    if layout is None:
        return None
    first, *others = (
        layout.with_names(names) for names in folder_layouts.names_of(layout)
    )
    plain = apply_strictly(first, layout)
    if plain.is_complete:
        return plain
    # Schemes that do not match the first files cannot match all, so they are skipped.
    few = Files(*(names[:1] for names in layout.files))
    promising = [s for s in others if layout.is_flat or not apply(s, few).unmatched]
    found = [apply_strictly(scheme, layout) for scheme in promising]
    if fitting := [pairing for pairing in found if pairing.is_complete]:
        _check_agreement(root, fitting)
        return fitting[0]
    found = [
        plain,
        *(apply_strictly(scheme, layout) for scheme in others),
    ]
    nearest = max(found, key=lambda pairing: (not pairing.alone, len(pairing.pairs)))
    if layout.is_flat and nearest.alone and not nearest.pairs:
        return None  # The images are not pairs.
    return nearest


def _check_agreement(root: Path, fitting: Sequence[Pairing]) -> None:
    """Raises ValueError if schemes that fit give different pairs."""
    made = [{pair[1:] for pair in pairing.pairs} for pairing in fitting]
    if any(pairs != made[0] for pairs in made[1:]):
        texts = " and ".join(_text(pairing.scheme) for pairing in fitting)
        raise ValueError(
            f"{root}: several naming schemes fit and make different pairs: {texts}. "
            f"Name the right one by {_SETTING}."
        )


def _no_layout(root: Path, pair: str) -> str:
    clean, degraded = schemes.PLAIN_CLEAN, schemes.PLAIN_DEGRADED
    missing = [name for name in (clean, degraded) if not (root / name).is_dir()]
    known = ", ".join("/".join(names) for names in schemes.FOLDERS[1:])
    asked = f" {_SETTING}={pair} matches no pair in it." if pair else ""
    return (
        f"{root} has no folder {' and no folder '.join(missing)}.{asked} Paired images "
        f"are expected in {root / clean} (clean) and {root / degraded} (degraded), "
        f"under the same names; or in folders named as in public sets ({known}); or "
        f"as {_SETTING} says, such as {_SETTING}=clean/{{id}}:rainy/{{id}}."
    )


def _text(scheme: Spelling) -> str:
    """Returns a scheme in the notation of the setting."""
    return f"{scheme.clean}:{scheme.other}"
