"""Thermalization without a spectrum: its step against the generator of the dim² operators, and whole runs."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import Equilibration
from stochq.channels.flows.equilibration import EquilibrationFlow, equilibrated
from stochq.ensemble.devices import block_size
from stochq.ensemble.pilots import pilot_size
from stochq.laws import COMPLEX
from stochq.module import Module
from stochq.noise import StepNoise
from stochq.systems.propagation.windows import planes_of
from stochq.systems.typicality.ensembles import canonical_equilibrium

X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
PSI = np.array([0.5, np.sqrt(0.75) * np.exp(0.7j)])


class Matrix(Module):
    """An equilibrium as a matrix."""

    root_matrix: Any
    largest_weight: float

    def root(self, psi):
        return jnp.asarray(self.root_matrix, psi.dtype) @ psi

    def apply(self, psi):
        return self.root(self.root(psi))

    def root_of_planes(self, planes):
        return planes_of(self.root(jax.lax.complex(*planes)))

    def roots_and_powers(self, parts):
        """Powers of the matrix by its eigenvectors, one by one."""
        weights, vectors = np.linalg.eigh(np.asarray(self.root_matrix))
        total = 0
        for factors, planes in parts:
            psi = jax.lax.complex(*planes)
            for n, factor in factors.items():
                total += factor * (jnp.asarray((vectors * weights**n) @ vectors.conj().T, psi.dtype) @ psi)
        return planes_of(total)

    @property
    def hamiltonian(self):
        return SimpleNamespace(dim=len(self.root_matrix))


def equilibrium(x, y, z) -> tuple[Any, Any]:
    """χ = (1 + xX + yY + zZ)/2 and what the step needs of it."""
    chi = (np.eye(2) + x * X + y * Y + z * Z) / 2
    weights, vectors = np.linalg.eigh(chi)
    return chi, Matrix((vectors * np.sqrt(weights)) @ vectors.conj().T, weights[-1])


def quadrature(points=14):
    """Nodes (2, n) of two complex normals, E|z|² = 2, and their weights (n,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    grid = np.stack(np.meshgrid(*[nodes] * 4, indexing="ij")).reshape(4, -1)
    products = np.prod(np.stack(np.meshgrid(*[weights] * 4, indexing="ij")), axis=0).ravel()
    return grid[:2] + 1j * grid[2:], products / products.sum()


def after_a_step(chi, h):
    """States (2, n) after a step from PSI over all nodes, and their weights."""
    normals, weights = quadrature()
    with jax.enable_x64(True):
        psi = jnp.broadcast_to(jnp.asarray(PSI)[:, None], normals.shape)
        return np.asarray(equilibrated(chi, jnp.asarray(h), psi, jnp.asarray(normals))), weights


def generator(chi, f):
    """(Lf)(x) at x = (Re ψ, Im ψ), of dψ = Σ_k (L_k − ⟨L_k⟩)ψ dW_k + … with L = √χ_μ |μ⟩⟨ν| for all pairs."""
    weights, vectors = np.linalg.eigh(chi)
    pairs = [np.sqrt(w) * np.outer(v, u.conj()) for w, v in zip(weights, vectors.T, strict=True) for u in vectors.T]
    operators = jnp.asarray(np.array(pairs))

    def terms(x):
        psi = x[:2] + 1j * x[2:]
        images = jnp.einsum("kij,j->ki", operators, psi)
        means = images @ psi.conj()
        losses = jnp.einsum("kji,kj->ki", operators.conj(), images)
        drift = means.conj() @ images - 0.5 * losses.sum(0) - 0.5 * jnp.sum(jnp.abs(means) ** 2) * psi
        noise = images - means[:, None] * psi[None]
        return drift, noise

    def apply(x):
        drift, noise = terms(x)
        real = jnp.concatenate([drift.real, drift.imag])
        # dW = (dW_1 + i dW_2)/√2.
        parts = jnp.sqrt(0.5) * jnp.concatenate([noise, 1j * noise])
        rows = jnp.concatenate([parts.real, parts.imag], axis=1)
        return jax.grad(f)(x) @ real + 0.5 * jnp.einsum("ki,ij,kj->", rows, jax.hessian(f)(x), rows)

    return apply


def mean_of(operator):
    return lambda x: jnp.real((x[:2] + 1j * x[2:]).conj() @ operator @ (x[:2] + 1j * x[2:]))


FUNCTIONS = {
    "z": mean_of(Z),
    "y z": lambda x: mean_of(Y)(x) * mean_of(Z)(x),
    "z cubed": lambda x: mean_of(Z)(x) ** 3,
}


@pytest.mark.release
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_step_is_right_to_the_second_order(name):
    # E f(ψ_h) = f + h Lf + h²/2 L²f + O(h³), with the generator of all dim² operators.
    matrix, chi = equilibrium(0.3, -0.25, 0.5)
    f = FUNCTIONS[name]
    with jax.enable_x64(True):
        x = jnp.asarray(np.concatenate([PSI.real, PSI.imag]))
        first = generator(matrix, f)
        value, slope, curve = float(f(x)), float(first(x)), float(generator(matrix, first)(x))
    errors = []
    for h in (0.04, 0.02, 0.01):
        states, weights = after_a_step(chi, h)
        with jax.enable_x64(True):
            seen = np.asarray(jax.vmap(f, -1)(jnp.concatenate([states.real, states.imag])))
        errors.append(abs(weights @ seen - value - h * slope - h**2 / 2 * curve))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(slopes > 2.6)


@pytest.mark.parametrize("h", [0.05, 0.2, 0.8, 1.6])
def test_the_mean_after_many_steps_is_within_its_bound(h):
    matrix, chi = equilibrium(0.1, 0.3, 0.4)
    states, weights = after_a_step(chi, h)
    seen = (weights * states) @ states.conj().T
    exact = np.exp(-h) * np.outer(PSI, PSI.conj()) + (1 - np.exp(-h)) * matrix
    # Errors of all steps before die out as e^{-h}.
    error = np.abs(np.linalg.eigvalsh(seen - exact)).sum() / (1 - np.exp(-h))
    flow = EquilibrationFlow(Equilibration(chi, 1.0, 0.25), COMPLEX)
    assert error < 0.5 * flow.mean_error(h)


def test_uneven_weights_on_four_levels_have_the_law_of_all_operators():
    # Euler's method for the sixteen operators in NumPy, 450 000 trajectories each at steps of .004 and .002: E⟨O⟩²,
    # E⟨O⟩³ and E Σp². The mean is exact.
    weights = np.array([0.8, 0.15, 0.04, 0.01])
    chi = Matrix(np.diag(np.sqrt(weights)), weights[0])
    operator = np.array(
        [[0.5, 0.3, 0, 0.2j], [0.3, -0.4, 0.3, 0], [0, 0.3, 0.2, 0.4], [-0.2j, 0, 0.4, -0.6]], dtype=complex
    )
    start = np.array([0.1, 0.3, 0.5j, -0.8]) / np.sqrt(0.99)
    mean = np.exp(-1.2) * (start.conj() @ operator @ start).real + (1 - np.exp(-1.2)) * weights @ np.diag(operator).real
    expected, errors = np.array([mean, 0.09044, 0.02193, 0.50236]), np.array([0, 1e-4, 6e-5, 2e-4])
    rng = np.random.default_rng(4)
    psi, steps = np.repeat(start[:, None], 40_000, axis=1), 12
    with jax.enable_x64(True):
        step = jax.jit(lambda psi, normals: equilibrated(chi, jnp.asarray(1.2 / steps), psi, normals))
        for _ in range(steps):
            psi = np.asarray(step(psi, rng.normal(size=psi.shape) + 1j * rng.normal(size=psi.shape)))
    seen = np.einsum("it,ij,jt->t", psi.conj(), operator, psi).real
    values = np.stack([seen, seen**2, seen**3, np.sum(np.abs(psi) ** 4, axis=0)])
    tolerance = 4 * np.hypot(errors, values.std(axis=1) / 200) + 0.3 * weights[0] * (0.1 / 1.1) ** 2 / 4
    assert np.all(np.abs(values.mean(axis=1) - expected) < tolerance)


def test_equal_weights_lead_to_random_states():
    # dS/dt = 4/d − 2(1 + 1/d)S of S = E Σp², whose limit 2/(d+1) is Haar's.
    _, chi = equilibrium(0, 0, 0)
    for h in (0.1, 0.05):
        states, weights = after_a_step(chi, h)
        seen = weights @ np.sum(np.abs(states) ** 4, axis=0)
        start = np.sum(np.abs(PSI) ** 4)
        assert abs(seen - (2 / 3 + (start - 2 / 3) * np.exp(-3 * h))) < h**3


class Told(Matrix):
    """An equilibrium that says that its weights are small, and has one root alone."""

    def roots_and_powers(self, parts):
        return jax.tree.map(lambda plane: jnp.full_like(plane, jnp.nan), parts[0][1])


@pytest.mark.parametrize("vector", [(0, 0, 0), (0.3, -0.25, 0.5), (0, 0, 0.95)])
@pytest.mark.parametrize("h", [0.01, 0.05, 0.4, 1.6])
def test_one_root_is_enough_where_weights_are_small(vector, h):
    # The law of the step is that of true weights; its error over the largest one and h is what its choice rests on.
    matrix, chi = equilibrium(*vector)
    states, weights = after_a_step(Told(chi.root_matrix, 0.0), h)
    exact = np.exp(-h) * np.outer(PSI, PSI.conj()) + (1 - np.exp(-h)) * matrix
    error = np.abs(np.linalg.eigvalsh((weights * states) @ states.conj().T - exact)).sum() / (1 - np.exp(-h))
    assert error < 3 * chi.largest_weight * h / (1 + h)
    # Without any drift it would be 0.7 of the largest weight in short steps.
    assert h > 0.02 or error < 0.05 * chi.largest_weight


def test_one_root_is_taken_where_its_bias_is_below_a_ten_thousandth_of_the_range():
    # 1.5 w h/(1 + h) = 10⁻⁴.
    h = 0.25
    limit = 1e-4 / (1.5 * 0.2)
    chi = equilibrium(0, 0, 0.2)[1].root_matrix
    psi, normals = jnp.asarray(PSI, np.complex64)[:, None], jnp.ones((2, 1), np.complex64)
    light, heavy = (equilibrated(Told(chi, factor * limit), jnp.float32(h), psi, normals) for factor in (0.99, 1.01))
    assert np.all(np.isfinite(light))
    assert np.all(np.isnan(heavy))
    chis: list[Any] = [Told(chi, factor * limit) for factor in (0.99, 1.01)]
    bounds = [EquilibrationFlow(Equilibration(told, 1.0, 0.25), COMPLEX).mean_error(h) for told in chis]
    assert np.allclose(bounds, [0.99 * limit * 3 * 0.2 / 0.5, 1.01 * limit * 0.3 * 0.04 / 0.5])


@pytest.mark.release
def test_five_spins_as_the_dense_engine_and_the_master_equation():
    # Values of the dense engine, and of the master equation in NumPy: E⟨m⟩ = .22434, E⟨m⟩² = .0651(5).
    chain = sq.systems.ising(5, 1.0, 0.9045, 0.809)
    equation = sq.models.oqt(chain, strength=0.6, equilibrium=canonical_equilibrium(chain, 0.3), noise="complex")
    m = np.asarray(chain.operators["magnetization"])
    observables = {"m": m, "m squared": lambda psi: jnp.sum(m * jnp.abs(psi) ** 2) ** 2}
    result = sq.simulate(equation, np.eye(32)[31], [0, 1.5], observables=observables, trajectories=8192, dt=0.25)
    assert abs(result.mean["m"][-1] - 0.22434) < 4 * result.stderr["m"][-1]
    assert abs(result.mean["m squared"][-1] - 0.0651) < 4 * np.hypot(result.stderr["m squared"][-1], 5e-4)


def test_its_operators_are_those_of_the_master_equation():
    chain = sq.systems.ising(3, 1.0, 0.9, 0.4)
    channel = Equilibration(canonical_equilibrium(chain, 0.5).map, 0.7)
    rho = np.random.default_rng(3).normal(size=(8, 8)) + 0j
    rho = rho @ rho.T
    with jax.enable_x64(True):
        operators = np.asarray(channel.operators())
        dissipator = np.asarray(channel.dissipator(jnp.asarray(0.0), jnp.asarray(rho)))
    gained = np.einsum("kij,jl,kml->im", operators, rho, operators.conj())
    lost = np.einsum("kji,kjl->il", operators.conj(), operators)
    assert np.allclose(dissipator, gained - 0.5 * (lost @ rho + rho @ lost), atol=2e-5)
    assert np.allclose(np.diag(lost), channel.total_loss(), atol=1e-5)


def test_drift_and_noise_are_those_of_all_operators():
    # Σ_k (⟨L_k⟩* L_k − L_k†L_k/2 − |⟨L_k⟩|²/2)ψ and E dψ dψ† = Σ_k (L_k − ⟨L_k⟩)ψψ†(L_k − ⟨L_k⟩)† dt.
    weights, rate, dt = np.array([0.8, 0.15, 0.04, 0.01]), 0.7, 0.03
    chi: Any = Matrix(np.diag(np.sqrt(weights)), weights[0])
    channel = Equilibration(chi, rate, 0.5)
    psi = np.array([0.1, 0.3, 0.5j, -0.8]) / np.sqrt(0.99)
    operators = [np.sqrt(rate * w) * np.outer(e, f) for w, e in zip(weights, np.eye(4), strict=True) for f in np.eye(4)]
    drift, covariance = np.zeros(4, complex), np.zeros((4, 4), complex)
    for operator in operators:
        mean = psi.conj() @ operator @ psi
        drift += (mean.conj() * operator - operator.conj().T @ operator / 2 - abs(mean) ** 2 / 2 * np.eye(4)) @ psi
        noise = operator @ psi - mean * psi
        covariance += dt * np.outer(noise, noise.conj())
    with jax.enable_x64(True):
        start, zero = jnp.asarray(psi), jnp.asarray(0.0)
        seen = channel.drift(zero, start, COMPLEX)
        # Linear in the normals, of which E|z|² = 2.
        none = jnp.zeros(0)
        units = [StepNoise(none, jnp.asarray(unit, complex), none) for unit in np.eye(4)]
        columns = np.stack([channel.diffuse(zero, start, unit, jnp.asarray(dt), COMPLEX) for unit in units], axis=1)
    np.testing.assert_allclose(seen, drift, atol=1e-12)
    np.testing.assert_allclose(2 * columns @ columns.conj().T, covariance, atol=1e-12)


def test_what_is_refused():
    chain, other = sq.systems.ising(3, 1.0, 0.9, 0.4), sq.systems.ising(3, 1.0, 0.8, 0.4)
    chi = canonical_equilibrium(chain, 0.5)
    with pytest.raises(ValueError, match="noise: expected 'complex'"):
        sq.models.oqt(chain, strength=0.6, equilibrium=chi)
    with pytest.raises(ValueError, match="made for another"):
        sq.models.oqt(other, strength=0.6, equilibrium=chi, noise="complex")
    same = sq.systems.ising(3, 1.0, 0.9, 0.4)
    assert sq.models.oqt(same, strength=0.6, equilibrium=chi, noise="complex").noise == "complex"
    sui = sq.models.sui(chain, reduction=0.3, thermalization=0.6, equilibrium=chi, noise="complex")
    assert len(sui.channels) == 2


def test_large_states_stand_alone():
    # A state that fills a cache stands alone; smaller ones as many side by side as before.
    assert [block_size(2**n) for n in (12, 14, 16, 18, 20)] == [32, 8, 2, 1, 1]
    assert block_size(2) == 1024
    assert [pilot_size(100, 2**n) for n in (3, 12, 16, 20)] == [256, 256, 25, 25]
    assert pilot_size(2, 2**20) == 4


@pytest.mark.release
def test_the_step_follows_from_the_bound():
    chain = sq.systems.ising(8, 1.0, 0.9045, 0.809)
    chi = canonical_equilibrium(chain, 0.3)
    equation = sq.models.oqt(chain, strength=0.6, equilibrium=chi, noise="complex")
    m = chain.operators["magnetization"]
    result = sq.simulate(equation, np.eye(256)[255], [0, 1.0], observables={"m": m}, trajectories=40)
    # In units of the root of Tr χ².
    energies = np.linalg.eigvalsh(np.asarray(chain.matrix()))
    weights = np.exp(-0.3 * energies) / np.exp(-0.3 * energies).sum()
    h = 0.6 / result.info["steps"]
    longer = 0.6 / (result.info["steps"] - 1)
    bounds = [0.3 * weights.max() * (x / (1 + x)) ** 2 / np.sqrt((weights**2).sum()) for x in (h, longer)]
    assert bounds[0] < 0.1 / np.sqrt(40) < 1.2 * bounds[1]
    assert "standard deviations in equilibrium" in result.info["dt_reason"]
