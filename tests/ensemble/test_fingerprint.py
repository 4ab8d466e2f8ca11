"""Which runs may be pooled: a problem is known by what it does, in this process and in the next one."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

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


def test_functions_are_known_by_their_values_not_their_addresses():
    """Two function objects that do the same are one problem, as they are when a run is repeated in a new process."""
    first, again, other = (_run({"p": _population(level)}, seed=level) for level in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_drives_are_known_by_their_values():
    def driven(phase):
        return sq.systems.driven(QUBIT, [[[0.0, 1.0], [1.0, 0.0]]], [_drive(phase)])

    first, again, other = (_run(hamiltonian=driven(phase)).fingerprint for phase in (0.0, 0.0, 0.3))
    assert first == again != other


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
    assert _run(precision="double").fingerprint != reference
    assert _run(scheme=sq.schemes.EulerMaruyama()).fingerprint != reference


def test_merging_does_not_depend_on_the_order():
    watched = {"p": [1.0, 0.0], "rho": sq.Density(), "bins": sq.Histogram([1.0, 0.0], [0.0, 0.5, 1.0])}
    a, b, c = (_run(watched, seed=seed, trajectories=50 + seed) for seed in range(3))
    one, other = a.merge(b).merge(c), a.merge(c.merge(b))
    for name in ("mean", "variance", "stderr"):
        np.testing.assert_allclose(getattr(one, name)["p"], getattr(other, name)["p"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(one.density, other.density, rtol=1e-12)
    np.testing.assert_array_equal(one.histograms["bins"][1], other.histograms["bins"][1])
    assert one.trajectories == 153 and one.ranges == other.ranges


@pytest.mark.parametrize("operator", [[1.0, 0.0], [[1.0, 0.0], [0.0, 0.0]], _population(0)])
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
