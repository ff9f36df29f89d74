"""Synthetic degradations: pure functions `(key, image) -> image` of one image.

They run on the device inside the train step, with a key for each example. To add a
degradation, write a function `(key, image, **options)`, add it to `DEGRADATIONS`, and
test it. A degradation in a user's own module has a name such as "package.module:Name"
(`registry`). It is traced by JAX, and its options are named parameters. A degradation
never changes the size of the image, so super-resolution inputs are enlarged again.

Names are joined by "+", in the order in which the degradations are applied:

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
"""The name that means that degraded images are files beside the clean ones."""


def gaussian_noise(key: PRNGKey, image: Array, sigma: Level) -> Array:
    """Adds white Gaussian noise; the result is not clipped, as in denoising papers.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        sigma: The standard deviation in image units, such as 25/255 for "sigma 25". A
            pair (low, high) draws a level for each image, as for blind denoising.

    Returns:
        The noisy image in the shape of `image`. Some values are outside [0, 1].
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
    """Returns the degradation of that name with its options, or None for "paired".

    Args:
        name: The name: "paired", or a key of `DEGRADATIONS` or "package.module:Name".
            Several names are joined by "+" in the order in which they are applied; each
            uses its own random key.
        **options: The parameters of the function. If there are several functions, each
            option is passed to all functions that have it. For a parameter of type
            `Level`, a number is used for all images, and a pair is a range to draw
            from. `sigma` is ignored if no function takes it, because every
            configuration has it.

    Raises:
        ValueError: If a name is unknown, a module is not trusted, an option is missing
            or unknown, or the noise level is not in image units.
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
    # Compilation is for evaluation, which calls the function outside a train step.
    return jax.jit(steps[0] if len(steps) == 1 else functools.partial(_compose, steps))


def adds_noise(name: str) -> bool:
    """Returns whether Gaussian noise is among the degradations that a name joins."""
    return "gaussian_noise" in (part.strip() for part in name.split("+"))


def describe(name: str, **options: Any) -> str:
    """Describes a degradation by its name and options, such as "haze with beta=1.0"."""
    takes = {key for function in _functions(name) for key in _options(function)}
    shown = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in options.items()
        if key in takes
    ]
    return f"{name} with {', '.join(shown)}" if shown else name


def shrinking_factor(name: str, **options: Any) -> int:
    """Returns the whole factor by which a degradation shrinks images internally, or 1.

    Args:
        name: The name of the degradation, as for `make_degradation`.
        **options: The options of the degradation, as for `make_degradation`.
    """
    functions = [] if name == PAIRED else _functions(name)
    known = [_options(function).get("factor") for function in functions]
    factors = [options.get("factor", each.default) for each in known if each]
    whole = [int(factor) for factor in factors if factor == int(factor)]
    return max(whole, default=1)


def _compose(steps: tuple[Degradation, ...], key: PRNGKey, image: Array) -> Array:
    """Applies degradations one after another, each with its own key."""
    for step, step_key in zip(steps, jax.random.split(key, len(steps))):
        image = step(step_key, image)
    return image


def _functions(name: str) -> list[Callable[..., Array]]:
    """Returns the functions whose names `name` joins.

    Raises:
        ValueError: If there is no such function, or if its module is not trusted.
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
    """Returns the named parameters that follow the key and the image."""
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
    """Raises ValueError if an option is text where the functions take numbers."""
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
