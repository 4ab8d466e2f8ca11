"""Detectors, the equations that they make, and records, against matrices written out here."""

import jax
import numpy as np
import pytest

import stochq as sq

LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
DRIVE = np.array([[0.3, 1.5], [1.5, -0.3]])
RHO = np.array([[0.6, 0.2 - 0.3j], [0.2 + 0.3j, 0.4]])


def dissipated(operators, rho):
    total = np.zeros_like(rho)
    for one in operators:
        square = one.conj().T @ one
        total = total + one @ rho @ one.conj().T - 0.5 * (square @ rho + rho @ square)
    return total


def mixed():
    return sq.models.monitored(
        DRIVE,
        {
            "x": sq.measurement.homodyne(0.8 * LOWERING, phase=0.7, efficiency=0.6),
            "z": sq.measurement.heterodyne([0.5, -0.5], efficiency=0.5, noise=0.25),
            "lost": sq.measurement.unread(0.3 * LOWERING.T),
        },
        hbar=2.0,
    )


def test_watched_and_lost_parts_make_the_whole_dissipator():
    equation = mixed()
    parts = equation.watched_parts()
    np.testing.assert_allclose(parts.hamiltonian, DRIVE / 2)
    whole = dissipated([0.8 * LOWERING, np.diag([0.5, -0.5]), 0.3 * LOWERING.T], RHO)
    np.testing.assert_allclose(dissipated([*parts.watched, *parts.lost], RHO), whole, atol=1e-15)
    channels = [one for channel in equation.channels for one in channel.operators()]
    np.testing.assert_allclose(dissipated(channels, RHO), whole, atol=1e-15)


def test_watched_operators_carry_efficiency_and_phase():
    watched = mixed().watched_parts().watched
    np.testing.assert_allclose(watched[0], np.sqrt(0.6) * np.exp(-0.7j) * 0.8 * LOWERING, atol=1e-15)
    # Electronic noise of a quarter of the shot noise leaves 0.5 / 1.25 of the output.
    half = np.sqrt(0.4 / 2) * np.diag([0.5, -0.5])
    np.testing.assert_allclose(watched[1:], [half, 1j * half], atol=1e-15)


def test_lines_lead_to_their_operators():
    equation = mixed()
    found = {}
    for line in equation.lines:
        ((channel, operator),) = line.sources
        found[line.name] = equation.channels[channel].operators()[operator]
        assert equation.channels[channel].law.name == equation.detectors[line.detector].unravelling
    assert list(found) == ["x", "z"]
    np.testing.assert_allclose(found["x"], np.sqrt(0.6) * np.exp(-0.7j) * 0.8 * LOWERING, atol=1e-15)
    np.testing.assert_allclose(found["z"], np.sqrt(0.4) * np.diag([0.5, -0.5]), atol=1e-15)


def test_a_phase_may_depend_on_time():
    detector = sq.measurement.homodyne(LOWERING, phase=lambda t: 2.0 * t)
    (watched,) = detector.watched(0.25)
    np.testing.assert_allclose(watched, np.exp(-0.5j) * LOWERING, atol=1e-7)


def test_currents_and_increments_are_one_record():
    times = [0.0, 0.5, 0.75]
    current = {"x": [[1.0, 2.0]], "z": np.array([[0.3 + 0.4j, -1j]])}
    record = sq.measurement.Record.from_current(times, current)
    assert record.columns == ("x", "z:1", "z:2") and record.kinds == ("homodyne", "heterodyne")
    np.testing.assert_allclose(record.increments[0, :, 0], [0.5, 0.5])
    np.testing.assert_allclose(record.increments[0, 0, 1:], 0.5 * np.sqrt(2) * np.array([0.3, -0.4]))
    for name, values in current.items():
        np.testing.assert_allclose(record[name], values, atol=1e-15)


def from_current(values, kind):
    return sq.measurement.Record.from_current([0, 1, 2], {"y": values}, [kind])


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: sq.measurement.homodyne(LOWERING, efficiency=60), "efficiency: expected a number from 0 to 1; got 60"),
        (lambda: sq.measurement.counting(LOWERING, efficiency=-0.1), "efficiency"),
        (lambda: sq.measurement.counting(LOWERING, dark=-1.0), "dark: expected a rate"),
        (lambda: sq.measurement.homodyne([LOWERING]), "operator: expected one operator"),
        (lambda: sq.measurement.homodyne(LOWERING, gain=0.0), "gain"),
        (lambda: sq.measurement.homodyne(LOWERING, noise=-0.1), "noise"),
        (lambda: sq.measurement.homodyne(LOWERING, phase="pi"), "phase"),
        (lambda: sq.models.monitored(DRIVE, [sq.measurement.homodyne(LOWERING)]), "detectors: expected {name"),
        (lambda: sq.models.monitored(DRIVE, {"x": LOWERING}), "detectors\\['x'\\]: expected one such as"),
        (lambda: sq.models.monitored(DRIVE, {"x": sq.measurement.unread(LOWERING)}), "all are unread"),
        (lambda: sq.models.monitored(np.eye(3), {"x": sq.measurement.homodyne(LOWERING)}), "detectors\\['x'\\]"),
        (lambda: sq.measurement.Record([0, 1, 2], [[0.1, np.nan]]), "record 0, interval 1, column 0"),
        (lambda: sq.measurement.Record([0, 1, 2], [[0.1, 0.2, 0.3]]), "increments: expected shape"),
        (lambda: sq.measurement.Record([0, 2, 1], [[0.1, 0.2]]), "times"),
        (lambda: sq.measurement.Record([0, 1, 2], [[2, -1]], ["n"], ["counting"]), "'n'.*-1 in record 0, interval 1"),
        (lambda: sq.measurement.Record([0, 1, 2], [[0.5, 1]], ["n"], ["counting"]), "'n'.*0.5 in record 0, interval 0"),
        (lambda: sq.measurement.Record([0, 1, 2], [[0.1j, 0.2]]), "Record.from_current"),
        (lambda: from_current([0.1, 0.2], "heterodyne"), r"current\['y'\]: expected a complex array for heterodyne"),
        (lambda: from_current([0.1j, 0.2], "homodyne"), r"current\['y'\]: expected a real array for homodyne; got a"),
        (lambda: from_current([1j, 2], "counting"), r"current\['y'\]: expected a real array for counting"),
        (lambda: sq.measurement.Record([0, 1], [[[0.1, 0.2]]], ["a", "a"]), "a name of its own"),
        (lambda: sq.measurement.Record([0, 1], [[0.1]], ["a"], ["heterodyne"]), "expected 2 columns"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_turning_phase_is_watched_by_a_channel_of_its_own():
    """The record leads to √η e^{−iφ(t)}L, the rest of L is lost, and the mean is that of L."""
    turning = sq.measurement.homodyne(LOWERING, phase=lambda t: 2.0 * t, efficiency=0.36)
    detectors = {"z": sq.measurement.homodyne([0.5, -0.5]), "x": turning}
    equation = sq.models.monitored(DRIVE, detectors)
    (line,) = (line for line in equation.lines if line.name == "x")
    ((channel, operator),) = line.sources
    assert equation.detectors[line.detector].efficiency == 0.36
    found = equation.channels[channel].operators_at(0.25)[operator]
    np.testing.assert_allclose(found, 0.6 * np.exp(-0.5j) * LOWERING, atol=1e-6)
    parts = equation.watched_parts(0.25)
    np.testing.assert_allclose(parts.watched[1], 0.6 * np.exp(-0.5j) * LOWERING, atol=1e-6)
    np.testing.assert_allclose(parts.lost, [0.8 * LOWERING], atol=1e-15)
    times, watched = np.linspace(0, 1, 3), {"up": [1.0, 0.0]}
    plain = sq.models.unravel(DRIVE, [LOWERING, [0.5, -0.5]])
    one, other = (sq.exact.evolve(each, RHO, times, observables=watched) for each in (equation, plain))
    np.testing.assert_allclose(one.expect["up"], other.expect["up"], atol=1e-6)


def test_an_equation_prints_what_it_is():
    detectors = {
        "current": sq.measurement.homodyne(LOWERING, efficiency=0.8),
        "clicks": sq.measurement.counting(LOWERING),
        "heat": sq.measurement.unread([0.0, 1.0]),
    }
    equation = sq.models.monitored(DRIVE, detectors)
    head, *lines = str(equation).splitlines()
    assert head == (
        "Equation of dimension 2: 4 channels (2 × DenseOperators, real noise; DenseOperators, jump noise; "
        "Features, real noise)"
    )
    assert lines == ["  current: homodyne, efficiency 0.8", "  clicks: counting, efficiency 1", "  unread: 1 operator"]
    assert str(sq.models.unravel(DRIVE, [LOWERING])) == (
        "Equation of dimension 2: 1 channel (DenseOperators, real noise)"
    )
    seen = []

    def traced(efficiency):
        detector = sq.measurement.homodyne(LOWERING, efficiency=efficiency)
        seen.append(str(sq.models.monitored(DRIVE, {"current": detector})))
        return efficiency

    jax.jit(traced)(0.5)
    assert "current: homodyne, efficiency traced" in seen[0]
    assert "None" in repr(jax.tree.map(lambda _: None, equation))
