"""What needs less memory does so: by XLA's analysis of the compiled training step."""

import pytest

from benchmarks import paper_steps
from irsde_jax.training import profiling


def work_space(variant):
    """Bytes of a small U-Net's step beside its state and batch."""
    config = paper_steps.configure("paper's U-Net", variant, tiny=True)
    lowered, _ = paper_steps.lower(config)
    compiled = lowered.compile(profiling.known_options(paper_steps.NOT_RUN))
    return profiling.step_memory(compiled)["work space"]


@pytest.mark.long
def test_remat_and_slices_need_less():
    plain = work_space("float32")
    assert work_space("float32, remat") < 0.8 * plain
    assert work_space("float32, 4 slices") < 0.6 * plain
