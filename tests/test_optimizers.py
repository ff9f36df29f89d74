"""Optimizers by name, their learning rates, and the clipping of gradients."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from irsde_jax.training import optimizers

pytestmark = pytest.mark.core

RATE = 0.01
PARAMS = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
# The norms are 13 and 0.78: clipping at 1 changes the first and leaves the second. The
# signs differ, so that the sum of both, and with it Lion, tells whether it was clipped.
LARGE = {"a": jnp.array([3.0, -4.0]), "b": jnp.array(12.0)}
SMALL = jax.tree.map(lambda g: -0.06 * g, LARGE)


def run(optimizer, gradients):
    """The parameters after one update for each gradient."""
    params, state = PARAMS, optimizer.init(PARAMS)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adam", optax.adam(RATE, 0.8, 0.95)),
        ("adamw", optax.adamw(RATE, 0.8, 0.95, weight_decay=0.1)),
        ("lion", optax.lion(RATE, 0.8, 0.95, weight_decay=0.1)),
    ],
)
def test_optimizer_is_that_of_its_name(name, expected):
    decay = 0.0 if name == "adam" else 0.1
    options = dict(b1=0.8, b2=0.95, weight_decay=decay, learning_rate=RATE)
    found = run(optimizers.make_optimizer(10, name, **options), [LARGE, SMALL])
    chex.assert_trees_all_close(found, run(expected, [LARGE, SMALL]), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_gradients_are_clipped_to_their_global_norm(name):
    """As if the gradients had been scaled by hand; a small one stays as it is."""
    by_hand = [jax.tree.map(lambda g: g / 13.0, LARGE), SMALL]
    options = dict(learning_rate=RATE, b1=0.5, b2=0.5)
    plain = optimizers.make_optimizer(10, name, **options)
    clipped = optimizers.make_optimizer(10, name, clip_norm=1.0, **options)
    found = run(clipped, [LARGE, SMALL])
    chex.assert_trees_all_close(found, run(plain, by_hand), rtol=1e-5)
    difference = jax.tree.map(
        lambda a, b: jnp.abs(a - b).max(), found, run(plain, [LARGE, SMALL])
    )
    assert max(jax.tree.leaves(difference)) > 0.1 * RATE


@pytest.mark.parametrize(
    ("decay", "at", "share"),
    [
        ("constant", 90, 1.0),
        ("step", 59, 1.0),
        ("step", 65, 0.5),
        ("step", 90, 0.25),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
    ],
)
def test_learning_rate_rises_and_then_decays(decay, at, share):
    """Ten steps of warm-up; the decay and its milestones count from its end."""
    options = dict(decay=decay, milestones=(50, 70), warmup_steps=10)
    rate = optimizers.make_learning_rate(100, RATE, **options)
    np.testing.assert_allclose([rate(0), rate(5)], [0.0, RATE / 2], rtol=1e-6)
    np.testing.assert_allclose(rate(at), share * RATE, rtol=1e-6, atol=1e-9)
    told = optimizers.learning_rate_of(
        100, name="adam", clip_norm=1.0, learning_rate=RATE, **options
    )
    np.testing.assert_array_equal(told(at), rate(at))


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match=r"'adamax' is not one of.*adamw"):
        optimizers.make_optimizer(1, "adamax", learning_rate=RATE)
    with pytest.raises(ValueError, match=r"'linear' is not one of.*cosine"):
        optimizers.make_learning_rate(1, RATE, decay="linear")
    with pytest.raises(ValueError, match="Did you mean name='adamw'"):
        optimizers.make_optimizer(1, "adam", weight_decay=0.1, learning_rate=RATE)
