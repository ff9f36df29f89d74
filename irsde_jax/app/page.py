"""The page: what visitors see, laid out in Gradio."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import jax

from irsde_jax.app import answers, choices
from irsde_jax.app.choices import Limits
from irsde_jax.data.image_files import images
from irsde_jax.restoration.files import one_file
from irsde_jax.restoration.restorer import Restorer

PROCESS_NAMES = {
    "irsde": "IR-SDE",
    "inpainting": "IR-SDE from filled holes",
    "denoising": "Denoising-SDE / ODE",
    "ddpm": "conditional DDPM",
}
THEME = gr.themes.Soft(
    primary_hue="blue",
    neutral_hue="slate",
    # What the system has: the page loads nothing from elsewhere.
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; }
#heading h1 { margin-bottom: 2px; }
#cost, #said { padding: 10px 14px; border-radius: 8px;
  background: var(--background-fill-secondary); }
#said code { white-space: pre-wrap; overflow-wrap: anywhere; }
"""

# One restoration at a time: it takes the whole machine. Looking at uploads is quick.
_RESTORING: dict[str, Any] = {
    "concurrency_id": "restore",
    "concurrency_limit": 1,
    "api_visibility": "private",
}
_LOOKING: dict[str, Any] = {
    "concurrency_id": "look",
    "concurrency_limit": 1,
    "api_visibility": "private",
    "show_progress": "hidden",
}


def build(
    restorer: Restorer,
    name: str,
    limits: Limits,
    samples: Sequence[Path],
    folder: Path,
    has_command: bool = True,
) -> gr.Blocks:
    """The page of some weights.

    Args:
        restorer: the weights.
        name: what to call them.
        limits: what one visitor may ask for.
        samples: photographs to try it on; there may be none.
        folder: results are written below it.
        has_command: whether the command that makes the same file is shown.
    """
    sampling = restorer.sampling
    blocks = gr.Blocks(
        title="irsde_jax", analytics_enabled=False, delete_cache=(600, 3600)
    )
    with blocks:
        gr.Markdown(_heading(restorer, name), elem_id="heading")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                upload = gr.File(
                    label=f"1. Your photograph (at most {limits.megabytes:g} MB)",
                    file_types=list(images.SUFFIXES),
                    height=170,
                    elem_id="upload",
                )
                gr.Markdown("... or one of these:", visible=bool(samples))
                gallery = gr.Gallery(
                    value=[str(path) for path in samples],
                    show_label=False,
                    columns=max(len(samples), 1),
                    rows=1,
                    height=150,
                    allow_preview=False,
                    interactive=False,
                    object_fit="cover",
                    buttons=[],
                    visible=bool(samples),
                    elem_id="samples",
                )
                with gr.Accordion("2. Settings (the defaults are a good start)"):
                    solver = gr.Dropdown(
                        choices.allowed_solvers(restorer),
                        value=sampling.solver,
                        label="Solver",
                        info="mr_* need few evaluations; posterior is the paper's.",
                    )
                    num_evals = gr.Slider(
                        *(1, restorer.schedule.num_steps),
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
                        *(0, limits.samples),
                        value=0,
                        step=2,
                        label="Samples of the uncertainty map",
                        info="Restorations that are compared; 0: no map.",
                    )
                    form = gr.Radio(
                        [("PNG", True), ("that of the upload", False)],
                        value=True,
                        label="Format of the result",
                    )
            with gr.Column(scale=3, min_width=360):
                cost = gr.Markdown(answers.NOTHING_YET, elem_id="cost")
                button = gr.Button("3. Restore", variant="primary", elem_id="restore")
                before = gr.Image(
                    label="Your photograph",
                    format="png",
                    interactive=False,
                    height=460,
                    buttons=["fullscreen"],
                    elem_id="before",
                )
                editor = _editor(restorer)
                slider = gr.ImageSlider(
                    label="Before | after: drag the line",
                    format="png",  # the default, WebP, would blur what is compared
                    interactive=False,
                    height=460,
                    buttons=["fullscreen"],
                    visible=False,
                    elem_id="slider",
                )
                said = gr.Markdown(visible=False, elem_id="said")
                download = gr.DownloadButton(
                    "Download the result",
                    variant="primary",
                    visible=False,
                    elem_id="download",
                )
                mask = gr.DownloadButton(
                    "Download the mask", visible=False, elem_id="mask"
                )
                spread = gr.Image(
                    format="png",
                    interactive=False,
                    height=400,
                    buttons=["download", "fullscreen"],
                    visible=False,
                    elem_id="spread",
                )
        controls: list[Any] = [
            solver,
            num_evals,
            seed,
            estimated,
            level,
            num_samples,
            form,
        ]
        size = gr.State(None)  # of the present upload, or what is wrong with it
        results = [slider, said, download, mask, spread]
        tell_cost = {
            "fn": functools.partial(answers.tell_cost, restorer, limits),
            "inputs": [size, *controls],
            "outputs": cost,
        }

        def take(event: gr.SelectData) -> str:
            """The sample that was clicked, as if it were uploaded."""
            return str(samples[event.index])

        gallery.select(take, None, upload, **_LOOKING)
        upload.change(
            functools.partial(answers.look, restorer, limits),
            upload,
            [size, before, editor, *results],
            **_LOOKING,
        ).then(**tell_cost, **_LOOKING)
        changes = [control.change for control in controls]
        gr.on(changes, **tell_cost, **_LOOKING, trigger_mode="always_last")
        estimated.change(
            lambda on: gr.update(interactive=not on), estimated, level, **_LOOKING
        )
        button.click(
            functools.partial(
                answers.restore,
                *(restorer, name, has_command, limits, folder),
            ),
            [upload, editor, *controls],
            [before, *results],
            show_progress_on=[before, slider],
            **_RESTORING,
        )
    return blocks


def _heading(restorer: Restorer, name: str) -> str:
    count = sum(leaf.size for leaf in jax.tree.leaves(restorer.recipe.network))
    process = PROCESS_NAMES[restorer.config.process]
    return (
        f"# Restore a photograph: {restorer.config.task}\n"
        f"Weights `{name}`, {count / 1e6:.2f} M parameters, {process}. Photographs "
        "stay on the machine that serves this page, and are deleted after an hour."
    )


def _editor(restorer: Restorer) -> gr.ImageEditor:
    """A brush that marks what is to be filled; hidden where nothing is."""
    return gr.ImageEditor(
        label="Paint over what is to be filled",
        image_mode="RGBA",
        format="png",
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(colors=["#ffffff"], color_mode="fixed"),
        height=520,
        visible=one_file.fills(restorer),
        elem_id="paint",
    )


def _noise_level(restorer: Restorer) -> tuple[gr.Checkbox, gr.Slider]:
    """Whether the level is estimated, and the level; hidden where there is none."""
    shown, configured = restorer.process.starts_at_input, restorer.sampling.sigma
    # A level at or above lambda has no step at which the process could start.
    highest = 0.99 * 255 * float(restorer.schedule.max_sigma)
    estimated = gr.Checkbox(
        value=configured is None,
        label="Estimate the noise level from the photograph",
        visible=shown and configured is None,
    )
    level = gr.Slider(
        *(1, round(highest)),
        value=25 if configured is None else round(255 * configured, 2),
        step=0.5,
        label="Noise level sigma (grey levels of 255)",
        interactive=configured is not None,
        visible=shown,
    )
    return estimated, level
