"""One training on 1, 2, 4 and 8 devices, and in two processes: the same numbers."""

import shutil
import signal
import socket

import children
import numpy as np
import pytest
import tiny_runs

from irsde_jax.training import interruption, logs


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return tiny_runs.write_config(tmp_path_factory.mktemp("hosts"))


@pytest.fixture(scope="module")
def single(config):
    """Twenty steps of Adam with batches of 16 on one device."""
    workdir = config.parent / "single"
    assert tiny_runs.run(config, workdir) == 0, tiny_runs.said(workdir)
    found = tiny_runs.losses(workdir)
    assert len(found) == 20
    assert found[-1] != found[0]
    return workdir


@pytest.mark.parametrize(
    "num_devices",
    [
        pytest.param(2, marks=pytest.mark.long),
        pytest.param(4, marks=pytest.mark.long),
        8,
    ],
)
def test_number_of_devices_does_not_change_the_training(config, single, num_devices):
    workdir = config.parent / f"devices_{num_devices}"
    code = tiny_runs.run(config, workdir, num_devices=num_devices)
    assert code == 0, tiny_runs.said(workdir)
    np.testing.assert_allclose(
        tiny_runs.losses(workdir), tiny_runs.losses(single), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("first", "then"), [(4, 1), pytest.param(1, 4, marks=pytest.mark.long)]
)
def test_checkpoint_moves_between_numbers_of_devices(config, single, first, then):
    """A run that lost its last checkpoint goes on from step 10 elsewhere."""
    workdir = config.parent / f"moved_{first}_{then}"
    assert tiny_runs.run(config, workdir, num_devices=first) == 0
    shutil.rmtree(workdir / "checkpoints" / "20")
    assert tiny_runs.run(config, workdir, num_devices=then) == 0
    assert "resuming at step 10" in tiny_runs.said(workdir)
    found = tiny_runs.losses(workdir)
    assert len(found) == 30  # both starts
    np.testing.assert_allclose(found[20:], tiny_runs.losses(single)[10:], rtol=1e-5)


# `test_train_step` compares slices with the whole batch in every run of the tests.
@pytest.mark.long
def test_slices_do_not_change_the_training(config, single):
    workdir = config.parent / "slices"
    code = tiny_runs.run(config, workdir, "--config.train.accumulate=4")
    assert code == 0, tiny_runs.said(workdir)
    np.testing.assert_allclose(
        tiny_runs.losses(workdir), tiny_runs.losses(single), rtol=1e-5
    )


def _start_two(config, workdir, *flags):
    """Two processes of two devices each."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    return [
        tiny_runs.start(
            config,
            workdir,
            f"--coordinator={address}",
            "--num_processes=2",
            f"--process_id={index}",
            *flags,
            num_devices=2,
            log=workdir.parent / f"{workdir.name}.{index}.log",
        )
        for index in range(2)
    ]


def _codes(processes):
    """The exit codes of processes that end together."""
    return [children.exit_code(process) for process in processes]


def _logs(workdir):
    paths = sorted(workdir.parent.glob(f"{workdir.name}.*.log"))
    return "\n".join(path.read_text() for path in paths)


def test_two_processes_train_as_one(config, single):
    """Each reads its half of the batch; one writes; and the run goes on."""
    workdir = config.parent / "two"
    assert _codes(_start_two(config, workdir)) == [0, 0], _logs(workdir)
    np.testing.assert_allclose(
        tiny_runs.losses(workdir), tiny_runs.losses(single), rtol=1e-5
    )
    entries = logs.read_metrics(workdir / "logs")
    assert len([e for e in entries if "loss" in e]) == 20  # written once
    np.testing.assert_array_equal(tiny_runs.final_state(workdir).step, 20)
    # The checkpoint of two processes is read by one, and by two.
    more = "--config.train.num_steps=22"
    assert _codes(_start_two(config, workdir, more)) == [0, 0], _logs(workdir)
    assert "resuming at step 20" in _logs(workdir)
    assert tiny_runs.run(config, workdir, "--config.train.num_steps=23") == 0
    assert tiny_runs.final_state(workdir).step == 23


def test_signal_to_one_process_stops_all_at_the_same_step(config, single):
    workdir = config.parent / "preempted"
    # More steps than any machine takes before the signal arrives.
    flags = [
        f"--config.train.{name}=1000000" for name in ("num_steps", "checkpoint_every")
    ]
    processes = _start_two(config, workdir, *flags)
    has_begun = lambda: tiny_runs.num_lines(workdir) > 3  # noqa: E731
    assert children.wait_for(has_begun, *processes), _logs(workdir)
    processes[1].send_signal(signal.SIGTERM)
    assert _codes(processes) == [interruption.EXIT_CODE] * 2, _logs(workdir)
    assert 3 < tiny_runs.final_state(workdir).step < 1_000_000


def test_process_of_no_training_is_a_clear_error(config, tmp_path):
    code = tiny_runs.run(config, tmp_path / "run", "--coordinator=127.0.0.1:1")
    assert code == 2
    assert "--process_id" in tiny_runs.said(tmp_path / "run")
    assert tiny_runs.run(config, tmp_path / "run", "--distributed") == 1
    assert "--num_processes" in tiny_runs.said(tmp_path / "run")
