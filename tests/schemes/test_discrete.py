"""Discrete increments: outcomes drawn by their physical chance, averages of weak order 2, the right limit."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm, inv, sqrtm

import stochq as sq
from stochq.channels import BandedOperators, DenseOperators
from stochq.laws import law_of
from stochq.noise import Budget, StepNoise
from stochq.schemes import Extrapolated, Strang, frame_of
from tests import liouville
from tests.judging import judge_ensemble, judge_mean
from tests.problems import PROBLEMS, hermitian, state
from tests.schemes import kraus
from tests.schemes.tree import Tree

DISCRETE = Strang(increments="discrete")


def _matrices(seed, count, dim, scale=0.6):
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(count, dim, dim)) + 1j * rng.normal(size=(count, dim, dim)))


def _noise(marks):
    """Of uniform numbers (draws, n), or (halves, draws, n) for a joined step."""
    marks = np.asarray(marks).reshape(-1, *np.shape(marks)[-2:])
    empty = np.zeros((0, marks.shape[-1]))
    return StepNoise(
        jnp.asarray(empty), jnp.asarray(empty.astype(complex)), jnp.asarray(empty), jnp.asarray(kraus.words(marks))
    )


def _flow(channel, h, law, states, marks):
    drawn = channel.discrete_flow(law_of(law))

    @eqx.filter_jit
    def flow(h, states, noise):
        return drawn.step(jnp.zeros(()), h, states, noise, drawn.terms(h), False)[0]

    with jax.enable_x64(True):
        return np.asarray(flow(jnp.asarray(h), jnp.asarray(states), _noise(marks)))


LOWER = np.diag([0.5, 0.9, -0.4j], 1)
CHANNELS = {
    "dense": (DenseOperators(_matrices(1, 1, 3)), _matrices(1, 1, 3)[0], ("real", "complex")),
    "hermitian": (DenseOperators(hermitian(3, 2)[None]), hermitian(3, 2), ("unitary",)),
    "one band": (BandedOperators((1,), [[[0.5, 0.9, -0.4j, 7.0]]]), LOWER, ("real", "complex")),
    "one band below": (BandedOperators((-1,), [[[7.0, 0.5, 0.9, -0.4j]]]), np.diag([0.5, 0.9, -0.4j], -1), ("real",)),
    "real diagonal": (BandedOperators((0,), [[[0.5, 0.9, -0.4]]]), np.diag([0.5, 0.9, -0.4]), ("unitary",)),
}


@pytest.mark.parametrize(("name", "law"), [(name, law) for name, case in CHANNELS.items() for law in case[2]])
def test_every_outcome_has_its_physical_chance(name, law):
    """At both ends of its share of the unit interval, w‖Kψ‖² long, a uniform number leads to the same Kψ."""
    channel, jump, _ = CHANNELS[name]
    assert channel.discrete_flow(law_of(law)).budget.words == 1 and channel.discrete_flow(law_of(law)).is_symmetric
    states = np.stack([state(len(jump), seed) for seed in range(5)], axis=1)
    edges = [kraus.branch(states, np.ones(5), jump, 0.3, law, edge) for edge in (1e-5, 1 - 1e-5)]
    expected, _, marks, parents = (np.concatenate(both, axis=-1) for both in zip(*edges, strict=True))
    after = _flow(channel, 0.3, law, states[:, parents], marks[None])
    np.testing.assert_allclose(after, expected, atol=1e-12)


def _pair(matrices, vectors):
    return np.einsum("in,ij,jn->n", vectors.conj(), matrices, vectors).real


QUBIT, LEAK = np.array([[0.6, 0.4 - 0.3j], [0.4 + 0.3j, -0.6]]), _matrices(3, 2, 2, 0.5)
OBSERVABLE = hermitian(2, 4)
HERMITIANS = np.stack([hermitian(2, 5, 0.8), hermitian(2, 6, 0.8)])
FUNCTIONALS = [
    lambda states: _pair(OBSERVABLE, states),
    lambda states: _pair(OBSERVABLE, states) ** 2,
    lambda states: np.sum(np.abs(states) ** 4, axis=0),
]
EQUATIONS: dict[str, tuple[np.ndarray, Any]] = {
    "one operator": (LEAK[:1], "real"),
    "complex noise": (LEAK[:1], "complex"),
    "unitary noise": (HERMITIANS[:1], "unitary"),
    "two operators": (LEAK, "real"),
    "two operators, complex noise": (LEAK, "complex"),
    "two operators, unitary noise": (HERMITIANS, "unitary"),
}
START = state(2, 7)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.sweep(3)
def test_the_step_is_the_composition_of_its_outcomes(name):
    jumps, law = EQUATIONS[name]
    equation = sq.models.unravel(sq.systems.levels(QUBIT), jumps, noise=law)
    states = np.stack([state(2, seed) for seed in (8, 9)], axis=1)
    h, frame = 0.2, frame_of(equation)
    expected, _, marks, parents = kraus.strang_step(QUBIT, jumps, h, law, states, np.ones(2))
    assert DISCRETE.budget(frame) == Budget(words=len(marks))
    with jax.enable_x64(True):
        step = eqx.filter_jit(lambda t, h, psi, noise: DISCRETE.prepare(frame, h).step(t, psi, noise))
        # In reverse, the second half of the palindrome reads its words from the last operator to the first.
        half = len(jumps) if len(jumps) > 1 else 0
        marks = np.concatenate([marks[: len(marks) - half], marks[len(marks) - half :][::-1]])
        after = np.asarray(step(jnp.zeros(()), jnp.asarray(h), jnp.asarray(states[:, parents]), _noise(marks)))
    np.testing.assert_allclose(after, expected, atol=1e-9)


def _averages(jumps, law, duration, steps):
    """E f(ψ) of the composition over all outcomes."""
    h = duration / steps
    half = expm(-0.5j * h * QUBIT)
    states, chances = half.conj().T @ START[:, None], np.ones(1)
    for _ in range(steps):
        states, chances, _, _ = kraus.strang_step(QUBIT, jumps, h, law, states, chances)
    return np.array([chances @ f(half @ states) for f in FUNCTIONALS])


@pytest.mark.parametrize("name", EQUATIONS)
def test_one_step_has_the_exact_mean_to_third_order(name):
    jumps, law = EQUATIONS[name]
    errors = []
    for h in (0.004, 0.002):
        exact = liouville.density(QUBIT, list(jumps), START, [0.0, h])[-1]
        errors.append(_averages(jumps, law, h, 1)[0] - liouville.expectation(OBSERVABLE, exact))
    assert abs(np.log2(errors[0] / errors[1]) - 3) < 0.3, errors


@pytest.mark.parametrize("name", [name for name in EQUATIONS if name != "two operators, complex noise"])
def test_one_step_and_two_half_steps_agree_to_third_order_in_nonlinear_averages(name):
    jumps, law = EQUATIONS[name]
    differences = np.array([np.subtract(*(_averages(jumps, law, h, n) for n in (1, 2))) for h in (0.004, 0.002)])
    np.testing.assert_array_less(2.6, np.log2(np.abs(differences[0] / differences[1])))


@pytest.mark.parametrize("name", ["unitary noise", "two operators"])
def test_nonlinear_averages_are_those_of_platens_step_to_third_order(name):
    """Another derivation of the same law: the equation of the normalised state with Gaussian noise."""
    jumps, law = EQUATIONS[name]
    equation = sq.models.unravel(sq.systems.levels(QUBIT), jumps, noise=law)
    gaussian = [Tree(equation, START, h, 3).average(Strang(), 1, FUNCTIONALS) for h in (0.002, 0.001)]
    discrete = [_averages(jumps, law, h, 1) for h in (0.002, 0.001)]
    differences = np.array(gaussian) - np.array(discrete)
    np.testing.assert_array_less(np.abs(differences[0]), 1e-5)
    np.testing.assert_array_less(2.6, np.log2(np.abs(differences[0] / differences[1])))


@pytest.mark.parametrize("law", ["real", "complex", "unitary"])
def test_a_joined_step_errs_as_one_of_its_own(law):
    """In averages that are not linear, too: what joined and single records change is of fourth order, so that a pilot
    run on a shared path, whose coarse steps are joined, sees all of the bias. With five moments it is of third."""
    record = kraus.RECORDS[law]
    jump, differences = hermitian(2, 5, 0.8) if law == "unitary" else LEAK[0], []
    for h in (0.005, 0.0025):
        single, both = (
            kraus.branch(START[:, None], np.ones(1), jump, h, each) for each in (record, kraus.joined(record))
        )
        differences.append([single[1] @ f(single[0]) - both[1] @ f(both[0]) for f in FUNCTIONALS[1:]])
    orders = np.log2(np.abs(np.divide(*differences)))
    np.testing.assert_array_less(3.6, orders)


@pytest.mark.parametrize("law", ["real", "complex"])
@pytest.mark.parametrize("largest_matrix", [128, 0])
def test_several_bands_take_the_decay_to_second_order(law, largest_matrix, monkeypatch):
    """Bands whose L†L is not diagonal: the map differs from the exact one only where averages do in third order; held
    as a matrix, and by the actions of the operators, as where there are many levels."""
    monkeypatch.setattr("stochq.channels.families.banded.LARGEST_MEAN_MAP", largest_matrix)
    bands = np.array([[[0.4, -0.3, 0.6, 7.0], [7.0, 0.5j, 0.2, -0.7]]])
    channel = BandedOperators((1, -1), bands)
    jump = channel.operators()[0]
    states, errors = np.stack([state(4, seed) for seed in range(3)], axis=1), []
    for h in (0.02, 0.01):
        _, chances, marks, parents = kraus.branch(states, np.ones(3) / 3, jump, h, law)
        after = _flow(channel, h, law, states[:, parents], marks[None])
        exact = sum(liouville.flow([jump], np.outer(psi, psi.conj()), h) for psi in states.T) / 3
        errors.append(np.abs((after * chances) @ after.conj().T - exact).max())
    assert errors[0] < 1e-5 and np.log2(errors[0] / errors[1]) > 2.7, errors


@pytest.mark.parametrize("law", ["real", "complex"])
@pytest.mark.parametrize("family", ["dense", "band"])
def test_the_mean_of_a_step_is_linear_in_the_density(family, law):
    """What the bias of means is computed from: Σ K_zρK_z† over the outcomes, which keeps the trace at any h."""
    band = BandedOperators((1,), np.array([[[0.4, -0.9j, 0.6, 0.0]]]))
    channel = band if family == "band" else DenseOperators(_matrices(1, 1, 4))
    psi, h = state(4, 8), 0.7
    rho, jump = np.outer(psi, psi.conj()), channel.operators()[0]
    with jax.enable_x64(True):
        mapped = channel.discrete_flow(law_of(law)).mean_flow(h, False)(rho)
    expected = sum(chance * each @ rho @ each.conj().T for chance, each in kraus.maps(jump, h, law))
    np.testing.assert_allclose(mapped, expected, atol=1e-12)
    np.testing.assert_allclose(np.trace(mapped), 1, atol=1e-12)


@pytest.mark.parametrize("law", ["real", "complex"])
def test_a_joined_step_takes_the_sum_of_two_records(law):
    """z = (z₁ + z₂)/√2, drawn by the chance of the pair: z₁ by the first word, z₂ by the second."""
    channel, jump, psi, h = DenseOperators(_matrices(1, 1, 3)), _matrices(1, 1, 3)[0], state(3, 3), 0.3
    values, weights, square, _ = kraus.RECORDS[law]
    z, one = np.add.outer(values, values) / np.sqrt(2), np.eye(3)
    loss = expm(-h / 4 * jump.conj().T @ jump)
    kicks = one + np.sqrt(h) * np.multiply.outer(z, jump) + h / 2 * np.multiply.outer(z**2 - square, jump @ jump)
    trace = sum(c * k.conj().T @ k for c, k in kraus.maps(jump, h, law, repaired=False))
    moved = loss @ kicks @ loss @ inv(sqrtm(trace)) @ psi
    shares = np.outer(weights, weights) * np.sum(np.abs(moved) ** 2, axis=-1)
    first = np.cumsum(shares.sum(axis=1)) / shares.sum()
    second = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
    first = np.broadcast_to(np.diff(first, prepend=0)[:, None] * -0.3 + first[:, None], second.shape)
    second = second - 0.3 * np.diff(second, prepend=0, axis=1)
    marks = np.stack([first.reshape(1, -1), second.reshape(1, -1)])
    after = _flow(channel, h, law, np.repeat(psi[:, None], marks.shape[-1], axis=1), marks)
    expected = moved.reshape(-1, len(psi)).T
    np.testing.assert_allclose(after, expected / np.linalg.norm(expected, axis=0), atol=1e-8)


@pytest.mark.parametrize("name", ["any operators, complex noise", "hermitian operators, unitary noise", "kerr cavity"])
@pytest.mark.sweep(1)
def test_the_ensemble_is_the_master_equation(name):
    problem = PROBLEMS[name]()
    result = sq.simulate(
        problem.equation,
        problem.psi0,
        problem.times,
        observables=problem.observables,
        trajectories=problem.trajectories,
        seed=11,
        scheme=DISCRETE,
        dt=np.ptp(problem.times) / 24,
    )
    assert result.failed == 0
    judge_ensemble(result, problem.expected(), f"{name}, discrete")


def _entanglement(psi):
    """Purity of the second qubit of two, which no density matrix of the ensemble tells."""
    a, b, c, d = psi
    return 1 - 2 * jnp.abs(a * d - b * c) ** 2


def _square_of_mean(psi):
    return (2 * (psi[0] * jnp.conj(psi[2]) + psi[1] * jnp.conj(psi[3])).real) ** 2


@pytest.mark.release
def test_nonlinear_averages_of_two_qubits_are_those_of_a_fine_gaussian_run():
    """One jump operator on one qubit. Judged against Platen's step at a fifth of the length."""
    rng = np.random.default_rng(13)
    jump = np.kron(0.7 * (rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2))), np.eye(2))
    equation = sq.models.unravel(sq.systems.levels(hermitian(4, 14)), [jump])
    run: dict[str, Any] = {"observables": {"purity": _entanglement, "square": _square_of_mean}, "trajectories": 2**15}
    coarse = sq.simulate(equation, state(4, 15), [0, 0.4, 0.8], scheme=DISCRETE, dt=0.04, seed=1, **run)
    fine = sq.simulate(equation, state(4, 15), [0, 0.4, 0.8], scheme=Strang(), dt=0.008, seed=2, **run)
    for name in ("purity", "square"):
        error = np.hypot(coarse.stderr[name], fine.stderr[name])
        judge_mean(coarse.mean[name], error, fine.mean[name], name)


def test_the_law_of_single_trajectories_is_refused():
    equation = sq.models.unravel(sq.systems.levels(QUBIT), LEAK[:1])
    run: dict[str, Any] = {"trajectories": 64, "dt": 0.1}
    bins = sq.Histogram([1, 0], np.linspace(0, 1, 5))
    message = r"^scheme: .*right averages, not the right single trajectories. Use sq.schemes.Strang\(\)"
    with pytest.raises(ValueError, match=message):
        sq.simulate(equation, START, [0, 1], observables={"p": [1, 0]}, keep=1, scheme=DISCRETE, **run)
    with pytest.raises(ValueError, match=message):
        sq.simulate(equation, START, [0, 1], observables={"p": bins}, scheme=Extrapolated(DISCRETE), **run)
    with pytest.raises(ValueError, match="^scheme: expected one through which gradients pass"):
        sq.expectations(equation, START, [0, 1], observables={"p": np.array([1.0, 0.0])}, scheme=DISCRETE, **run)


def test_bad_words_are_refused():
    with pytest.raises(ValueError, match="^increments: expected 'gaussian' or 'discrete'; got 'binary'"):
        Strang(increments="binary")
    with pytest.raises(ValueError, match="^increments: expected 'gaussian' with diffusive=True"):
        Strang(diffusive=True, increments="discrete")


def test_coloured_noise_is_refused():
    equation = sq.models.suv(sq.systems.levels(QUBIT), strength=1.0, noise="unitary")
    coloured = sq.Equation(equation.hamiltonian, equation.channels, "unitary", colour=sq.noise.OrnsteinUhlenbeck(0.1))
    with pytest.raises(ValueError, match="^scheme: Strang cannot step .* white, and this noise is coloured"):
        DISCRETE.check(coloured)


def test_the_name_says_how_to_write_it():
    assert eval(DISCRETE.name, {"Strang": Strang}) == DISCRETE
