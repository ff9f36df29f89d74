"""Serves the page: one process, one restoration at a time, no files left behind."""

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
    """Serves the page until SIGINT or SIGTERM: `--mode app`.

    Args:
        config: The configuration, as for `irsde_jax.load`. Its group `app` defines the
            limits for each visitor.
        workdir: The work directory of the run whose weights are used if `weights` is
            None.
        weights: The weights, as for `irsde_jax.load`.
        host: The address to listen at. The default can only be reached from this
            machine.
        port: The port to listen at. None means the first free port from 7860 on.

    Raises:
        ModuleNotFoundError: If Gradio is not installed.
        OSError: If the port is already in use.
        ValueError: If `irsde_jax.load` rejects the configuration or the weights.
    """
    restorer = loading.open_restorer(config, workdir, weights)
    limits = configuration.call_with(Limits, restorer.config, "app")
    costs.seconds_per_pixel(restorer)  # measured while nothing else is restored
    with _stop_signal() as stop, _temporary_folder() as folder:
        try:
            # These modules import Gradio, which reads the name of its folder on import.
            from irsde_jax.app import page
            from irsde_jax.app.answers import Served
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "the page needs Gradio: pip install 'irsde_jax[app]'"
            ) from error
        tried = folder / "samples"
        tried.mkdir()
        source = str(weights if weights is not None else workdir)
        # The command names only the weights, so it is shown only if their stored
        # settings are the ones in use.
        has_command = is_own(restorer.config, loading.stored_config(source))
        name = Path(source).name  # the folder is not shown to visitors
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
    """Starts to serve the page and returns its address.

    Raises:
        OSError: If the port is in use, or if the host is not this machine.
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
    """Returns whether a configuration restores in the same way as the stored one.

    Args:
        config: The configuration in use.
        stored: The configuration that is stored with the weights, or None.
    """
    if stored is None:
        return False
    if stored.sampling.debias is None:  # in `config` it was set on loading
        stored = configuration.override(
            stored, [f"--config.sampling.debias={config.sampling.debias}"]
        )
    groups = ("sampling", "data", "model")
    return not configuration.differences(stored, config, groups)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yields the folder for uploads and results, and deletes it with its content."""
    with tempfile.TemporaryDirectory(prefix="irsde_jax_app_") as folder:
        # The folder of Gradio's files can only be set by this variable.
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
    """Yields a queue that receives SIGINT and SIGTERM, so that the page ends in order.

    Unlike an event, a queue can be filled by a handler that interrupts another one.
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
