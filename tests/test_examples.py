"""Examples of the documentation: code between markers, which the tests run.

The documentation includes the lines between `# [example: NAME]` and `# [end]`.
"""

import inspect

import jax
import numpy as np
import pytest

pytestmark = pytest.mark.core


def train_a_network(x0, mu, num_steps):
    """Trains a network on pairs of images, and returns the losses of the steps."""
    values = []
    # [example: custom training loop]
    import jax
    import optax

    from irsde_jax import losses, models, sde

    schedule = sde.make_schedule(num_steps=100, max_sigma=0.1)
    model = models.ConditionalNAFNet(width=8, enc_blocks=(1,), dec_blocks=(1,))
    params = models.init_params(model, jax.random.key(0))
    optimizer = optax.adam(1e-2)
    opt_state = optimizer.init(params)

    @jax.jit
    def train_step(params, opt_state, key):
        def loss_fn(params):
            drawn = losses.draw(jax.random.split(key, len(x0)), schedule, x0, mu)
            noise = model.apply({"params": params}, drawn.x, mu, drawn.t)
            return losses.noise_loss_at(drawn, noise)

        loss, gradient = jax.value_and_grad(loss_fn)(params)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return optax.apply_updates(params, updates), opt_state, loss

    for step in range(num_steps):
        params, opt_state, loss = train_step(params, opt_state, jax.random.key(step))
        values.append(loss)
    # [end]
    return values


def example(function):
    """The lines of a function between its markers, without empty ones."""
    lines = inspect.getsource(function).splitlines()
    begins = [i for i, line in enumerate(lines) if "# [example:" in line]
    ends = [i for i, line in enumerate(lines) if "# [end]" in line]
    assert len(begins) == len(ends) == 1
    return [line for line in lines[begins[0] + 1 : ends[0]] if line.strip()]


def test_custom_training_loop_learns():
    """Over 60 steps on random images the last ten losses are below the first ten."""
    mu = jax.random.uniform(jax.random.key(1), (16, 8, 8, 3))
    values = np.asarray(train_a_network(0.5 * mu, mu, 60))
    assert np.isfinite(values).all()
    assert values[-10:].mean() < 0.8 * values[:10].mean()


def test_custom_training_loop_is_short():
    assert len(example(train_a_network)) <= 20
