"""A training that is stopped anywhere goes on to the same bits."""

import contextlib
import logging
import os
import random
import signal
import time
from pathlib import Path

import children
import jax
import numpy as np
import pytest
import tiny_runs

from irsde_jax import configuration
from irsde_jax.checkpoints import hosts
from irsde_jax.checkpoints.train_state import Skipped
from irsde_jax.training import faults, interruption, logs


def unfinished(workdir: Path) -> set[tuple[str, int]]:
    """The folders of Orbax that have not got their name yet, as (name, inode)."""
    found = set()
    for path in (workdir / "checkpoints").glob("*orbax-checkpoint-tmp*"):
        with contextlib.suppress(FileNotFoundError):  # it has got its name just now
            found.add((path.name, path.stat().st_ino))
    return found


def kill_once(process, moment: str, workdir: Path, rng: random.Random) -> str:
    """SIGKILLs a training that was just started, at a random moment of a kind.

    Args:
        process: The training; it has more steps than it will ever take.
        moment: The kind: in a save, while the process starts, or some steps later.
        workdir: The work directory of the training.
        rng: The source of randomness.

    Returns:
        The kind of moment that it was: a save that is interrupted leaves a folder that
        was not there before, and it is luck to meet one.
    """
    before, left = tiny_runs.num_lines(workdir), unfinished(workdir)
    if moment == "starting":
        time.sleep(rng.uniform(0.0, 5.0))
    else:
        later = before + rng.randrange(8)
        has_gone_on = lambda: tiny_runs.num_lines(workdir) > later  # noqa: E731
        assert children.wait_for(has_gone_on, process), tiny_runs.said(workdir)
    if moment == "saving":
        children.wait_for(lambda: unfinished(workdir) - left, process)
        time.sleep(rng.choice([0.0, 0.01, 0.03]))
    assert process.poll() is None, tiny_runs.said(workdir)
    children.end(process)
    if unfinished(workdir) - left:
        return "saving"
    return "training" if moment == "saving" else moment


def check_killed_run(tmp_path: Path, count: int, seed: int, num_saving: int) -> None:
    """Kills a training at random moments, lets it end, and compares the bits.

    Args:
        tmp_path: A folder for everything.
        count: How many kills there are at least: a third of them wait for a save, a
            tenth come while the process starts.
        seed: The seed of the moments.
        num_saving: How many kills interrupt a save at least: more kills come until so
            many have.
    """
    config, rng = tiny_runs.write_config(tmp_path / "files"), random.Random(seed)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = [
        "--config.train.checkpoint_every=3",
        "--config.train.batch_size=4",
        "--config.train.keep_best=0",
        # The learning rate must not depend on the number of steps.
        "--config.optimizer.decay=constant",
    ]
    killed = {"saving": 0, "starting": 0, "training": 0}
    while sum(killed.values()) < count or killed["saving"] < num_saving:
        process = tiny_runs.start(config, parts, *flags, endless())
        moment = rng.choices(["saving", "starting", "training"], [3, 1, 6])[0]
        if sum(killed.values()) >= count:
            moment = "saving"
        killed[kill_once(process, moment, parts, rng)] += 1
    print(f"kills: {killed}")
    flags.append(f"--config.train.num_steps={last_step(parts) + 4}")
    assert tiny_runs.run(config, parts, *flags) == 0, tiny_runs.said(parts)
    assert tiny_runs.run(config, whole, *flags) == 0, tiny_runs.said(whole)
    tiny_runs.assert_same_bits(
        tiny_runs.final_state(parts), tiny_runs.final_state(whole)
    )
    left = {path.name for path in (parts / "checkpoints").iterdir()}
    assert {name for name in left if "tmp" in name} == set()  # nothing to clean


def endless() -> str:
    """The flag of a training of more steps than any machine takes during a test."""
    return "--config.train.num_steps=1000000"


def last_step(workdir: Path) -> int:
    """The last step that the log of a training names."""
    return max(entry["step"] for entry in logs.read_metrics(workdir / "logs"))


def test_killed_run_ends_with_the_same_bits(tmp_path):
    check_killed_run(tmp_path, count=2, seed=0, num_saving=0)


@pytest.mark.long
def test_run_killed_forty_times_ends_with_the_same_bits(tmp_path):
    check_killed_run(tmp_path, count=40, seed=1, num_saving=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_has_an_exit_code_of_its_own(tmp_path, number):
    config = tiny_runs.write_config(tmp_path / "files")
    workdir = tmp_path / "run"
    # No checkpoint but the one of the signal. The learning rate must not depend on the
    # number of steps.
    flags = [
        "--config.train.checkpoint_every=1000000",
        "--config.optimizer.decay=constant",
    ]
    process = tiny_runs.start(config, workdir, *flags, endless())
    has_begun = lambda: tiny_runs.num_lines(workdir) > 2  # noqa: E731
    assert children.wait_for(has_begun, process), tiny_runs.said(workdir)
    process.send_signal(number)
    assert children.exit_code(process) == interruption.EXIT_CODE == 75
    said = tiny_runs.said(workdir)
    assert signal.Signals(number).name in said
    assert "is saved" in said
    stopped = int(tiny_runs.final_state(workdir).step)
    assert 2 < stopped < 1_000_000
    assert f"step {stopped} of 1000000" in said
    if number == signal.SIGTERM:
        flags.append(f"--config.train.num_steps={stopped + 20}")
        assert tiny_runs.run(config, workdir, *flags) == 0
        assert tiny_runs.run(config, tmp_path / "whole", *flags) == 0
        tiny_runs.assert_same_bits(
            tiny_runs.final_state(workdir), tiny_runs.final_state(tmp_path / "whole")
        )


def test_dead_worker_ends_the_training(tmp_path):
    config = tiny_runs.write_config(tmp_path / "files")
    workdir = tmp_path / "run"
    flags = endless(), "--config.data.num_workers=1"
    process = tiny_runs.start(config, workdir, *flags)
    has_begun = lambda: tiny_runs.num_lines(workdir) > 2  # noqa: E731
    assert children.wait_for(has_begun, process), tiny_runs.said(workdir)
    # The children of each of its threads, as Linux lists them.
    lists = list(Path(f"/proc/{process.pid}/task").glob("*/children"))
    if not lists:
        pytest.skip("no /proc to find the worker in")
    found = [int(pid) for path in lists for pid in path.read_text().split()]
    workers = [
        child
        for child in found
        if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert children.exit_code(process) == 1
    assert "data.num_workers" in tiny_runs.said(workdir)


class TestWatch:
    def test_second_interrupt_is_immediate_and_handlers_come_back(self):
        before = signal.getsignal(signal.SIGINT)
        with interruption.Watch() as watch:
            assert not watch.requested(1)
            signal.raise_signal(signal.SIGINT)
            assert watch.requested(2)
            assert watch.name == "SIGINT"
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is before

    def test_several_processes_stop_when_they_agree(self):
        with interruption.Watch(lambda step: step == 3) as watch:
            assert [watch.requested(step) for step in (1, 2, 3)] == [False, False, True]
        assert hosts.stop_signal() is None  # of one process


class TestSkipped:
    def test_few_are_a_warning_and_many_end_the_run(self, tmp_path, caplog):
        batch_of = lambda step: {"x0": np.full(2, step)}  # noqa: E731
        faults.check_skipped(Skipped(np.int32(9)), 3, tmp_path, batch_of)
        assert not caplog.text  # long ago
        now = Skipped(np.int32(9), np.int32(2), np.int32(40))
        with caplog.at_level(logging.WARNING):
            faults.check_skipped(now, 3, tmp_path, batch_of)
        assert "step 40" in caplog.text
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FloatingPointError, match="step 40, 3 steps in a row"):
            faults.check_skipped(
                now._replace(in_a_row=np.int32(3)), 3, tmp_path, batch_of
            )
        assert np.load(tmp_path / "batch_of_step_40.npz")["x0"].tolist() == [40, 40]


def test_exhausted_device_says_what_would_need_less():
    config = configuration.load("default", ["--config.train.accumulate=2"])
    with (
        pytest.raises(MemoryError, match=r"accumulate=4.*bfloat16") as error,
        faults.clear_out_of_memory(config),
    ):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory: 99 GiB")
    for text in ("batch_size=16", "128 x 128", "float32", "remat=True", "99 GiB"):
        assert text in str(error.value)
    with pytest.raises(jax.errors.JaxRuntimeError), faults.clear_out_of_memory(config):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")
