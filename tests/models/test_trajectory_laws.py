"""Laws of single trajectories, which no master equation knows."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from tests.judging import judge, judge_mean, judge_sample
from tests.problems import hermitian, state

EULER = sq.schemes.EulerMaruyama()


def _states(equation, psi0, times, trajectories, **options):
    """Whole trajectories, (trajectory, time, dim), in double precision."""
    watched = {"norm": np.ones(equation.dim)}
    result = sq.simulate(
        equation, psi0, times, observables=watched, trajectories=trajectories, keep=trajectories, **options
    )
    return result.kept.astype(complex)


def _populations(*arguments, **options):
    return np.abs(_states(*arguments, **options)) ** 2


def test_collapse_time_of_two_levels():
    """From z = 0 to |z| = 1 − ε takes (a/8γ) tanh(a/2) on average, a = ln((2−ε)/ε): .65505/γ at ε = .01.

    Seen only every dt, the path crosses late; moving the barrier by .5826 standard deviations of a step makes up for
    it to first order (Broadie, Glasserman and Kou 1997).
    """
    dt, epsilon, gamma = 0.01, 0.01, 1.0
    pointer = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2 * gamma)
    populations = _populations(pointer, np.ones(2) / np.sqrt(2), np.arange(0, 6, dt), 4096, dt=dt)
    # u = artanh z moves by steps of standard deviation 2√(γ dt).
    u = 0.5 * np.abs(np.log(np.maximum(populations[..., 0], 1e-30) / np.maximum(populations[..., 1], 1e-30)))
    a = np.log((2 - epsilon) / epsilon)
    crossed = u >= 0.5 * a - 0.5826 * 2 * np.sqrt(gamma * dt)
    assert np.all(crossed.any(axis=1))
    expected = a / (8 * gamma) * np.tanh(a / 2)
    assert expected == pytest.approx(0.65505, abs=1e-5)
    judge_sample(dt * crossed.argmax(axis=1), expected, "collapse time")


# One exact step to the end; complex noise collapses at half the rate. Euler's paths have their law in the next test.
@pytest.mark.parametrize(
    ("noise", "scheme", "dt"),
    [("real", None, 40.0), ("complex", None, 80.0), pytest.param("real", EULER, 0.02, marks=pytest.mark.release)],
)
def test_born_frequencies(noise, scheme, dt):
    duration = 12.0 if scheme else dt
    psi = np.sqrt(np.array([0.5, 0.3, 0.2])) * np.exp(1j * np.arange(3))
    pointer = sq.models.suv(sq.systems.levels([0.3, 0.0, 1.0]), strength=1.0, noise=noise)
    populations = _populations(pointer, psi, [0.0, duration], 8192, dt=dt, scheme=scheme)[:, -1]
    assert np.quantile(populations.max(axis=1), 0.01) > 0.98
    counts = np.bincount(populations.argmax(axis=1), minlength=3)
    judge(stats.chisquare(counts, 8192 * np.abs(psi) ** 2).pvalue, "Born's rule")


def test_energy_driven_collapse_ends_in_energy_eigenstates():
    matrix, psi = hermitian(3, 1), state(3, 2)
    weights = np.abs(np.linalg.eigh(matrix)[1].conj().T @ psi) ** 2
    equation = sq.models.energy_driven(sq.systems.levels(matrix), strength=1.0)
    states = _states(equation, psi, [0.0, 200.0], 8192, dt=200.0)[:, -1]
    inside = np.abs(states @ np.linalg.eigh(matrix)[1].conj()) ** 2
    assert np.quantile(inside.max(axis=1), 0.01) > 0.98
    judge(stats.chisquare(np.bincount(inside.argmax(axis=1), minlength=3), 8192 * weights).pvalue, "Born's rule")


def _mixture(log_ratio, start, share, rate, t):
    """CDF of ln|ψ_0/ψ_1| under SUV: from `start`, drift ±2 rate t with Born's chances, variance 2 rate t."""
    spread = np.sqrt(2 * rate * t)
    up, down = (stats.norm.cdf(log_ratio, start + sign * 2 * rate * t, spread) for sign in (1, -1))
    return share * up + (1 - share) * down


@pytest.mark.parametrize(("scheme", "dt"), [(None, 0.7), (None, 0.05), (EULER, 0.7 / 256)])
@pytest.mark.sweep(1)
def test_commuting_collapse_has_its_exact_law(scheme, dt):
    """With H diagonal in the collapse basis the populations' law is known at every time, whatever the step."""
    rate, t, psi = 0.8, 0.7, np.array([0.6, 0.8j])
    equation = sq.models.suv(sq.systems.levels([1.3, -0.4]), strength=rate)
    populations = _populations(equation, psi, [0.0, t], 8192, dt=dt, scheme=scheme)[:, -1]
    log_ratio = 0.5 * np.log(populations[:, 0] / populations[:, 1])
    start = np.log(0.6 / 0.8)
    judge(stats.kstest(log_ratio, lambda x: _mixture(x, start, 0.36, rate, t)).pvalue, "law of the populations")


def test_populations_are_martingales():
    times = np.linspace(0, 3, 5)
    psi = np.sqrt(np.array([0.1, 0.2, 0.7]))
    equation = sq.models.suv(sq.systems.levels([0.3, 0.0, 1.0]), strength=1.0)
    populations = _populations(equation, psi, times, 8192, dt=0.25)
    judge_sample(populations[:, 1:], np.broadcast_to(psi**2, (4, 3)), "means")
    # Martingale: increments do not know the past, E[(p(t) − p(s)) f(p(s))] = 0.
    for f in (np.square, np.sqrt):
        judge_sample(np.diff(populations, axis=1)[:, 1:] * f(populations[:, 1:-1]), np.zeros((3, 3)), "increments")


def test_unitary_noise_does_not_collapse():
    psi = np.sqrt(np.array([0.1, 0.2, 0.7]))
    equation = sq.models.suv(sq.systems.levels([0.3, 0.0, 1.0]), strength=1.0, noise="unitary")
    populations = _populations(equation, psi, [0.0, 1.0, 2.0], 64, dt=0.5)
    np.testing.assert_allclose(populations, np.broadcast_to(psi**2, populations.shape), atol=1e-5)


DIM, RATE = 4, 1.0


def _even_oqt():
    return sq.models.oqt(
        sq.systems.levels(hermitian(DIM, 3)), strength=RATE, equilibrium=np.full(DIM, 1 / DIM), noise="complex"
    )


@pytest.mark.release
def test_complex_thermalization_ends_in_haar_random_states():
    """Even weights, complex noise: the stationary law is Dirichlet(1, …, 1), so each population is Beta(1, d − 1)."""
    equation = _even_oqt()
    vectors = equation.hamiltonian.eigenvectors
    states = _states(equation, vectors[:, 0], [0.0, 6.0], 8192, dt=0.05)[:, -1]
    populations = np.abs(states @ vectors.conj()) ** 2
    judge_sample(np.sum(populations**2, axis=1), 2 / (DIM + 1), "E Σp²")
    for level in range(DIM):
        judge(stats.kstest(populations[:, level], stats.beta(1, DIM - 1).cdf).pvalue, f"population {level}")
    # Haar-random states look the same in every basis.
    given = np.abs(states) ** 2
    judge(stats.kstest(given[:, 1], stats.beta(1, DIM - 1).cdf).pvalue, "population in another basis")


def test_complex_thermalization_is_a_wright_fisher_diffusion():
    """dE[Σp²]/dt = 4a/d − 2a(1 + 1/d) E[Σp²] on the way to 2/(d + 1)."""
    equation, times = _even_oqt(), np.linspace(0, 1.5, 4)
    vectors = equation.hamiltonian.eigenvectors
    states = _states(equation, vectors[:, 0], times, 8192, dt=0.05)
    purity = np.sum(np.abs(states @ vectors.conj()) ** 4, axis=-1)
    expected = 2 / (DIM + 1) + (1 - 2 / (DIM + 1)) * np.exp(-2 * RATE * (1 + 1 / DIM) * times)
    judge_sample(purity[:, 1:], expected[1:], "E Σp²")


@pytest.mark.release
def test_nonlinear_averages_do_not_depend_on_the_scheme():
    """The two schemes have nothing in common but the equation: E⟨X⟩² and E Σp² agree, real noise, uneven weights."""
    equation = sq.models.sui(
        sq.systems.levels(hermitian(3, 4)), reduction=0.7, thermalization=0.8, equilibrium=[0.6, 0.3, 0.1]
    )
    observable, psi = hermitian(3, 5), state(3, 6)
    values = []
    for scheme, dt, seed in ((sq.schemes.Strang(), 1 / 32, 1), (EULER, 1 / 256, 2)):
        states = _states(equation, psi, [0.0, 0.5, 1.0], 8192, dt=dt, scheme=scheme, seed=seed)[:, 1:]
        means = np.einsum("nti,ij,ntj->nt", states.conj(), observable, states).real
        values.append(np.stack([means**2, np.sum(np.abs(states) ** 4, axis=-1)], axis=-1))
    error = np.sqrt(sum(value.var(axis=0) / len(value) for value in values))
    judge_mean(values[0].mean(axis=0), error, values[1].mean(axis=0), "nonlinear averages")
