"""The noise level of an image, estimated by scikit-image."""

import numpy as np


def estimate_noise_level(image: np.ndarray) -> float:
    """The standard deviation of white Gaussian noise in an image, in its own units.

    Args:
        image: shape [H, W, C], at least 2 x 2 pixels.

    Returns:
        The mean over channels of the wavelet estimate.

    Raises:
        ValueError: if scikit-image or PyWavelets is not installed.

    References:
        Donoho & Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage",
        Section 4.2, as `skimage.restoration.estimate_sigma` has it.
    """
    try:
        import pywt  # noqa: F401  scikit-image needs it for this and imports it late
        from skimage.restoration import estimate_sigma
    except ImportError as error:
        raise ValueError(
            "no noise level was given, and estimating it needs scikit-image and "
            "PyWavelets: pip install 'irsde_jax[blind]', or pass sigma=25/255, say."
        ) from error
    return float(estimate_sigma(image, average_sigmas=True, channel_axis=-1))
