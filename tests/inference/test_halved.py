"""Kraus maps of halved bins against the exact maps, and against what they are made of."""

import warnings

import numpy as np
import pytest

import stochq as sq
from stochq.measurement import counting, heterodyne, homodyne, unread

X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
# Its current is σ_y, which the drive turns.
LOWERING = np.array([[0.0, 0.0], [1j, 0.0]])
GROUND = np.array([0.0, 1.0])


def driven(detector, efficiency=0.7, rabi=3.0, copies=1):
    """A driven qubit whose fluorescence is watched, beside a system of some levels that does nothing."""
    watched = detector(np.kron(LOWERING, np.eye(copies)), efficiency=efficiency)
    lost = unread(0.4 * np.kron(Z, np.eye(copies)))
    hamiltonian = rabi * np.kron(0.5 * X, np.eye(copies)) + np.kron(0.2 * Z, np.eye(copies))
    return sq.models.monitored(hamiltonian, {"out": watched, "lost": lost})


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*arguments, **options)


@pytest.mark.release
@pytest.mark.parametrize("detector, most", [(homodyne, 2), (heterodyne, 1)])
def test_each_halving_makes_the_error_of_the_width_four_times_smaller(detector, most):
    equation = driven(detector)
    record = sq.inference.sample_records(equation, GROUND, np.linspace(0, 2, 11), records=32, seed=1)
    arguments = equation, GROUND, record
    options = {"observables": {"z": Z}, "density": True}
    exact = sq.inference.filter(*arguments, **options, method="exact")
    assert exact.density is not None
    errors, distances = [], []
    for halvings in range(most + 1):
        found = quietly(sq.inference.filter, *arguments, **options, method="kraus", halvings=halvings)
        assert found.density is not None
        errors.append(np.sqrt(np.mean((found.log_likelihood - exact.log_likelihood) ** 2)))
        distances.append(np.abs(np.linalg.eigvalsh(found.density - exact.density)).sum(axis=-1).mean())
        assert np.linalg.eigvalsh(found.density).min() > -1e-14
    for sizes in (errors, distances):
        ratios = np.divide(sizes[:-1], sizes[1:])
        assert np.all((ratios > 3.2) & (ratios < 5)), ratios


def test_weights_of_halved_bins_are_those_of_a_law():
    """The mean over Wiener records of the ratio of densities is one; z has the values ±1."""
    points, weights = np.polynomial.hermite_e.hermegauss(20)
    record = sq.inference.Record([0.0, 0.3], np.sqrt(0.3) * points[:, None], ["out"])
    state = sq.normalize(np.array([0.6, 0.3 + 0.5j]))
    equation = driven(homodyne)
    found = quietly(sq.inference.log_likelihood, equation, state, record, method="kraus", halvings=1, per_record=True)
    assert np.exp(found) @ weights / weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_smoothed_states_of_halved_bins_are_nearer_to_the_exact_ones():
    equation = driven(homodyne)
    record = sq.inference.sample_records(equation, GROUND, np.linspace(0, 2, 11), records=8, seed=1)
    arguments = equation, GROUND, record
    exact = sq.inference.smooth(*arguments, observables={"z": Z}, method="exact").mean["z"]
    zero, one = (
        quietly(sq.inference.smooth, *arguments, observables={"z": Z}, method="kraus", halvings=n).mean["z"]
        for n in (0, 1)
    )
    assert 3 < np.linalg.norm(zero - exact) / np.linalg.norm(one - exact) < 5


@pytest.mark.release
def test_fits_halve_bins_that_are_too_wide():
    """Idle levels beside the qubit are beyond the exact maps, which serve the qubit alone."""
    times = np.linspace(0, 3, 13)
    record = sq.inference.sample_records(driven(homodyne), GROUND, times, records=20, seed=3)

    def predict(rabi, copies=5):
        return driven(homodyne, rabi=rabi, copies=copies), np.kron(GROUND, np.eye(copies)[0])

    exact = sq.fit(lambda rabi: predict(rabi, 1), record, 2.8)
    found = sq.fit(predict, record, 2.8)
    assert abs(found.parameters - exact.parameters) < 0.1 * exact.stderr
    assert abs(found.p_value - exact.p_value) < 0.004
    halved = sq.inference.log_likelihood(*predict(found.parameters), record, halvings=1)
    plain = quietly(sq.inference.log_likelihood, *predict(found.parameters), record)
    assert abs(found.log_likelihood - halved) < 1e-3 < 1e-2 < abs(found.log_likelihood - plain)


@pytest.mark.parametrize(
    "equation, options, message",
    [
        (driven(homodyne), {}, "halvings: expected 0 with method='exact'"),
        (driven(homodyne), {"method": "kraus", "rank": 1}, "halvings: expected 0 with a rank"),
        (driven(homodyne), {"method": "kraus", "halvings": 9}, "halvings: expected a whole number of at least 0"),
        (driven(counting), {"method": "kraus"}, "halvings: expected 0 for counters"),
    ],
)
def test_what_cannot_be_halved(equation, options, message):
    kind = "counting" if "counters" in message else "homodyne"
    record = sq.inference.Record([0.0, 0.1], [[1.0]], ["out"], [kind])
    with pytest.raises(ValueError, match=message):
        sq.inference.filter(equation, GROUND, record, observables={"z": Z}, **{"halvings": 1, **options})
