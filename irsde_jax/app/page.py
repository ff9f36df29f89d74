"""The page: what visitors see, in Gradio, over the functions of `restoring`."""

import functools
import html
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import jax

from irsde_jax.app import restoring
from irsde_jax.app.restoring import Limits, Settings
from irsde_jax.data import images
from irsde_jax.restorer import Restorer

logger = logging.getLogger(__name__)

PROCESS_NAMES = {
    "irsde": "IR-SDE",
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
#samples .grid-wrap { min-height: 0; }
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
_NOTHING_YET = "The cost is shown here as soon as there is a photograph."


def build(
    restorer: Restorer,
    name: str,
    limits: Limits,
    samples: Sequence[Path],
    folder: Path,
) -> gr.Blocks:
    """The page of some weights.

    Args:
        restorer: the weights.
        name: what to call them.
        limits: what one visitor may ask for.
        samples: photographs to try it on; there may be none.
        folder: results are written below it.
    """
    sampling = restorer.config.sampling
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
                    height=130,
                    elem_id="upload",
                )
                gallery = gr.Gallery(
                    value=[str(path) for path in samples],
                    label="... or one of these",
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
                        restoring.allowed_solvers(restorer),
                        value=sampling.solver,
                        label="Solver",
                        info="mr_* need few evaluations; posterior is the paper's.",
                    )
                    num_evals = gr.Slider(
                        *(1, restorer.schedule.num_steps),
                        value=restorer.num_evals(),
                        step=1,
                        label="Network evaluations",
                        info="Time grows with them.",
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
                cost = gr.Markdown(_NOTHING_YET, elem_id="cost")
                button = gr.Button("3. Restore", variant="primary", elem_id="restore")
                before = gr.Image(
                    label="Your photograph",
                    format="png",
                    interactive=False,
                    height=460,
                    buttons=["fullscreen"],
                    elem_id="before",
                )
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
                spread = gr.Image(
                    format="png",
                    interactive=False,
                    height=400,
                    buttons=["download", "fullscreen"],
                    visible=False,
                    elem_id="spread",
                )
        controls = [solver, num_evals, seed, estimated, level, num_samples, form]
        size = gr.State(None)  # of the present upload, or what is wrong with it
        results = [slider, said, download, spread]
        tell_cost = {
            "fn": functools.partial(_tell_cost, restorer, limits),
            "inputs": [size, *controls],
            "outputs": cost,
        }
        gallery.select(functools.partial(_take, samples), None, upload, **_LOOKING)
        upload.change(
            functools.partial(_look, restorer, limits),
            upload,
            [size, before, *results],
            **_LOOKING,
        ).then(**tell_cost, **_LOOKING)
        changes = [control.change for control in controls]
        gr.on(changes, **tell_cost, **_LOOKING, trigger_mode="always_last")
        estimated.change(
            lambda on: gr.update(interactive=not on), estimated, level, **_LOOKING
        )
        button.click(
            functools.partial(_restore, restorer, name, limits, folder),
            [upload, *controls],
            [before, *results],
            show_progress_on=[before, slider],
            **_RESTORING,
        )
    return blocks


def _heading(restorer: Restorer, name: str) -> str:
    count = sum(leaf.size for leaf in jax.tree.leaves(restorer.params))
    process = PROCESS_NAMES[restorer.config.process]
    return (
        f"# Restore a photograph: {restorer.config.task}\n"
        f"Weights `{name}`, {count / 1e6:.2f} M parameters, {process}. Photographs stay "
        "on the machine that serves this page, and are deleted from it when it stops."
    )


def _noise_level(restorer: Restorer) -> tuple[gr.Checkbox, gr.Slider]:
    """Whether the level is estimated, and the level; hidden where there is none."""
    shown, configured = restorer.process.starts_at_input, restorer.config.sampling.sigma
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


def _take(samples: Sequence[Path], event: gr.SelectData) -> str:
    """The sample that was clicked, as if it were uploaded."""
    return str(samples[event.index])


def _look(restorer: Restorer, limits: Limits, upload: str | None) -> list[Any]:
    """For `size`, the picture, and results that are none any more."""
    hidden = [gr.update(visible=False)] * 4
    if upload is None:
        return [None, gr.update(value=None, visible=True), *hidden]
    try:
        found = restoring.look(restorer, Path(upload), limits)
    except (ValueError, OSError, MemoryError) as error:
        message = _words(error)
        gr.Warning(message, title="This file cannot be restored")
        return [message, gr.update(value=None, visible=True), *hidden]
    size = found.height, found.width
    return [size, gr.update(value=found.picture, visible=True), *hidden]


def _tell_cost(
    restorer: Restorer, limits: Limits, size: tuple[int, int] | str | None, *values: Any
) -> str:
    """What is to be expected of a restoration, before it is asked for."""
    if size is None:
        return _NOTHING_YET
    if isinstance(size, str):
        return f"**Not possible:** {size}"
    try:
        settings = _settings(restorer, *values)
        cost = restoring.cost(restorer, *size, settings, limits)
    except ValueError as error:
        return f"**Not possible:** {_words(error)}"
    note = ""
    if settings.num_samples and not restoring.draws_noise(restorer, settings.solver):
        note = (
            f" There will be no uncertainty map: {settings.solver} draws no noise in "
            "this process, so that all samples are alike; posterior does."
        )
    return f"**Cost:** {html.escape(str(cost))}.{note}"


def _restore(
    restorer: Restorer,
    name: str,
    limits: Limits,
    folder: Path,
    upload: str | None,
    *values: Any,
) -> list[Any]:
    """For the picture, the slider, what is said, the download and the map."""
    if upload is None:
        raise gr.Error("Choose a photograph first.", print_exception=False)
    settings = _settings(restorer, *values)
    try:
        result = restoring.restore_upload(
            restorer, Path(upload), settings, limits, folder
        )
    except (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        logger.info("not restored: %s", error)
        raise gr.Error(
            _words(error), title="Not restored", print_exception=False
        ) from error
    command = shlex.join(
        [
            *("python", "-m", "irsde_jax.main", "--mode=restore", f"--weights={name}"),
            *restoring.overrides(settings),
            *(f"--seed={settings.seed}", f"--input={Path(upload).name}"),
            f"--output={result.file.name}",
        ]
    )
    said = (
        f"**Restored in {result.seconds:.1f} s.** The same file by the command line:\n"
        f"```sh\n{command}\n```"
    )
    label = (
        "Uncertainty: standard deviation of the samples; the lightest colour is "
        f"{255 * result.white:.1f} grey levels"
    )
    return [
        gr.update(visible=False),
        gr.update(value=(result.before, result.after), visible=True),
        gr.update(value=said, visible=True),
        gr.update(value=str(result.file), visible=True),
        gr.update(
            value=result.spread, visible=result.spread is not None, label=label
        ),
    ]


def _settings(
    restorer: Restorer,
    solver: str,
    num_evals: int,
    seed: int | None,
    estimated: bool,
    level: float,
    num_samples: int,
    as_png: bool,
) -> Settings:
    """The controls of the page, in their order, as settings."""
    given = restorer.process.starts_at_input and not estimated
    sigma = level / 255 if given else None
    return Settings(
        solver, int(num_evals), int(seed or 0), sigma, int(num_samples), as_png
    )


def _words(error: BaseException) -> str:
    """An error for a visitor: messages of Gradio are HTML."""
    if isinstance(error, MemoryError | jax.errors.JaxRuntimeError):
        return "the machine ran out of memory: take a smaller photograph"
    return html.escape(" ".join(str(error).split()), quote=False)
