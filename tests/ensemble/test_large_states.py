"""What only states of many amplitudes take changes no number."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.compiling import PROGRAMS
from stochq.noise import counter
from stochq.noise.counter import Budget, draw_complex_normals


@pytest.mark.release
def test_noise_that_is_drawn_when_it_is_needed(monkeypatch):
    equation = sq.models.oqt(sq.systems.levels([0.0, 0.3, 1.0]), strength=0.8, equilibrium=[0.5, 0.3, 0.2])
    run = {"observables": {"p": [1.0, 0.0, 0.0]}, "trajectories": 64, "dt": 0.1, "keep": 2}
    before = sq.simulate(equation, np.eye(3)[2], [0, 0.3, 0.5], **run)
    monkeypatch.setattr("stochq.ensemble.advance.LARGEST_CARRIED", 0)
    PROGRAMS.clear()
    late = sq.simulate(equation, np.eye(3)[2], [0, 0.3, 0.5], **run)
    PROGRAMS.clear()
    assert np.allclose(before.mean["p"], late.mean["p"], atol=1e-6)
    assert np.allclose(before.kept, late.kept, atol=1e-5)


@pytest.mark.release
@pytest.mark.optimised
def test_few_numbers_are_drawn_once(monkeypatch):
    """The cipher's rounds are in the program once for each kind of number, however many levels use it."""
    monkeypatch.setattr("stochq.ensemble.advance.LARGEST_CARRIED", 0)
    texts = []
    monkeypatch.setattr("stochq.compiling.interruptible", lambda build: texts.append(build()) or texts[-1])
    PROGRAMS.clear()
    chain = sq.systems.ising(2, coupling=1.0, transverse=0.9, longitudinal=0.4)
    equation = sq.models.sui(chain, reduction=0.3, thermalization=0.4, equilibrium=sq.canonical(chain, beta=0.3))
    sq.simulate(equation, np.eye(4)[2], [0, 0.3], observables={"p": np.eye(4)[0]}, trajectories=64, dt=0.1)
    PROGRAMS.clear()
    # Twenty of reals, of uniforms, of a step's own numbers and of the start of trajectories, and two for every key.
    assert texts[-1].as_text().count(" xor(") < 5 * 20


@pytest.mark.parametrize("columns", [1, 3, 8])
def test_many_slots_are_drawn_in_rows(columns, monkeypatch):
    trajectories, budget = jnp.arange(7, 7 + columns, dtype=jnp.uint32), Budget(complex_normals=2**12)
    drawn = []
    for row in (2**8, 1):
        monkeypatch.setattr(counter, "_ROW", row)
        key = jnp.array([5, 6], jnp.uint32)
        drawn.append(np.asarray(draw_complex_normals(key, trajectories, jnp.uint32(3), budget, np.dtype(np.float32))))
    assert drawn[0].shape == (2**12, columns)
    # The same words, whose logarithms other instructions may round otherwise.
    assert np.allclose(*drawn, rtol=1e-5, atol=1e-6)


def test_what_the_host_has_no_memory_for(monkeypatch):
    monkeypatch.setattr("stochq.ensemble.devices.host_memory", lambda: 70_000)
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0)
    with pytest.raises(ValueError, match=r"trajectories: expected blocks .* memory .* GiB"):
        sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"p": [1, 0]}, trajectories=100, dt=0.5)
