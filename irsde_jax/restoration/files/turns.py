"""Many images one after another: failures, other processes, and progress."""

import dataclasses
import errno
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from tqdm import tqdm

from irsde_jax.configuration import whole_files
from irsde_jax.restoration.files.job import Job

# No image can be written after these.
_ENDS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Sized(NamedTuple):
    """A job, and the pixels that its result will have."""

    job: Job
    height: int
    width: int


@dataclasses.dataclass
class Outcome:
    """What became of the images of a run.

    Attributes:
        written: The results.
        taken: The names of images whose results another process wrote meanwhile.
        failures: Name of an image -> why it was not restored.
    """

    written: list[Path] = dataclasses.field(default_factory=list)
    taken: list[str] = dataclasses.field(default_factory=list)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def describe(self, num_images: int, output: object) -> str:
        """The line that ends a run of `num_images` images."""
        line = f"restored {len(self.written)} of {num_images} images to {output}"
        if self.taken:
            line += (
                f"; skipped {len(self.taken)} that exist already, because another "
                "process wrote them meanwhile"
            )
        return line

    def report(self, num_images: int) -> str:
        """All failures in one line; images that failed alike are named together."""
        names: dict[str, list[str]] = {}
        for name, reason in self.failures.items():
            names.setdefault(reason, []).append(name)
        return f"{len(self.failures)} of {num_images} images were not restored. " + (
            " ".join(f"{', '.join(same)}: {reason}" for reason, same in names.items())
        )

    def end(self, error: OSError) -> str:
        """Why a run ends before its last image."""
        done = len(self.written)
        text = (
            f"{error}. The run ended; {done} image(s) were restored and are intact. "
            "The same command goes on with the others."
        )
        if self.failures:
            text += f" {self.report(done + len(self.failures))}"
        return text


def take(
    sized: Sequence[Sized],
    restore: Callable[[Job], None],
    outcome: Outcome,
    *,
    overwrite: bool = False,
    with_spread: bool = False,
) -> None:
    """Restores images, with a bar that counts pixels and shows the time left.

    Another process may restore the same images to the same folder. Results that it
    wrote are skipped. Both would start every image at the same time, so the process
    that comes second takes the rest in random order. Hardly any image is then restored
    twice, no file has to be locked, and a killed process leaves no lock behind.

    Args:
        sized: The images.
        restore: A function that writes the results of an image.
        outcome: Takes up what becomes of the images.
        overwrite: Whether results that exist are replaced.
        with_spread: Whether a map of uncertainty belongs to a result.

    Raises:
        OSError: if the disk is full or read-only.
    """
    total = sum(size.height * size.width for size in sized)
    left = list(reversed(sized))
    with tqdm(
        total=total, desc="restore", unit="px", unit_scale=True, disable=not sized
    ) as bar:
        while left:
            size = left.pop()
            if not overwrite and is_done(size.job, with_spread):
                is_taken = True
            else:
                is_taken = _take_one(size.job, restore, outcome, overwrite, with_spread)
            if is_taken:
                outcome.taken.append(size.job.name)
                random.shuffle(left)
            bar.update(size.height * size.width)


def is_done(job: Job, with_spread: bool = False) -> bool:
    """Whether the results are there; a folder or a link to nothing is none."""
    needed = [job.target, job.spread] if with_spread else [job.target]
    return all(os.path.isfile(path) for path in needed)


def _take_one(
    job: Job,
    restore: Callable[[Job], None],
    outcome: Outcome,
    overwrite: bool,
    with_spread: bool,
) -> bool:
    """Restores an image; returns whether another process was faster."""
    try:
        whole_files.prepare(job.target, overwrite)
        if with_spread:
            whole_files.prepare(job.spread, overwrite)
        restore(job)
        outcome.written.append(job.target)
    except FileExistsError:
        return True
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _ENDS:
            raise OSError(outcome.end(error)) from error
        outcome.failures[job.name] = str(error)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        reason = (str(error).splitlines() or ["out of memory"])[0]
        outcome.failures[job.name] = (
            f"{reason} (a smaller --config.sampling.memory_gigabytes or "
            "--config.sampling.tile needs less memory)."
        )
    return False
