"""A training that is stopped anywhere goes on to the same bits."""

import contextlib
import logging
import os
import random
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_runs

from irsde_jax import configuration, faults, hosts, interruption
from irsde_jax.train_step import Skipped


def lines(workdir: Path) -> int:
    """How many lines the log has: a sign of life."""
    path = workdir / "logs" / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(condition, process, seconds=120.0) -> bool:
    """Waits until it holds; False if the process ended, or time is up, before."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def unfinished(workdir: Path) -> set[tuple[str, int]]:
    """The folders of Orbax that have not got their name yet, as (name, inode)."""
    found = set()
    for path in (workdir / "checkpoints").glob("*orbax-checkpoint-tmp*"):
        with contextlib.suppress(FileNotFoundError):  # it has got its name just now
            found.add((path.name, path.stat().st_ino))
    return found


def kill_many(config: Path, workdir: Path, count: int, flags: list[str], rng) -> dict:
    """SIGKILLs a training `count` times at random moments, then lets it end.

    A third of the kills wait for a save and come in it, a tenth come while the process
    starts; the others some random time after the first step of this start. Returns how
    many interrupted what: a save leaves a folder that was not there before.
    """
    killed = {"saving": 0, "starting": 0, "training": 0}
    for _ in range(count):
        before, left = lines(workdir), unfinished(workdir)
        process = tiny_runs.start(config, workdir, *flags)
        moment = rng.choices(["saving", "starting", "training"], [3, 1, 6])[0]
        if moment == "starting":
            time.sleep(rng.uniform(0.0, 5.0))
        elif not wait_for(lambda n=before: lines(workdir) > n, process):
            raise AssertionError(tiny_runs.said(workdir))
        elif moment == "saving":
            wait_for(lambda old=left: unfinished(workdir) - old, process, seconds=5.0)
            time.sleep(rng.uniform(0.0, 0.05))
        else:
            time.sleep(rng.uniform(0.0, 0.5))
        assert process.poll() is None, "the run ended before it was killed"
        process.kill()
        process.wait()
        if unfinished(workdir) - left:
            moment = "saving"
        elif moment == "saving":
            moment = "training"
        killed[moment] += 1
    assert tiny_runs.run(config, workdir, *flags) == 0, tiny_runs.said(workdir)
    return killed


def check_killed_run(
    tmp_path: Path, count: int, num_steps: int, seed: int
) -> dict[str, int]:
    config = tiny_runs.write_config(tmp_path / "files")
    flags = [
        f"--config.train.num_steps={num_steps}",
        "--config.train.checkpoint_every=3",
        "--config.train.batch_size=4",
        "--config.train.keep_best=0",
    ]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert tiny_runs.run(config, whole, *flags) == 0, tiny_runs.said(whole)
    killed = kill_many(config, parts, count, flags, random.Random(seed))
    print(f"{count} kills: {killed}")
    tiny_runs.assert_same_bits(
        tiny_runs.final_state(parts), tiny_runs.final_state(whole)
    )
    left = {path.name for path in (parts / "checkpoints").iterdir()}
    assert {name for name in left if "tmp" in name} == set()  # nothing to clean
    return killed


def test_killed_run_ends_with_the_same_bits(tmp_path):
    check_killed_run(tmp_path, count=3, num_steps=90, seed=0)


@pytest.mark.long
def test_run_killed_forty_times_ends_with_the_same_bits(tmp_path):
    killed = check_killed_run(tmp_path, count=40, num_steps=1500, seed=1)
    assert killed["saving"] >= 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_has_an_exit_code_of_its_own(tmp_path, number):
    config = tiny_runs.write_config(tmp_path / "files")
    workdir = tmp_path / "run"
    # No checkpoint but the one of the signal.
    flags = "--config.train.num_steps=200", "--config.train.checkpoint_every=1000"
    process = tiny_runs.start(config, workdir, *flags)
    assert wait_for(lambda: lines(workdir) > 2, process), tiny_runs.said(workdir)
    process.send_signal(number)
    assert process.wait(timeout=60) == interruption.EXIT_CODE == 75
    said = tiny_runs.said(workdir)
    assert signal.Signals(number).name in said
    assert "is saved" in said
    stopped = int(tiny_runs.final_state(workdir).step)
    assert 2 < stopped < 200
    assert f"step {stopped} of 200" in said
    if number == signal.SIGTERM:
        assert tiny_runs.run(config, workdir, *flags) == 0
        assert tiny_runs.run(config, tmp_path / "whole", *flags) == 0
        tiny_runs.assert_same_bits(
            tiny_runs.final_state(workdir), tiny_runs.final_state(tmp_path / "whole")
        )


def test_dead_worker_ends_the_training_within_seconds(tmp_path):
    config = tiny_runs.write_config(tmp_path / "files")
    workdir = tmp_path / "run"
    flags = "--config.train.num_steps=100000", "--config.data.num_workers=1"
    process = tiny_runs.start(config, workdir, *flags)
    try:
        assert wait_for(lambda: lines(workdir) > 2, process), tiny_runs.said(workdir)
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
        assert process.wait(timeout=30) == 1
        assert "data.num_workers" in tiny_runs.said(workdir)
    finally:
        process.kill()


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
