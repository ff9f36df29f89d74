"""How images are restored, and what images a network takes: two small values."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How images are restored: the group `sampling` of a configuration.

    Attributes:
        solver: A key of `samplers.SOLVERS`, or "package.module:Name".
        num_evals: The number of network evaluations of an image.
        spacing: The spacing of the steps, see `samplers.timestep_grid`.
        sigma: The noise level of the images in image units, for the Denoising process.
            None estimates it from each image.
        debias: Whether to remove the bias of the `euler` loss, which the network was
            trained with: see `sde.debias_noise`.
        clip: Whether the clean image that each prediction implies is clipped to [0, 1].
        tile: The side of the tiles that images are cut into, in pixels. 0 restores
            whole images; None cuts images only if the memory does not suffice.
        overlap: The number of pixels that tiles share. None is a quarter of the side,
            at most 64.
        blend: The number of pixels over which one tile gives way to the next. None is
            half of the overlap.
        memory_gigabytes: The memory that restoring may take, in 10^9 bytes.
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
    """The images that a network takes and returns.

    Attributes:
        channels: The number of channels.
        scale: How many times as high and as wide as an image its result is.
        enlarge: How images are enlarged by `scale` before they are restored: "bicubic"
            or "nearest".
        data_range: What floating point files hold for black and white. Arrays are
            always in [0, 1].
    """

    channels: int = 3
    scale: int = 1
    enlarge: str = "bicubic"
    data_range: tuple[float, float] = (0.0, 1.0)
