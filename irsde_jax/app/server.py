"""Serving the page: one process, one restoration at a time, nothing left behind."""

import contextlib
import logging
import os
import queue
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import ml_collections

from irsde_jax import configuration
from irsde_jax.app import samples
from irsde_jax.app.choices import Limits
from irsde_jax.restoration import costs, loading

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

HOST = "127.0.0.1"


def run(
    config: Config | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None,
    host: str = HOST,
    port: int | None = None,
) -> None:
    """`--mode app`: serves the page until SIGINT or SIGTERM.

    Args:
        config: see `restore.load`; its group `app` says what one visitor may ask for.
        workdir: of the run whose weights are used, if `weights` is None.
        weights: what `restore.load` takes.
        host: address to listen at; the default is reached from this machine alone.
        port: to listen at; None: the first free one from 7860 on.

    Raises:
        ModuleNotFoundError: if Gradio is not installed.
        OSError: if the port is taken.
        ValueError: see `restore.load`.
    """
    restorer = loading.open_restorer(config, workdir, weights)
    limits = configuration.call_with(Limits, restorer.config, "app")
    costs.seconds_per_pixel(restorer)  # measured while nothing else is restored
    with _stop_signal() as stop, _temporary_folder() as folder:
        try:
            # These import Gradio, which reads the name of its folder.
            from irsde_jax.app import page
            from irsde_jax.app.answers import Served
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "the page needs Gradio: pip install 'irsde_jax[app]'"
            ) from error
        tried = folder / "samples"
        tried.mkdir()
        source = str(weights if weights is not None else workdir)
        # A command names the weights alone: it is shown if their settings are these.
        has_command = is_own(restorer.config, loading.stored_config(source))
        name = Path(source).name  # visitors have no business with folders
        served = Served(restorer, name, limits, folder, has_command)
        blocks = page.build(served, samples.write_samples(restorer, tried))
        blocks.queue(max_size=limits.queue, api_open=False)
        looks = {"theme": page.THEME, "css": page.CSS}
        address = _launch(blocks, host, port, limits, looks)
        logger.info("The page is at %s; Ctrl-C ends it.", address)
        if host not in (HOST, "localhost", "::1"):
            logger.warning("--host=%s: whoever reaches this machine may use it.", host)
        stop.get()
        blocks.close(verbose=False)


def _launch(
    blocks: Any, host: str, port: int | None, limits: Limits, looks: dict[str, Any]
) -> str:
    """Starts to serve the page; returns its address.

    Raises:
        OSError: if the port is taken, or the host is another machine.
    """
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=int(limits.megabytes * 2**20),
            share=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            prevent_thread_lock=True,
            quiet=True,
            **looks,
        )
    except OSError as error:
        where = f"{host}:{port}" if port else f"{host}, ports from 7860 on"
        raise OSError(
            f"the page cannot be served at {where}: taken, or not of this machine. "
            "--host and --port name another place."
        ) from error
    return address


def is_own(config: Config, stored: Config | None) -> bool:
    """Whether weights restore by a configuration as they do by their own."""
    if stored is None:
        return False
    if stored.sampling.debias is None:  # loading settles it
        stored = configuration.override(
            stored, [f"--config.sampling.debias={config.sampling.debias}"]
        )
    groups = ("sampling", "data", "model")
    return not configuration.differences(stored, config, groups)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """The folder of uploads and results, removed with all that is in it."""
    with tempfile.TemporaryDirectory(prefix="irsde_jax_app_") as folder:
        # Gradio takes the place of its files from this variable and nowhere else.
        before = os.environ.get("GRADIO_TEMP_DIR")
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield Path(folder).resolve()
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


@contextlib.contextmanager
def _stop_signal() -> Iterator[queue.SimpleQueue[int]]:
    """A queue that SIGINT and SIGTERM are put in: both end the page in order.

    Unlike an event, it may be filled by a handler that interrupts another one.
    """
    received: queue.SimpleQueue[int] = queue.SimpleQueue()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(number, lambda number, _: received.put(number))
        for number in numbers
    ]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
