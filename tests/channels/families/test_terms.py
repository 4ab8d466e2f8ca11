"""Drift, diffusion and dissipator of every channel against sums over dense jump operators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.channels import RateMatrix, Separable
from stochq.laws import law_of
from stochq.noise import StepNoise
from tests import liouville, stochastic
from tests.channels.cases import CASES, PAIRS, compiled, draw, stepper
from tests.judging import judge_sample
from tests.problems import state, unitary


def _columns(dim, count):
    return np.stack([state(dim, seed) for seed in range(count)], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_operators_are_the_jump_operators_up_to_mixing(name):
    """A unitary mixture of operators is the same channel: compare Σ_k L_k ⊗ L_k*, which does not see it."""
    channel, jumps, _ = CASES[name]
    got, expected = (np.einsum("kij,klm->ijlm", stack, np.conj(stack)) for stack in (channel.operators(), jumps))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert channel.dim == jumps[0].shape[0]


@pytest.mark.parametrize(("name", "law"), PAIRS)
def test_drift_is_the_sum_over_operators(name, law):
    channel, jumps, _ = CASES[name]
    psi = _columns(channel.dim, 3)
    with jax.enable_x64(True):
        got = np.asarray(compiled(channel, "drift")(jnp.zeros(()), jnp.asarray(psi), law_of(law)))
    expected = np.stack([stochastic.drift(jumps, column, law) for column in psi.T], axis=1)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize(("name", "law"), PAIRS)
@pytest.mark.sweep(8)
def test_diffusion_has_the_law_of_the_sum_over_operators(name, law):
    """E[ηη†] = dt Σ b b†, E[ηηᵀ] = dt Σ b bᵀ (0 for complex noise) with b_k what multiplies dW_k; E[η] = 0."""
    channel, jumps, _ = CASES[name]
    count, dt, psi = 2**15, 0.3, state(channel.dim, 5)
    noise = draw(np.random.default_rng(11), channel.budget(law_of(law)), count, np.float32)
    states = jnp.broadcast_to(jnp.asarray(psi, jnp.complex64)[:, None], (channel.dim, count))
    step = compiled(channel, "diffuse")
    eta = np.asarray(step(jnp.zeros(()), states, noise, jnp.asarray(dt, jnp.float32), law_of(law))).T
    vectors = stochastic.diffusion(jumps, psi, law)
    relation = np.zeros_like(vectors.T @ vectors) if law == "complex" else vectors.T @ vectors
    judge_sample(eta, np.zeros(channel.dim), f"{name}, {law}: mean")
    judge_sample(
        eta[:, :, None] * eta[:, None, :].conj(), dt * vectors.T @ vectors.conj(), f"{name}, {law}: covariance"
    )
    judge_sample(eta[:, :, None] * eta[:, None, :], dt * relation, f"{name}, {law}: relation")


@pytest.mark.parametrize("name", CASES)
def test_dissipator_is_the_sum_over_operators(name):
    channel, jumps, _ = CASES[name]
    rng = np.random.default_rng(3)
    rho = rng.normal(size=(channel.dim,) * 2) + 1j * rng.normal(size=(channel.dim,) * 2)
    with jax.enable_x64(True):
        got = np.asarray(compiled(channel, "dissipator")(jnp.zeros(()), jnp.asarray(rho)))
    np.testing.assert_allclose(got, liouville.lindblad(np.zeros_like(rho), jumps, rho), atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_secular_part_is_what_the_generator_says(name):
    """W_μν is the generator's element from ρ_νν to ρ_μμ, −Γ_μν that from ρ_μν to itself."""
    channel, jumps, _ = CASES[name]
    dim = channel.dim
    bases = [np.eye(dim)] if isinstance(channel, (Separable, RateMatrix)) else [np.eye(dim), unitary(dim, 9)]
    for vectors in bases:
        rotated = [vectors.conj().T @ jump @ vectors for jump in jumps]
        generator = liouville.superoperator(np.zeros((dim, dim)), rotated).reshape((dim,) * 4)
        with jax.enable_x64(True):
            rates, decay = channel.secular(vectors)
        elements = np.einsum("iijj->ij", generator).real
        np.testing.assert_allclose(_off_diagonal(rates), _off_diagonal(elements), atol=1e-12)
        expected = -np.einsum("ijij->ij", generator).real
        np.testing.assert_allclose(_off_diagonal(decay), _off_diagonal(expected), atol=1e-12)


def _off_diagonal(matrix):
    return matrix - np.diag(np.diagonal(matrix))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.channel.is_secular])
def test_what_is_declared_is_so(name):
    """A secular generator maps each coherence to itself and populations to populations, by the rates it says."""
    channel, jumps, _ = CASES[name]
    dim = channel.dim
    rng = np.random.default_rng(3)
    rho = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    rho = rho + rho.conj().T
    with jax.enable_x64(True):
        after = -np.asarray(channel.decoherence()) * rho
        rates = channel.transition_rates() if channel.moves_populations else np.zeros((dim, dim))
    np.fill_diagonal(after, (rates - np.diag(rates.sum(axis=0))) @ np.diagonal(rho))
    np.testing.assert_allclose(after, liouville.lindblad(np.zeros((dim, dim)), jumps, rho), atol=1e-12)
    arrivals = channel.arrival_rates()
    if arrivals is not None:
        np.testing.assert_allclose(rates, np.outer(arrivals, np.ones(dim)))


@pytest.mark.parametrize(
    ("name", "law"), [pair for pair in PAIRS if not CASES[pair[0]].channel.missing_flow(law_of(pair[1]))]
)
@pytest.mark.sweep(8)
def test_one_state_alone_is_one_column(name, law):
    """The shapes (dim,) and (dim, trajectories) give the same numbers."""
    channel = CASES[name].channel
    psi = _columns(channel.dim, 2)
    with jax.enable_x64(True):
        noise = draw(np.random.default_rng(2), channel.flow(law_of(law)).budget, 2)
        flow = stepper(channel.flow(law_of(law)))
        together = flow(jnp.asarray(0.1), jnp.asarray(psi), noise, None, False)
        alone = StepNoise(*(part[:, 1] for part in noise[:3]), uniform_pairs=noise.uniform_pairs[:, 1])
        one = flow(jnp.asarray(0.1), jnp.asarray(psi[:, 1]), alone, None, False)
        np.testing.assert_allclose(together[:, 1], one, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "unitary" not in case.laws])
def test_unitary_noise_is_refused_without_hermitian_operators(name):
    assert "unitary" in CASES[name].channel.unsupported(law_of("unitary"))
    assert all(CASES[name].channel.unsupported(law_of(law)) == "" for law in CASES[name].laws)
