"""Where the folder of a set holds its clean and its degraded images."""

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
        clean: The clean images.
        other: The degraded ones.
    """

    clean: Sequence[str]
    other: Sequence[str]

    def in_order(self) -> list[str]:
        """All files once: the clean ones, then the degraded ones."""
        return list(dict.fromkeys([*self.clean, *self.other]))


class FolderLayout(NamedTuple):
    """Where the images of a set are.

    Attributes:
        folders: The templates of both folders; "" for the folder of the set itself.
        files: The images in them.
        clashes: Two images of a folder that differ by their ending alone. The second
            one is not in `files`.
    """

    folders: Spelling
    files: Files
    clashes: Sequence[tuple[str, str]]

    @property
    def is_flat(self) -> bool:
        """Whether clean and degraded images are in one folder."""
        return self.folders.clean == self.folders.other

    def with_names(self, names: Spelling) -> Spelling:
        """The templates of whole paths, from those of file names."""
        return Spelling(
            *(
                f"{folder}/{name}".lstrip("/")
                for folder, name in zip(self.folders, names)
            )
        )


def names_of(layout: FolderLayout) -> Sequence[Spelling]:
    """The schemes of names to try, the one with priority first."""
    return schemes.MARKED if layout.is_flat else schemes.NAMES


def find_layout(root: Path) -> FolderLayout | None:
    """Where a folder holds its pairs; None if it is not laid out as pairs.

    Raises:
        ValueError: If it has the folders of two layouts, or a folder holds no images.
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
    """Whether a folder holds images itself, or in any folder below it."""
    found = root.rglob("*") if recursive else root.glob("*")
    return any(
        path.suffix.lower() in images.SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
        for path in found
    )


def list_side(folder: Path) -> list[Path]:
    """The images of a folder; where it holds none itself, those of all below it."""
    nested = not has_images(folder) and has_images(folder, recursive=True)
    return images.list_images(folder, recursive=nested)


def relative(root: str | os.PathLike, paths: Iterable[Path]) -> list[str]:
    """Paths below a folder as text, with slashes."""
    return [path.relative_to(root).as_posix() for path in paths]


def _folders(root: Path) -> list[Path]:
    """The visible folders in a folder, sorted."""
    return sorted(
        path
        for path in (root.iterdir() if root.is_dir() else ())
        if path.is_dir() and not path.name.startswith(".")
    )


def _pair_of_folders(root: Path, present: dict[str, Path]) -> list[Path]:
    """The folders of clean and of degraded images; none if there are no such two."""
    found: list[list[Path]] = []
    for folders in schemes.FOLDERS:
        sides = [path for name in folders if (path := _folder(present, name))]
        # A folder GT is always that of the clean images.
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
    """The folder of that name; upper and lower case are alike where none has it."""
    alike = (path for key, path in present.items() if key.lower() == name.lower())
    return present.get(name) or next(alike, None)


def _of_folders(root: Path, *sides: Path) -> FolderLayout:
    """The layout of two folders that may have folders in them."""
    templates, files = [], []
    for folder in sides:
        paths = list_side(folder)
        nested = any(path.parent != folder for path in paths)
        templates.append(folder.name + ("/{folder:path}" if nested else ""))
        files.append(paths)
    return _layout(root, templates, files)


def _of_sequences(root: Path, folders: list[Path]) -> FolderLayout | None:
    """The layout of a folder for each sequence; None if there is no such folder."""
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
    """The layout of the files of both sides."""
    (clean, first), (other, second) = (_by_stem(root, paths) for paths in files)
    return FolderLayout(Spelling(*templates), Files(clean, other), first + second)


def _by_stem(
    root: Path, paths: Sequence[Path]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Names in the folder of the set, and those that differ by their ending alone."""
    kept: dict[Path, Path] = {}
    clashes = []
    for path in paths:
        other = kept.setdefault(path.with_suffix(""), path)
        if other is not path:
            clashes.append((other, path))
    pairs = [tuple(relative(root, clash)) for clash in clashes]
    return relative(root, kept.values()), [(first, second) for first, second in pairs]
