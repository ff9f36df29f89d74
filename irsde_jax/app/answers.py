"""The reactions of the page to an upload, to changed settings and to the button.

Each function takes the values of some components of the page and returns the values of
others, in the order in which `page.build` lists them.
"""

import html
import logging
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import jax

from irsde_jax.app import choices, painting, restoring, uploads
from irsde_jax.app.choices import Limits, Values
from irsde_jax.restoration.files.one_file import fills
from irsde_jax.restoration.restorer import Restorer

logger = logging.getLogger(__name__)

NOTHING_YET = "The cost is shown here as soon as there is a photograph."


class Served(NamedTuple):
    """The weights that a page serves, with the options of the server.

    Attributes:
        restorer: The restorer with the weights.
        name: The name of the weights.
        limits: The limits for each visitor.
        folder: The folder below which results are written.
        has_command: Whether to show a command. It is shown if `--mode=restore` with
            this name gives the same results.
    """

    restorer: Restorer
    name: str
    limits: Limits
    folder: Path
    has_command: bool = True


def look(restorer: Restorer, limits: Limits, upload: str | None) -> list[Any]:
    """Returns updates of `size`, the picture, the editor and the results of an upload.

    The results of the previous upload are hidden.

    Args:
        restorer: The restorer with the weights.
        limits: The limits for each visitor.
        upload: The path of the upload. None means that it was removed.
    """
    hidden = [gr.update(visible=False)] * 5
    if upload is None:
        return [None, gr.update(value=None, visible=True), None, *hidden]
    try:
        found = uploads.look(restorer, Path(upload), limits)
    except (ValueError, OSError, MemoryError) as error:
        message = _words(error)
        gr.Warning(message)
        return [message, gr.update(value=None, visible=True), None, *hidden]
    size = found.height, found.width, found.note
    picture = found.picture if fills(restorer) else None
    shown = picture is None  # otherwise the editor shows the upload
    return [size, gr.update(value=found.picture, visible=shown), picture, *hidden]


def tell_cost(
    restorer: Restorer,
    limits: Limits,
    size: tuple[int, int, str] | str | None,
    *values: Any,
) -> str:
    """Returns the expected cost of a restoration, as Markdown.

    Args:
        restorer: The restorer with the weights.
        limits: The limits for each visitor.
        size: The height and width of the result in pixels and a note on its holes; or
            the reason why the upload cannot be restored; or None without an upload.
        *values: The values of the controls, in the order of `choices.Values`.
    """
    if size is None:
        return NOTHING_YET
    if isinstance(size, str):
        return f"**Not possible:** {size}"
    try:
        settings = choices.settings_of(restorer, Values(*values))
        height, width, found = size
        cost = restoring.cost(restorer, height, width, settings, limits)
    except ValueError as error:
        return f"**Not possible:** {_words(error)}"
    note = ""
    if settings.num_samples and not choices.draws_noise(restorer, settings.solver):
        note = (
            f" There will be no uncertainty map: {settings.solver} draws no noise in "
            "this process, so that all samples are alike; posterior does."
        )
    if found:
        note += f"\n\n**Holes:** unless you paint over them, {html.escape(found)}"
    return f"**Cost:** {html.escape(str(cost))}.{note}"


def restore(
    served: Served, upload: str | None, drawing: dict[str, Any] | None, *values: Any
) -> list[Any]:
    """Returns updates for the picture, the slider, the text, the downloads and the map.

    Args:
        served: The weights that the page serves.
        upload: The path of the upload, or None without an upload.
        drawing: The value of the editor, or None.
        *values: The values of the controls, in the order of `choices.Values`.

    Raises:
        gradio.Error: If the upload cannot be restored. Gradio shows the message.
    """
    if upload is None:
        raise gr.Error("Choose a photograph first.", print_exception=False)
    settings = choices.settings_of(served.restorer, Values(*values))
    try:
        result = restoring.restore_upload(
            served.restorer,
            Path(upload),
            settings,
            served.limits,
            served.folder,
            name=served.name,
            paint=painting.paint_of(drawing),
        )
    except (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError) as error:
        logger.info("not restored: %s", error)
        raise gr.Error(
            f"Not restored: {_words(error)}", print_exception=False
        ) from error
    said = (
        f"**Restored in {result.seconds:.1f} s** (estimated: {result.estimated:.1f} s; "
        "the first photograph of a size takes longer)."
    )
    if served.has_command:
        start = ("python", "-m", "irsde_jax.main", "--mode=restore")
        files = [f"--input={Path(upload).name}", f"--output={result.file.name}"]
        if result.mask is not None:
            files.append(f"--mask={result.mask.name}")
        settled = (*choices.overrides(settings), f"--seed={settings.seed}")
        command = shlex.join([*start, f"--weights={served.name}", *settled, *files])
        said += f" The same file by a command:\n```sh\n{command}\n```"
    if result.note:
        said += f"\n\n{html.escape(result.note)}"
    has_mask = result.mask is not None
    level = 255 * result.white
    label = f"Where the samples differ: lightest is a std of {level:.1f} (of 255)"
    return [
        gr.update(visible=False),
        gr.update(value=(result.before, result.after), visible=True),
        gr.update(value=said, visible=True),
        gr.update(value=str(result.file), visible=True),
        gr.update(value=str(result.mask) if has_mask else None, visible=has_mask),
        gr.update(value=result.spread, visible=result.spread is not None, label=label),
    ]


def _words(error: BaseException) -> str:
    """Returns an error message for a visitor, escaped as Gradio reads it as HTML."""
    if isinstance(error, MemoryError | jax.errors.JaxRuntimeError):
        return "the machine ran out of memory: take a smaller photograph"
    return html.escape(" ".join(str(error).split()), quote=False)
