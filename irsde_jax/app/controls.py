"""The controls of the page, with which a visitor chooses the settings."""

from typing import NamedTuple

import gradio as gr

from irsde_jax.app import choices
from irsde_jax.app.choices import Limits
from irsde_jax.restoration.restorer import Restorer


class Controls(NamedTuple):
    """The controls as components, in the order of `choices.Values`."""

    solver: gr.Dropdown
    num_evals: gr.Slider
    seed: gr.Number
    estimated: gr.Checkbox
    level: gr.Slider
    num_samples: gr.Slider
    as_png: gr.Radio


def make(restorer: Restorer, limits: Limits) -> Controls:
    """Adds the controls to the page at the current position of its layout.

    Args:
        restorer: The restorer with the weights, whose settings are the initial values.
        limits: The limits for each visitor.
    """
    sampling = restorer.sampling
    solver = gr.Dropdown(
        choices.allowed_solvers(restorer),
        value=sampling.solver,
        label="Solver",
        info="mr_* need few evaluations; posterior is the paper's.",
    )
    num_evals = gr.Slider(
        1,
        restorer.schedule.num_steps,
        value=restorer.num_evals(),
        step=1,
        label="Network evaluations",
        info="Time grows with them; a low noise level leaves fewer.",
    )
    estimated, level = _noise_level(restorer)
    seed = gr.Number(
        0,
        precision=0,
        minimum=0,
        maximum=2**31 - 1,
        label="Seed",
        info="The same seed and file name give the same result.",
    )
    num_samples = gr.Slider(
        0,
        limits.samples,
        value=0,
        step=2,
        label="Samples of the uncertainty map",
        info="Restorations that are compared; 0: no map.",
    )
    as_png = gr.Radio(
        [("PNG", True), ("that of the upload", False)],
        value=True,
        label="Format of the result",
    )
    return Controls(
        solver=solver,
        num_evals=num_evals,
        seed=seed,
        estimated=estimated,
        level=level,
        num_samples=num_samples,
        as_png=as_png,
    )


def _noise_level(restorer: Restorer) -> tuple[gr.Checkbox, gr.Slider]:
    """Returns the controls for estimating the noise level, and for the level itself.

    They are hidden if the process takes no noise level.
    """
    shown, configured = restorer.process.starts_at_input, restorer.sampling.sigma
    # The process cannot start from a noise level at or above lambda.
    highest = 0.99 * 255 * float(restorer.schedule.max_sigma)
    estimated = gr.Checkbox(
        value=configured is None,
        label="Estimate the noise level from the photograph",
        visible=shown and configured is None,
    )
    level = gr.Slider(
        1,
        round(highest),
        value=25 if configured is None else round(255 * configured, 2),
        step=0.5,
        label="Noise level sigma (grey levels of 255)",
        interactive=configured is not None,
        visible=shown,
    )
    return estimated, level
