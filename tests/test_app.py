"""The page as its users meet it: a command, a browser, several people at once."""

import json
import os
import re
import shlex
import signal
import sys
import urllib.request
from pathlib import Path

import children
import pytest
import tiny_weights
from absl import flags
from pages import download, upload, wait_for_message, wait_for_text

from irsde_jax import configuration, main, processes
from irsde_jax.app import server as app_server
from irsde_jax.checkpoints import weights_file
from irsde_jax.configuration import UsageError
from irsde_jax.restoration import loading
from irsde_jax.restoration.files import runner

ROOT = Path(__file__).resolve().parents[1]
SIDE = 160  # pixels
HIDDEN = "inset(0px 0px 0px 50%)"  # of the restored image, left of the slider


@pytest.fixture(scope="module")
def weights(app_folder) -> Path:
    config = tiny_weights.config("denoising:small").unlock()
    config.sampling.update(solver="posterior", num_evals=22)
    config.app.megabytes = 0.25
    params = tiny_weights.params(config)
    return weights_file.write(app_folder / "tiny.safetensors", params, config)


def library_result(weights: Path, photograph: Path, folder: Path, seed: int) -> bytes:
    """What `--mode=restore` writes."""
    target = folder / f"library_{seed}.png"
    config = loading.load(weights).config
    runner.run(
        configuration.override(config, []),
        *(None, weights, photograph, target),
        seed=seed,
        overwrite=True,
    )
    return target.read_bytes()


def parse(*arguments: str) -> flags.FlagValues:
    values = flags.FlagValues()
    main.define_flags(values)
    assert main.parse(["main", *arguments], values) == []
    return values


def test_flags_reach_the_server(monkeypatch):
    made = []
    monkeypatch.setattr(app_server, "run", lambda **options: made.append(options))
    assert main.run(parse("--mode=app", "--weights=w"), []) == 0
    assert main.run(parse("--mode=app", "--weights=w", "--port=9", "--host=h"), []) == 0
    common = {"config": None, "workdir": None, "weights": "w"}
    assert made == [
        common | {"host": "127.0.0.1", "port": None},
        common | {"host": "h", "port": 9},
    ]
    with pytest.raises(UsageError, match="--mode=app needs --weights or --workdir"):
        parse("--mode=app")
    with pytest.raises(UsageError, match="--port means nothing to --mode=train"):
        parse("--port=9", "--workdir=w", "--config=default")


def test_without_gradio_the_error_says_what_to_install(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "irsde_jax.app.page", raising=False)
    monkeypatch.delitem(sys.modules, "irsde_jax.app.answers", raising=False)
    before = os.environ.get("GRADIO_TEMP_DIR"), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'irsde_jax\[app\]'"):
        app_server.run(None, None, weights)
    after = os.environ.get("GRADIO_TEMP_DIR"), signal.getsignal(signal.SIGTERM)
    assert after == before


def test_every_process_has_a_name_on_the_page():
    page = pytest.importorskip("irsde_jax.app.page", exc_type=ImportError)
    assert set(page.PROCESS_NAMES) == set(processes.PROCESSES)


def test_page_is_served_to_this_machine_alone(server):
    address = server[1]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{address}/config") as answer:
        config = json.load(answer)
    assert config["title"] == "irsde_jax"
    assert config["analytics_enabled"] is False


def test_a_command_is_told_where_the_weights_alone_decide(weights):
    stored = weights_file.read_config(weights)
    loaded = loading.load(weights).config
    assert app_server.is_own(loaded, stored)
    other = configuration.override(loaded, ["--config.sampling.clip=True"])
    assert not app_server.is_own(other, stored)
    assert not app_server.is_own(loaded, None)


def test_download_is_what_the_library_restores(
    open_page, photograph, app_folder, monkeypatch
):
    """The page says which command makes the same file: it does."""
    page = open_page()
    upload(page, photograph)
    cost = wait_for_text(page, "#cost", "Cost:")
    assert "22" in cost
    assert not page.locator("#said").is_visible()
    page.click("#restore")
    said = wait_for_text(page, "#said", "Restored in")
    assert re.search(r"Restored in \d+\.\d s", said)
    command = page.locator("#said code").inner_text()
    monkeypatch.chdir(app_folder)
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(shlex.split(command)[2:], values)
    assert main.run(values, overrides) == 0
    assert download(page) == (app_folder / "photo_restored.png").read_bytes()

    restored = page.locator("#slider img").nth(1)
    position = "element => getComputedStyle(element).clipPath"
    restored.wait_for()
    assert restored.evaluate(position) == HIDDEN
    box = page.locator("#slider .slider-wrap").bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, height)
    page.mouse.down()
    page.mouse.move(middle - box["width"] / 6, height, steps=4)
    page.mouse.up()
    assert restored.evaluate(position) != HIDDEN


def test_unusable_uploads_give_a_message(open_page, photograph, app_folder):
    broken, large = app_folder / "broken.png", app_folder / "large.png"
    broken.write_bytes(photograph.read_bytes()[:2000])
    large.write_bytes(bytes(300_000))
    page = open_page()
    upload(page, broken)
    assert "broken.png cannot be read" in wait_for_message(page, "broken")
    assert str(app_folder) not in wait_for_text(page, "#cost", "Not possible:")
    page.click("#restore")
    wait_for_message(page, "Not restored")
    page = open_page()
    upload(page, large)
    assert "maximum allowed size" in wait_for_message(page, "large.png")
    page = open_page()
    page.click("#restore")
    wait_for_message(page, "Choose a photograph first")


def test_three_users_are_queued_and_served(open_page, photograph, weights, app_folder):
    """One after the other, and each gets the result of the seed that was asked for."""
    pages = [open_page() for _ in range(3)]
    for seed, page in enumerate(pages):
        upload(page, photograph)
        wait_for_text(page, "#cost", "Cost:")
        page.get_by_label("Seed").fill(str(seed))
        page.keyboard.press("Tab")
    for page in pages:  # no waiting for what a click brings about
        page.evaluate("document.querySelector('#restore').click()")
    wait_for_message(pages[2], "queue: ")
    results = []
    for page in pages:
        wait_for_text(page, "#said", "Restored in")
        results.append(download(page))
    expected = [
        library_result(weights, photograph, app_folder, seed) for seed in range(3)
    ]
    assert results == expected
    assert len(set(results)) == 3


def test_page_ends_in_order_and_leaves_nothing(server, app_folder):
    """Last in this file: it stops the server."""
    process, _ = server
    temporary = app_folder / "temporary"
    assert [path.name[:14] for path in temporary.iterdir()] == ["irsde_jax_app_"]
    for _ in range(20):  # someone impatient
        process.send_signal(signal.SIGTERM)
    assert children.exit_code(process) == 0
    assert list(temporary.iterdir()) == []
    assert "Traceback" not in (app_folder / "said.txt").read_text()
