"""A flag that XLA has renamed is left out; it does not end the tests."""

import os

import pytest
import xla_flags


@pytest.fixture(autouse=True)
def _flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    monkeypatch.setenv("IRSDE_JAX_TRIED_XLA_FLAGS", "")


def test_a_known_flag_is_added():
    assert xla_flags.add("--xla_force_host_platform_device_count=2")
    assert os.environ["XLA_FLAGS"] == (
        "--xla_cpu_enable_fast_math=false --xla_force_host_platform_device_count=2"
    )


def test_an_unknown_flag_is_left_out_and_tried_once(monkeypatch):
    assert not xla_flags.add("--xla_no_such_flag=1")
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
    monkeypatch.setattr("subprocess.run", None)  # it would fail if it were called
    assert not xla_flags.add("--xla_no_such_flag=1")


def test_the_value_of_the_user_wins():
    assert xla_flags.add("--xla_cpu_enable_fast_math=true")
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false"
