"""Operations counted in the trace: by a formula where there is one, and as by XLA."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import operations, paper_steps

x = jax.ShapeDtypeStruct((2, 9, 12, 4), jnp.float32)
w = jax.ShapeDtypeStruct((3, 3, 4, 8), jnp.float32)
grouped = jax.ShapeDtypeStruct((3, 3, 1, 4), jnp.float32)
matrix = jax.ShapeDtypeStruct((32, 32), jnp.float32)


def convolve(x, w, stride=1, padding="SAME", **options):
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        **options,
    )


def gradient_of(function):
    """Both gradients of a sum of squares, which needs the function's value too."""
    return jax.grad(lambda *args: (function(*args) ** 2).sum(), argnums=(0, 1))


FUNCTIONS = {
    "product": (jnp.matmul, (matrix, matrix)),
    "batched": (
        lambda a, b: jnp.einsum("bij,bjk->bik", a, b),
        (jax.ShapeDtypeStruct((3, 8, 16), jnp.float32),) * 1
        + (jax.ShapeDtypeStruct((3, 16, 24), jnp.float32),),
    ),
    "same": (convolve, (x, w)),
    "valid": (lambda x, w: convolve(x, w, padding="VALID"), (x, w)),
    "strided": (lambda x, w: convolve(x, w, stride=2), (x, w)),
    "dilated": (lambda x, w: convolve(x, w, rhs_dilation=(2, 2)), (x, w)),
    "transposed": (
        lambda x, w: convolve(x, w, padding=((2, 1), (2, 1)), lhs_dilation=(2, 2)),
        (x, w),
    ),
    "depthwise": (lambda x, w: convolve(x, w, feature_group_count=4), (x, grouped)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wrap", [lambda function: function, gradient_of])
def test_the_count_is_that_of_xla(name, wrap):
    function, arguments = FUNCTIONS[name]
    function = wrap(function)
    counted = operations.count(function, *arguments)
    found = jax.jit(function).lower(*arguments).cost_analysis()["flops"]
    # XLA counts the squares and their gradients as well: some operations a value.
    values = jax.eval_shape(FUNCTIONS[name][0], *arguments).size
    assert counted == pytest.approx(found, rel=0.01, abs=6 * values)


def test_formulas_are_exact():
    assert operations.count(jnp.matmul, matrix, matrix) == 2 * 32**3
    valid = 2 * (2 * 7 * 10 * 8) * (3 * 3 * 4)
    assert operations.count(lambda x, w: convolve(x, w, padding="VALID"), x, w) == valid


def test_loops_branches_and_inner_functions_are_counted():
    once = 2 * 32**3

    def scanned(a, b):
        return lax.scan(lambda x, _: (x @ b, None), a, None, length=7)[0]

    assert operations.count(scanned, matrix, matrix) == 7 * once
    assert (
        operations.count(jax.jit(jax.checkpoint(scanned)), matrix, matrix) == 7 * once
    )

    def branched(a, b):
        return lax.cond(a[0, 0] > 0, lambda: a @ b @ b, lambda: a + b)

    assert operations.count(branched, matrix, matrix) == 2 * once

    def mapped(a, b):
        return lax.map(lambda row: b @ row, a)

    assert operations.count(mapped, matrix, matrix) == once

    def endless(a, b):
        return lax.while_loop(lambda x: x[0, 0] > 0, lambda x: x @ b, a)

    with pytest.raises(ValueError, match=r"while loop.*write it as a scan"):
        operations.count(endless, matrix, matrix)


@pytest.mark.long
def test_a_training_step_counts_as_xla_counts_it():
    """What XLA counts more is element by element; at paper size, 0.3 % of the U-Net."""
    network = "paper's U-Net"
    lowered, _ = paper_steps.lower(paper_steps.configure(network, "float32", True))
    counted = paper_steps.operations_of(network, tiny=True)
    found = lowered.cost_analysis()["flops"]
    assert 0.95 * found < counted < found


def test_the_command_runs_where_there_is_no_cost_analysis(monkeypatch, capsys):
    """As on GPUs, where `lowered.cost_analysis()` is None."""
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: None)
    monkeypatch.setattr(paper_steps.timing, "matmul_gflops", lambda *_: 100.0)
    monkeypatch.setattr(paper_steps, "seconds_of", lambda *_: 0.5)
    # What is compiled and timed in place of the step, which takes long to compile.
    small = jax.jit(jnp.sin).lower(matrix)
    network, variant = "Refusion's NAFNet", "bfloat16, remat"
    plain = paper_steps.build(paper_steps.configure(network, "float32", True))
    monkeypatch.setattr(paper_steps, "build", lambda config: plain)
    monkeypatch.setattr(paper_steps, "lower", lambda config: (small, plain[1]))
    paper_steps.main(["--gpu", "--tiny", "--networks", network, "--variants", variant])
    (line,) = (t for t in capsys.readouterr().out.splitlines() if variant in t)
    images, tera, share = map(float, line.split()[-3:])
    expected = operations.count(plain[0], *plain[1]) / 0.5
    assert expected > 1e7
    assert images == 2 * 4 * jax.device_count()
    assert tera == pytest.approx(expected / 1e12, abs=6e-4)
    assert share == pytest.approx(expected / 100e9, abs=6e-4)
