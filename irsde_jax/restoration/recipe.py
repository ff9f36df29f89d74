"""Everything that a restoration depends on, except for the images."""

from typing import Any, NamedTuple

import jax

from irsde_jax.processes import Process
from irsde_jax.restoration.settings import ImageFormat, Sampling
from irsde_jax.samplers.tiling import Tiles
from irsde_jax.sde import Schedule


class Recipe(NamedTuple):
    """Everything that a restoration depends on, except for the images.

    Attributes:
        network: The network as `noise_functions.as_argument` returns it.
        schedule: The SDE coefficients.
        process: The process of the network.
        sampling: The sampling settings.
        image_format: The format of the images that the network accepts.
    """

    network: jax.tree_util.Partial
    schedule: Schedule
    process: Process
    sampling: Sampling
    image_format: ImageFormat

    def program_options(
        self, solver: str | None = None, tiles: Tiles | None = None
    ) -> dict[str, Any]:
        """Returns the options that a program of `restoration.programs` is compiled for.

        Args:
            solver: A key of `samplers.SOLVERS`. None means the solver of `sampling`.
            tiles: The tiles that the images are cut into. None means whole images.
        """
        return dict(
            channels=self.image_format.channels,
            process=self.process,
            solver=self.sampling.solver if solver is None else solver,
            debias=self.sampling.debias,
            clip=self.sampling.clip,
            tiles=tiles,
        )
