"""Flags are given once, paths may begin with ~, and no flag is ignored."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from irsde_jax import configuration, main
from irsde_jax.cli import definitions
from irsde_jax.cli import flags as cli_flags
from irsde_jax.cli.flag import Flag, Kind
from irsde_jax.configuration import UsageError
from irsde_jax.configuration.values import flatten
from irsde_jax.restoration import loading

ROOT = Path(__file__).resolve().parents[1]
RESTORE = ("--mode=restore", "--weights=w", "--output=o")


def parse(*arguments: str) -> tuple[flags.FlagValues, list[str]]:
    values = flags.FlagValues()
    main.define_flags(values)
    return values, main.parse(["main", *arguments], values)


def mistake(*arguments: str) -> str:
    """The message about a command line that is wrong."""
    with pytest.raises(UsageError) as caught:
        parse(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder, which is not the current folder."""
    folder = tmp_path / "home"
    (folder / "here").mkdir(parents=True)
    monkeypatch.chdir(folder / "here")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*RESTORE, "--input=a", "--input=b"], "--input=a and --input=b.*a folder or"),
        ([*RESTORE, "--input=a", "--input", "a"], "--input is given twice"),
        (["--config=a", "--config=b"], "--config=a and --config=b.*variants by commas"),
        (["--workdir=a", "--workdir=b"], "--workdir=b.*plot takes several"),
        (["--mode=train", "--mode=check"], "--mode=train and --mode=check.*one of"),
        (["--seed=1", "--seed=2"], "--seed=1 and --seed=2, but takes one value"),
        (["--overwrite", "--nooverwrite"], "--overwrite=true and --overwrite=false"),
        (["--verbosity=1", "-v=0"], "--verbosity=1 and -v=0: --verbosity takes one"),
        (["--config.x=1", "--config.x=2"], "--config.x=1 and --config.x=2"),
        (["--config.x=true", "--noconfig.x"], "--config.x is given twice"),
    ],
)
def test_a_flag_given_twice_is_an_error(arguments, message):
    assert re.search(message, mistake(*arguments))


def test_weights_given_twice_are_joined(tmp_path):
    values, _ = parse("--mode=evaluate", "--weights=a,b", "--weights=c")
    assert cli_flags.split_weights(values.weights) == ["a", "b", "c"]
    assert "takes one" in mistake(*RESTORE, "--weights=v", "--input=i")


@pytest.mark.parametrize("flag", cli_flags.FLAGS, ids=lambda flag: flag.name)
def test_a_value_that_is_empty_is_an_error(flag):
    if flag.kind is Kind.SWITCH:
        return
    values = flags.FlagValues()
    main.define_flags(values)
    if flag.may_be_empty:
        values([flag.name, f"--{flag.name}="])
        assert values[flag.name].value == ""
    else:
        with pytest.raises(flags.Error, match=f"--{flag.name}=: the value"):
            values([flag.name, f"--{flag.name}="])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--quality=0", "--quality=0: the value must be an integer, at least 1 and"),
        ("--quality=1.5", "--quality=1.5: the value must be an integer"),
        ("--num_samples=0", "must be an integer, at least 1$"),
        ("--seed=4294967296", "at most 4294967295"),
        ("--seed=x", "--seed=x: the value must be an integer"),
    ],
)
def test_a_number_out_of_range_is_an_error(argument, message):
    assert re.search(message, mistake(*RESTORE, "--input=i", argument))


def test_a_decimal_number_is_finite_and_within_its_limits():
    flag = Flag("size", Kind.DECIMAL, (), "The size.", value="N", low=0.5)
    parser = definitions.parser_of(flag)
    assert parser.parse("1.5") == 1.5
    for text in ("0.4", "nan", "inf", "x", ""):
        with pytest.raises(ValueError, match=r"must be a number, at least 0\.5"):
            parser.parse(text)
    assert not math.isnan(parser.parse("7"))


PATHS = [flag for flag in cli_flags.FLAGS if flag.kind in (Kind.PATH, Kind.PATHS)]


def test_every_path_is_known_as_one():
    names = {"config", "workdir", "weights", "input", "output", "compilation_cache"}
    assert {flag.name for flag in PATHS} >= names


@pytest.mark.parametrize("flag", PATHS, ids=lambda flag: flag.name)
def test_a_flag_that_is_a_path_expands_the_home_folder(home, flag):
    parser = definitions.parser_of(flag)
    assert parser.parse("~/a") == str(home / "a")
    assert parser.parse("~") == str(home)
    assert parser.parse("a/~") == "a/~"
    assert parser.parse("./~") == "./~"


def test_several_paths_expand_the_home_folder_each(home):
    values, _ = parse("--mode=evaluate", "--weights=~/a,b", "--weights=~/c")
    assert values.weights == f"{home}/a,b,{home}/c"
    values, _ = parse("--mode=plot", "--workdir=~/a,~/b")
    assert values.workdir == f"{home}/a,{home}/b"


def test_text_keeps_its_tilde(home):
    values, _ = parse(*RESTORE, "--input=i", "--suffix=~")
    assert values.suffix == "~"


def test_the_home_folder_of_a_user_is_expanded(home):
    pwd = pytest.importorskip("pwd")
    user = pwd.getpwuid(os.getuid())
    values, _ = parse(*RESTORE, f"--input=~{user.pw_name}/a")
    assert values.input == os.path.join(user.pw_dir, "a")


def test_an_unknown_home_folder_is_an_error(home):
    text = mistake(*RESTORE, "--input=~nobody-here/a")
    assert "--input=~nobody-here/a" in text
    assert "home folder ~nobody-here is unknown" in text
    assert "./~nobody-here/a" in text
    Path("~backup.png").touch()  # a file of that name is that file
    assert parse(*RESTORE, "--input=~backup.png")[0].input == "~backup.png"


def test_settings_that_are_paths_expand_the_home_folder(home):
    overrides = [f"--config.{key}=~/photos" for key in configuration.PATH_SETTINGS]
    flat = flatten(configuration.load("default", overrides))
    assert {flat[key] for key in configuration.PATH_SETTINGS} == {str(home / "photos")}
    kept = configuration.load("default", ["--config.data.train_dir=tfds:a/b"])
    assert kept.data.train_dir == "tfds:a/b"
    with pytest.raises(UsageError, match=r"validation.dir=~nobody-here: .*unknown"):
        configuration.load("default", ["--config.validation.dir=~nobody-here"])


def test_every_setting_that_names_a_folder_is_known_as_a_path():
    flat = flatten(configuration.load("default"))
    folders = {key for key in flat if key.endswith(("dir", "_file", "_path"))}
    assert folders <= set(configuration.PATH_SETTINGS) <= set(flat)


def test_an_experiment_of_the_user_may_name_the_home_folder(home):
    default = configuration.config_dir() / "default.py"
    (home / "mine.py").write_text(
        "import runpy\n\ndef get_config():\n"
        f"    config = runpy.run_path({str(default)!r})['get_config']()\n"
        "    config.data.train_dir = '~/photos'\n    return config\n"
    )
    values, overrides = parse("--config=~/mine.py", "--workdir=~/run")
    config = configuration.load(values.config, overrides)
    assert config.data.train_dir == str(home / "photos")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # a flag that another flag hides
        ([*RESTORE, "--input=i", "--workdir=x"], "--workdir=x would be ignored.*leave"),
        (
            ["--mode=pack", "--weights=w", "--workdir=x", "--output=o"],
            "--workdir=x wou",
        ),
        (["--mode=app", "--weights=w", "--workdir=x"], "--workdir=x would be ignored"),
        (
            ["--mode=evaluate", "--weights=w", "--workdir=x", "--output=o"],
            "--workdir=x would be ignored beside --weights and --output",
        ),
        (["--mode=config", "--config=default", "--weights=w"], "--weights=w would be"),
        (["--mode=check", "--config=default", "--overwrite"], "no effect.*--output"),
        # the same value by two flags
        (
            ["--config=default", "--workdir=w", "--seed=1", "--config.seed=2"],
            "--seed=1 and --config.seed=2 set the same value",
        ),
        ([*RESTORE, "--input=i", "--config.seed=2"], "nothing to.*restore; write --se"),
        # settings where there is no configuration
        (["--mode=weights", "--config.seed=2"], "--config.seed=2 means nothing"),
        (["--mode=plot", "--workdir=w", "--config.seed=2"], "reads no configuration"),
        # processes
        (
            ["--config=default", "--workdir=w", "--num_processes=2"],
            "needs all of --coordinator.*given: --num_processes",
        ),
        (
            ["--config=default", "--workdir=w", "--distributed", "--process_id=0"],
            "goes without --process_id",
        ),
        (
            ["--config=default", "--workdir=w", "--coordinator=h:1"]
            + ["--num_processes=2", "--process_id=2"],
            "--process_id=2: .*--num_processes=2 are counted from 0 to 1",
        ),
        # near misses
        (["--confg=deraining"], "unknown flag --confg; did you mean 'config'"),
        (["--confg.train.batch_size=3"], "did you mean '--config.train.batch_size'"),
        (["--train.batch_size=3"], "did you mean '--config.train.batch_size'"),
        (["--mode=restor"], "--mode=restor: .*did you mean 'restore'"),
        ([*RESTORE, "--input", "i", str(ROOT / "README.md")], "pattern in quotes"),
    ],
)
def test_a_flag_that_would_be_ignored_is_an_error(arguments, message):
    assert re.search(message, mistake(*arguments)), mistake(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config=default", "--workdir=w", "--weights=v", "--seed=3"],
        ["--mode=evaluate", "--weights=w", "--workdir=x"],
        ["--mode=check", "--config=default", "--workdir=w"],
        ["--mode=config", "--config=default", "--workdir=w", "--config.seed=1"],
        [*RESTORE, "--input=i", "--config=default", "--seed=1", "--overwrite"],
        ["--mode=plot", "--workdir=a,b", "--overwrite"],
    ],
)
def test_flags_that_go_together_are_no_error(arguments):
    parse(*arguments)


@pytest.mark.parametrize("flag", cli_flags.FLAGS, ids=lambda flag: flag.name)
@pytest.mark.parametrize("mode", list(main.MODES))
def test_each_mode_refuses_the_flags_of_others(mode, flag):
    value = {Kind.SWITCH: "", Kind.INTEGER: "=1", Kind.DECIMAL: "=1"}.get(
        flag.kind, "=x"
    )
    values = flags.FlagValues()
    main.define_flags(values)
    try:
        main.parse(["main", f"--mode={mode}", f"--{flag.name}{value}"], values)
        refused = False
    except UsageError as error:
        refused = f"--{flag.name} means nothing to --mode={mode}" in str(error)
    assert refused == (mode not in flag.modes)


def test_a_configuration_that_all_weights_hide_is_an_error(monkeypatch, capsys):
    stored = {"a": configuration.load("quickstart"), "b": None}
    monkeypatch.setattr(loading, "stored_config", stored.get)
    run = []
    mode = main.MODES["evaluate"]._replace(
        run=lambda values, *configs: run.append(configs)
    )
    monkeypatch.setitem(main.MODES, "evaluate", mode)
    arguments = ("--mode=evaluate", "--output=o", "--config=deraining")
    assert main.run(*parse(*arguments, "--weights=a,b")) == 0
    assert [config.task for config in run[0]] == ["denoising", "deraining"]
    stored["b"] = stored["a"]
    assert main.run(*parse(*arguments, "--weights=a,b")) == 2
    assert "--config=deraining would be ignored" in capsys.readouterr().err


def test_an_error_of_a_programmer_shows_its_traceback(monkeypatch):
    def fail(values, config):
        raise TypeError("unsupported operand")

    mode = main.MODES["config"]._replace(run=fail)
    monkeypatch.setitem(main.MODES, "config", mode)
    with pytest.raises(TypeError, match="unsupported operand"):
        main.run(*parse("--mode=config", "--config=default"))


def test_the_program_prints_the_traceback_of_a_type_error():
    code = (
        "from irsde_jax import main\n"
        "def log(values, config):\n"
        "    len(3)\n"
        "main.MODES['config'] = main.MODES['config']._replace(run=log)\n"
        "main.main()\n"
    )
    command = [sys.executable, "-c", code, "--mode=config", "--config=default"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "TypeError: object of type 'int' has no len()" in result.stderr
