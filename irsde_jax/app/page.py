"""The layout of the page in Gradio."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import jax

from irsde_jax.app import answers, controls
from irsde_jax.app.answers import Served
from irsde_jax.app.controls import Controls
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
    # These are fonts of the system, because the page must not load anything remotely.
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

# A restoration uses the whole machine, so only one runs at a time. Checks of uploads
# are fast and have a queue of their own.
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


class _Inputs(NamedTuple):
    """The components with which a visitor gives input."""

    upload: gr.File
    gallery: gr.Gallery
    controls: Controls


class _Outputs(NamedTuple):
    """The components that show output to a visitor, and the button."""

    cost: gr.Markdown
    button: gr.Button
    before: gr.Image
    editor: gr.ImageEditor
    slider: gr.ImageSlider
    said: gr.Markdown
    download: gr.DownloadButton
    mask: gr.DownloadButton
    spread: gr.Image

    @property
    def results(self) -> list[Any]:
        """The components of a result, which are hidden until there is one."""
        return [self.slider, self.said, self.download, self.mask, self.spread]


def build(served: Served, samples: Sequence[Path]) -> gr.Blocks:
    """Returns the page for the given weights.

    Args:
        served: The weights that the page serves, with the options of the server.
        samples: The photographs to try the page with. The sequence may be empty.
    """
    blocks = gr.Blocks(
        title="irsde_jax", analytics_enabled=False, delete_cache=(600, 3600)
    )
    with blocks:
        gr.Markdown(_heading(served.restorer, served.name), elem_id="heading")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                inputs = _lay_out_inputs(served, samples)
            with gr.Column(scale=3, min_width=360):
                outputs = _lay_out_outputs(served.restorer)
        _connect(served, samples, inputs, outputs)
    return blocks


def _lay_out_inputs(served: Served, samples: Sequence[Path]) -> _Inputs:
    """Adds the left column to the page and returns its components."""
    upload = gr.File(
        label=f"1. Your photograph (at most {served.limits.megabytes:g} MB)",
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
        chosen = controls.make(served.restorer, served.limits)
    return _Inputs(upload, gallery, chosen)


def _lay_out_outputs(restorer: Restorer) -> _Outputs:
    """Adds the right column to the page and returns its components."""
    return _Outputs(
        cost=gr.Markdown(answers.NOTHING_YET, elem_id="cost"),
        button=gr.Button("3. Restore", variant="primary", elem_id="restore"),
        before=gr.Image(
            label="Your photograph",
            format="png",
            interactive=False,
            height=460,
            buttons=["fullscreen"],
            elem_id="before",
        ),
        editor=_editor(restorer),
        slider=gr.ImageSlider(
            label="Before | after: drag the line",
            format="png",  # the default format, WebP, would blur both images
            interactive=False,
            height=460,
            buttons=["fullscreen"],
            visible=False,
            elem_id="slider",
        ),
        said=gr.Markdown(visible=False, elem_id="said"),
        download=gr.DownloadButton(
            "Download the result", variant="primary", visible=False, elem_id="download"
        ),
        mask=gr.DownloadButton("Download the mask", visible=False, elem_id="mask"),
        spread=gr.Image(
            format="png",
            interactive=False,
            height=400,
            buttons=["download", "fullscreen"],
            visible=False,
            elem_id="spread",
        ),
    )


def _connect(
    served: Served, samples: Sequence[Path], inputs: _Inputs, outputs: _Outputs
) -> None:
    """Connects the components to the functions of `answers`."""
    restorer, limits = served.restorer, served.limits
    upload, chosen = inputs.upload, inputs.controls
    # This is the size of the current upload, or the reason why it cannot be restored.
    size = gr.State(None)
    tell_cost = {
        "fn": functools.partial(answers.tell_cost, restorer, limits),
        "inputs": [size, *chosen],
        "outputs": outputs.cost,
    }

    def take(event: gr.SelectData) -> str:
        """Returns the path of the sample that was clicked, as a new upload."""
        return str(samples[event.index])

    inputs.gallery.select(take, None, upload, **_LOOKING)
    upload.change(
        functools.partial(answers.look, restorer, limits),
        upload,
        [size, outputs.before, outputs.editor, *outputs.results],
        **_LOOKING,
    ).then(**tell_cost, **_LOOKING)
    changes = [control.change for control in chosen]
    gr.on(changes, **tell_cost, **_LOOKING, trigger_mode="always_last")
    chosen.estimated.change(
        lambda on: gr.update(interactive=not on),
        chosen.estimated,
        chosen.level,
        **_LOOKING,
    )
    outputs.button.click(
        functools.partial(answers.restore, served),
        [upload, outputs.editor, *chosen],
        [outputs.before, *outputs.results],
        show_progress_on=[outputs.before, outputs.slider],
        **_RESTORING,
    )


def _heading(restorer: Restorer, name: str) -> str:
    """Returns the heading of the page as Markdown."""
    count = sum(leaf.size for leaf in jax.tree.leaves(restorer.recipe.network))
    process = PROCESS_NAMES.get(restorer.config.process, restorer.process.name)
    return (
        f"# Restore a photograph: {restorer.config.task}\n"
        f"Weights `{name}`, {count / 1e6:.2f} M parameters, {process}. Photographs "
        "stay on the machine that serves this page, and are deleted after an hour."
    )


def _editor(restorer: Restorer) -> gr.ImageEditor:
    """Returns an editor whose brush marks pixels to fill.

    It is hidden if the weights do not fill holes.
    """
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
