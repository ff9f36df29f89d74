"""The training step: devices, determinism, the average, the degradation."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl.testing import parameterized

from irsde_jax import losses, processes, sde
from irsde_jax.training import optimizers, train_step

pytestmark = pytest.mark.core

SCHEDULE = sde.make_schedule(100, 0.1)
BATCH, SHAPE = 8, (8, 6, 6, 3)


def apply_fn(variables, x, mu, t):
    """A toy network, linear in x and mu, that looks at the step too."""
    params = variables["params"]
    bias = params["bias"] * jnp.sin(t / 10.0)[:, None, None, None]
    return params["x"] * x + params["mu"] * mu + bias


def toy_params():
    return {
        "x": jnp.zeros(()),
        "mu": jnp.zeros(()),
        "bias": jnp.array([0.1, -0.2, 0.3]),
    }


def batch():
    x0_key, mu_key = jax.random.split(jax.random.key(0))
    return {
        "x0": jax.random.uniform(x0_key, SHAPE),
        # A hole of white, as the process "inpainting" looks for them.
        "mu": jax.random.uniform(mu_key, SHAPE).at[:, :2].set(1.0),
    }


def build(optimizer, axis_name=None, **options):
    arguments = dict(
        loss=losses.make_loss("max_likelihood_exact"),
        process=processes.make_process("irsde"),
        ema_decay=0.9,
    )
    arguments |= options
    return train_step.make_train_step(
        apply_fn, optimizer, SCHEDULE, axis_name=axis_name, **arguments
    )


class TrainStepTest(chex.TestCase):
    def test_devices_do_not_change_the_result(self):
        """20 steps of Adam on 1 and on all simulated devices: losses to 1e-5."""
        self.assertGreater(jax.local_device_count(), 1, "conftest.py simulates several")
        optimizer = optax.adam(1e-2)
        single = jax.jit(build(optimizer))
        parallel = train_step.data_parallel(build(optimizer, axis_name="batch"))
        one = train_step.init_train_state(toy_params(), optimizer)
        many = train_step.place(train_step.init_train_state(toy_params(), optimizer))
        for step in range(20):
            keys = train_step.example_keys(jax.random.key(1), step, BATCH)
            one, expected = single(one, batch(), keys)
            before = many
            many, metrics = parallel(
                many, train_step.shard(batch()), train_step.shard(keys)
            )
            # The next state is written over this one.
            for leaf in jax.tree.leaves(before.opt_state):
                self.assertTrue(leaf.is_deleted())
            chex.assert_trees_all_close(metrics, expected, rtol=1e-5)
        chex.assert_trees_all_close(
            jax.device_get(many.params), jax.device_get(one.params), rtol=1e-5
        )
        self.assertEqual(many.step, 20)

    def test_network_of_half_precision_leaves_all_else_in_float32(self):
        optimizer, seen = optax.adam(1e-2), []

        def half(variables, x, mu, t):
            seen.append((x.dtype, mu.dtype))
            return apply_fn(variables, x, mu, t).astype(jnp.bfloat16)

        step = train_step.make_train_step(
            half,
            optimizer,
            SCHEDULE,
            loss=losses.make_loss("max_likelihood_exact"),
            process=processes.make_process("irsde"),
            ema_decay=0.9,
        )
        state = train_step.init_train_state(toy_params(), optimizer)
        keys = train_step.example_keys(jax.random.key(1), 0, BATCH)
        after, metrics = jax.eval_shape(step, state, batch(), keys)
        chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
        self.assertEqual(set(seen), {(jnp.dtype("float32"),) * 2})
        dtypes = {value.dtype for value in metrics.values()}
        self.assertEqual(dtypes, {jnp.dtype("float32")})

    def test_step_that_is_not_finite_changes_nothing_and_is_counted(self):
        """NaN and infinite batches among good ones: as if they had not been there."""
        optimizer = optax.adam(1e-2)
        step = jax.jit(build(optimizer, learning_rate=optax.linear_schedule(1, 0, 10)))
        good, state = batch(), train_step.init_train_state(toy_params(), optimizer)
        expected = state
        for number, value in enumerate([0.0, np.nan, np.inf, 0.0, np.nan]):
            keys = train_step.example_keys(jax.random.key(1), number, BATCH)
            bad = good | {"x0": good["x0"].at[0, 0, 0, 0].add(value)}
            state, metrics = step(state, bad, keys)
            if value == 0:
                # The average knows the step, so it is the same as the other's.
                expected, _ = step(expected._replace(step=state.step - 1), good, keys)
            for name in ("params", "ema_params", "opt_state"):
                chex.assert_trees_all_equal(
                    getattr(state, name), getattr(expected, name)
                )
        self.assertEqual(jax.tree.map(int, state.skipped), (3, 1, 4))
        self.assertEqual(state.step, 5)
        # Of the fifth step, three were skipped before: the optimizer's third step.
        np.testing.assert_allclose(metrics["learning_rate"], 0.8, rtol=1e-6)

    def test_slices_give_the_step_of_the_whole_batch(self):
        optimizer = optax.adam(1e-2)
        states = [train_step.init_train_state(toy_params(), optimizer)] * 2
        steps = [jax.jit(build(optimizer, accumulate=n)) for n in (1, 4)]
        for number in range(20):
            keys = train_step.example_keys(jax.random.key(1), number, BATCH)
            results = [
                step(state, batch(), keys)
                for step, state in zip(steps, states, strict=True)
            ]
            states = [state for state, _ in results]
            chex.assert_trees_all_close(results[1][1], results[0][1], rtol=1e-5)
        chex.assert_trees_all_close(states[1].params, states[0].params, rtol=1e-5)

    def test_quartiles_add_up_to_the_loss(self):
        optimizer = optax.sgd(0.1)
        state = train_step.init_train_state(toy_params(), optimizer)
        keys = train_step.example_keys(jax.random.key(1), 0, BATCH)
        _, metrics = jax.jit(build(optimizer))(state, batch(), keys)
        self.assertEqual(metrics["loss_counts"].sum(), BATCH)
        chex.assert_trees_all_close(
            metrics["loss_sums"].sum() / BATCH, metrics["loss"], rtol=1e-6
        )
        loss_keys = jax.vmap(jax.random.split)(keys)[:, 0]
        x0, mu = batch()["x0"], batch()["mu"]
        t = np.asarray(losses.draw(loss_keys, SCHEDULE, x0, mu).t)
        expected = [((t > low) & (t <= low + 25)).sum() for low in (0, 25, 50, 75)]
        np.testing.assert_array_equal(metrics["loss_counts"], expected)

    def test_quartiles_are_those_of_the_steps_that_a_custom_loss_uses(self):
        """A loss that always uses t = 90 is logged in the last quartile alone."""

        def draw_at_90(keys, schedule, x0, mu):
            t = jnp.full(keys.shape, 90)
            return losses.draw(keys, schedule, x0, mu, t)

        loss = losses.Loss(losses.noise_loss_at, draw=draw_at_90)
        optimizer = optax.sgd(0.1)
        state = train_step.init_train_state(toy_params(), optimizer)
        keys = train_step.example_keys(jax.random.key(1), 0, BATCH)
        for accumulate in (1, 2):
            step = jax.jit(build(optimizer, loss=loss, accumulate=accumulate))
            _, metrics = step(state, batch(), keys)
            np.testing.assert_array_equal(metrics["loss_counts"], [0, 0, 0, BATCH])
            np.testing.assert_array_equal(metrics["loss_sums"][:3], 0)

    def test_average_follows_the_parameters_and_shares_no_buffer(self):
        optimizer = optax.sgd(0.1)
        state = train_step.init_train_state(toy_params(), optimizer)
        self.assertIsNot(state.params["x"], state.ema_params["x"])
        keys = train_step.example_keys(jax.random.key(1), 0, BATCH)
        step = jax.jit(build(optimizer))
        after, _ = step(state, batch(), keys)
        # the first decay is 1 / 10
        expected = 0.1 * state.params["bias"] + 0.9 * after.params["bias"]
        chex.assert_trees_all_close(after.ema_params["bias"], expected, rtol=1e-6)
        late = state._replace(step=jnp.int32(1000))
        after, _ = step(late, batch(), keys)
        expected = 0.9 * state.params["bias"] + 0.1 * after.params["bias"]
        chex.assert_trees_all_close(after.ema_params["bias"], expected, rtol=1e-6)

    def test_degrade_makes_mu_on_the_device_with_a_key_per_example(self):
        """A degradation that draws gives what its draws would give as a batch."""
        optimizer = optax.sgd(0.1)

        def degrade(key, image):
            return image + jax.random.normal(key, (1, 1, 1))

        keys = train_step.example_keys(jax.random.key(1), 0, BATCH)
        x0 = batch()["x0"]
        degrade_keys = jax.vmap(jax.random.split)(keys)[:, 1]
        mu = jax.vmap(degrade)(degrade_keys, x0)
        state = train_step.init_train_state(toy_params(), optimizer)
        given, _ = jax.jit(build(optimizer))(state, {"x0": x0, "mu": mu}, keys)
        made, _ = jax.jit(build(optimizer, degrade=degrade))(state, {"x0": x0}, keys)
        chex.assert_trees_all_close(made.params, given.params, rtol=1e-6)

    @parameterized.parameters(*processes.PROCESSES)
    def test_every_process_learns(self, name):
        """The loss falls: over 150 steps of Adam the last ten beat the first ten."""
        optimizer = optax.adam(3e-2)
        schedule = sde.make_schedule(100, 1.0)
        step = jax.jit(
            train_step.make_train_step(
                apply_fn,
                optimizer,
                schedule,
                loss=losses.make_loss("noise"),
                process=processes.make_process(name),
                ema_decay=0.9,
            )
        )
        state = train_step.init_train_state(toy_params(), optimizer)
        values = []
        for i in range(150):
            keys = train_step.example_keys(jax.random.key(1), i, BATCH)
            state, metrics = step(state, batch(), keys)
            values.append(metrics["loss"])
        self.assertLess(np.mean(values[-10:]), 0.95 * np.mean(values[:10]))

    def test_batch_that_does_not_divide_is_a_clear_error(self):
        count = jax.local_device_count()
        with self.assertRaisesRegex(ValueError, f"multiple of {count}"):
            train_step.shard({"x0": jnp.zeros((count + 1, 4, 4, 3))})


class OptimizerTest(chex.TestCase):
    def test_step_decay_halves_at_milestones(self):
        rate = optimizers.make_learning_rate(100, 1e-3, "step", milestones=(20, 40))
        values = [float(rate(step)) for step in (0, 19, 21, 41)]
        np.testing.assert_allclose(values, [1e-3, 1e-3, 5e-4, 2.5e-4], rtol=1e-6)

    def test_cosine_rises_over_the_warm_up_then_falls_to_zero(self):
        rate = optimizers.make_learning_rate(100, 1e-3, "cosine", warmup_steps=10)
        values = [float(rate(step)) for step in (0, 5, 10, 55, 100)]
        np.testing.assert_allclose(values, [0, 5e-4, 1e-3, 5e-4, 0], atol=1e-9)

    @parameterized.parameters(*optimizers.OPTIMIZERS)
    def test_every_optimizer_goes_downhill(self, name):
        optimizer = optimizers.make_optimizer(
            100, name, learning_rate=0.05, clip_norm=1.0
        )
        x = jnp.array([3.0, -2.0])
        state = optimizer.init(x)
        for _ in range(10):
            updates, state = optimizer.update(2 * x, state, x)
            x = optax.apply_updates(x, updates)
        self.assertLess(jnp.sum(x**2), 13.0 - 1.0)

    @parameterized.parameters(
        (dict(name="adm", learning_rate=1.0), "adamw"),
        (dict(learning_rate=1.0, decay="cosin"), "cosine"),
        (dict(learning_rate=1.0, weight_decay=0.1), "adamw"),
    )
    def test_unknown_name_lists_the_names(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            optimizers.make_optimizer(100, **arguments)
