"""The settings of sampling, and the format of the images that a network accepts."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sampling:
    """The sampling settings: the group `sampling` of a configuration.

    Attributes:
        solver: A key of `samplers.SOLVERS`, or "package.module:Name".
        num_evals: The number of network evaluations of an image.
        spacing: The spacing of the steps, as for `samplers.timestep_grid`.
        sigma: The noise level of the images in image units, for the Denoising process.
            None means that it is estimated from each image.
        debias: Whether to remove the bias of networks that were trained with the
            `euler` loss; see `sde.debias_noise`.
        clip: Whether to clip the clean image that each prediction implies to [0, 1].
        tile: The side in pixels of the tiles that images are cut into. 0 restores whole
            images. None cuts images only if the memory does not suffice.
        overlap: The number of pixels by which tiles overlap. None means a quarter of
            the side, at most 64.
        blend: The number of pixels over which adjacent tiles are blended. None means
            half of the overlap.
        memory_gigabytes: The memory that a restoration may use, in 10^9 bytes.
    """

    solver: str = "mr_ode_2"
    num_evals: int = 5
    spacing: str = "uniform"
    sigma: float | None = None
    debias: bool = False
    clip: bool = False
    tile: int | None = None
    overlap: int | None = None
    blend: int | None = None
    memory_gigabytes: float = 8.0


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """The format of the images that a network accepts and returns.

    Attributes:
        channels: The number of channels.
        scale: The factor by which results are higher and wider than the images.
        enlarge: The method by which images are enlarged by `scale` before they are
            restored: "bicubic" or "nearest".
        data_range: The values of black and white in floating point files. Arrays are
            always in [0, 1].
    """

    channels: int = 3
    scale: int = 1
    enlarge: str = "bicubic"
    data_range: tuple[float, float] = (0.0, 1.0)
