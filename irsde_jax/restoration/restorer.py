"""Restorer: a network with its process, as a function from images to images."""

from typing import Any

import flax.linen as nn
import ml_collections
import numpy as np

from irsde_jax import models, processes, samplers
from irsde_jax.array_types import NoiseFn, PRNGKey
from irsde_jax.data.image_files.enlarging import enlarge
from irsde_jax.models import Network
from irsde_jax.processes import Process
from irsde_jax.restoration import configured, grids, noise_functions, running
from irsde_jax.restoration.memory_estimates import MemoryEstimates
from irsde_jax.restoration.recipe import Recipe
from irsde_jax.restoration.running import Request, Uncertainty
from irsde_jax.restoration.settings import ImageFormat, Sampling
from irsde_jax.samplers.tiling import Tiles
from irsde_jax.sde import Schedule


class Restorer:
    """A network with its process: call it on images.

        restore = irsde_jax.load("runs/deraining")
        restored = restore(images)

    Args:
        noise_fn: The network `noise_fn(x, degraded, t)`, any callable that JAX can
            trace. `x` and `degraded` have shape [batch, H, W, C], t has shape [batch].
            It returns what `process.prediction` names, shape of `x`. Give a large
            network as a pytree, such as an Equinox module or
            `jax.tree_util.Partial(fn, params)`: its parameters are then arguments of
            the compiled programs. A plain function is compiled with all arrays that it
            closes over as constants.
        schedule: The SDE coefficients that the network was trained with.
        process: The process that it was trained for, or the name of one.
        sampling: How images are restored.
        image_format: What images the network takes.

    Attributes:
        recipe: What a restoration depends on: the arguments above.
        memory: Estimates how much memory a restoration takes.
        config: The configuration of the network; None if it was not made from one.
        network: The network as `models.Network`, or None like `config`.
        params: The parameters of `network`, or None like `config`.

    Raises:
        ValueError: for an unknown process or solver, or a process that does not go with
            the schedule.
    """

    def __init__(
        self,
        noise_fn: NoiseFn,
        schedule: Schedule,
        process: Process | str,
        sampling: Sampling = Sampling(solver="mr_ode_2", num_evals=5),  # noqa: B008
        *,
        image_format: ImageFormat = ImageFormat(),  # noqa: B008
    ):
        if isinstance(process, str):
            process = processes.make_process(process, schedule)
        samplers.find_solver(sampling.solver)
        predict = noise_functions.as_argument(noise_fn)
        self.recipe = Recipe(predict, schedule, process, sampling, image_format)
        self.config: Any = None
        self.network: Network | None = None
        self.params: Any = None
        self.memory = MemoryEstimates(self.recipe)

    @classmethod
    def from_config(
        cls,
        config: ml_collections.ConfigDict,
        params: Any,
        network: Network | nn.Module | None = None,
    ) -> "Restorer":
        """Returns the restorer of a trained network.

        Args:
            config: The configuration that the network was trained with. Its groups
                `process`, `prediction`, `schedule`, `loss`, `sampling` and `data` are
                used.
            params: The parameters of the network.
            network: The network, or a Flax module. None is the network that the
                configuration names.

        Raises:
            ValueError: see `Restorer`; also for an unknown setting.
        """
        schedule = configured.make_schedule(config)
        if network is None:
            network = configured.make_network(config)
        network = models.as_network(network)
        restorer = cls(
            noise_functions.of_network(network, params),
            schedule,
            configured.make_process(config, schedule),
            configured.make_sampling(config),
            image_format=configured.make_image_format(config),
        )
        restorer.config, restorer.network = config, network
        restorer.params = params
        return restorer

    @property
    def schedule(self) -> Schedule:
        """The SDE coefficients."""
        return self.recipe.schedule

    @property
    def process(self) -> Process:
        """The process of the network."""
        return self.recipe.process

    @property
    def sampling(self) -> Sampling:
        """How images are restored."""
        return self.recipe.sampling

    @property
    def image_format(self) -> ImageFormat:
        """What images the network takes."""
        return self.recipe.image_format

    @property
    def scale(self) -> int:
        """How many times as high and as wide as an image its result is."""
        return self.image_format.scale

    def __call__(
        self,
        images: np.ndarray,
        *,
        key: PRNGKey | None = None,
        solver: str | None = None,
        num_evals: int | None = None,
        sigma: float | None = None,
        enlarged: bool = False,
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Restores images of any size, in tiles if the memory is small: see `tiles`.

        Weights of super-resolution enlarge: from [H, W, C] they make [scale H, scale W,
        C].

        Args:
            images: uint8, uint16, or floating point in [0, 1]; noise beyond [0, 1] may
                stay. The shape is [H, W] (grey), [H, W, C] or [batch, H, W, C]. C is
                the number of channels of the network, or 1: a network for RGB restores
                grey images too. An array with three axes is always one image; for a
                batch of grey images pass [batch, H, W, 1].
            key: The key of the sampling noise, shape [] or [batch]; None is `key(0)`,
                so that the same call gives the same result.
            solver: A key of `samplers.SOLVERS`. None is that of `sampling`.
            num_evals: The number of network evaluations. None is that of `sampling`, or
                the number of steps to a low noise level, if that is smaller.
            sigma: The noise level of the images in image units, for the Denoising
                process. None is that of `sampling`; if it is unset there, the level is
                estimated from each image.
            enlarged: Whether the images have been enlarged already, see `enlarge`.
            mask: The holes to fill, for the inpainting process: bool, or uint8 of 0 and
                255, shape [H, W] for all images or [batch, H, W]. True and 255 mark
                what is filled. All other pixels are preserved, white ones too. None: a
                pixel that is exactly white in all channels is a hole.

        Returns:
            The restored images in the type and the layout of `images`, clipped to [0,
            1]. `irsde_jax.restoration.noisy_images` says what happens to grey images
            and to images without noise in the Denoising process.

        Raises:
            ValueError: for images of another type, rank or number of channels, or an
                argument out of range.
        """
        request = Request(key, solver, num_evals, sigma, mask)
        request = request._replace(enlarged=enlarged)
        return running.restore(self.recipe, self.tiles, np.asarray(images), request)

    def uncertainty(
        self,
        images: np.ndarray,
        *,
        num_samples: int = 8,
        chunk: int = 1,
        key: PRNGKey | None = None,
        solver: str | None = None,
        num_evals: int | None = None,
        sigma: float | None = None,
        enlarged: bool = False,
        mask: np.ndarray | None = None,
    ) -> Uncertainty:
        """Returns the mean and the spread of `num_samples` restorations of each image.

        They run in one compiled call that keeps the running mean and variance only.

        Args:
            images: The images, see `__call__`.
            num_samples: The number of restorations of each image, at least 1.
            chunk: The number of them that run side by side. Memory grows with it.
            key: The key of the sampling noise.
            solver: A key of `samplers.SOLVERS`.
            num_evals: The number of network evaluations of each restoration.
            sigma: The noise level, for the Denoising process.
            enlarged: Whether the images have been enlarged already.
            mask: The holes to fill, for the inpainting process.

        Raises:
            ValueError: see `__call__`; also if `num_samples` or `chunk` is below 1.
        """
        request = Request(key, solver, num_evals, sigma, mask)
        request = request._replace(
            enlarged=enlarged, num_samples=num_samples, chunk=chunk
        )
        return running.moments(self.recipe, self.tiles, np.asarray(images), request)

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [H, W, C] in the size of its result."""
        return enlarge(image, self.scale, self.image_format.enlarge)

    def tiles(
        self, height: int, width: int, batch: int = 1, num_samples: int = 1
    ) -> Tiles | None:
        """Returns how images of that size are cut; None if they are restored whole.

        `sampling.tile` decides: a side in pixels, or 0 for whole images always. If it
        is unset, images are whole where `sampling.memory_gigabytes` suffice, and else
        cut into the largest tiles for which they do.

        Args:
            height: The height of the results in pixels.
            width: Their width.
            batch: The number of images that are restored together.
            num_samples: The number of restorations of each image.

        Raises:
            ValueError: if the memory does not suffice for the smallest tiles.
        """
        return self.memory.tiles((batch, height, width), num_samples)

    def num_evals(self, sigma: float | None = None) -> int:
        """Returns the number of network evaluations of an image: `grids.num_evals`."""
        return grids.num_evals(self.recipe, sigma)

    def check(self, batch: int, height: int, width: int) -> None:
        """Raises at once what restoring images of that shape would raise."""
        running.check(self.recipe, (batch, height, width))
