"""The help pages name every mode and flag, and their examples run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from irsde_jax import configuration, main
from irsde_jax.cli import help
from irsde_jax.cli.flag import Kind
from irsde_jax.cli.flags import FLAGS, flags_of
from irsde_jax.cli.modes import MODES
from irsde_jax.configuration import UsageError

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = [
    (name, example) for name, mode in MODES.items() for example in mode.examples
]


def command(*arguments: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-m", "irsde_jax.main", *arguments]
    return subprocess.run(program, capture_output=True, text=True, cwd=ROOT)


def flag_rows(page: str) -> list[str]:
    """The flags that a page explains, which stand at the beginning of a line."""
    return re.findall(r"^ {0,2}--([\w.]+)", page, re.M)


def test_the_overview_fits_on_a_screen():
    lines = help.overview().splitlines()
    assert len(lines) <= 66
    assert max(len(line) for line in lines) <= 100


@pytest.mark.parametrize("name", MODES)
def test_the_overview_shows_each_mode_with_its_flags_and_an_example(name):
    text = help.overview()
    start = text.index(f"\n{name:10}{MODES[name].summary[:40]}")
    block = text[start : text.index("$", start)]
    for flag in FLAGS:
        assert (f"--{flag.name}" in block.split()) == (name in flag.modes)
    assert f"$ irsde-jax {MODES[name].examples[0]}\n" in text[start:]


def test_the_overview_explains_each_flag_once():
    rows = flag_rows(help.overview())
    assert rows == [*(flag.name for flag in FLAGS), "config.KEY", "verbosity"]


@pytest.mark.parametrize("name", MODES)
def test_the_page_of_a_mode_explains_its_flags_and_no_others(name):
    page = help.page_of(name)
    settings = ["config.KEY"] if MODES[name].takes_config else []
    expected = [*(flag.name for flag in flags_of(name)), *settings, "verbosity"]
    assert sorted(flag_rows(page)) == sorted(expected)
    words = " ".join(page.split())
    assert all(flag.help in words for flag in flags_of(name))
    assert all(f"irsde-jax {example}\n" in page for example in MODES[name].examples)
    assert max(len(line) for line in page.splitlines()) <= 100


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_each_example_is_a_valid_command(name, example):
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["irsde-jax", *shlex.split(example)], values)
    assert values.mode == name
    config = configuration.load(values.config or "default", overrides)
    assert config.is_locked


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_the_table_of_flags_is_consistent(flag):
    assert flag.modes and set(flag.modes) <= set(MODES)
    assert bool(flag.value) == (flag.kind is not Kind.SWITCH)
    assert flag.help.endswith(".")
    assert flag.help.split()[0] not in ("Of", "That", "Which", "See")


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["--help"], "usage: irsde-jax --mode=MODE"),
        (["-h", "--input=x"], "usage: irsde-jax --mode=MODE"),
        (["--mode=restore", "--help"], "usage: irsde-jax --mode=restore"),
        (["--helpshort", "--mode", "check"], "usage: irsde-jax --mode=check"),
        (["--wrong", "-mode=plot", "-?"], "usage: irsde-jax --mode=plot"),
    ],
)
def test_help_is_found_in_a_command_line(arguments, begins):
    argv = ["irsde-jax", *arguments]
    assert help.is_asked(argv)
    assert help.page(argv).startswith(begins)
    assert not help.is_asked(["irsde-jax", "--helpfull", "--input=--help"])


def test_help_on_a_mode_that_does_not_exist_names_the_nearest():
    with pytest.raises(UsageError, match=r"--mode=restor: .*did you mean 'restore'"):
        help.page(["irsde-jax", "--mode=restor", "--help"])


def test_help_goes_to_standard_output_and_is_a_success():
    result = command("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == help.overview() + "\n"
    result = command("--mode=restor", "--help")
    assert (result.returncode, result.stdout) == (2, "")
    assert "error: --mode=restor" in result.stderr


def test_absl_keeps_its_full_help():
    text = command("--helpfull").stdout
    assert "--[no]overwrite: Replace results that exist already." in text
    assert "logtostderr" in text


def test_help_imports_neither_jax_nor_numpy():
    code = (
        "import sys; from irsde_jax.cli import help; help.overview(); "
        "[help.page_of(name) for name in help.MODES]; "
        "print([name for name in ('jax', 'flax', 'PIL') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]", result.stderr
