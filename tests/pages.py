"""The page of the app in a browser: what starts it, and what a user does there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import children
import jax
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    "--disable-component-update",
)
SIDE = 160  # pixels
# Messages and the state of the queue vanish by themselves. Everything that they ever
# said is collected here, so that no test has to look at the right moment.
COLLECT = """
    window.everSaid = new Set();
    new MutationObserver(() => {
        for (const element of document.querySelectorAll(".toast-body, #before")) {
            window.everSaid.add(element.innerText);
        }
    }).observe(document, {childList: true, subtree: true, characterData: true});
"""


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory) -> Path:
    """The folder of the photograph, the weights and what the page writes."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def photograph(app_folder) -> Path:
    """The photograph that visitors upload."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    path = app_folder / "photo.png"
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture(scope="module")
def server(app_folder, weights) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command, and the address that it says; the module names the `weights`."""
    temporary = app_folder / "temporary"
    temporary.mkdir()
    said = app_folder / "said.txt"
    cache = jax.config.jax_compilation_cache_dir
    command = [sys.executable, "-m", "irsde_jax.main", "--mode=app"]
    command += [f"--weights={weights}", f"--compilation_cache={cache}"]
    with said.open("w") as output:
        process = children.start(
            command,
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(temporary)},
            stdout=output,
            stderr=output,
        )
    address = re.compile(r"The page is at (http://[\d.]+:\d+)/;")
    try:
        children.wait_for(lambda: address.search(said.read_text()), process)
        found = address.search(said.read_text())
        assert found, said.read_text()
        yield process, found[1]
    finally:
        children.end(process)


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser, server):
    """Opens the page as one more user; nothing may come from elsewhere."""
    contexts, elsewhere = [], []

    def open_as_a_user():
        context = browser.new_context(accept_downloads=True)
        context.set_default_timeout(1000 * children.DEADLINE)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(COLLECT)
        address = server[1]
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else elsewhere.append(request.url)
            ),
        )
        page.goto(address)
        page.wait_for_selector("#upload input[type=file]", state="attached")
        return page

    yield open_as_a_user
    for context in contexts:
        context.close()
    assert elsewhere == []


def upload(page, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", path)


def wait_for_text(page, selector: str, text: str) -> str:
    """The text of an element, once it holds `text`."""
    found = page.locator(selector, has_text=text)
    found.wait_for()
    return found.inner_text()


def wait_for_message(page, text: str) -> str:
    """The message, or the state of the queue, that holds `text`, now or before."""
    found = f"[...window.everSaid].find(said => said.includes({json.dumps(text)}))"
    return page.wait_for_function(found).json_value()


def download(page) -> bytes:
    with page.expect_download() as event:
        page.click("#download")
    return Path(event.value.path()).read_bytes()
