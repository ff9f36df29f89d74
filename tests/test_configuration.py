"""Configurations: found, checked, overridden, stored and compared."""

import copy
import errno
import json
import os
import re

import pytest
from absl.testing import parameterized
from ml_collections import config_dict

from irsde_jax import configuration
from irsde_jax.configuration import UsageError

pytestmark = pytest.mark.core

NAMES = configuration.config_names()
SHIPPED = (
    *NAMES,
    *(f"{n}:{v}" for n in NAMES for v in configuration.config_variants(n)),
    *("deraining:light,small,synthetic", "denoising:blind,ddpm,small"),
)


def one_line(function, *arguments) -> str:
    """The message of the UsageError that the call raises, which is one line."""
    with pytest.raises(UsageError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


class LoadTest(parameterized.TestCase):
    @parameterized.parameters(*SHIPPED)
    def test_a_shipped_configuration_loads_locked(self, name):
        config = configuration.load(name)
        assert config.is_locked
        with pytest.raises(AttributeError, match="bach_size"):
            config.train.bach_size = 3

    def test_every_task_of_the_paper_has_one(self):
        tasks = ("deblurring", "dehazing", "denoising", "deraining", "inpainting")
        assert {*tasks, "shadow_removal", "super_resolution"} <= set(NAMES)
        for name in (*tasks, "super_resolution"):
            variants = configuration.config_variants(name)
            assert {"refusion", "ddpm", "small", "synthetic"} <= set(variants)

    def test_variants_join_in_any_order(self):
        joined = configuration.load("deraining:light,small,synthetic")
        assert joined == configuration.load("deraining:synthetic,light,small")
        assert joined.degradation.name == "light_rain"
        assert joined.model.width == 16
        message = one_line(configuration.load, "deraining:small,small")
        assert "'small' is given twice" in message

    def test_a_path_is_as_good_as_a_name(self):
        path = configuration.config_dir() / "deraining.py"
        by_path = configuration.load(f"{path}:refusion")
        assert by_path == configuration.load("deraining:refusion")
        assert by_path.model.name == "nafnet"

    @parameterized.parameters(
        ("derain", "no configuration 'derain'.*denoising.*did you mean 'deraining'"),
        ("configs/denosing.py", "no file 'configs/denosing.py'.*mean 'denoising'"),
        ("quickstart:large", "quickstart.py takes no argument, got 'large'"),
        ("deraining:large", r"deraining.py:\d+: ValueError: 'large' is not one of"),
    )
    def test_an_unknown_one_names_the_nearest(self, source, message):
        self.assertRegex(one_line(configuration.load, source), message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("config.train.bach_size = 3", "'train.bach_size' is not.*'train.batch_size'"),
        ("del config.train.ema_decay", "lacks 'train.ema_decay'"),
        ("config.seed = 1 / 0", "mine.py:5: ZeroDivisionError: division by zero"),
        ("config = None", "must return a ConfigDict"),
        ("get_config(", "mine.py:5: SyntaxError"),
    ],
)
def test_a_mistake_in_an_experiment_is_named(tmp_path, line, message):
    default = configuration.config_dir() / "default.py"
    path = tmp_path / "mine.py"
    path.write_text(
        "import runpy\n\ndef get_config():\n"
        f"    config = runpy.run_path({str(default)!r})['get_config']()\n"
        f"    {line}\n    return config\n"
    )
    text = one_line(configuration.load, str(path))
    assert re.search(message, text), text


class OverrideTest(parameterized.TestCase):
    @parameterized.parameters(
        ("train.batch_size", "8", 8),
        ("optimizer.learning_rate", "2", 2.0),
        ("data.augment", "false", False),
        ("model.name", "nafnet", "nafnet"),
        ("optimizer.milestones", "(1, 2)", (1, 2)),
        ("sampling.sigma", "0.1", 0.1),
        ("seed", "-3", -3),
    )
    def test_sets_the_value_with_its_type(self, key, text, expected):
        default = configuration.load("default")
        before = configuration.to_json(default)
        config = configuration.override(default, [f"--config.{key}={text}"])
        value = config
        for part in key.split("."):
            value = value[part]
        assert value == expected
        assert type(value) is type(expected)
        assert config.is_locked
        assert configuration.to_json(default) == before

    @parameterized.parameters(
        ("--config.train.bach_size=8", "did you mean 'train.batch_size'.*num_steps"),
        ("--config.trian.x=8", "did you mean 'train'.*allowed: app, data"),
        ("--config.train=8", "--config.train is a group.*train.batch_size"),
        ("--config.train.batch_size=8.5", "'8.5' is not an integer; it is 16"),
        ("--config.train.batch_size=", "'' is not an integer"),
        ("--config.data.augment=3", "'3' is not true or false; it is True"),
        ("--config.optimizer.milestones=(1.5,)", "is not a tuple of int"),
        ("--config.sampling.sigma=x", "'x' is not a number; it is unset"),
    )
    def test_a_mistake_names_what_is_allowed(self, item, message):
        default = configuration.load("default")
        text = one_line(configuration.override, default, [item])
        self.assertRegex(text, message)
        assert item.partition("=")[0] in text

    def test_a_command_line_is_parted(self):
        argv = ["main", "--config=a", "--config.x=1", "-config.y", "-2", "--seed=1"]
        overrides, rest = configuration.split_overrides([*argv, "--noconfig.z"])
        assert overrides == ["--config.x=1", "--config.y=-2", "--config.z=false"]
        assert rest == ["main", "--config=a", "--seed=1"]
        for argv in (["--config.x"], ["--config.x", "--seed=1"]):
            assert "--config.x has no value" in one_line(
                configuration.split_overrides, argv
            )


class StoredTest(parameterized.TestCase):
    @parameterized.parameters(*SHIPPED)
    def test_json_is_a_faithful_round_trip(self, name):
        config = configuration.load(name)
        again = configuration.from_json(configuration.to_json(config))
        assert again == config
        assert configuration.to_json(again) == configuration.to_json(config)
        assert isinstance(again.optimizer.milestones, tuple)
        assert again.is_locked

    def test_an_unset_value_keeps_its_type(self):
        stored = configuration.to_json(configuration.load("default"))
        config = configuration.from_json(stored)
        assert config.sampling.sigma is None
        config = configuration.override(config, ["--config.sampling.sigma=1"])
        assert config.sampling.sigma == 1.0

    def test_a_list_cannot_be_stored(self):
        config = config_dict.ConfigDict({"train": {"steps": [1]}})
        with pytest.raises(ValueError, match=r"config.train.steps.*list"):
            configuration.to_json(config)

    def test_the_text_can_be_pasted_into_an_experiment(self):
        config = configuration.load("quickstart")
        names = {"config": copy.deepcopy(configuration.load("default"))}
        names["config"].unlock().model = {}
        exec(configuration.to_text(config), names)
        assert configuration.to_json(names["config"]) == configuration.to_json(config)

    def test_differences_are_those_that_change_the_meaning_of_weights(self):
        stored = configuration.load("deraining")
        assert configuration.differences(stored, stored) == []
        free = ["--config.train.batch_size=1", "--config.model.dtype=bfloat16"]
        given = configuration.override(stored, free)
        assert configuration.differences(stored, given) == []
        given = configuration.override(stored, ["--config.schedule.num_steps=50"])
        lines = configuration.differences(stored, given)
        assert lines == ["schedule.num_steps: stored 100, given 50"]
        lines = configuration.differences(stored, configuration.load("quickstart"))
        assert "task: stored 'deraining', given 'denoising'" in lines
        assert "model.features: stored 64, given absent" in lines


def test_a_work_directory_stores_it(tmp_path):
    config = configuration.load("denoising")
    assert not configuration.has_stored(tmp_path)
    path = configuration.write(config, tmp_path / "run")
    assert [item.name for item in path.parent.iterdir()] == ["config.json"]
    assert json.loads(path.read_text())["format_version"] == 1
    assert configuration.has_stored(tmp_path / "run")
    assert configuration.read_stored(tmp_path / "run") == config


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, FileNotFoundError, "not the work directory"),
        ("{", ValueError, "is damaged"),
        ("[]", ValueError, "is damaged"),
        ('{"format_version": 9, "config": {}}', ValueError, "version 9.*reads 1"),
    ],
)
def test_a_bad_stored_configuration_is_an_error(tmp_path, content, error, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=message):
        configuration.read_stored(tmp_path)


def test_a_configuration_of_an_earlier_version_gets_the_defaults(tmp_path):
    config = configuration.load("denoising", ["--config.train.batch_size=32"])
    old = copy.deepcopy(config)
    with old.unlocked():
        del old.sampling["debias"], old.evaluation["num_samples"], old["validation"]
    configuration.write(old, tmp_path)
    found = configuration.read_stored(tmp_path)
    assert configuration.to_json(found) == configuration.to_json(config)
    with pytest.raises(AttributeError):
        found.train.batchsize = 8  # it is locked


def test_a_stored_configuration_stays_whole_if_another_cannot_be_written(tmp_path):
    path = configuration.write(configuration.load("default"), tmp_path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.EIO, "the disk is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match=r"the disk is gone.*config\.json"):
            configuration.write(configuration.load("denoising"), tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
