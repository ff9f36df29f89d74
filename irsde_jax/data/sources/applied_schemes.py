"""Application of a naming scheme to the files of a folder: pairs and leftovers."""

from collections.abc import Sequence
from typing import NamedTuple

from irsde_jax.data.sources import matching
from irsde_jax.data.sources.folder_layouts import Files, FolderLayout
from irsde_jax.data.sources.layouts import Spelling
from irsde_jax.data.sources.matching import Pair


class Pairing(NamedTuple):
    """The pairs of a folder.

    Attributes:
        scheme: The templates that paired the files.
        pairs: The pairs, with paths relative to the folder.
        alone: The files without a partner: the clean ones, then the degraded ones.
        contested: The degraded files that match several clean ones, with these clean
            ones.
        files: The names of both sides.
        asked: Whether the scheme was given by the user.
        unmatched: The images that do not match the user's scheme and are left out.
        clashes: Pairs of images that differ only by their ending. The second image of
            each is left out.
    """

    scheme: Spelling
    pairs: list[Pair]
    alone: list[str]
    contested: list[tuple[str, list[str]]]
    files: Files
    asked: bool = False
    unmatched: Sequence[str] = ()
    clashes: Sequence[tuple[str, str]] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every file has exactly one partner."""
        return bool(self.pairs) and not self.alone and not self.contested

    def describe(self) -> str:
        """Describes the scheme and the number of examples."""
        clean = len({pair.clean for pair in self.pairs})
        found = f"{self.scheme.clean} with {self.scheme.other}"
        if clean == len(self.pairs):
            return found
        return f"{found}, {len(self.pairs)} examples of {clean} clean images"


def apply_strictly(scheme: Spelling, layout: FolderLayout) -> Pairing:
    """Runs `apply`, but files that match no template count as lacking a partner."""
    pairing = apply(scheme, layout.files)
    left = {*pairing.alone, *pairing.unmatched}
    alone = [name for name in layout.files.in_order() if name in left]
    return pairing._replace(alone=alone, unmatched=(), clashes=layout.clashes)


def apply(scheme: Spelling, files: Files) -> Pairing:
    """Applies a scheme to files; the pairs are in the order of the clean images."""
    sides = [
        matching.matches(f"/{template}", names)
        for template, names in zip(scheme, files)
    ]
    joined = matching.join(*sides)
    order = {name: index for index, name in enumerate(files.clean)}
    alone = set(joined.alone)
    matched = {name for side in sides for name in side.values()}
    return Pairing(
        scheme=scheme,
        pairs=sorted(joined.pairs, key=lambda pair: order[pair.clean]),
        alone=[name for name in files.in_order() if name in alone],
        contested=joined.contested,
        files=files,
        unmatched=[name for name in files.in_order() if name not in matched],
    )
