"""Channels on the middle one of three parts against Kronecker products, and their steps against the linear equation.

The norm-preserving law of a channel alone is that of the linear equation, weighted by the squared norm it ends with;
NumPy draws the latter, in closed form for diagonal operators and for transitions to one level.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.channels import DenseOperators, Features, Kicks, Modulated, RateMatrix, Separable
from stochq.channels import TimeDependentOperator as InTime
from stochq.laws import law_of
from stochq.systems import levels
from stochq.systems.part_axis import PartAxis
from tests import liouville, stochastic
from tests.channels.cases import compiled, draw, stepper
from tests.judging import judge_mean, judge_sample
from tests.problems import hermitian, state, transitions

AXIS = PartAxis(2, 3, 2)
DIM = 12
FEATURES = np.array([[0.6, -0.4, 0.9], [0.3, 0.5, -0.7]])
RATES = np.array([[0.2, 0.5, 0.1], [0.9, 0.3, 0.4], [0.1, 0.2, 0.0]])
TARGETS = np.array([0.5, 0.0, 0.9])
MATRICES = np.stack([hermitian(3, 4, 0.4) + 0.3j * hermitian(3, 5, 0.4), np.diag([0.2, -0.3, 0.5])])
COLUMNS = np.linalg.eigh(hermitian(3, 7))[1]
DIAGONAL = [np.diag(row) for row in FEATURES]
CHANNELS = {
    "features": (Features(FEATURES), DIAGONAL),
    "rate matrix": (RateMatrix(RATES), transitions(RATES, np.eye(3))),
    "separable": (Separable(TARGETS), transitions(np.outer(TARGETS, np.ones(3)), np.eye(3))),
    "dense": (DenseOperators(MATRICES), list(MATRICES)),
    "kicks": (Kicks(RATES), list(Kicks(RATES).operators())),
    "modulated": (Modulated(Features(FEATURES), jnp.cos), [np.cos(0.3) * one for one in DIAGONAL]),
    "in time": (
        InTime([(MATRICES[0], jnp.cos), (MATRICES[1], jnp.sin)]),
        [MATRICES[0] * np.cos(0.3) + MATRICES[1] * np.sin(0.3)],
    ),
}


def _joint(operators, columns=None):
    """1 ⊗ U L U† ⊗ 1."""
    columns = np.eye(3) if columns is None else columns
    return [np.kron(np.kron(np.eye(2), columns @ one @ columns.conj().T), np.eye(2)) for one in operators]


@pytest.mark.parametrize("name", CHANNELS)
def test_operators_and_dissipator_are_kronecker_products(name):
    """Of operators in a basis of their own; what depends on time is held in the given one."""
    channel, jumps = CHANNELS[name]
    columns = None if channel.time_dependent else COLUMNS
    on_part, jumps = channel.on_part(AXIS, columns), _joint(jumps, columns)
    basis = on_part.basis.columns(levels(np.zeros(DIM)))
    basis = np.eye(DIM) if basis is None else np.asarray(basis)
    rho = np.outer(state(DIM, 1), state(DIM, 1).conj()) + 0.3 * hermitian(DIM, 2)
    with jax.enable_x64(True):
        change = np.asarray(on_part.dissipator(jnp.asarray(0.3), jnp.asarray(basis.conj().T @ rho @ basis)))
        operators = np.asarray(on_part.operators_at(0.3))
    expected = liouville.lindblad(np.zeros((DIM, DIM)), jumps, rho)
    np.testing.assert_allclose(basis @ change @ basis.conj().T, expected, atol=1e-7)
    pairs = [np.einsum("kij,klm->ijlm", stack, np.conj(stack)) for stack in (basis @ operators @ basis.conj().T, jumps)]
    np.testing.assert_allclose(*pairs, atol=1e-7)
    loss = np.asarray(on_part.total_loss()) * on_part.strongest(np.array([0.3, 0.3]))
    bound = basis @ (np.diag(loss) if loss.ndim == 1 else loss) @ basis.conj().T
    assert np.linalg.eigvalsh(bound - sum(one.conj().T @ one for one in jumps)).min() > -1e-7


def test_transitions_are_written_out_where_their_rates_are_traced():
    """For steps operator by operator: Euler's and Maruyama's, and those through which gradients pass."""
    traced = jax.jit(lambda rates: RateMatrix(rates).on_part(AXIS, None).operators())(RATES)
    np.testing.assert_allclose(traced, _joint(transitions(RATES, np.eye(3))), atol=1e-6)


def test_drift_and_noise_of_collapse_are_those_of_kronecker_products():
    channel, jumps = CHANNELS["features"]
    on_part, jumps, law = channel.on_part(AXIS, None), _joint(jumps), law_of("real")
    with jax.enable_x64(True):
        states, t = jnp.tile(jnp.asarray(state(DIM, 3))[:, None], len(jumps)), jnp.zeros(())
        drift = np.asarray(compiled(on_part, "drift")(t, states, law))[:, 0]
        # One normal after the other.
        units = draw(np.random.default_rng(0), on_part.budget(law), len(jumps))
        units = units._replace(real_normals=jnp.eye(len(jumps)))
        noise = np.asarray(compiled(on_part, "diffuse")(t, states, units, jnp.ones(()), law))
    np.testing.assert_allclose(drift, stochastic.drift(jumps, state(DIM, 3)), atol=1e-12)
    expected = stochastic.diffusion(jumps, state(DIM, 3))
    np.testing.assert_allclose(noise @ noise.T, expected.T @ expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["flow", "discrete_flow"])
def test_steps_of_operators_are_those_of_kronecker_products(kind):
    """Number by number: Platen's, and outcomes of Kraus maps with the mean that is told."""
    law, (channel, jumps) = law_of("real"), CHANNELS["dense"]
    with jax.enable_x64(True):
        psi, h = jnp.tile(jnp.asarray(state(DIM, 6))[:, None], 5), jnp.asarray(0.2)
        flows = [getattr(one, kind)(law) for one in (channel.on_part(AXIS, None), DenseOperators(_joint(jumps)))]
        noise = draw(np.random.default_rng(3), flows[0].budget, 5)
        after = [stepper(flow)(h, psi, noise, flow.terms(h), False) for flow in flows]
        np.testing.assert_allclose(*after, atol=1e-7)
        if kind == "discrete_flow":
            rho = np.outer(state(DIM, 6), state(DIM, 6).conj())
            np.testing.assert_allclose(*(flow.mean_flow(0.2, False)(rho) for flow in flows), atol=1e-7)


def test_the_mean_of_thermalization_is_exact_over_any_step():
    channel, jumps = CHANNELS["separable"]
    rho = np.outer(state(DIM, 1), state(DIM, 1).conj())
    mapped = channel.on_part(AXIS, None).flow(law_of("real")).mean_flow(0.8, False)(rho)
    np.testing.assert_allclose(mapped, liouville.flow(_joint(jumps), rho, 0.8), atol=1e-12)


def _normals(rng, count, samples, law):
    """With E|z|² = 1, (count, samples)."""
    real = rng.normal(size=(count, samples))
    return real if law == "real" else np.sqrt(0.5) * (real + 1j * rng.normal(size=(count, samples)))


def _collapsed(rng, psi, h, law, samples):
    exponent = np.sqrt(h) * FEATURES.T @ _normals(rng, 2, samples, law)
    exponent = exponent - h * (1 if law == "real" else 0.5) * np.sum(FEATURES**2, axis=0)[:, None]
    return np.exp(exponent)[None, :, None] * psi[..., None]


def _arrived(rates):
    """To level 1 from all, its own collapse before or behind the arrivals."""

    def linear(rng, psi, h, law, samples):
        noise, own = _normals(rng, 3, samples, law), _normals(rng, 1, samples, law)[0]
        factor = np.exp(np.sqrt(rates[1] * h) * own - rates[1] * h * (1 if law == "real" else 0.5))
        late = rng.uniform(size=samples) < 0.5
        lost = np.sqrt(-np.expm1(-rates * h)) * (np.arange(3) != 1)
        after = np.exp(-0.5 * rates * h)[None, :, None, None] * psi[..., None] * np.ones(samples)
        arriving = np.einsum("n,xny,ns->xys", lost, psi, noise)
        x = psi[:, 1, :, None] * np.where(late, 1, factor) + arriving
        after[:, 1] = x * np.where(late, factor, 1)
        return after

    return linear


ONE, EVEN = np.array([0.5, 0.8, 1.3]), np.array([1.1, 1.1, 1.1])
STEPS = {
    "collapse, real": (Features(FEATURES), _collapsed, "real"),
    "collapse, complex": (Features(FEATURES), _collapsed, "complex"),
    "any rates, real": (RateMatrix(np.diag([0.0, 1.0, 0.0]) @ np.tile(ONE, (3, 1))), _arrived(ONE), "real"),
    "targets, complex": (Separable([0.0, 1.1, 0.0]), _arrived(EVEN), "complex"),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.sweep(2)
def test_a_long_step_has_the_law_of_the_linear_equation(name):
    """Of entangled states: means of operators, and of squares of expectation values, which are not linear in ρ."""
    channel, linear, law = STEPS[name]
    on_part, h, psi, samples = channel.on_part(AXIS, None), 0.7, state(DIM, 6), 2**15
    flow = on_part.flow(law_of(law))
    noise = draw(np.random.default_rng(1), flow.budget, samples, np.float32)
    states = jnp.broadcast_to(jnp.asarray(psi, jnp.complex64)[:, None], (DIM, samples))
    after = np.asarray(stepper(flow)(jnp.float32(h), states, noise, None, False)).T
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    jumps = _joint(channel.operators())
    density = liouville.flow(jumps, np.outer(psi, psi.conj()), h)
    judge_sample(after[:, :, None] * after[:, None, :].conj(), density, name)
    phi = linear(np.random.default_rng(2), psi.reshape(2, 3, 2), h, law, 4 * samples).reshape(DIM, -1).T
    weights = np.sum(np.abs(phi) ** 2, axis=1)
    watched = [hermitian(DIM, 8), *_joint([hermitian(3, 9)])]
    squares = [np.stack([np.einsum("si,ij,sj->s", x.conj(), o, x).real ** 2 for o in watched]) for x in (after, phi)]
    expected = squares[1] / weights
    errors = [one.std(axis=1) / np.sqrt(one.shape[1]) for one in (squares[0], expected)]
    judge_mean(squares[0].mean(axis=1), np.hypot(*errors), expected.mean(axis=1), f"{name}, squares")
