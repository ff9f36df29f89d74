"""What the sampler costs: 20 steps in one `lax.scan` against 20 single forward passes.

Run as `python -m benchmarks.sampling`. The network is `quickstart`'s NAFNet on 4
images of 128 x 128 pixels; medians of interleaved pairs.
"""

from functools import partial

import jax
import jax.numpy as jnp

from benchmarks import timing
from irsde_jax import models, samplers, sde

SHAPE = (4, 128, 128, 3)
NUM_EVALS = 20


def main() -> None:
    """Prints the table."""
    schedule = sde.make_schedule()
    blocks = dict(enc_blocks=(1, 1, 2), dec_blocks=(1, 1, 1))
    model = models.make_model("nafnet", width=16, **blocks)
    mu_key, init_key, key = jax.random.split(jax.random.key(0), 3)
    mu = jax.random.uniform(mu_key, SHAPE)
    params = jax.jit(model.init)(init_key, mu, mu, jnp.zeros(SHAPE[0]))["params"]
    timesteps = samplers.timestep_grid(schedule, NUM_EVALS)

    @jax.jit
    def forward(x, t):
        return model.apply({"params": params}, x, mu, jnp.full(SHAPE[:1], t))

    @partial(jax.jit, static_argnames="solver")
    def restore(key, mu, timesteps, solver):
        noise_fn = partial(model.apply, {"params": params})
        return samplers.sample(
            key, schedule, noise_fn, mu, solver=solver, timesteps=timesteps
        )

    def forwards():
        x = mu
        for t in timesteps[:-1]:
            x = forward(x, t)  # each waits for the one before, as a sampler must
        return x

    print(timing.hardware())
    print(f"images {SHAPE}, {NUM_EVALS} evaluations, {timing.NUM_PAIRS} pairs, medians")
    print(f"{'solver':12}{'forwards, ms':>14}{'sampler, ms':>14}{'ratio':>8}")
    for solver in ("euler_sde", "posterior", "mr_ode_1", "mr_ode_2", "mr_sde_2"):
        sampler = partial(restore, key, mu, timesteps, solver)
        times = timing.compare(forwards, sampler)
        print("{:12}{:14.1f}{:14.1f}{:8.3f}".format(solver, *times))


if __name__ == "__main__":
    main()
