"""Monitored linear systems: Riccati's equation, the law of the means, and the engine in a Fock basis as a judge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import stochq as sq
from tests.judging import judge_mean

ETA, BETA = 0.3, 2.0
DPP, DQQ = ETA / BETA, ETA * BETA / 16
HAMILTONIAN = np.array([[1.0, ETA / 2], [ETA / 2, 1.0]])
JUMPS = np.array([[np.sqrt(2 * DPP), 1j * np.sqrt(2 * DQQ)]])
START = sq.gaussian.State([1.0, 0.5], np.diag([1.0, 0.4]))
TIMES = np.linspace(0.0, 3.0, 7)


def watched(noise):
    return sq.gaussian.Monitored(HAMILTONIAN, JUMPS, noise)


def test_the_ensemble_is_minimal_brownian_motion():
    """One jump operator, H + (η/4){q, p} (`brownian-balance`): A and B as in eq. 11."""
    dynamics, expected = watched("real").dynamics, sq.gaussian.brownian(1.0, 1.0, ETA, BETA)
    np.testing.assert_allclose(dynamics.drift, expected.drift, atol=1e-15)
    np.testing.assert_allclose(dynamics.diffusion, expected.diffusion, atol=1e-15)
    assert dynamics.is_completely_positive()


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_the_conditional_covariance_obeys_riccati(noise):
    """The gain written out once more: cov(O, L) + cov(L†, O) with the commutator's half."""
    omega, c, dynamics = np.array([[0, 1], [-1, 0]]), JUMPS[0], watched(noise).dynamics

    def slope(_, flat):
        v = flat.reshape(2, 2)
        u = v @ c + 0.5j * omega @ c
        gains = [2 * u.real] if noise == "real" else [np.sqrt(2) * u.real, np.sqrt(2) * u.imag]
        spread = dynamics.drift @ v + v @ dynamics.drift.T + dynamics.diffusion
        return (spread - sum(np.outer(g, g) for g in gains)).ravel()

    found = watched(noise).conditional(START, TIMES)
    solved = solve_ivp(slope, (0, 3), START.covariance.ravel(), t_eval=TIMES, rtol=1e-11, atol=1e-13).y.T
    np.testing.assert_allclose(found, solved.reshape(-1, 2, 2), atol=1e-9)


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_means_and_conditional_covariance_make_up_the_whole(noise):
    monitored = watched(noise)
    conditional, whole = monitored.conditional(START, TIMES), monitored.dynamics.evolve(START, TIMES)
    result = monitored.trajectories(START, TIMES, trajectories=20_000, seed=4)
    for name, (i, j) in {"qq": (0, 0), "qp": (0, 1), "pp": (1, 1)}.items():
        expected = whole.covariance[:, i, j] + whole.mean[:, i] * whole.mean[:, j] - conditional[:, i, j]
        judge_mean(result.mean[name], result.stderr[name], expected, name)
    judge_mean(result.mean["q"], result.stderr["q"], whole.mean[:, 0], "q")


def test_the_chain_over_long_intervals_is_the_chain_over_short_ones():
    """Correlations in time as well: E[q(t) q(t')] does not depend on what lies between."""
    long, short = [0.0, 1.0, 3.0], np.linspace(0.0, 3.0, 31)
    monitored = watched("real")
    means = [
        monitored.trajectories(START, t, trajectories=20_000, keep=20_000, seed=s).kept
        for s, t in enumerate((long, short))
    ]
    products = [kept[:, at, 0] * kept[:, -1, 0] for kept, at in zip(means, (1, 10), strict=True)]
    difference = products[0].mean() - products[1].mean()
    judge_mean(difference, np.sqrt(sum(p.var() / p.size for p in products)), 0.0, "E[q(1) q(3)]")


@pytest.mark.release
@pytest.mark.parametrize("noise", ["real", "complex"])
def test_the_engine_in_a_fock_basis_has_the_same_trajectories(noise):
    """E[⟨q⟩²] is no function of ρ: it knows the noise law and the conditional covariance."""
    oscillator = sq.systems.oscillator(28)
    equation = sq.models.brownian(oscillator, friction=ETA, beta=BETA, noise=noise)
    q, p = (oscillator.operators[name] for name in ("position", "momentum"))
    coherent = np.zeros(28, complex)
    amplitude = (0.8 + 0.3j) / np.sqrt(2)
    coherent[0] = 1.0
    for n in range(1, 28):
        coherent[n] = coherent[n - 1] * amplitude / np.sqrt(n)
    coherent /= np.linalg.norm(coherent)
    start = sq.gaussian.State([0.8, 0.3], 0.5 * np.eye(2))

    def square(operator):
        return lambda psi: (psi.conj() @ operator @ psi).real ** 2

    squares = {"qq": square(q), "pp": square(p)}
    times = np.array([0.0, 0.6, 1.2])
    result = sq.simulate(equation, coherent, times, observables=squares, trajectories=4096, dt=0.02, seed=5)
    monitored = sq.gaussian.Monitored(HAMILTONIAN, JUMPS, noise)
    conditional, whole = monitored.conditional(start, times), monitored.dynamics.evolve(start, times)
    for i, name in enumerate(("qq", "pp")):
        expected = whole.covariance[:, i, i] + whole.mean[:, i] ** 2 - conditional[:, i, i]
        judge_mean(result.mean[name], result.stderr[name], expected, name)
    # The two laws differ by far more than the error bars: the test can tell them apart.
    other = sq.gaussian.Monitored(HAMILTONIAN, JUMPS, "real" if noise == "complex" else "complex")
    gap = np.abs(other.conditional(start, times)[-1] - conditional[-1]).max()
    assert gap > 4 * result.stderr["qq"][-1]


def test_many_modes():
    """A chain of watched oscillators: pure states stay pure on every trajectory."""
    modes = 12
    coupled = np.eye(2 * modes) - 0.2 * (np.eye(2 * modes, k=1) + np.eye(2 * modes, k=-1))
    coupled[modes - 1, modes] = coupled[modes, modes - 1] = 0.0
    jumps = np.zeros((modes, 2 * modes), complex)
    jumps[np.arange(modes), np.arange(modes)] = 0.4
    monitored = sq.gaussian.Monitored(coupled, jumps)
    times = np.linspace(0.0, 4.0, 5)
    conditional = monitored.conditional(sq.gaussian.vacuum(modes), times)
    np.testing.assert_allclose(sq.gaussian.symplectic_eigenvalues(conditional), 0.5, atol=1e-9)
    result = monitored.trajectories(sq.gaussian.vacuum(modes), times, trajectories=4000)
    whole = monitored.dynamics.evolve(sq.gaussian.vacuum(modes), times).covariance
    expected = np.diagonal(whole - conditional, axis1=1, axis2=2)
    for i, name in enumerate(("q1q1", "q2q2")):
        judge_mean(result.mean[name], result.stderr[name], expected[:, i], name)


BAD = {
    "shape": (np.eye(2), np.ones((1, 3)), "real", r"^jumps: expected shape \(K, 2\)"),
    "symmetry": (np.array([[1.0, 0.2], [0.0, 1.0]]), JUMPS, "real", "^hamiltonian: expected a symmetric"),
    "law": (np.eye(2), JUMPS, "unitary", "^noise: expected 'real' or 'complex'"),
    "nan": (np.eye(2), JUMPS * np.nan, "real", "^jumps: expected finite"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what):
    hamiltonian, jumps, noise, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        sq.gaussian.Monitored(hamiltonian, jumps, noise)


def test_a_state_below_the_uncertainty_bound_has_no_trajectories():
    with pytest.raises(ValueError, match="^covariance: expected V"):
        watched("real").conditional(sq.gaussian.State([0, 0], 0.3 * np.eye(2)), TIMES)


OSCILLATOR = np.array([[1.3, 0.2], [0.2, 0.8]])
SAMPLES = [
    -0.325966, -0.587179, -0.049181, 0.285223, 0.643023, 0.129853,
    -0.201324, -0.31739, 0.449373, 0.892392, 0.211384, -0.541664,
]  # fmt: skip


def oscillator(strength=0.35, efficiency=0.75, noise="real"):
    return sq.gaussian.Monitored(OSCILLATOR, np.sqrt(strength) * np.array([[1.0, 1j]]), noise, efficiency=efficiency)


def test_a_record_of_an_oscillator_is_filtered():
    record = sq.inference.Record(0.25 * np.arange(13), SAMPLES)
    start = sq.gaussian.State([0.5, -0.2], 0.5 * np.eye(2))
    found = oscillator().filter(start, record)
    assert abs(found.log_likelihood[0] + 0.461486) < 1e-6
    np.testing.assert_allclose(found.mean[0, -1], [-0.329191, 0.060049], atol=1e-6)
    np.testing.assert_allclose(found.covariance[-1], [[0.438878, -0.111177], [-0.111177, 0.613721]], atol=1e-6)
    assert sq.inference.log_likelihood(oscillator(), start, record) == found.log_likelihood.sum()


@pytest.mark.parametrize("noise", ["real", "complex"])
def test_the_likelihood_is_that_of_the_oscillator_in_a_fock_basis(noise):
    """A few levels, a squeezed vacuum within them, weak light; one bin is wide."""
    levels = 6
    lower = np.diag(np.sqrt(np.arange(1, levels)), 1)
    q, p = (lower + lower.T) / np.sqrt(2), (lower - lower.T) / (1j * np.sqrt(2))
    hamiltonian = 0.5 * (1.3 * q @ q + 0.8 * p @ p + 0.2 * (q @ p + p @ q))
    detector = (sq.measurement.homodyne if noise == "real" else sq.measurement.heterodyne)(
        np.sqrt(0.1) * (q + 1j * p), efficiency=0.75
    )
    equation = sq.models.monitored(hamiltonian, {"out": detector})
    increments = 0.3 * np.sin(np.arange(6)).reshape(1, 3, 2)[..., : 1 if noise == "real" else 2]
    kind = "homodyne" if noise == "real" else "heterodyne"
    record = sq.inference.Record([0.0, 0.05, 0.1, 0.25], increments, ["out"], [kind])
    vacuum = np.eye(levels)[0]
    want = sq.inference.log_likelihood(equation, vacuum, record)
    found = oscillator(0.1, noise=noise).log_likelihood(sq.gaussian.State([0, 0], 0.5 * np.eye(2)), record)
    assert abs(found - want) < 2e-5


def test_the_filtered_covariance_is_riccati_s_and_bins_join():
    """The covariance given a record over short bins nears that of the continuous record; efficiencies included."""
    monitored, start = oscillator(), sq.gaussian.State([0.5, -0.2], np.diag([0.5, 0.7]))
    increments = np.sqrt(1 / 2000) * (-1.0) ** np.arange(2000)
    record = sq.inference.Record(np.linspace(0, 1, 2001), increments)
    found = monitored.filter(start, record).covariance[-1]
    np.testing.assert_allclose(found, monitored.conditional(start, [0.0, 1.0])[-1], atol=1e-6)


def test_gradients_of_the_likelihood_in_phase_space():
    record = sq.inference.Record(0.25 * np.arange(13), SAMPLES)

    def value(theta):
        start = sq.gaussian.State([0.5, -0.2], 0.5 * np.eye(2))
        jumps = jnp.sqrt(theta[0]) * np.array([[1.0, 1j]])
        monitored = sq.gaussian.Monitored(OSCILLATOR * theta[2], jumps, efficiency=theta[1])
        return monitored.log_likelihood(start, record)

    theta, step = np.array([0.35, 0.75, 1.0]), 1e-5
    with jax.enable_x64(True):
        found = jax.grad(value)(jnp.asarray(theta))
        want = [(value(theta + step * unit) - value(theta - step * unit)) / (2 * step) for unit in np.eye(3)]
    np.testing.assert_allclose(found, want, atol=1e-8)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(efficiency=1.5), "efficiency: expected numbers from 0 to 1"),
        (dict(efficiency=[0.5, 0.5]), "efficiency: expected one number"),
    ],
)
def test_efficiencies_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        sq.gaussian.Monitored(HAMILTONIAN, JUMPS, **change)


def test_records_of_other_detectors_are_refused():
    record = sq.inference.Record([0, 1], np.zeros((1, 1, 2)), ["out"], ["heterodyne"])
    with pytest.raises(ValueError, match="record: expected a Record of homodyne detection"):
        oscillator().filter(START, record)


def test_a_record_of_an_oscillator_without_damping():
    """Nothing feeds back on the record, and no rate stands on the diagonal. One bin, by the series of its variance."""
    h = 0.1
    watched = sq.gaussian.Monitored(np.eye(2), [[1.0, 0.0]], efficiency=0.5)
    value = watched.log_likelihood(sq.gaussian.State([0.0, 0.0], np.eye(2) / 2), sq.measurement.Record([0.0, h], [0.0]))
    # Y = √2 ∫x dt + W with x = x₀ cos t + p₀ sin t + ∫ sin(t − s) dW_p, E dW_p² = ds.
    start = 0.5 * (np.sin(h) ** 2 + (1 - np.cos(h)) ** 2)
    kicks = 1.5 * h - 2 * np.sin(h) + 0.25 * np.sin(2 * h)  # ∫ (1 − cos u)² du
    assert abs(value + 0.5 * np.log((h + 2 * (start + kicks)) / h)) < 1e-12


def test_currents_given_as_increments_are_noticed_in_phase_space():
    """A record of unit noise in bins of 0.01 is quiet, its current is not; a large signal is no error."""
    times, start = np.linspace(0, 1, 101), sq.gaussian.State([0.5, -0.2], 0.5 * np.eye(2))
    noise = 0.1 * np.random.default_rng(0).normal(size=100)
    for read in (oscillator().filter, oscillator().log_likelihood):
        read(start, sq.inference.Record(times, noise))
    with pytest.warns(UserWarning, match="from_current") as told:
        oscillator().filter(start, sq.inference.Record(times, noise / 0.01))
    assert told[0].filename == __file__
    # ⟨L + L†⟩√η = 2√(.35·.75)·q, of q = 200 some 205 at first, in bins of 0.01.
    far = sq.gaussian.State([200.0, 0.0], 0.5 * np.eye(2))
    mean = oscillator().dynamics.evolve(far, times).mean[:-1, 0]
    oscillator().filter(far, sq.inference.Record(times, noise + 2 * np.sqrt(0.35 * 0.75) * mean * 0.01))


def test_a_method_has_no_meaning_in_phase_space():
    record, start = sq.inference.Record([0.0, 0.1], [0.3]), sq.gaussian.State([0, 0], 0.5 * np.eye(2))
    with pytest.raises(ValueError, match="^method: expected 'auto' for a linear system.*got 'kraus'"):
        sq.inference.log_likelihood(oscillator(), start, record, method="kraus")
