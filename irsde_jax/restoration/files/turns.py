"""Restores many images in turn, with failures, other processes and progress."""

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

# After these errors no more images can be written, so the run ends.
_ENDS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Sized(NamedTuple):
    """A job and the size of its result in pixels."""

    job: Job
    height: int
    width: int


@dataclasses.dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        written: The paths of the results.
        taken: The names of images whose results another process wrote during the run.
        failures: The reason for each image that was not restored, by name.
    """

    written: list[Path] = dataclasses.field(default_factory=list)
    taken: list[str] = dataclasses.field(default_factory=list)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def describe(self, num_images: int, output: object) -> str:
        """Returns the line that is logged after a run of `num_images` images."""
        line = f"restored {len(self.written)} of {num_images} images to {output}"
        if self.taken:
            line += (
                f"; skipped {len(self.taken)} that exist already, because another "
                "process wrote them meanwhile"
            )
        return line

    def report(self, num_images: int) -> str:
        """Returns all failures as one line; images with the same reason are grouped."""
        names: dict[str, list[str]] = {}
        for name, reason in self.failures.items():
            names.setdefault(reason, []).append(name)
        return f"{len(self.failures)} of {num_images} images were not restored. " + (
            " ".join(f"{', '.join(same)}: {reason}" for reason, same in names.items())
        )

    def end(self, error: OSError) -> str:
        """Returns the message for a run that ends before its last image."""
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
    """Restores images, with a progress bar that counts pixels and shows the time left.

    Another process may restore the same images to the same folder. Results that it has
    written are skipped. Both processes would start each image at the same time, so the
    one that comes second restores the remaining images in random order. Few images are
    then restored twice. No file has to be locked, so a killed process leaves no lock
    behind.

    Args:
        sized: The images.
        restore: The function that writes the results of an image.
        outcome: The outcome of the run, which is updated for each image.
        overwrite: Whether existing results are replaced.
        with_spread: Whether each result has a map of uncertainty.

    Raises:
        OSError: If the disk is full or read-only.
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
    """Returns whether the results exist as files."""
    needed = [job.target, job.spread] if with_spread else [job.target]
    return all(os.path.isfile(path) for path in needed)


def _take_one(
    job: Job,
    restore: Callable[[Job], None],
    outcome: Outcome,
    overwrite: bool,
    with_spread: bool,
) -> bool:
    """Restores an image, and returns whether another process was faster."""
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
