"""The training losses: noise matching, maximum likelihood, and the clean image.

A loss has two parts. `draw` draws a step t in 1..T and a noise for each example and
perturbs its clean image with them. The `*_at` functions compare the prediction of a
network with the target; they draw no random numbers. The loss is the mean over all
examples, pixels and channels, without a weight that depends on t. A training loop of
your own needs two lines:

    drawn = losses.draw(keys, schedule, x0, mu)
    loss = losses.noise_loss_at(drawn, network(drawn.x, mu, drawn.t))

The maximum likelihood loss compares one-step means. Its `exact` form, the default, uses
the optimal reverse state with the predicted x0; its minimiser is the noise. Its `euler`
form, which is that of the released code, uses the Euler-Maruyama mean. Its minimiser is
not the noise but the result of `sde.bias_noise`, which differs from the noise by a few
percent at T = 100.
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
