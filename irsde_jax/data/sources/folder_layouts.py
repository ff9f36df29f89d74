"""Folder layouts: where the folder of a set holds its clean and degraded images."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from irsde_jax.data.image_files import images
from irsde_jax.data.sources import schemes
from irsde_jax.data.sources.layouts import Spelling


class Files(NamedTuple):
    """The images of both sides, by their paths in the folder of the set.

    Attributes:
        clean: The paths of the clean images.
        other: The paths of the degraded images.
    """

    clean: Sequence[str]
    other: Sequence[str]

    def in_order(self) -> list[str]:
        """Returns each file once: the clean ones, then the degraded ones."""
        return list(dict.fromkeys([*self.clean, *self.other]))


class FolderLayout(NamedTuple):
    """The places of the images of a set.

    Attributes:
        folders: The templates of both folders; "" means the folder of the set itself.
        files: The images in the folders.
        clashes: Pairs of images in one folder that differ only by their ending. The
            second image of each is not in `files`.
    """

    folders: Spelling
    files: Files
    clashes: Sequence[tuple[str, str]]

    @property
    def is_flat(self) -> bool:
        """Whether clean and degraded images are in one folder."""
        return self.folders.clean == self.folders.other

    def with_names(self, names: Spelling) -> Spelling:
        """Returns the templates of whole paths for templates of file names."""
        return Spelling(
            *(
                f"{folder}/{name}".lstrip("/")
                for folder, name in zip(self.folders, names)
            )
        )


def names_of(layout: FolderLayout) -> Sequence[Spelling]:
    """Returns the naming schemes to try for a layout. The first one has priority."""
    return schemes.MARKED if layout.is_flat else schemes.NAMES


def find_layout(root: Path) -> FolderLayout | None:
    """Finds where a folder holds its pairs, or returns None if it holds no pairs.

    Raises:
        ValueError: If the folders of two layouts are found, or a folder has no images.
    """
    present = {path.name: path for path in _folders(root)}
    if folders := _pair_of_folders(root, present):
        return _of_folders(root, *folders)
    if schemes.PLAIN_CLEAN in present or schemes.PLAIN_DEGRADED in present:
        return None
    if sequences := _of_sequences(root, list(present.values())):
        return sequences
    if not has_images(root):
        return None
    names, clashes = _by_stem(root, images.list_images(root))
    return FolderLayout(Spelling("", ""), Files(names, names), clashes)


def has_images(root: Path, recursive: bool = False) -> bool:
    """Returns whether a folder holds images itself or, if `recursive`, below it."""
    found = root.rglob("*") if recursive else root.glob("*")
    return any(
        path.suffix.lower() in images.SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
        for path in found
    )


def list_side(folder: Path) -> list[Path]:
    """Returns the images of a folder, or those of all folders below if it has none."""
    nested = not has_images(folder) and has_images(folder, recursive=True)
    return images.list_images(folder, recursive=nested)


def relative(root: str | os.PathLike, paths: Iterable[Path]) -> list[str]:
    """Returns the paths relative to a folder as text with slashes."""
    return [path.relative_to(root).as_posix() for path in paths]


def _folders(root: Path) -> list[Path]:
    """Returns the visible folders in a folder, sorted."""
    return sorted(
        path
        for path in (root.iterdir() if root.is_dir() else ())
        if path.is_dir() and not path.name.startswith(".")
    )


def _pair_of_folders(root: Path, present: dict[str, Path]) -> list[Path]:
    """Returns the folders of clean and degraded images, or an empty list."""
    found: list[list[Path]] = []
    for folders in schemes.FOLDERS:
        sides = [path for name in folders if (path := _folder(present, name))]
        # If there is a folder GT, it always holds the clean images.
        is_clean = schemes.PLAIN_CLEAN not in present or sides[:1] == [
            present[schemes.PLAIN_CLEAN]
        ]
        if len(sides) == 2 and is_clean:
            found.append(sides)
        if found and folders == schemes.FOLDERS[0]:
            break
    if len(found) > 1:
        shown = ", ".join("/".join(path.name for path in sides) for sides in found)
        raise ValueError(
            f"{root} holds several pairs of folders: {shown}. Name the right one by "
            "--config.data.pair, such as --config.data.pair="
            f"{found[0][0].name}/{{id}}:{found[0][1].name}/{{id}}."
        )
    return found[0] if found else []


def _folder(present: dict[str, Path], name: str) -> Path | None:
    """Returns the folder of that name.

    If there is no exact match, the case of letters is ignored.
    """
    alike = (path for key, path in present.items() if key.lower() == name.lower())
    return present.get(name) or next(alike, None)


def _of_folders(root: Path, *sides: Path) -> FolderLayout:
    """Returns the layout of two folders, which may contain folders."""
    templates, files = [], []
    for folder in sides:
        paths = list_side(folder)
        nested = any(path.parent != folder for path in paths)
        templates.append(folder.name + ("/{folder:path}" if nested else ""))
        files.append(paths)
    return _layout(root, templates, files)


def _of_sequences(root: Path, folders: list[Path]) -> FolderLayout | None:
    """Returns the layout with one folder per sequence, or None if it is not used."""
    for names in schemes.SEQUENCES:
        if any(all((folder / name).is_dir() for name in names) for folder in folders):
            parts = [
                [folder / name for folder in folders if (folder / name).is_dir()]
                for name in names
            ]
            files = [
                [p for part in side for p in images.list_images(part)] for side in parts
            ]
            return _layout(root, [f"{{sequence}}/{name}" for name in names], files)
    return None


def _layout(
    root: Path, templates: Sequence[str], files: Sequence[Sequence[Path]]
) -> FolderLayout:
    """Returns the layout of the files of both sides."""
    (clean, first), (other, second) = (_by_stem(root, paths) for paths in files)
    return FolderLayout(Spelling(*templates), Files(clean, other), first + second)


def _by_stem(
    root: Path, paths: Sequence[Path]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Returns relative names, and pairs of files that differ only by their ending."""
    kept: dict[Path, Path] = {}
    clashes = []
    for path in paths:
        other = kept.setdefault(path.with_suffix(""), path)
        if other is not path:
            clashes.append((other, path))
    pairs = [tuple(relative(root, clash)) for clash in clashes]
    return relative(root, kept.values()), [(first, second) for first, second in pairs]
