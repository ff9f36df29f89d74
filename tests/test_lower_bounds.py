"""The oldest supported versions that are tested are those that setup.cfg promises."""

import re
import subprocess
import sys

import lower_bounds
import pytest

SETUP = """
[options]
install_requires =
    # A comment is no requirement.
    jax>=0.10
    protobuf>=5.1,<7; python_version < "3.14"
[options.extras_require]
plot =
    matplotlib>=3.10
cuda =
    jax[cuda13]>=0.10
"""


def test_constraints_are_the_lower_bounds_of_requirements_and_extras():
    base = ["jax==0.10", "protobuf==5.1"]
    assert lower_bounds.constraints(SETUP, []) == base
    assert lower_bounds.constraints(SETUP, ["cuda"]) == base
    assert lower_bounds.constraints(SETUP) == [*base, "matplotlib==3.10"]


@pytest.mark.parametrize(
    ("setup", "extras", "message"),
    [
        (SETUP, ["plots"], "no extras .'plots'.. Choose from .'cuda', 'plot'."),
        (SETUP.replace("jax>=0.10", "jax"), [], "'jax' has no lower bound"),
        (SETUP.replace("13]>=0.10", "13]>=0.11"), None, "0.10 and 0.11"),
    ],
)
def test_faulty_requirements_are_named(setup, extras, message):
    with pytest.raises(ValueError, match=message):
        lower_bounds.constraints(setup, extras)


def test_script_needs_the_standard_library_alone():
    """The environment of the oldest versions is empty when the script is called."""
    command = [sys.executable, "-I", "-S", lower_bounds.__file__]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(re.fullmatch(r"[\w.-]+==\d[\d.]*", line) for line in lines.splitlines())
    text = lower_bounds.SETUP.read_text("utf-8")
    assert lines.splitlines() == lower_bounds.constraints(text)
    fewer = subprocess.run(
        [*command, "plot"], capture_output=True, text=True, check=True
    ).stdout
    assert set(lines.splitlines()) > set(fewer.splitlines())
    assert "matplotlib==" in fewer
