"""The training losses: noise matching, maximum likelihood, and the clean image.

A loss has two halves. `draw` draws a step t in 1..T and a noise for each example and
perturbs its clean image with them. The `*_at` functions compare a network's prediction
with what was drawn; they are pure functions and draw nothing. The mean is over
everything, and nothing is weighted by t. A training loop of your own needs two lines:

    drawn = losses.draw(keys, schedule, x0, mu)
    loss = losses.noise_loss_at(drawn, network(drawn.x, mu, drawn.t))

The maximum likelihood loss compares one-step means. Its `exact` form, the default,
takes the optimal reverse state with the predicted x0; its minimiser is the noise. Its
`euler` form, the released code's, takes the Euler-Maruyama mean; its minimiser is *not*
the noise but what `sde.bias_noise` computes, a shift of a few percent at T = 100.
"""

from irsde_jax.losses.distances import (
    LOSSES,
    NORMS,
    STEP_MEANS,
    LossAt,
    euler_step_mean,
    exact_step_mean,
    max_likelihood_loss_at,
    noise_loss_at,
    x0_loss_at,
)
from irsde_jax.losses.drawn import Draw, Drawn, draw, predict
from irsde_jax.losses.loss import (
    Loss,
    make_loss,
    max_likelihood_loss,
    noise_loss,
    x0_loss,
)

__all__ = [
    "LOSSES",
    "NORMS",
    "STEP_MEANS",
    "Draw",
    "Drawn",
    "Loss",
    "LossAt",
    "draw",
    "euler_step_mean",
    "exact_step_mean",
    "make_loss",
    "max_likelihood_loss",
    "max_likelihood_loss_at",
    "noise_loss",
    "noise_loss_at",
    "predict",
    "x0_loss",
    "x0_loss_at",
]
