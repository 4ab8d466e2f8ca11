"""The bias of means without sampling: against plain matrix exponentials, and against ensembles at long steps."""

import numpy as np
import pytest
import scipy.linalg

import stochq as sq
from stochq.accuracy.mean_map import mean_map_estimator
from stochq.schemes import EulerMaruyama, Extrapolated, Strang, frame_of
from tests import liouville
from tests.judging import judge_ensemble
from tests.problems import hermitian, state

TIMES = np.array([0.0, 0.5, 1.0, 2.0])
HAMILTONIAN, PSI = hermitian(3, 1), state(3, 2)
WATCHED = {"level": np.array([0.0, 0.5, 1.0]), "matrix": hermitian(3, 3)}
ORDERED = ("level", "matrix")


def mean_run(equation, psi, times, observables, scheme):
    return mean_map_estimator(equation, frame_of(equation), np.asarray(psi), times, observables, scheme)


def _suv():
    return sq.models.suv(sq.systems.levels(HAMILTONIAN), strength=1.3)


def _collapse(rate):
    return [np.sqrt(rate) * np.diag(row) for row in np.eye(len(PSI))]


def _superoperators(matrix, jumps):
    zero = np.zeros_like(matrix)
    return liouville.superoperator(matrix, []), liouville.superoperator(zero, jumps)


def _split(unitary, jumps, h):
    half = scipy.linalg.expm(0.5 * h * unitary)
    return half @ scipy.linalg.expm(h * jumps) @ half


def _values(rho):
    return [np.sum(WATCHED["level"] * np.diag(rho).real), np.trace(WATCHED["matrix"] @ rho).real]


def _plain_bias(h):
    """Strang's error in plain matrices, (T, observables)."""
    unitary, jumps = _superoperators(HAMILTONIAN, _collapse(1.3))
    step, start = _split(unitary, jumps, h), np.outer(PSI, PSI.conj()).reshape(-1)
    bias = []
    for t in TIMES:
        stepped = np.linalg.matrix_power(step, round(t / h)) @ start
        exact = scipy.linalg.expm(t * (unitary + jumps)) @ start
        bias.append(np.subtract(_values(stepped.reshape(3, 3)), _values(exact.reshape(3, 3))))
    return np.array(bias)


def test_the_bias_is_that_of_plain_matrices():
    run = mean_run(_suv(), PSI, TIMES, WATCHED, Strang())
    assert run is not None
    for h in (0.1, 0.05):
        plain = _plain_bias(h)
        # Known by halving the step: right up to the next order, h² relative.
        np.testing.assert_allclose(run.bias(h).value, plain, atol=2 * h**2 * np.abs(plain).max())
    assert np.abs(_plain_bias(0.1)).max() > 1e-4


def test_moments_are_those_of_the_mean_state():
    """And bound those of single trajectories."""
    run, h = mean_run(_suv(), PSI, TIMES, WATCHED, Strang()), 0.1
    assert run is not None
    unitary, jumps = _superoperators(HAMILTONIAN, _collapse(1.3))
    rho = np.linalg.matrix_power(_split(unitary, jumps, h), 20) @ np.outer(PSI, PSI.conj()).reshape(-1)
    rho, found = rho.reshape(3, 3), run.moments(h, (2, 4, 8))
    single = sq.simulate(_suv(), PSI, TIMES, observables=WATCHED, trajectories=4096, dt=h)
    for index, name in enumerate(ORDERED):
        matrix = np.diag(WATCHED[name]) if WATCHED[name].ndim == 1 else WATCHED[name]
        away = matrix - np.trace(rho @ matrix).real * np.eye(3)
        scale = np.ptp(np.linalg.eigvalsh(matrix))
        plain = [np.trace(rho @ np.linalg.matrix_power(away / scale, order)).real for order in (2, 4, 8)]
        np.testing.assert_allclose(found[:, -1, index], plain, rtol=1e-9)
        # The sample variance of 4096 is right to a few percent.
        assert single.variance[name][-1] < 1.1 * found[0, -1, index] * scale**2


def test_two_bases_and_a_distance_to_equilibrium():
    """SUI: the map of one step is the product of both channels' maps in their two bases."""
    chain = sq.systems.ising(2, coupling=1.0, transverse=0.9, longitudinal=0.4)
    chi = sq.canonical(chain, 0.7)
    equation = sq.models.sui(chain, reduction=0.3, thermalization=0.4, equilibrium=chi)
    frame, h, rho = frame_of(equation), 0.2, np.outer(state(4, 5), state(4, 5).conj())
    mapped = Strang().mean_map(frame, h)(rho, 1)
    vectors = np.asarray(frame.columns)
    energies, held = np.asarray(chain.energies), vectors.conj().T
    jumps = [[jump for jump in part.operators()] for part in equation.channels]
    given = [part for part in zip(equation.channels, jumps, strict=True)]
    maps = []
    for channel, operators in given:
        rotate = held if type(channel.basis).__name__ == "Given" else np.eye(4)
        inside = [rotate @ jump @ rotate.conj().T for jump in operators]
        maps.append(liouville.superoperator(np.zeros((4, 4)), inside))
    collapse, thermal = maps if type(equation.channels[0].basis).__name__ == "Given" else maps[::-1]
    half = scipy.linalg.expm(0.5 * h * liouville.superoperator(np.diag(energies).astype(complex), []))
    around = scipy.linalg.expm(0.5 * h * thermal)
    plain = half @ around @ scipy.linalg.expm(h * collapse) @ around @ half
    np.testing.assert_allclose(mapped.reshape(-1), plain @ rho.reshape(-1), atol=1e-6)


def test_an_ensemble_at_a_long_step_has_that_bias():
    equation, h = _suv(), 0.5
    bias = _plain_bias(h)
    result = sq.simulate(equation, PSI, TIMES, observables=WATCHED, trajectories=2**19, dt=h, seed=3)
    unitary, jumps = _superoperators(HAMILTONIAN, _collapse(1.3))
    start = np.outer(PSI, PSI.conj()).reshape(-1)
    exact = np.array([_values((scipy.linalg.expm(t * (unitary + jumps)) @ start).reshape(3, 3)) for t in TIMES])
    judge_ensemble(result, dict(zip(ORDERED, (exact + bias).T, strict=True)), "Strang at a long step")
    assert np.abs(bias).max() > 8 * max(result.stderr[name].max() for name in WATCHED)


def test_thermalization_takes_the_longest_step_and_is_right():
    rates, energies = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.7, 1.9])
    equation = sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=rates)
    watched = {"energy": energies, "matrix": hermitian(3, 4)}
    result = sq.simulate(equation, PSI, TIMES, observables=watched, trajectories=2**17)
    assert result.dt == 0.5 and np.all(result.bias["energy"] == 0)
    assert "exact at any step" in result.info["dt_reason"]
    jumps = [np.sqrt(rates[m]) * np.outer(np.eye(3)[m], np.eye(3)[n]) for m in range(3) for n in range(3)]
    rho = liouville.density(np.diag(energies).astype(complex), jumps, PSI, TIMES)
    expected = {name: liouville.expectation(_dense(operator), rho) for name, operator in watched.items()}
    judge_ensemble(result, expected, "one step of half a relaxation time")


def _dense(operator):
    return np.diag(operator) if np.ndim(operator) == 1 else operator


@pytest.mark.parametrize(
    ("equation", "observables", "scheme"),
    [
        (_suv(), {"f": lambda psi: abs(psi[0]) ** 4}, Strang()),
        (_suv(), WATCHED, EulerMaruyama()),
        (_suv(), WATCHED, Extrapolated(Strang())),
        (sq.models.unravel(sq.systems.levels(HAMILTONIAN), [hermitian(3, 6)]), WATCHED, Strang()),
    ],
)
def test_elsewhere_sampling_tells(equation, observables, scheme):
    assert mean_run(equation, PSI, TIMES, observables, scheme) is None


@pytest.mark.parametrize(
    ("equation", "longest"),
    [
        (_suv(), 0.0),
        (sq.models.suv(sq.systems.levels(HAMILTONIAN), strength=1.3, noise="unitary"), np.inf),
        (sq.models.oqt(sq.systems.levels(HAMILTONIAN), strength=2.0, equilibrium=[0.5, 0.2, 0.3]), 0.0),
    ],
)
def test_smooth_steps_are_exact_in_the_mean_where_no_index_was_drawn_anyway(equation, longest):
    """And with a Gaussian in the place of the drawn index, or in a sweep that draws nothing else, they are not."""
    assert Strang(diffusive=True).mean_limit(frame_of(equation)) == pytest.approx(longest)
