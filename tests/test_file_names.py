"""Any name of a file goes into keys, tables, reports, and onto any console."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import fake_evaluation
import numpy as np
import pytest
from fake_evaluation import make_image, write

from irsde_jax import configuration
from irsde_jax.cli import check
from irsde_jax.data.image_files import file_names
from irsde_jax.restoration import noise_keys
from irsde_jax.training import manifest

ROOT = Path(__file__).resolve().parents[1]
LATIN = "\udce9t\udce9.png"  # the bytes E9 74 E9, as Python reads them
WIDE = "\u7167\u7247.png"


@pytest.fixture
def start(tmp_path, monkeypatch):
    return fake_evaluation.starter(tmp_path, monkeypatch)


@pytest.fixture
def open_console(monkeypatch):
    """Makes standard output a console of cp1252 that the program has set up."""

    def call():
        stream = io.TextIOWrapper(io.BytesIO(), "cp1252", write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        file_names.escape_on_consoles()
        return stream.buffer

    return call


@pytest.fixture
def odd_names(tmp_path):
    """The folder of `start` with names that few consoles can show."""
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    try:
        for seed, name in enumerate((LATIN, WIDE)):
            write(folder / name, make_image(seed + 5))
    except OSError:
        pytest.skip("this file system wants UTF-8")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b.png", b"a b.png"),
        (WIDE, WIDE.encode()),
        (LATIN, b"\xe9t\xe9.png"),
        # a UTF-8 name where the locale is ASCII
        ("\udcc3\udca9.png", "\xe9.png".encode()),
        ("\ud800.png", b"\xed\xa0\x80.png"),  # of Windows alone
    ],
)
def test_the_bytes_of_a_name_do_not_depend_on_the_locale(name, expected):
    assert file_names.to_bytes(name) == expected


def test_names_make_keys_and_fingerprints():
    plain, odd = (noise_keys.file_key(0, name) for name in ("ete.png", LATIN))
    assert plain != odd
    same = (
        noise_keys.file_key(0, "\udcc3\udca9.png"),
        noise_keys.file_key(0, "\xe9.png"),
    )
    assert same[0] == same[1]
    batch = {"x0": np.zeros(1)}
    found = [manifest.fingerprint([name], batch) for name in (LATIN, WIDE)]
    assert found[0]["names_sha256"] != found[1]["names_sha256"]


def test_escaped_text_is_utf_8_and_other_text_is_left_alone():
    assert file_names.escaped(LATIN) == r"\udce9t\udce9.png"
    assert file_names.escaped(WIDE) == WIDE


@pytest.mark.usefixtures("odd_names")
def test_an_evaluation_of_odd_names_is_reported(start, tmp_path, open_console):
    console = open_console()
    report = start("--config.evaluation.baselines=()", output=tmp_path / "out")
    assert {row["name"] for row in report["images"]} >= {LATIN, WIDE}
    out = tmp_path / "out"
    assert (out / "restored" / LATIN).is_file()
    assert (out / "restored" / WIDE).is_file()
    shown = {r"\udce9t\udce9.png", WIDE, "a.png", "b.png", "c.bmp"}
    stored = json.loads((out / "metrics.json").read_text("utf-8"))
    assert {row["name"] for row in stored["images"]} == shown
    for name, column in (("metrics.csv", "name"), ("per_image.csv", "image")):
        with (out / name).open(encoding="utf-8", newline="") as file:
            assert {row[column] for row in csv.DictReader(file)} == shown
    page = (out / "report.html").read_text("utf-8")
    assert all(name in page for name in shown)
    printed = console.getvalue().decode("cp1252")
    assert r"\udce9t\udce9.png" in printed
    assert r"\u7167\u7247.png" in printed


def test_a_check_of_odd_names_is_reported(odd_names, tmp_path, open_console):
    console = open_console()
    overrides = [f"--config.data.train_dir={odd_names}"]
    check.run(configuration.load("quickstart", overrides), output=tmp_path / "out")
    printed = console.getvalue().decode("cp1252")
    assert r"\udce9t\udce9.png: 16 x 20" in printed
    assert r"\u7167\u7247.png: 16 x 20" in printed
    assert (tmp_path / "out" / check.SHEET_NAME).is_file()


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONUTF8": "1"},
    ],
)
def test_the_program_prints_any_name_on_any_console(environment):
    code = (
        "import logging\n"
        "from irsde_jax import main\n"
        "NAME = '\\u7167 \\udce9'\n"
        "def run(values, config):\n"
        "    print('printed', NAME)\n"
        "    logging.getLogger('irsde_jax.x').info('logged %s', NAME)\n"
        "    raise ValueError('failed ' + NAME)\n"
        "main.MODES['config'] = main.MODES['config']._replace(run=run)\n"
        "main.main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "--mode=config", "--config=default"],
        capture_output=True,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "LC_ALL"} | environment,
    )
    wide = "\u7167".encode() if "PYTHONUTF8" in environment else rb"\u7167"
    wide = wide if environment.get("PYTHONUTF8") != "0" else rb"\u7167"
    assert result.returncode == 1, result.stderr
    assert result.stdout.splitlines() == [b"printed " + wide + rb" \udce9"]
    for start_of_line in (b"logged ", b"error: failed "):
        assert start_of_line + wide + rb" \udce9" in result.stderr
