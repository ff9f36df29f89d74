"""The mean-reverting SDE of IR-SDE: schedules, kernels and the optimal reverse state.

All functions are pure functions of arrays, written for one image and one pair of steps.
They do not depend on a network, on files or on a batch axis. The modules are best read
in the order `schedules`, `kernels`, `conversions`, `posterior`.
"""

from irsde_jax.sde.conversions import (
    mean_and_x0,
    noise_to_score,
    noise_to_v,
    noise_to_x0,
    score_to_noise,
    v_to_noise,
    x0_to_noise,
)
from irsde_jax.sde.kernels import (
    add_noise,
    log_snr,
    log_snr_table,
    marginal_mean,
    marginal_std,
    perturb,
    reverse_noise_std,
    reverse_ode_drift,
    reverse_sde_drift,
    transition_mean,
    transition_std,
)
from irsde_jax.sde.posterior import (
    bias_noise,
    debias_noise,
    optimal_reverse_state,
    posterior_std,
)
from irsde_jax.sde.schedules import (
    THETAS,
    Schedule,
    ThetaFn,
    make_schedule,
    start_step,
)

__all__ = [
    "THETAS",
    "Schedule",
    "ThetaFn",
    "add_noise",
    "bias_noise",
    "debias_noise",
    "log_snr",
    "log_snr_table",
    "make_schedule",
    "marginal_mean",
    "marginal_std",
    "mean_and_x0",
    "noise_to_score",
    "noise_to_v",
    "noise_to_x0",
    "optimal_reverse_state",
    "perturb",
    "posterior_std",
    "reverse_noise_std",
    "reverse_ode_drift",
    "reverse_sde_drift",
    "score_to_noise",
    "start_step",
    "transition_mean",
    "transition_std",
    "v_to_noise",
    "x0_to_noise",
]
