"""A misspelt setting or a value of a wrong type is named, wherever it comes from."""

import json
import re

import ml_collections
import pytest
from absl import flags

from irsde_jax import configuration, main, models
from irsde_jax.app.choices import Limits
from irsde_jax.configuration import UsageError
from irsde_jax.data import degradations
from irsde_jax.restoration import configured, restorer
from irsde_jax.training import experiment


def make(first, size=1, *, name, **more):
    return first, size, name, more


def closed(first, size=1, *, name):
    return first, size, name


def config_of(**settings) -> ml_collections.ConfigDict:
    return ml_collections.ConfigDict({"group": settings})


def test_a_function_gets_the_settings_of_a_group():
    found = configuration.call_with(make, config_of(size=2, x=3), "group", 1, name="n")
    assert found == (1, 2, "n", {"x": 3})
    found = configuration.call_with(closed, config_of(name="n"), "group", 1)
    assert found == (1, 1, "n")


@pytest.mark.parametrize(
    ("settings", "arguments", "more", "message"),
    [
        ({"sise": 2}, [1], {"name": "n"}, "group.sise is not .* 'size'.*group.size"),
        ({"first": 2}, [1], {"name": "n"}, "group.first is not a setting"),
        ({"name": "m"}, [1], {"name": "n"}, "group.name is not a setting"),
        ({"name": "m"}, [], {}, "lacks group.first"),
        ({}, [1], {}, "lacks group.name"),
    ],
)
def test_a_setting_that_the_function_does_not_take_is_named(
    settings, arguments, more, message
):
    with pytest.raises(UsageError, match=message):
        configuration.call_with(
            closed, config_of(**settings), "group", *arguments, **more
        )


def test_a_type_error_inside_the_function_stays_one():
    def fail(size):
        return len(size)

    with pytest.raises(TypeError, match="has no len"):
        configuration.call_with(fail, config_of(size=3), "group")


@pytest.mark.parametrize("group", ["schedule", "optimizer", "loss", "model"])
def test_a_training_names_a_misspelt_setting(group):
    config = configuration.load("quickstart").unlock()
    config[group]["nmae"] = 1
    with pytest.raises(ValueError, match="nmae"):
        experiment.build(config)


def test_a_restorer_and_the_page_name_a_misspelt_setting():
    config = configuration.load("quickstart").unlock()
    config.schedule.delat = 0.1
    with pytest.raises(UsageError, match=r"schedule.delat .*'delta'"):
        restorer.Restorer.from_config(config, {}, configured.make_network(config))
    config.app.megabites = 3
    with pytest.raises(UsageError, match=r"app.megabites .*'megabytes'"):
        configuration.call_with(Limits, config, "app")
    config.model.conditional = True
    with pytest.raises(UsageError, match=r"model.conditional is not a setting"):
        configured.make_network(config)


def experiment_with(folder, line) -> str:
    """The path of a user's configuration file with one more line."""
    default = str(configuration.config_dir() / "default.py")
    path = folder / "mine.py"
    path.write_text(
        "import runpy\n\ndef get_config():\n"
        f"    config = runpy.run_path({default!r})['get_config']()\n"
        f"    {line}\n    return config\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("config.schedule.delat = 1", "mine.py: 'schedule.delat' is not.*'schedule.de"),
        ("config.schedule = dict(num_steps=9)", "mine.py: .*lacks 'schedule.delta'"),
        ("config.model = dict(width=16)", "mine.py: .*lacks 'model.name'"),
        ("config.seed = None", "mine.py: seed=None has the type NoneType.*an integer"),
        ("config.train = 3", "mine.py:5: TypeError: .*'train'"),
        (
            "config.loss = dict(name='noise', norm=1)",
            "mine.py: loss.norm=1 has the type int; it must be text",
        ),
        (
            "config.validation = dict(config.validation, every='5')",
            "mine.py: validation.every='5' has the type str; it must be an integer",
        ),
        (
            "config.data = dict(config.data, data_range=1.0)",
            "data.data_range=1.0 has the type float; it must be a tuple of float",
        ),
    ],
)
def test_a_mistake_in_a_file_of_the_user_is_one_line(tmp_path, capsys, line, message):
    path = experiment_with(tmp_path, line)
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["main", "--mode=config", f"--config={path}"], values)
    assert main.run(values, overrides) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error), error


@pytest.mark.parametrize(
    "line",
    [
        "config.optimizer.learning_rate = 1",
        "config.optimizer = dict(config.optimizer, learning_rate=1)",
        "config.sampling.sigma = None",
        "config.sampling.sigma = 0.1",
        "config.degradation = dict(name='box_mask', size=(0.1, 0.2))",
    ],
)
def test_values_that_fit_are_taken(tmp_path, line):
    assert configuration.load(experiment_with(tmp_path, line)).is_locked


@pytest.mark.parametrize(
    ("group", "value", "message"),
    [
        ("train", 3, "train must be a group of settings"),
        ("task", {"a": 1}, "task must be a single value"),
        ("schedule", {"num_steps": "9"}, "schedule.num_steps='9' has the type str"),
    ],
)
def test_a_stored_configuration_with_a_wrong_type_is_named(
    tmp_path, group, value, message
):
    path = configuration.write(configuration.load("quickstart"), tmp_path)
    content = json.loads(path.read_text())
    content["config"][group] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"config.json: {message}"):
        configuration.read_stored(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": "16"}, "model width='16' must be an integer"),
        ({"width": 16.0}, "must be an integer"),
        ({"width": True}, "must be an integer"),
        ({"remat": 1}, "model remat=1 must be True or False"),
        ({"enc_blocks": 3}, "model enc_blocks=3 must be a tuple of integers"),
        ({"enc_blocks": (1, "a")}, "must be a tuple of integers"),
    ],
)
def test_a_network_option_of_a_wrong_type_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.make_model("nafnet", **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gaussian_noise", {"sigma": "25"}),
        ("gaussian_noise", {"sigma": (0.1, "0.2")}),
        ("box_mask", {"size": "small"}),
        ("box_mask", {"sigma": "25"}),
    ],
)
def test_a_degradation_option_that_is_text_is_named(name, options):
    with pytest.raises(ValueError, match="is text; it must be a number"):
        degradations.make_degradation(name, **options)
    assert degradations.make_degradation("half_mask", side="left") is not None
