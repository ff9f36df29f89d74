"""Flags become arguments; mistakes become one line and an exit code."""

import importlib
import logging
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from absl import flags

import irsde_jax
from irsde_jax import configuration, main
from irsde_jax.cli import console
from irsde_jax.configuration import UsageError

ROOT = Path(__file__).resolve().parents[1]


def parse(*arguments: str) -> tuple[flags.FlagValues, list[str]]:
    values = flags.FlagValues()
    main.define_flags(values)
    return values, main.parse(["main", *arguments], values)


def run(*arguments: str) -> int:
    return main.run(*parse(*arguments))


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, tuple, dict]]:
    """Calls of the functions behind three modes, which do nothing."""
    made: list[tuple[str, tuple, dict]] = []
    functions = {
        "train": ("irsde_jax.training", "loop", "train"),
        "evaluate": ("irsde_jax.evaluation", "evaluate", "run"),
        "restore": ("irsde_jax.restoration.files", "runner", "run"),
    }
    for name, (package, module_name, function) in functions.items():
        module = types.ModuleType(f"{package}.{module_name}")

        def record(*args, _name=name, **kwargs):
            made.append((_name, args, kwargs))

        setattr(module, function, record)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        parent = importlib.import_module(package)
        monkeypatch.setattr(parent, module_name, module, raising=False)
    return made


@pytest.fixture
def workdir(tmp_path) -> str:
    """A work directory with a stored configuration."""
    configuration.write(configuration.load("quickstart"), tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--mode=train needs --config, one of deblurring.*and --workdir"),
        (
            ["--wrokdir=x"],
            "unknown flag --wrokdir.*mean 'workdir'.*allowed:.*--config",
        ),
        (["--mode"], "Missing value for flag --mode.*one of restore, app"),
        (["--mode=trian"], "--mode=trian: not one of restore.*did you mean 'train'"),
        (["--config=default"], "--mode=train needs --workdir"),
        (["--seed=x", "--workdir=w"], "--seed=x"),
        (["--workdir=w", "extra"], "unexpected argument 'extra'"),
        (["--workdir=w", "--input=i"], "--input means nothing to --mode=train.*restor"),
        (["--workdir=w", "--config.x"], "--config.x has no value"),
        (["--mode=evaluate"], "needs --weights or --workdir"),
        (["--mode=restore", "--output=o", "--workdir=w"], "needs --input"),
        (["--mode=restore", "--input=i", "--workdir=w"], "needs --output"),
        (["--mode=restore", "--input=i", "--output=o"], "needs --weights or --workdir"),
        (["--mode=evaluate", "--weights=a.pth"], "needs --config, one of deblurring"),
    ],
)
def test_a_mistake_in_the_flags_is_one_line(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir=w"], "--config is missing.*deraining.*'w' holds no configuration"),
        (["--mode=config"], "--config is missing"),
        (["--workdir=w", "--config=derain"], "did you mean 'deraining'"),
        (["--workdir=w", "--config=default", "--config.sed=1"], "did you mean 'seed'"),
        (
            ["--mode=restore", "--weights=w", "--input=i", "--output=o"]
            + ["--config.sampling.num_evals=5"],
            "--config is missing",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(calls, capsys, arguments, message):
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert re.search(message, captured.err), captured.err
    assert not calls


def test_training_gets_its_arguments(calls):
    override = "--config.train.batch_size=3"
    assert run("--config=quickstart", "--workdir=w", "--seed=7", override) == 0
    [(name, (config, workdir), options)] = calls
    assert (name, workdir, options) == ("train", "w", {"weights": None})
    assert (config.seed, config.train.batch_size, config.is_locked) == (7, 3, True)


def test_a_stored_configuration_is_taken_up_and_overridden(calls, workdir):
    override = "--config.train.num_steps=9"
    assert run("--workdir", workdir, override) == 0
    [(_, (config, _), _)] = calls
    assert (config.train.num_steps, config.model.width) == (9, 16)


def test_fine_tuning_does_not_take_the_configuration_of_the_weights(calls, workdir):
    assert run("--workdir=w", "--weights", workdir) == 2
    assert run("--workdir=w", "--weights", workdir, "--config=quickstart") == 0
    [(_, _, options)] = calls
    assert options == {"weights": workdir}


def test_restoring_gets_its_arguments(calls, workdir):
    files = ("--mode=restore", "--input=i", "--output=o")
    assert run(*files, "--weights", workdir, "--overwrite") == 0
    kept = ("--suffix=_x", "--format=jpg", "--quality=80", "--num_samples=4")
    read = ("--max_megapixels=250.5", "--no_metadata")
    assert run(*files, "--weights=shipped-name", "--seed=5", *kept, *read) == 0
    (_, _, stored), (_, _, shipped) = calls
    assert stored.pop("config") == configuration.load("quickstart")
    assert stored == {
        "workdir": None,
        "weights": workdir,
        "input": "i",
        "output": "o",
        "seed": 0,
        "overwrite": True,
        "suffix": "",
        "kind": None,
        "quality": None,
        "num_samples": 1,
        "max_megapixels": None,
        "provenance": True,
        "mask": None,
        "mask_keep": False,
    }
    assert shipped["config"] is None
    assert (shipped["suffix"], shipped["kind"]) == ("_x", "jpg")
    assert (shipped["quality"], shipped["num_samples"]) == (80, 4)
    assert (shipped["max_megapixels"], shipped["provenance"]) == (250.5, False)
    assert shipped["seed"] == 5


def test_restoring_gets_its_mask(calls, workdir):
    files = ("--mode=restore", "--input=i", "--output=o", "--weights", workdir)
    assert run(*files, "--mask=m.png") == 0
    assert run(*files, "--mask=m", "--mask_keep") == 0
    found = [(options["mask"], options["mask_keep"]) for _, _, options in calls]
    assert found == [("m.png", False), ("m", True)]
    with pytest.raises(UsageError, match="--mask_keep has no effect without --mask"):
        run(*files, "--mask_keep")


def test_evaluating_gets_its_arguments(calls):
    run("--mode=evaluate", "--weights=a.pth", "--config=deraining", "--output=o")
    [(name, _, options)] = calls
    assert name == "evaluate"
    assert options.pop("config").task == "deraining"
    assert options == {
        "workdir": None,
        "weights": "a.pth",
        "output": "o",
        "overwrite": False,
    }


def test_the_configuration_is_printed(capsys, workdir):
    assert run("--mode=config", "--workdir", workdir, "--config.seed=4") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "config.seed = 4" in lines
    assert "config.model.width = 16" in lines


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, FileExistsError])
def test_an_error_of_the_library_is_one_line(calls, capsys, error):
    def fail(*args, **kwargs):
        raise error("no images in\n'photos'")

    irsde_jax.training.loop.train = fail
    values, overrides = parse("--config=quickstart", "--workdir=w")
    assert main.run(values, overrides) == 1
    assert capsys.readouterr().err == "error: no images in 'photos'\n"
    with pytest.raises(error):
        main.run(values, overrides, debug=True)


def test_our_log_lines_are_shown_by_default_and_no_others():
    code = (
        "import logging, sys, warnings\n"
        "from absl import logging as absl_logging\n"
        "from irsde_jax import main\n"
        "def log(values, config):\n"
        "    logging.getLogger('irsde_jax.training.loop').info('ours')\n"
        "    absl_logging.info('chatter'); absl_logging.warning('chatter')\n"
        "    logging.getLogger('jax').warning('chatter')\n"
        "    warnings.warn('chatter')\n"
        "    absl_logging.error('alarm')\n"
        "main.MODES['config'] = main.MODES['config']._replace(run=log)\n"
        "main.main()\n"
    )
    command = [sys.executable, "-c", code, "--mode=config", "--config=default"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("ours\n")
    assert "alarm" in result.stderr
    assert "chatter" not in result.stderr
    command.append("--verbosity=0")
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.stderr.count("chatter") >= 4


def test_the_program_exits_with_the_code():
    command = [sys.executable, "-m", "irsde_jax.main", "--mode=config"]
    command += ["--config=deraining", "--config.train.bach_size=3"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "did you mean 'train.batch_size'" in result.stderr


def test_the_logger_is_set_up_once():
    logger = logging.getLogger("irsde_jax")
    before = logger.handlers, logger.propagate, logger.level
    try:
        console.set_up_logging(1)
        console.set_up_logging(1)
        assert len(logger.handlers) == 1
        assert logger.level == logging.DEBUG
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


def test_compiled_programs_are_kept_where_the_flag_says(calls, workdir, tmp_path):
    import jax

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        folder = str(tmp_path / "programs")
        assert run(f"--workdir={workdir}", f"--compilation_cache={folder}") == 0
        assert jax.config.jax_compilation_cache_dir == folder
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
    assert [name for name, *_ in calls] == ["train"]
