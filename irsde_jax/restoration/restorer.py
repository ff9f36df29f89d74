"""`Restorer`: a network and its process as a function from images to images."""

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
    """A network and its process, as a function that is called on images.

        restore = irsde_jax.load("runs/deraining")
        restored = restore(images)

    Args:
        noise_fn: The network `noise_fn(x, degraded, t)`, any callable that JAX can
            trace. `x` and `degraded` have shape [batch, H, W, C], t has shape [batch].
            It returns the quantity that `process.prediction` names, same shape as `x`.
            Pass a large network as a pytree, such as an Equinox module or
            `jax.tree_util.Partial(fn, params)`, to make its parameters arguments of the
            compiled programs. In a plain function, all arrays that it closes over are
            compiled as constants.
        schedule: The SDE coefficients that the network was trained with.
        process: The process that the network was trained for, or its name.
        sampling: The sampling settings.
        image_format: The format of the images that the network accepts.

    Attributes:
        recipe: The arguments above: everything that a restoration depends on.
        memory: The estimates of the memory that restorations need.
        config: The configuration of the network, or None without a configuration.
        network: The network as `models.Network`, or None without a configuration.
        params: The parameters of `network`, or None without a configuration.

    Raises:
        ValueError: If the process or the solver is unknown, or if the process is not
            compatible with the schedule.
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
                `process`, `prediction`, `schedule`, `loss`, `sampling`, `data` and
                `model` are used.
            params: The parameters of the network.
            network: The network, or a Flax module. None means the network that the
                configuration names.

        Raises:
            ValueError: If a setting is unknown, or for the reasons of `Restorer`.
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
        """The sampling settings."""
        return self.recipe.sampling

    @property
    def image_format(self) -> ImageFormat:
        """The format of the images that the network accepts."""
        return self.recipe.image_format

    @property
    def scale(self) -> int:
        """The factor by which results are higher and wider than the images."""
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
        """Restores images of any size.

        The images are cut into tiles if the memory is too small; see `tiles`.

        Args:
            images: The images: uint8, uint16, or floating point in [0, 1], where noise
                may exceed [0, 1]. The shape is [H, W] (grey), [H, W, C] or [batch, H,
                W, C]. C is the number of channels of the network, or 1: a network for
                RGB restores grey images too. An array with three axes is always one
                image; pass [batch, H, W, 1] for a batch of grey images.
            key: The key of the sampling noise, shape [] or [batch]. None means
                `key(0)`, so the same call gives the same result.
            solver: A key of `samplers.SOLVERS`. None means the one of `sampling`.
            num_evals: The number of network evaluations. None means that of `sampling`,
                or the number of steps that a low noise level leaves, if that is
                smaller.
            sigma: The noise level of the images in image units, for the Denoising
                process. None means that of `sampling`. If it is unset there too, the
                level is estimated from each image.
            enlarged: Whether the images have already been enlarged by `enlarge`.
            mask: The holes to fill, for the inpainting process: bool, or uint8 of 0 and
                255, shape [H, W] for all images or [batch, H, W]. True and 255 mark
                pixels to fill. All other pixels are preserved, even white ones. None
                means that all pixels that are exactly white in all channels are holes.

        Returns:
            The restored images in the type and layout of `images`, clipped to [0, 1].
            Super-resolution makes [scale H, scale W, C] from [H, W, C]. For grey images
            and images without noise in the Denoising process, see
            `irsde_jax.restoration.noisy_images`.

        Raises:
            ValueError: If the images have another type, rank or number of channels, or
                if an argument is out of range.
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

        One compiled call draws them and holds only the running mean and variance.

        Args:
            images: The images, as for `__call__`.
            num_samples: The number of restorations of each image, at least 1.
            chunk: The number of samples drawn in parallel. Memory grows with it.
            key: The key of the sampling noise.
            solver: A key of `samplers.SOLVERS`.
            num_evals: The number of network evaluations of each restoration.
            sigma: The noise level, for the Denoising process.
            enlarged: Whether the images have already been enlarged.
            mask: The holes to fill, for the inpainting process.

        Raises:
            ValueError: If `num_samples` or `chunk` is below 1, or as for `__call__`.
        """
        request = Request(key, solver, num_evals, sigma, mask)
        request = request._replace(
            enlarged=enlarged, num_samples=num_samples, chunk=chunk
        )
        return running.moments(self.recipe, self.tiles, np.asarray(images), request)

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [H, W, C] enlarged to the size of its result."""
        return enlarge(image, self.scale, self.image_format.enlarge)

    def tiles(
        self, height: int, width: int, batch: int = 1, num_samples: int = 1
    ) -> Tiles | None:
        """Returns the tiles to cut images into, or None to restore them whole.

        `sampling.tile` is the side in pixels, or 0 for whole images. If it is unset,
        images are restored whole if `sampling.memory_gigabytes` suffices, and otherwise
        in the largest tiles for which it suffices.

        Args:
            height: The height of the results in pixels.
            width: The width of the results in pixels.
            batch: The number of images that are restored together.
            num_samples: The number of restorations of each image.

        Raises:
            ValueError: If even the smallest tiles need more memory than allowed.
        """
        return self.memory.tiles((batch, height, width), num_samples)

    def num_evals(self, sigma: float | None = None) -> int:
        """Returns the number of network evaluations of an image; see `grids`."""
        return grids.num_evals(self.recipe, sigma)

    def check(self, batch: int, height: int, width: int) -> None:
        """Raises the errors of restoring images of that shape, without restoring."""
        running.check(self.recipe, (batch, height, width))
