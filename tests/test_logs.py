"""Logs: what is written can be read, after a kill and after a resume as well."""

import io
import json
import logging
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto import event_pb2

from irsde_jax.training import logs
from irsde_jax.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_scalars_are_read_as_written(tmp_path):
    with logs.MetricWriter(tmp_path / "run" / "logs") as writer:
        writer.write(1, {"loss": np.float32(0.5), "images_per_second": 3})
        writer.write(np.int64(2), {"loss": math.nan})
        writer.write_images(2, {"grey": np.zeros((4, 6, 1)), "rgb": np.ones((4, 6, 3))})
        writer.flush()
    first, second = logs.read_metrics(tmp_path / "run" / "logs")
    assert (first["step"], first["loss"], first["images_per_second"]) == (1, 0.5, 3.0)
    assert second["step"] == 2
    assert math.isnan(second["loss"])
    assert first["time"] <= second["time"]
    events = list((tmp_path / "run" / "logs").glob("*tfevents*"))
    assert len(events) == 1
    assert events[0].stat().st_size > 0
    grey, rgb = (
        np.asarray(Image.open(tmp_path / "run" / "logs" / f"{name}_000002.png"))
        for name in ("grey", "rgb")
    )
    assert grey.shape == rgb.shape == (4, 6, 3)
    assert grey.max() == 0
    assert rgb.min() == 255
    writer.close()  # twice is fine


def test_tensorboard_is_shown_the_same_numbers(tmp_path):
    with logs.MetricWriter(tmp_path) as writer:
        writer.write(7, {"loss": 0.5, "speed": math.nan})
        writer.write_images(8, {"picture": np.ones((4, 6, 3))})
        path, found = next(tmp_path.glob("*tfevents*")), []
        # While the run goes on: pictures put everything on disk. A record is its
        # length, a checksum of that, the event and a checksum of this.
        content = path.read_bytes()
    while content:
        end = 12 + int.from_bytes(content[:8], "little")
        event = event_pb2.Event.FromString(content[12:end])
        found += [(event.step, value) for value in event.summary.value]
        content = content[end + 4 :]
    assert [(step, value.tag) for step, value in found] == [
        *((7, "loss"), (7, "speed"), (8, "picture"))
    ]
    assert found[0][1].simple_value == 0.5
    assert math.isnan(found[1][1].simple_value)
    assert (found[2][1].image.width, found[2][1].image.height) == (6, 4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_disk_is_said_once_and_with_its_remedy(tmp_path):
    with (
        pytest.raises(OSError, match=r"/dev/full cannot be written.*Make room"),
        logs.MetricWriter(tmp_path) as writer,
    ):
        writer._file.close()
        writer._file = open("/dev/full", "w")  # noqa: SIM115
        writer.write(1, {"loss": 0.5})


def test_lines_are_standard_json(tmp_path):
    with logs.MetricWriter(tmp_path, tensorboard=False) as writer:
        writer.write(3, {"loss": math.inf})
    text = (tmp_path / logs.FILE_NAME).read_text("utf-8")
    assert json.loads(text)["loss"] is None
    assert [path.name for path in tmp_path.iterdir()] == [logs.FILE_NAME]


def test_names_of_the_record_itself_are_refused(tmp_path):
    with (
        logs.MetricWriter(tmp_path, tensorboard=False) as writer,
        pytest.raises(ValueError, match="'time'"),
    ):
        writer.write(1, {"time": 1.0})


def test_an_unfinished_line_is_tolerated_and_then_removed(tmp_path):
    path = tmp_path / logs.FILE_NAME
    path.write_text('{"step": 1, "time": 0, "loss": 1.0}\n{"step": 2, "ti', "utf-8")
    assert [entry["step"] for entry in logs.read_metrics(path)] == [1]
    with logs.MetricWriter(tmp_path, tensorboard=False) as writer:
        writer.write(2, {"loss": 0.5})
    assert [entry["loss"] for entry in logs.read_metrics(path)] == [1.0, 0.5]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / logs.FILE_NAME
    path.write_text('{"step": 1, "time": 0}\nnonsense\n{"step": 2}\n', "utf-8")
    with pytest.raises(ValueError, match=r"metrics\.jsonl:2 is not an entry"):
        logs.read_metrics(path)
    with pytest.raises(FileNotFoundError):
        logs.read_metrics(tmp_path / "other.jsonl")


def test_steps_repeated_after_a_resume_are_kept_once(tmp_path):
    for steps, loss in (((1, 2, 3), 1.0), ((2, 3, 4), 2.0)):
        with logs.MetricWriter(tmp_path, tensorboard=False) as writer:
            for step in steps:
                writer.write(step, {"loss": loss})
                if step == 3:
                    writer.write(step, {"psnr": 10 * loss})
    entries = logs.read_metrics(tmp_path)
    losses = [(entry["step"], entry["loss"]) for entry in entries if "loss" in entry]
    assert losses == [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)]
    assert [entry["psnr"] for entry in entries if "psnr" in entry] == [20.0]


def test_without_tensorboardx_there_is_one_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with caplog.at_level(logging.WARNING), logs.MetricWriter(tmp_path) as writer:
        writer.write(1, {"loss": 1.0})
        writer.write_images(1, {"x": np.zeros((2, 2, 3))})
        writer.flush()
    assert len(caplog.records) == 1
    assert "pip install tensorboardX" in caplog.text
    assert len(logs.read_metrics(tmp_path)) == 1


def test_progress_off_a_terminal_is_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    with Progress(
        100, 20, images_per_step=8, every=10, stream=stream, clock=clock
    ) as progress:
        for _ in range(25):
            clock.now += 2.0
            progress.update(loss=0.125)
        progress.message("validation: 30 dB")
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert lines[0] == "step 25/100, loss 0.125, 4 images/s, 0:02:30 left"
    assert lines[4] == "step 45/100, loss 0.125, 4 images/s, 0:01:50 left"
    assert lines[5:] == ["validation: 30 dB"]  # step 45 is not said twice


def test_the_first_step_does_not_count_for_the_speed():
    stream, clock = io.StringIO(), Clock()
    with Progress(3, unit="image", stream=stream, clock=clock) as progress:
        for seconds in (500.0, 2.0, 2.0):
            clock.now += seconds
            progress.update()
    assert stream.getvalue().splitlines() == [
        "image 1/3",
        "image 3/3, 0.5 images/s",
    ]


def test_values_alone_tell_no_speed():
    stream, clock = io.StringIO(), Clock()
    with Progress(9, stream=stream, clock=clock) as progress:
        clock.now += 1.0
        progress.update()
        clock.now += 2.0
        progress.update(0, loss=0.5)  # fetched slowly, and then the run is stopped
    assert stream.getvalue().splitlines() == ["step 1/9, loss 0.5"]


def test_progress_on_a_terminal_is_a_bar():
    stream, clock = Terminal(), Clock()
    with Progress(4, stream=stream, clock=clock) as progress:
        for step in range(4):
            clock.now += 1.0
            progress.update(loss=float(step))
            progress.message("a line")
    text = stream.getvalue()
    assert "\r" in text
    assert "a line\n" in text
    assert "step 4/4, loss 3, 1 images/s" in text
