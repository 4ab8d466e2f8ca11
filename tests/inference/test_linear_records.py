"""Records of linear systems: information and goodness of fit against the joint Gaussian law of all increments."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.linalg import solve_triangular

import stochq as sq
from stochq.inference import information
from stochq.inference.whiteness import totals
from tests.inference.linear import EFFICIENCY, SHAPE, START, TIMES, law

THETA = {"displacement": 0.8, "frequency": 1.2, "strength": 0.5}


def model(values, noise="real"):
    jumps = jnp.sqrt(values["strength"]) * np.array([[1.0, 0.5j]])
    system = sq.gaussian.Monitored(values["frequency"] * SHAPE, jumps, noise, efficiency=EFFICIENCY)
    return system, sq.gaussian.State(jnp.stack([values["displacement"], 0.0]), START)


def drawn(records, seed, times=TIMES, **changed):
    mean, covariance = law(THETA | changed, times=times)
    increments = np.random.default_rng(seed).multivariate_normal(mean, covariance, records)
    return sq.inference.Record(times, increments)


@pytest.mark.release
@pytest.mark.parametrize("noise", ["real", "complex"])
def test_information_is_that_of_the_joint_law(noise):
    """½Tr(Σ⁻¹∂Σ Σ⁻¹∂Σ) + ∂μᵀΣ⁻¹∂μ, by differences."""
    found = information(lambda values: model(values, noise), THETA, TIMES)
    _, covariance = law(THETA, noise)
    slopes = []
    for name in THETA:
        ahead, behind = (law(THETA | {name: THETA[name] + sign * 1e-4}, noise) for sign in (1, -1))
        slopes.append([(one - other) / 2e-4 for one, other in zip(ahead, behind, strict=True)])
    want = np.empty((3, 3))
    for i, (mean, spread) in enumerate(slopes):
        for j, (other, wider) in enumerate(slopes):
            turned = np.linalg.solve(covariance, spread) @ np.linalg.solve(covariance, wider)
            want[i, j] = 0.5 * np.trace(turned) + mean @ np.linalg.solve(covariance, other)
    np.testing.assert_allclose(found.classical, want, rtol=1e-5, atol=1e-7)
    inverse = np.linalg.inv(want)
    assert found.error("strength", records=50) == (pytest.approx(np.sqrt(inverse[2, 2] / 50), rel=1e-5), 0.0)
    assert "one record of duration 3" in str(found) and "drawn" not in str(found)


@pytest.mark.release
def test_quantum_information_is_that_of_the_fock_states():
    """The two-sided master equation in 24 levels, by differences of what its trace and its state are, in SciPy."""
    theta = {"displacement": 0.5, "frequency": 1.2, "strength": 0.4}
    variance, duration, dim, shift = 0.4, 1.3, 24, 2e-3

    def squeezed(values):
        system, state = model(values)
        return system, sq.gaussian.State(state.mean, np.diag([variance, 0.25 / variance]))

    lower = np.diag(np.sqrt(np.arange(1, dim)), 1)
    q, p = (lower + lower.T) / np.sqrt(2), (lower - lower.T) / (1j * np.sqrt(2))
    (one, both), (_, other) = SHAPE
    energy = 0.5 * (one * q @ q + other * p @ p + both * (q @ p + p @ q))
    x = np.linspace(-9, 9, 1501)
    levels = [np.exp(-0.5 * x**2) / np.pi**0.25, np.sqrt(2) * x * np.exp(-0.5 * x**2) / np.pi**0.25]
    for n in range(1, dim - 1):
        levels.append(np.sqrt(2 / (n + 1)) * x * levels[n] - np.sqrt(n / (n + 1)) * levels[n - 1])

    def side(values):
        jump = np.sqrt(values[2]) * (q + 0.5j * p)
        ket = np.array(levels) @ np.exp(-((x - values[0]) ** 2) / (4 * variance))
        return -1j * values[1] * energy - 0.5 * jump.conj().T @ jump, jump, ket / np.linalg.norm(ket)

    def after(left, right):
        (h, jump, psi), (k, other, phi) = side(left), side(right)

        def rate(_, rho):
            rho = rho.reshape(dim, dim)
            return (h @ rho + rho @ k.conj().T + jump @ rho @ other.conj().T).ravel()

        start = np.outer(psi, phi).astype(complex).ravel()
        return solve_ivp(rate, (0, duration), start, rtol=1e-9, atol=1e-11).y[:, -1].reshape(dim, dim)

    at, off = np.array(list(theta.values())), shift * np.eye(3)
    emitted, slopes = np.empty((3, 3)), []
    for i, j in np.ndindex(3, 3):
        signs = [(one, other) for one in (1, -1) for other in (1, -1)]
        ends = [
            one * other * np.log(abs(np.trace(after(at + one * off[i], at + other * off[j])))) for one, other in signs
        ]
        emitted[i, j] = sum(ends) / shift**2
    for one in off:
        slopes.append((after(at + one, at + one) - after(at - one, at - one)) / (2 * shift))
    chances, vectors = np.linalg.eigh(after(at, at))
    sums = chances[:, None] + chances[None]
    inner = [vectors.conj().T @ one @ vectors for one in slopes]
    of_state = [
        [np.sum(2 * (one * other.conj()).real[sums > 1e-9] / sums[sums > 1e-9]) for one in inner] for other in inner
    ]
    found = information(squeezed, theta, [0.0, 0.4, duration])
    np.testing.assert_allclose(found.quantum, emitted, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.state, of_state, rtol=0, atol=1e-3)
    assert np.all(np.linalg.eigvalsh(found.quantum - found.classical) > 0)
    assert "with all emitted" in str(found)


def test_quantum_information_of_states_in_closed_form():
    """Without a Hamiltonian and watching: a mean number n of quanta knows 1/(n(n+1)) of itself, a displacement 1/V; the
    field has nothing more. Two modes, and ħ that is not 1."""
    hbar, quanta = 0.5, 0.7

    def still(values):
        system = sq.gaussian.Monitored(np.zeros((4, 4)), np.zeros((1, 4)), hbar=hbar)
        mean = jnp.stack([values["q"], 0.0, 0.0, 0.0])
        spread = hbar * (values["quanta"] + 0.5)
        return system, sq.gaussian.State(mean, spread * jnp.diag(jnp.array([1.0, 0.0, 1.0, 0.0])) + vacuum)

    vacuum = 0.5 * hbar * np.diag([0.0, 1.0, 0.0, 1.0])
    found = information(still, {"q": 0.3, "quanta": quanta}, [0.0, 1.0])
    want = np.diag([1 / (hbar * (quanta + 0.5)), 1 / (quanta * (quanta + 1))])
    np.testing.assert_allclose(found.state, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.quantum, want, rtol=1e-9, atol=1e-12)


def test_experiments_on_linear_systems_are_ranked():
    """A longer record knows more."""
    spans = {"short": {"times": TIMES[:4]}, "long": {"times": TIMES}}
    assert sq.inference.design(model, THETA, spans, parameter="frequency").best == ("long",)


@pytest.mark.parametrize("noise", [pytest.param("real", marks=pytest.mark.release), "complex"])
def test_innovations_are_the_increments_by_the_root_of_their_covariance(noise):
    mean, covariance = law(THETA, noise)
    columns = 1 if noise == "real" else 2
    increments = np.random.default_rng(1).normal(size=(4, len(mean))) * 0.6
    names, kinds = (None, None) if noise == "real" else (["out"], ["heterodyne"])
    record = sq.inference.Record(TIMES, increments.reshape(4, -1, columns), names, kinds)
    with jax.enable_x64(True):
        system, state = model(THETA, noise)
        found = np.asarray(system.filter(state, record).innovations)
    want = solve_triangular(np.linalg.cholesky(covariance), (increments - mean).T, lower=True).T
    np.testing.assert_allclose(found.reshape(4, -1), want, rtol=0, atol=1e-10)


def test_p_is_that_of_the_whitened_increments():
    """By the root of the joint law's covariance, its second derivatives and how what is white moves, in NumPy alone."""
    record, start = drawn(100, 5), {name: 1.1 * value for name, value in THETA.items()}
    fit = sq.fit(model, record, start)
    at, increments = np.array([fit.parameters[name] for name in THETA]), record.increments[..., 0]

    def white(theta):
        mean, covariance = law(dict(zip(THETA, theta, strict=True)))
        root = np.linalg.cholesky(covariance)
        z = solve_triangular(root, (increments - mean).T, lower=True).T
        loss = 0.5 * np.sum(z**2) + len(z) * np.sum(np.log(np.diagonal(root)))
        return totals(z[..., None]), loss

    steps = 1e-3 * np.eye(3)
    slopes = np.stack([(white(at + one)[0] - white(at - one)[0]) / 2e-3 for one in steps], axis=1)
    curvature = np.empty((3, 3))
    for i, j in np.ndindex(3, 3):
        signs = [(one, other) for one in (1, -1) for other in (1, -1)]
        curvature[i, j] = sum(a * b * white(at + a * steps[i] + b * steps[j])[1] for a, b in signs) / 4e-6
    left, axes = np.linalg.eigh(np.eye(len(slopes)) - slopes @ np.linalg.inv(curvature) @ slopes.T)
    known = left > 0.3
    squares = (axes.T @ white(at)[0])[known] ** 2 / np.minimum(left[known], 1)
    assert fit.p_value == pytest.approx(stats.chi2.sf(squares.sum(), known.sum()), rel=0.02)


@pytest.mark.release
def test_right_models_have_uniform_p_values_and_wrong_ones_are_caught():
    """60 sets of 50 records; then many with a gain that is not in the model."""
    start = {name: 1.1 * value for name, value in THETA.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fit: ")
        chances = [sq.fit(model, drawn(50, seed), start).p_value for seed in range(60)]
    assert stats.kstest(chances, "uniform").pvalue > 0.01
    record = drawn(400, 100)
    louder = sq.inference.Record(record.times, 1.25 * record.increments, record.names)
    with pytest.warns(UserWarning, match="not the white noise"):
        assert sq.fit(model, louder, start).p_value < 1e-4


@pytest.mark.release
@pytest.mark.filterwarnings("ignore:fit. ")
def test_few_records_that_hardly_tell_a_parameter_have_uniform_p_values():
    """200 sets of 20 records, by which the displacement may be anything: what they are expected to tell is counted."""
    start = {name: 1.1 * value for name, value in THETA.items()}
    chances = [sq.fit(model, drawn(20, seed), start).p_value for seed in range(200)]
    assert stats.kstest(chances, "uniform").pvalue > 0.01
