"""Increments of records: their joint law with the state, against generators with a counting field by plain scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from stochq.channels import DenseOperators, Features, Kernel, Modulated, Projectors, Separable, StratonovichCollapse
from stochq.laws import COMPLEX, REAL, UNITARY
from stochq.noise import StepNoise
from tests import liouville
from tests.channels.cases import draw, recorder
from tests.problems import hermitian, state

PLAIN = 0.6 * np.array([[0.3, 0.9 - 0.4j], [0.2 + 0.5j, -0.7]])
FEATURES = np.array([[0.5, -0.2, 0.9], [0.3, 0.4, -0.6]])


def exact_moments(jumps, field, square, rho, h):
    """E[ψψ†], E[yψψ†] and E[y²ψψ†] of a record y over h: the Taylor coefficients in ζ of exp(h(𝓛 + ζ𝓜 + ζ²square/2)).

    field: ρ ↦ 𝓜ρ. dY = ⟨c+c†⟩dt + dW has 𝓜ρ = cρ + ρc† and the square 1, dZ = ⟨L⟩dt + dW* has Lρ and 0.
    """
    size = rho.size
    basis = np.eye(size).reshape(size, *rho.shape)
    first = np.stack([field(unit).reshape(-1) for unit in basis], axis=1)
    generator = liouville.superoperator(np.zeros_like(rho), jumps)
    blocks = np.kron(np.eye(3), generator) + np.kron(np.eye(3, k=1), first)
    blocks = blocks + np.kron(np.eye(3, k=2), 0.5 * square * np.eye(size))
    row = scipy.linalg.expm(h * blocks)[:size]
    coefficients = [row[:, k * size : (k + 1) * size] @ rho.reshape(-1) for k in range(3)]
    return [factor * each.reshape(rho.shape) for factor, each in zip((1, 1, 2), coefficients, strict=True)]


def _nodes(dimensions, order=14):
    """Points (dimensions, n) and weights (n,) of Gauss and Hermite's rule for standard normals."""
    points, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.stack(np.meshgrid(*[points] * dimensions, indexing="ij")).reshape(dimensions, -1)
    shares = np.stack(np.meshgrid(*[weights / weights.sum()] * dimensions, indexing="ij")).reshape(dimensions, -1)
    return grid, shares.prod(axis=0)


def _sums(psi, y, weights):
    """E[y^n ψψ†] over columns, n = 0, 1, 2."""
    return [np.einsum("ib,jb,b->ij", psi, psi.conj(), weights * y**power) for power in range(3)]


def _noise(law, normals, uniforms=()):
    """Two arrays of complex noise are the parts of one complex number."""
    columns = normals.shape[1]
    if law is COMPLEX:
        count = len(normals) // 2
        real, pairs = np.zeros((0, columns)), normals[:count] + 1j * normals[count:]
    else:
        real, pairs = normals, np.zeros((0, columns), complex)
    return StepNoise(jnp.asarray(real), jnp.asarray(pairs), jnp.asarray(np.reshape(uniforms, (-1, columns))))


def _platen_moments(flow, law, psi, h):
    """All outcomes of two half steps, forwards and backwards, by quadrature."""
    grid, weights = _nodes(2 * len(law.variants), 8)
    states, step, total = jnp.repeat(jnp.asarray(psi)[:, None], len(weights), axis=1), recorder(flow), 0
    for normals, reverse in zip(np.split(grid, 2), (False, True), strict=True):
        states, y = step(jnp.asarray(h / 2), states, _noise(law, normals), None, reverse)
        total = total + np.asarray(y)[0]
    return _sums(np.asarray(states), total, weights)


@pytest.mark.parametrize("law", [REAL, COMPLEX], ids=str)
@pytest.mark.parametrize("factor", [1.0, -1.3])
@pytest.mark.sweep(2)
def test_platens_record_is_of_second_order_jointly_with_the_state(law, factor):
    """The error of one step is of third order; an envelope multiplies the operator with its sign."""
    psi, jump = state(2, 3), factor * PLAIN
    rho = np.outer(psi, psi.conj())
    channel = DenseOperators([PLAIN])
    if factor != 1.0:
        channel = Modulated(channel, lambda t: -1.3 + 0 * t)
    field = (lambda r: jump @ r + r @ jump.conj().T) if law is REAL else (lambda r: jump @ r)
    with jax.enable_x64(True):
        errors = []
        for h in (0.16, 0.08):
            found = _platen_moments(channel.flow(law), law, psi, h)
            exact = exact_moments([jump], field, 1.0 if law is REAL else 0.0, rho, h)
            errors.append([np.abs(a - b).max() for a, b in zip(found, exact, strict=True)])
    coarse, fine = np.array(errors)
    assert np.all(fine < 2e-3)
    assert np.all(coarse / fine > 5.5), (coarse, fine)


def _collapse_moments(flow, psi, h, operator):
    """All outcomes of one exact collapse: levels one by one, normals by quadrature."""
    law, chances = flow.law, np.abs(psi) ** 2
    grid, weights = _nodes(flow.channel.noises * len(law.variants), 12)
    step, total = recorder(flow), 0
    for edge, chance in zip(np.cumsum(chances), chances, strict=True):
        states = jnp.repeat(jnp.asarray(psi)[:, None], len(weights), axis=1)
        uniforms = np.full(len(weights), edge - chance / 2)
        after, y = step(jnp.asarray(h), states, _noise(law, grid, uniforms), None, False)
        total = total + chance * np.array(_sums(np.asarray(after), np.asarray(y)[operator], weights))
    return total


@pytest.mark.parametrize("law", [REAL, COMPLEX], ids=str)
def test_the_drawn_outcome_of_a_collapse_is_its_record(law):
    """Exact in law over any step, jointly with the state."""
    psi, h, rate, operator = state(3, 7), 0.5, 0.8, 1
    features = FEATURES if law is REAL else FEATURES[:1]
    operator = min(operator, len(features) - 1)
    jumps = [np.sqrt(rate) * np.diag(row).astype(complex) for row in features]
    watched = jumps[operator]
    field = (lambda r: watched @ r + r @ watched.conj().T) if law is REAL else (lambda r: watched @ r)
    with jax.enable_x64(True):
        found = _collapse_moments(Features(features, rate).flow(law), psi, h, operator)
    exact = exact_moments(jumps, field, 1.0 if law is REAL else 0.0, np.outer(psi, psi.conj()), h)
    np.testing.assert_allclose(found, exact, atol=2e-6)


RECORDED = {"features": Features(FEATURES, 0.8), "projectors": Projectors([0.7, 0.0, 1.2])}


@pytest.mark.parametrize("law", [REAL, COMPLEX], ids=str)
@pytest.mark.parametrize("diffusive", [False, True])
@pytest.mark.parametrize("name", RECORDED)
def test_a_collapsed_state_follows_from_its_record(name, diffusive, law):
    """ψ_i ∝ ψ_i(0) exp(Σ F_ki y_k − κ_ii t), for complex noise exp(Σ F_ki z_k* − ½κ_ii t), on every trajectory."""
    channel, psi, h, columns = RECORDED[name], state(3, 5), 0.7, 50
    flow = channel.smooth_flow(law) if diffusive else channel.flow(law)
    features, strength = channel.features(), np.diagonal(np.asarray(channel.kernel()))
    with jax.enable_x64(True):
        states = jnp.repeat(jnp.asarray(psi)[:, None], columns, axis=1)
        noise = draw(np.random.default_rng(2), flow.budget, columns)
        after, y = (np.asarray(each) for each in recorder(flow)(jnp.asarray(h), states, noise, None, False))
    exponent = features.T @ y.conj() - law.collapse_share * h * strength[:, None]
    expected = psi[:, None] * np.exp(exponent)
    np.testing.assert_allclose(after, expected / np.linalg.norm(expected, axis=0), atol=1e-12)


@pytest.mark.parametrize("f", [0.6, -0.6, 0.0])
def test_an_envelope_multiplies_the_watched_operator(f):
    """With its sign; where it vanishes the detector writes plain noise, of the variance dt."""
    channel = Modulated(Features(FEATURES, 0.8), lambda t: f + 0 * t)
    flow, psi, h, columns = channel.flow(REAL), state(3, 5), 0.7, 4000
    with jax.enable_x64(True):
        states = jnp.repeat(jnp.asarray(psi)[:, None], columns, axis=1)
        noise = draw(np.random.default_rng(3), flow.budget, columns)
        after, y = (np.asarray(each) for each in recorder(flow)(jnp.asarray(h), states, noise, None, False))
    watched = f * np.sqrt(0.8) * FEATURES
    expected = psi[:, None] * np.exp(watched.T @ y - h * np.sum(watched**2, axis=0)[:, None])
    np.testing.assert_allclose(after, expected / np.linalg.norm(expected, axis=0), atol=1e-12)
    mean = 2 * watched @ np.abs(psi) ** 2 * h
    np.testing.assert_allclose(y.mean(axis=1), mean, atol=5 * np.sqrt(2 * h / columns))


def test_what_has_no_record_says_why():
    rates = np.ones(3)
    assert "random potential" in Projectors(rates).missing_record(UNITARY)
    assert "random potential" in DenseOperators([hermitian(2, 1)]).missing_record(UNITARY)
    assert "one field" in Kernel(np.array([1.0, 0.2, 0.2]), 1.0).missing_record(REAL)
    assert "Separable" in Separable(rates).missing_record(REAL)
    assert StratonovichCollapse(1.0, 1.0, np.eye(3)).missing_record(REAL)
    assert Modulated(Separable(rates), lambda t: 1.0 + t).missing_record(COMPLEX)
    for channel in (*RECORDED.values(), DenseOperators([PLAIN]), Modulated(Projectors(rates), lambda t: 1.0 + t)):
        assert channel.missing_record(REAL) == channel.missing_record(COMPLEX) == ""
    assert [channel.count for channel in RECORDED.values()] == [2, 3]
