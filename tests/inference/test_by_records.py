"""Kraus maps of many levels, which have a matrix for each record, against the sum of plain complex matrices."""

import jax
import numpy as np
import pytest

import stochq as sq
from stochq.instruments.by_records import ByRecords
from stochq.instruments.instrument import Written
from stochq.instruments.kraus import kraus_instrument, stacked
from stochq.instruments.words import unordered, words_of
from stochq.measurement import homodyne, unread
from tests.problems import hermitian, state

DIM, RECORDS, WIDTH = 12, 3, 0.02


def _equation(detectors):
    return sq.models.monitored(hermitian(DIM, 1), detectors)


def _operator(seed, size=0.3):
    return size * (hermitian(DIM, seed) + 1j * hermitian(DIM, seed + 1))


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.sweep(1)
def test_a_step_is_that_of_complex_matrices(lost):
    """U[KρK† + ½Σ(CKρK†C† + KCρC†K†) + ¼ …]U†, with phases of local oscillators, which multiply the words."""
    detectors = {"x": homodyne(_operator(2)), "y": homodyne(_operator(4))}
    detectors |= {f"lost {n}": unread(_operator(6 + 2 * n)) for n in range(lost)}
    parts = _equation(detectors).watched_parts()
    rng = np.random.default_rng(0)
    psi = np.stack([state(DIM, seed) for seed in range(4 * RECORDS)], axis=1).reshape(DIM, 4, RECORDS)
    rho = np.einsum("amr,bmr->abr", psi, psi.conj()) / 4
    current = np.sqrt(WIDTH) * rng.normal(size=(1, 2, RECORDS))
    with jax.enable_x64(True):
        pairs = unordered(parts)
        instrument = kraus_instrument(parts, np.array([WIDTH]), pure=False, pairs=pairs)
        assert isinstance(instrument, ByRecords)
        words = jax.tree.map(np.asarray, words_of(parts, np.array(WIDTH), pairs))
        prepared = instrument.prepare(Written(current, np.zeros((1, 0, RECORDS)), np.zeros(1, int)))
        values, clicks, which = (array[0] for array in prepared)
        values = values * np.exp(1j * rng.normal(size=values.shape))
        after, weight = instrument.step(stacked(rho), (values, clicks, which))
        linear = np.asarray(instrument.density(instrument.linear(stacked(rho), (values, clicks, which))))
        after, weight = np.asarray(instrument.density(after)), np.asarray(weight)
        mean = np.asarray(instrument.mean[0])
    for record in range(RECORDS):
        kraus = np.einsum("n,nab->ab", np.asarray(values)[:, record], words.kraus)

        def summed(operators, matrix):
            return sum((one @ matrix @ one.conj().T for one in operators), np.zeros((DIM, DIM)))

        inside = words.half @ rho[..., record] @ words.half.conj().T
        gone = summed(words.lost, inside)
        kept = kraus @ (inside + 0.5 * gone) @ kraus.conj().T
        expected = words.half @ (kept + summed(words.lost, 0.5 * kept + 0.25 * gone)) @ words.half.conj().T
        np.testing.assert_allclose(linear[..., record], expected, atol=1e-13)
        trace = np.trace(expected).real
        np.testing.assert_allclose(after[..., record], expected / trace, atol=1e-13)
        effect = mean[:DIM, :DIM] + 1j * mean[DIM:, :DIM]
        np.testing.assert_allclose(weight[record], trace / np.trace(effect @ rho[..., record]).real, rtol=1e-12)


def test_many_records_go_to_all_cores_and_unequal_blocks_leave_no_trace():
    """The likelihoods of records that are followed together are those of each alone, whatever their number of bins."""
    equation = _equation({"x": homodyne(_operator(2), efficiency=0.6)})
    increments = np.sqrt(WIDTH) * np.random.default_rng(1).normal(size=(70, 67))
    times = WIDTH * np.arange(68)
    together = sq.inference.log_likelihood(
        equation, state(DIM, 1), sq.inference.Record(times, increments, ["x"]), per_record=True
    )
    for place in (0, 40, 69):
        alone = sq.inference.Record(times, increments[place : place + 1], ["x"])
        np.testing.assert_allclose(
            together[place], sq.inference.log_likelihood(equation, state(DIM, 1), alone), rtol=1e-9
        )
