"""What a restoration depends on beside the images: network, SDE, process, settings."""

from typing import Any, NamedTuple

import jax

from irsde_jax.processes import Process
from irsde_jax.restoration.settings import ImageFormat, Sampling
from irsde_jax.samplers.tiling import Tiles
from irsde_jax.sde import Schedule


class Recipe(NamedTuple):
    """What a restoration depends on beside the images.

    Attributes:
        network: The network, see `noise_functions.as_argument`.
        schedule: The SDE coefficients.
        process: The process of the network.
        sampling: How images are restored.
        image_format: What images the network takes.
    """

    network: jax.tree_util.Partial
    schedule: Schedule
    process: Process
    sampling: Sampling
    image_format: ImageFormat

    def program_options(
        self, solver: str | None = None, tiles: Tiles | None = None
    ) -> dict[str, Any]:
        """Returns what a program of `restoration.programs` is compiled for.

        Args:
            solver: A key of `samplers.SOLVERS`. None is the one of `sampling`.
            tiles: How the images are cut; None for whole images.
        """
        return dict(
            channels=self.image_format.channels,
            process=self.process,
            solver=self.sampling.solver if solver is None else solver,
            debias=self.sampling.debias,
            clip=self.sampling.clip,
            tiles=tiles,
        )
