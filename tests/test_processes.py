"""The processes: their facts, their names, and processes of users' own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from irsde_jax import configuration, processes, registry, samplers, sde

pytestmark = pytest.mark.core


def schedule_of(name):
    return sde.make_schedule(100, 1.0 if name == "ddpm" else 0.1)


def two_restorations(name, solver):
    """One pixel restored with two keys by a network that predicts 0."""
    process, schedule = processes.make_process(name), schedule_of(name)
    return processes.restore(
        jax.random.split(jax.random.key(0)),
        process,
        schedule,
        lambda x, mu, t: jnp.zeros_like(x),
        # White: of any other pixel "inpainting" knows all.
        processes.prepare(process, jnp.ones((2, 1, 1, 1))),
        solver=solver,
        timesteps=samplers.timestep_grid(schedule, 2),
    )


@pytest.mark.parametrize("name", processes.PROCESSES)
@pytest.mark.parametrize("solver", samplers.SOLVERS)
def test_facts_are_what_a_restoration_shows(name, solver):
    """A solver that is not allowed raises; two keys differ where noise is drawn."""
    process = processes.make_process(name)
    if not processes.allows(process, solver):
        assert (name, solver) == ("denoising", "mr_sde_2")
        with pytest.raises(ValueError, match="no Denoising form"):
            two_restorations(name, solver)
        return
    first, second = two_restorations(name, solver)
    assert processes.draws_noise(process, solver) == bool((first != second).any())


@pytest.mark.parametrize("name", processes.PROCESSES)
def test_a_process_is_a_static_argument(name):
    """It is hashable, and equal to itself made again: nothing is compiled twice."""
    first, again = processes.make_process(name), processes.make_process(name)
    assert (first, hash(first)) == (again, hash(again))
    assert first.name == name
    traced = []

    def encode(images, process):
        traced.append(process.name)
        return process.encode(images)

    run = jax.jit(encode, static_argnames="process")
    for process in (first, again):
        run(jnp.ones(3), process=process)
    assert traced == [name]
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.prediction = "v"


@pytest.mark.parametrize("name", processes.PROCESSES)
def test_decoding_inverts_encoding(name):
    process = processes.make_process(name)
    images = jnp.linspace(0.0, 1.0, 11)
    back = process.decode(process.encode(images))
    np.testing.assert_allclose(back, images, atol=1e-6)


def test_v_prediction_keeps_its_old_name():
    """Configurations and weights written before say "velocity"."""
    new, old = (processes.make_process("irsde", None, p) for p in ("v", "velocity"))
    assert new == old
    assert old.prediction == "v"
    assert old != processes.make_process("irsde")
    stored, given = configuration.load("deraining"), configuration.load("deraining")
    with stored.unlocked(), given.unlocked():
        stored.prediction, given.prediction = "velocity", "v"
        assert configuration.differences(stored, given) == []
        assert configuration.differences(given, stored) == []
        given.prediction = "noise"
    (line,) = configuration.differences(stored, given)
    assert line == "prediction: stored 'velocity', given 'noise'"


def test_a_process_of_a_users_own_module(tmp_path, monkeypatch):
    """Restoring towards grey: the mean is 1/2, and lambda is fixed."""
    (tmp_path / "outside_processes.py").write_text(
        "import jax.numpy as jnp\n"
        "from irsde_jax.processes import Process, see_degraded\n"
        "def grey(state, known):\n"
        "    return jnp.full_like(state, 0.5)\n"
        "towards_grey = Process(name='grey', conditional=True, mean=grey,\n"
        "                       bind=see_degraded, max_sigma=0.5)\n"
        "nothing = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    name = "outside_processes:towards_grey"
    with pytest.raises(ValueError, match=r"process=.*--trust=outside_processes"):
        processes.make_process(name)
    registry.trust("outside_processes")
    with pytest.raises(ValueError, match=r"max_sigma=0\.5, got 0\.1"):
        processes.make_process(name, sde.make_schedule(100, 0.1))
    with pytest.raises(ValueError, match=r"must be a processes\.Process"):
        processes.make_process("outside_processes:nothing")
    schedule = sde.make_schedule(100, 0.5)
    process = processes.make_process(name, schedule, "v")
    degraded = jnp.linspace(0.0, 1.0, 12).reshape(1, 2, 2, 3)
    seen = []

    def network(x, shown, t):
        """A v of 0 leaves the mean, and a share delta of the start's noise."""
        seen.append(shown)
        return jnp.zeros_like(x)

    restored = processes.restore(
        jax.random.key(0),
        process,
        schedule,
        network,
        processes.prepare(process, degraded),
        solver="mr_ode_1",
        timesteps=samplers.timestep_grid(schedule, 1),
    )
    np.testing.assert_allclose(restored, 0.5, atol=5 * 0.005 * 0.5)
    np.testing.assert_array_equal(seen[0], degraded)


def test_an_unknown_process_lists_the_names():
    with pytest.raises(ValueError, match=r"process='irsd' is not one of.*'irsde'"):
        processes.make_process("irsd")
