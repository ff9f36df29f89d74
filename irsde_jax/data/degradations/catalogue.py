"""Synthetic degradations: pure functions `(key, image) -> image` of one image.

They run inside the train step, on the device, with a key per example. To add one:
write a function `(key, image, **options)`, name it in `DEGRADATIONS`, test it. A
degradation of a user's own module is named "package.module:Name", see `registry`; JAX
traces it, and its options are parameters with names. A degradation never changes the
size: a super-resolution input is enlarged again.

Names are joined by "+", from the first that happens to the last:

    make_degradation("gaussian_blur+bicubic+gaussian_noise", factor=4, sigma=5 / 255)
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax

from irsde_jax import registry
from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data import resampling
from irsde_jax.data.degradations import blur, illumination, masks, rain
from irsde_jax.data.degradations.levels import Level, draw_level

Degradation = Callable[[PRNGKey, Array], Array]

PAIRED = "paired"
"""The name that stands for degraded images which are files beside the clean ones."""


def gaussian_noise(key: PRNGKey, image: Array, sigma: Level) -> Array:
    """Adds white Gaussian noise; the result is not clipped, as in the denoising papers.

    Args:
        key: consumed, shape [].
        image: in [0, 1], shape [H, W, C].
        sigma: standard deviation in image units: 25/255 for "sigma 25"; a pair for a
            level drawn per image, as for blind denoising.

    Returns:
        The noisy image, shape of `image`, outside [0, 1] here and there.
    """
    if isinstance(sigma, Sequence):
        level_key, key = jax.random.split(key)
        sigma = draw_level(level_key, sigma)
    return image + sigma * jax.random.normal(key, image.shape, image.dtype)


DEGRADATIONS: dict[str, Callable[..., Array]] = {
    "bicubic": resampling.bicubic,
    "box_mask": masks.box_mask,
    "expand_mask": masks.expand_mask,
    "gaussian_blur": blur.gaussian_blur,
    "gaussian_noise": gaussian_noise,
    "half_mask": masks.half_mask,
    "haze": illumination.haze,
    "heavy_rain": rain.heavy_rain,
    "light_rain": rain.light_rain,
    "motion_blur": blur.motion_blur,
    "nearest": resampling.nearest,
    "shadow": illumination.shadow,
    "thick_mask": masks.thick_mask,
    "thin_mask": masks.thin_mask,
}


def make_degradation(name: str, **options: Any) -> Degradation | None:
    """The degradation of that name with its options; None for "paired".

    Args:
        name: A key of `DEGRADATIONS` or "package.module:Name", several of them joined
            by "+" (each with a random key of its own, in the order in which they
            happen), or "paired".
        **options: parameters of the function; of several, each option goes to all that
            take it. Where a function says `Level`, a number is the same for all images
            and a pair is a range to draw from. `sigma` is of gaussian_noise and goes
            unused without it: every configuration has one.

    Raises:
        ValueError: for an unknown name, a module that is not trusted, an option that is
            missing or that none of them takes, or a noise level that is not in image
            units.
    """
    if name == PAIRED:
        return None
    functions = _functions(name)
    taken = [_options(function) for function in functions]
    _check_numbers(taken, options)
    _check_sigma(options.get("sigma", 0.0))
    _check_options(name, taken, options)
    steps = tuple(
        functools.partial(
            function, **{key: options[key] for key in known if key in options}
        )
        for function, known in zip(functions, taken)
    )
    # Evaluation calls it by itself; inside a train step it is compiled anyway.
    return jax.jit(steps[0] if len(steps) == 1 else functools.partial(_compose, steps))


def adds_noise(name: str) -> bool:
    """Whether Gaussian noise is among the degradations that a name joins."""
    return "gaussian_noise" in (part.strip() for part in name.split("+"))


def describe(name: str, **options: Any) -> str:
    """A degradation in words, "haze with beta=1.0": its name and what was set of it."""
    takes = {key for function in _functions(name) for key in _options(function)}
    shown = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in options.items()
        if key in takes
    ]
    return f"{name} with {', '.join(shown)}" if shown else name


def shrinking_factor(name: str, **options: Any) -> int:
    """The whole number by which a degradation makes images smaller in between; else 1.

    Args:
        name: As for `make_degradation`.
        **options: As for `make_degradation`.
    """
    functions = [] if name == PAIRED else _functions(name)
    known = [_options(function).get("factor") for function in functions]
    factors = [options.get("factor", each.default) for each in known if each]
    whole = [int(factor) for factor in factors if factor == int(factor)]
    return max(whole, default=1)


def _compose(steps: tuple[Degradation, ...], key: PRNGKey, image: Array) -> Array:
    """One after the other, each with a key of its own."""
    for step, step_key in zip(steps, jax.random.split(key, len(steps))):
        image = step(step_key, image)
    return image


def _functions(name: str) -> list[Callable[..., Array]]:
    """The functions whose names `name` joins.

    Raises:
        ValueError: if there is no such function, or if its module is not trusted.
    """
    names: dict[str, Any] = {**DEGRADATIONS, PAIRED: None}
    found = []
    for part in (part.strip() for part in name.split("+")):
        if part == PAIRED:
            raise ValueError(
                f"degradation.name={name!r}: {PAIRED!r} cannot be joined with others, "
                "because paired images are degraded already."
            )
        function = registry.find(part, names, "degradation.name")
        if not callable(function):
            raise ValueError(
                f"degradation.name={part!r} is {function!r}; it must be a function "
                "(key, image, **options) -> image."
            )
        found.append(function)
    return found


def _options(function: Callable[..., Array]) -> dict[str, inspect.Parameter]:
    """The parameters with names of their own that follow the key and the image."""
    parameters = list(inspect.signature(function).parameters.values())[2:]
    no_name = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name: each for each in parameters if each.kind not in no_name}


def _check_options(
    name: str,
    taken: list[dict[str, inspect.Parameter]],
    options: dict[str, Any],
) -> None:
    known = {key: value for parameters in taken for key, value in parameters.items()}
    unknown = [key for key in options if key not in known and key != "sigma"]
    if unknown:
        raise ValueError(
            f"degradation {name!r} takes no option {unknown[0]!r}; it takes "
            f"{sorted(known) or 'none'}."
        )
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in options:
            raise ValueError(f"degradation {name!r} needs the option {key!r}.")


def _check_numbers(
    taken: list[dict[str, inspect.Parameter]], options: dict[str, Any]
) -> None:
    """Raises if an option is text where the functions take numbers."""
    texts = {
        key
        for parameters in taken
        for key, parameter in parameters.items()
        if parameter.annotation in (str, str | None)
    }
    for key, value in options.items():
        values = value if isinstance(value, tuple | list) else [value]
        if key not in texts and any(isinstance(item, str) for item in values):
            raise ValueError(
                f"degradation {key}={value!r} is text; it must be a number or a pair "
                "of numbers."
            )


def _check_sigma(sigma: Level) -> None:
    levels = sigma if isinstance(sigma, Sequence) else (sigma,)
    for level in levels:
        if not 0 <= level <= 1:
            raise ValueError(
                f"degradation sigma is in image units, [0, 1]; got {level}. Did you "
                f"mean {level} / 255?"
            )
