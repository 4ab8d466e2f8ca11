"""A step that is given is told of where it resolves no rate; what it does not resolve is counted by numpy."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.resolution import unresolved
from stochq.ensemble import differentiable
from stochq.schemes import frame_of
from tests.ensemble.test_stiff import FAMILIES, FLIP, LOWERING

TIMES = np.array([0.0, 1.0])
POPULATION = {"p": np.array([1.0, 0.0])}
FAST = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [10 * LOWERING])


def _found(equation, psi, dt, scheme=None):
    psi = np.asarray(psi, complex)
    scheme = sq.schemes.Strang() if scheme is None else scheme
    return unresolved(equation, frame_of(equation), scheme, psi, TIMES, dt)


def _run(dt):
    return sq.simulate(FAST, [0, 1], TIMES, observables=POPULATION, trajectories=64, dt=dt)


def test_a_step_of_ten_jumps_is_told_once_with_what_serves():
    with pytest.warns(
        UserWarning, match=r"^dt: a step of 0\.1 does not resolve the rate 100 .* 10 in one step"
    ) as told:
        coarse = _run(0.1)
    assert len(told) == 1 and told[0].filename == __file__
    # After a hundred lifetimes nothing is left in the upper level.
    assert coarse.mean["p"][-1] < 0.9
    serves = re.search(r"dt <= (\S+)\.$", str(told[0].message))
    assert serves is not None
    longest = float(serves[1])
    assert longest == pytest.approx(0.01)
    # Warnings are errors here.
    assert _run(longest).mean["p"][-1] > 0.99


def test_means_with_gradients_tell_of_it_as_well(monkeypatch):
    """The bias at half the step is as wrong, and what compares the two cannot see it."""
    monkeypatch.setattr(differentiable, "check_given_step", lambda *_: None)
    monkeypatch.setattr(differentiable, "sampled_means", lambda *_: np.zeros((2, 1)))
    with pytest.warns(UserWarning, match="^dt: a step of 0.1 does not resolve the rate") as told:
        sq.expectations(FAST, [0, 1], TIMES, observables=POPULATION, trajectories=4, dt=0.1)
    assert len(told) == 1 and told[0].filename == __file__


@pytest.mark.parametrize("increments", ["gaussian", "discrete"])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "collapse"])
def test_every_family_is_told_of_its_rates(family, increments):
    equation, _, jumps, psi, _ = FAMILIES[family](100.0)
    scheme = sq.schemes.Strang(increments=increments)
    found = _found(equation, psi, 0.1, scheme)
    total = sum(jump.conj().T @ jump for jump in jumps)
    images = [jump.conj().T @ jump @ psi for jump in jumps]
    slowest = min(np.vdot(image, image).real / np.vdot(psi, image).real for image in images)
    assert found is not None and found.what == "rate"
    assert 0.3 * slowest < found.size <= np.linalg.eigvalsh(total)[-1] * (1 + 1e-9)
    assert found.excess(0.1) > 1
    assert _found(equation, psi, 0.9 * found.limit / found.size, scheme) is None
    assert _found(FAMILIES[family](0.3)[0], psi, 0.1, scheme) is None


def _brownian():
    return sq.models.brownian(sq.systems.oscillator(12), friction=0.5, beta=1.0), np.eye(12)[0]


def test_a_ladder_is_told_of_levels_that_are_empty():
    """An explicit step fills them by rounding: 16 jumps in a step from level 11, next to none from level 0."""
    equation, psi = _brownian()
    found = _found(equation, psi, 1.0)
    loss = sum(jump.conj().T @ jump for jump in np.asarray(equation.channels[0].operators()))
    assert found is not None and found.size == pytest.approx(np.linalg.eigvalsh(loss)[-1])
    assert _found(_brownian()[0], psi, 0.05) is None


def test_an_explicit_scheme_is_told_of_frequencies():
    """0.3 Bohr frequencies of 40: twelve radians in a step."""
    equation = sq.models.suv(sq.systems.levels([0.0, 20.0, -20.0]), strength=0.01)
    for scheme in (sq.schemes.EulerMaruyama(), sq.schemes.Extrapolated(sq.schemes.EulerMaruyama())):
        found = _found(equation, [0.6, 0.8, 0.0], 0.3, scheme)
        assert found is not None and (found.what, found.size) == ("frequency", 40.0)
        assert _found(equation, [0.6, 0.8, 0.0], 0.01, scheme) is None
    assert _found(equation, [0.6, 0.8, 0.0], 0.3) is None


EXACT = {
    "collapse": sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1e4),
    "diagonal": sq.models.unravel(sq.systems.levels([0.0, 1.0]), [100 * np.diag([1.0, -1.0])]),
    "thermalization": sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=1e4, equilibrium=[0.7, 0.3]),
    "jumps": sq.models.unravel(sq.systems.levels(FLIP), [100 * LOWERING], noise="jump"),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_flows_take_any_step(name):
    assert _found(EXACT[name], [0.6, 0.8], 0.1) is None


def test_channels_that_depend_on_time_count_at_their_strongest():
    """A pulse of rate 100, and the same operator with a coefficient; exact collapse takes any step under a pulse."""
    levels = sq.systems.levels([0.0, 1.0])
    pulse = {
        "modulated": sq.channels.Modulated(sq.channels.DenseOperators([LOWERING]), lambda t: 10.0 * jnp.sin(t)),
        "operator": sq.channels.TimeDependentOperator([(LOWERING, lambda t: 10.0 * jnp.sin(t))]),
    }
    for channel in pulse.values():
        found = _found(sq.Equation(levels, [channel]), [0, 1], 0.1)
        assert found is not None and 0.5 * 100 * np.sin(TIMES[-1]) ** 2 < found.size <= 100
        assert _found(sq.Equation(levels, [channel]), [0, 1], 0.001) is None
    collapse = sq.channels.Modulated(sq.channels.Projectors([1e4, 1e4]), lambda t: 1.0 + t)
    assert _found(sq.Equation(levels, [collapse]), [0.6, 0.8], 0.1) is None
