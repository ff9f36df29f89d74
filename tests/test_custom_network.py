"""Restorers of networks from elsewhere: of any callable that JAX can trace."""

import ast
import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import irsde_jax
from irsde_jax import configuration, processes
from irsde_jax.restoration import programs
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.restoration.settings import ImageFormat, Sampling

SCHEDULE = irsde_jax.make_schedule(num_steps=100, max_sigma=70 / 255, delta=0.04)
PHOTO = np.random.default_rng(0).random((12, 10, 3), np.float32)


def the_example(noisy):
    # example: start
    schedule = irsde_jax.make_schedule(max_sigma=70 / 255, delta=0.04)

    def noise_fn(x, degraded, t):
        small = jax.image.resize(x, (len(x), 4, 4, 3), "linear")
        noise = x - jax.image.resize(small, x.shape, "linear")
        std = jax.vmap(irsde_jax.sde.marginal_std, (None, 0))(schedule, t)
        return noise / std[:, None, None, None]

    restore = irsde_jax.Restorer(noise_fn, schedule, "denoising")
    restored = restore(noisy, sigma=25 / 255)
    # example: end
    return restored


def test_the_example_restores_and_has_at_most_ten_lines():
    restored = the_example(PHOTO)
    assert restored.shape == PHOTO.shape
    assert restored.std() < 0.9 * PHOTO.std()
    source = inspect.getsource(the_example)
    lines = source.partition("start\n")[2].partition("    # example: end")[0]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 10
    ast.parse(inspect.cleandoc(lines))


def noise_of(x0, x, degraded, t):
    """The noise of a network that knows the clean image, in the process "irsde"."""
    to_noise = jax.vmap(irsde_jax.sde.x0_to_noise, (None, 0, None, 0, 0))
    return to_noise(SCHEDULE, x, x0, degraded, t)


class Callable:
    """A network of some other library: not hashable, and no pytree."""

    __hash__ = None

    def __init__(self, x0):
        self.x0 = x0

    def __call__(self, x, degraded, t):
        return noise_of(self.x0, x, degraded, t)


@jax.tree_util.register_pytree_node_class
class Tree(Callable):
    """A network that is a pytree, with a leaf that is no array, as in Equinox."""

    def tree_flatten(self):
        return (self.x0, jnp.tanh), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(leaves[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x0: lambda x, degraded, t: noise_of(x0, x, degraded, t),
        lambda x0: jax.tree_util.Partial(noise_of, x0),
        lambda x0: jax.jit(functools.partial(noise_of, x0)),
        Callable,
        Tree,
    ],
    ids=["function", "partial", "jitted", "object", "pytree"],
)
@pytest.mark.parametrize("sampling", [Sampling(), Sampling("posterior", 20, tile=64)])
def test_any_callable_that_knows_the_image_restores_it(make, sampling):
    x0 = jnp.asarray(PHOTO[:1, :1])  # a colour, so that tiles can know it too
    whole = np.broadcast_to(x0, PHOTO.shape)
    network = make(x0)

    def fitting(x, degraded, t):
        return network(x, degraded, t)

    restore = Restorer(fitting, SCHEDULE, "irsde", sampling)
    degraded = (0.5 * whole + 0.2).astype(np.float32)
    np.testing.assert_allclose(restore(degraded), whole, atol=2e-5)
    direct = Restorer(network, SCHEDULE, processes.make_process("irsde"), sampling)
    np.testing.assert_array_equal(direct(degraded), restore(degraded))


def scale(gain, x, degraded, t):
    return gain * (x - degraded)


def test_parameters_of_a_pytree_are_arguments_of_one_program():
    """Another gain needs no new program, and gives another image."""
    programs.restore.clear_cache()
    images = [
        Restorer(jax.tree_util.Partial(scale, jnp.float32(gain)), SCHEDULE, "irsde")(
            PHOTO
        )
        for gain in (0.1, 0.2)
    ]
    assert programs.restore._cache_size() == 1
    assert np.abs(images[0] - images[1]).max() > 1e-3
    restore = Restorer(lambda *given: scale(0.1, *given), SCHEDULE, "irsde")
    np.testing.assert_allclose(restore(PHOTO), images[0], atol=1e-6)
    assert programs.restore._cache_size() == 2


def test_the_images_of_a_network_have_a_format():
    form = ImageFormat(channels=1, scale=2, enlarge="nearest")

    def nothing(x, degraded, t):
        return jnp.zeros_like(x)

    restore = Restorer(
        nothing, SCHEDULE, "denoising", Sampling(sigma=0.1), image_format=form
    )
    doubled = restore(PHOTO[..., :1])
    assert doubled.shape == (24, 20, 1)
    np.testing.assert_allclose(doubled[::2, ::2], PHOTO[..., :1], atol=1e-6)


def test_settings_have_the_names_of_the_configuration():
    group = dict(configuration.load("default").sampling)
    assert set(group) == set(vars(Sampling()))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"'irsd' is not one of.*'irsde'"):
        Restorer(scale, SCHEDULE, "irsd")
    with pytest.raises(ValueError, match=r"sampling.solver='eular_ode'.*euler_ode"):
        Restorer(scale, SCHEDULE, "irsde", Sampling(solver="eular_ode"))


def test_what_needs_no_configuration_has_none():
    restore = Restorer(scale, SCHEDULE, "irsde")
    assert restore.config is restore.network is restore.params is None
    assert restore.num_evals() == 5
    with pytest.raises(ValueError, match=r"sigma=0.1 is for .*'irsde'"):
        restore(PHOTO, sigma=0.1)
