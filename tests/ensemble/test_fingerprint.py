"""Which runs may be pooled: a problem is known by what it does, in this process and in the next one."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.ensemble.assemble import fingerprint
from stochq.ensemble.problem import build_problem
from stochq.ensemble.task import Task
from stochq.schemes import frame_of
from stochq.systems.hamiltonian import Hamiltonian

ROOT = Path(__file__).parents[2]
TIMES = [0.0, 0.2, 0.4]
QUBIT = sq.systems.levels([0.0, 1.0])


def _population(level):
    return lambda psi: jnp.abs(psi[level]) ** 2


def _drive(phase):
    return lambda t: jnp.cos(5 * t + phase)


def _run(observables=None, hamiltonian=QUBIT, seed=1, trajectories=64, **options):
    equation = sq.models.suv(hamiltonian, strength=1.0)
    observables = {"p": [1.0, 0.0]} if observables is None else observables
    return sq.simulate(
        equation, [0.6, 0.8], TIMES, observables=observables, trajectories=trajectories, seed=seed, dt=0.1, **options
    )


def _above(limit):
    return lambda psi: jnp.where(jnp.max(jnp.abs(psi) ** 2) > limit, 1, 0)


def _weighted(weights):
    return lambda psi: jnp.sum(weights * jnp.abs(psi) ** 2)


def _fingerprint(observables=None, hamiltonian: Hamiltonian = QUBIT):
    """Of a run that is prepared, not made."""
    equation = sq.models.suv(hamiltonian, strength=1.0)
    watched = {"p": [1.0, 0.0]} if observables is None else observables
    statistics = {name: value for name, value in watched.items() if isinstance(value, sq.Histogram)}
    plain = {name: value for name, value in watched.items() if name not in statistics}
    grid = time_grid(np.array(TIMES), 0.1)
    psi, scheme = np.array([0.6, 0.8], complex), sq.schemes.Strang()
    task = Task(equation, frame_of(equation), psi, grid.times, plain, scheme, "single", 1, statistics)
    problem = build_problem(task, grid)
    return fingerprint(problem, "single")


def _driven(drive):
    return sq.systems.driven(QUBIT, [[[0.0, 1.0], [1.0, 0.0]]], [drive])


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (_population, 0, 1),
        (_above, 0.9, 0.99),  # 1 and 0 alike at almost every state
        (_weighted, 0.5, 0.5000001),
        (_weighted, np.array([1.0, 2.0]), np.array([1.0, 2.000001])),
        (_weighted, jnp.array([1.0, 2.0]), jnp.array([1.0, 2.00001])),
    ],
)
def test_functions_are_known_by_their_programs(make, one, other):
    """Two function objects that do the same are one problem, as they are when a run is repeated in a new process."""
    first, again, different = (_fingerprint({"f": make(value)}) for value in (one, one + 0, other))
    assert first == again
    assert [part for part in first if first[part] != different[part]] == ["read"]


def test_functions_of_histograms_are_known_by_their_programs():
    first, again, different = (
        _fingerprint({"p": [1.0, 0.0], "bins": sq.Histogram(_above(limit), [0.0, 0.5, 1.0])})
        for limit in (0.9, 0.9, 0.99)
    )
    assert first == again
    assert [part for part in first if first[part] != different[part]] == ["statistics"]


def test_drives_are_known_by_their_programs():
    """Of another phase, and of another pulse that is over between the times of any table."""

    def pulse(height):
        return lambda t: height * jnp.exp(-(((t - 0.12345) / 1e-4) ** 2))

    for make, one, other in ((_drive, 0.0, 0.3), (pulse, 1.0, 2.0)):
        first, again, different = (_fingerprint(hamiltonian=_driven(make(value))) for value in (one, one, other))
        assert first == again
        assert [part for part in first if first[part] != different[part]] == ["frame"]


def test_runs_of_different_functions_do_not_merge():
    first, again, different = (_run({"f": _above(limit)}, seed=i) for i, limit in enumerate((0.9, 0.9, 0.99)))
    assert first.merge(again).trajectories == 128
    with pytest.raises(ValueError, match="^merge: expected two runs of one problem; these differ in the observables."):
        first.merge(different)
    with pytest.raises(ValueError, match="these differ in precision."):
        first.merge(_run({"f": _above(0.9)}, seed=3, precision="double"))


def test_another_process_finds_the_same_problem():
    script = """
import jax.numpy as jnp, numpy as np
from tests.ensemble.test_fingerprint import _driven, _fingerprint
def square(psi):
    return jnp.where(jnp.max(jnp.abs(psi) ** 2) > 0.9, 1, 0)
def drive(t):
    return jnp.cos(5 * t + 0.3)
weights = np.array([1.0, 2.0])
watched = {"p": [1.0, 0.0], "f": square, "g": lambda psi: jnp.sum(weights * jnp.abs(psi) ** 2)}
print(sorted(_fingerprint(watched, _driven(drive)).items()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    watched = {"p": [1.0, 0.0], "f": _above(0.9), "g": _weighted(np.array([1.0, 2.0]))}
    assert done.stdout.strip() == str(sorted(_fingerprint(watched, _driven(_drive(0.3))).items()))


def test_a_grid_is_known_by_its_size():
    """Momentum and energy are functions that hold arrays: those of another grid make another problem."""
    prints = []
    for length in (16.0, 16.0, 17.0):
        particle = sq.systems.particle(32, length, 1.0, sq.systems.harmonic(1.0))
        result = sq.simulate(
            sq.models.csl(particle, rate=0.5, length=1.0),
            particle.gaussian(0.0, 0.7),
            TIMES,
            observables={"energy": particle.operators["energy"]},
            trajectories=32,
            dt=0.2,
        )
        exact = np.vdot(particle.gaussian(0.0, 0.7), particle.matrix() @ particle.gaussian(0.0, 0.7)).real
        assert result.mean["energy"][0] == pytest.approx(exact, rel=1e-5)
        prints.append(result.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_what_else_makes_another_problem():
    reference = _run().fingerprint
    assert _run(seed=5).fingerprint == reference
    assert _run(trajectories=100).fingerprint == reference
    assert _run({"q": [1.0, 0.0]}).fingerprint != reference
    assert _run(batch=32).fingerprint == reference
    assert _run(precision="double").fingerprint != reference
    assert _run(scheme=sq.schemes.EulerMaruyama()).fingerprint != reference


def test_merging_does_not_depend_on_the_order():
    watched = {"p": [1.0, 0.0], "rho": sq.Density(), "bins": sq.Histogram([1.0, 0.0], [0.0, 0.5, 1.0])}
    a, b, c = (_run(watched, seed=seed, trajectories=50 + seed) for seed in range(3))
    one, other = a.merge(b).merge(c), a.merge(c.merge(b))
    for name in ("mean", "variance", "stderr"):
        np.testing.assert_allclose(getattr(one, name)["p"], getattr(other, name)["p"], rtol=1e-9, atol=1e-12)
    assert one.covariance is not None and other.covariance is not None
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(one.density, other.density, rtol=1e-12)
    np.testing.assert_array_equal(one.histograms["bins"][1], other.histograms["bins"][1])
    assert one.trajectories == 153 and one.ranges == other.ranges


@pytest.mark.parametrize("operator", [[1.0, 0.0], [[1.0, 0.0], [0.0, 0.0]], _population(0)])
@pytest.mark.sweep(1)
def test_histograms_take_every_kind_of_observable(operator):
    edges = np.linspace(0, 1, 6)
    result = _run({"p": [1.0, 0.0], "bins": sq.Histogram(operator, edges)}, keep=64)
    expected = np.histogram(np.abs(result.kept[:, -1, 0]) ** 2, edges)[0]
    np.testing.assert_array_equal(result.histograms["bins"][1][-1], expected)


def test_histograms_are_checked():
    with pytest.raises(ValueError, match=r"^observables\['bins'\]: expected shape \(2,\)"):
        _run({"bins": sq.Histogram([1.0, 0.0, 0.0], [0.0, 1.0])})
    with pytest.raises(ValueError, match=r"^observables\['bins'\]: expected a Hermitian"):
        _run({"bins": sq.Histogram([[0.0, 1.0], [0.0, 0.0]], [0.0, 1.0])})
    with pytest.raises(ValueError, match="^edges: expected at least two increasing bin edges"):
        sq.Histogram([1.0, 0.0], [0.0, 0.0])
