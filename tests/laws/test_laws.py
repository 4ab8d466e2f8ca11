"""Laws of the noise: their moments, the words for them, and equations that mix them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import DenseOperators, Projectors
from stochq.laws import COMPLEX, REAL, UNITARY, law_of
from tests import liouville
from tests.channels.cases import draw
from tests.judging import judge_ensemble, judge_sample
from tests.problems import hermitian, state

LAWS = [REAL, COMPLEX, UNITARY]


@pytest.mark.parametrize("law", LAWS)
def test_increments_have_the_variance_of_the_step_and_their_law_s_square(law):
    count, dt = 2**16, 0.3
    noise = draw(np.random.default_rng(1), law.budget(2), count, np.float32)
    increments = np.asarray(law.increments(noise, jnp.float32(dt))).T
    squares = np.full(2, 0.0 if law is COMPLEX else dt)
    judge_sample(np.abs(increments) ** 2, np.full(2, dt), f"{law}, E|dW|²")
    judge_sample(increments**2, squares, f"{law}, E dW²")
    judge_sample(increments, np.zeros(2), f"{law}, E dW")


@pytest.mark.parametrize("law", LAWS)
def test_variants_unravel_the_same_master_equation(law):
    """Σ_v |c_v|² = 1: the dissipator of the variants is that of L."""
    jump, rho = hermitian(3, 2), np.outer(state(3, 3), state(3, 3).conj())
    several = liouville.lindblad(np.zeros((3, 3)), [c * jump for c in law.variants], rho)
    np.testing.assert_allclose(several, liouville.lindblad(np.zeros((3, 3)), [jump], rho), atol=1e-12)
    assert law.collapse_share + law.phase_share == 1
    np.testing.assert_allclose(np.sum(np.square(law.variants)), {REAL: 1, COMPLEX: 0, UNITARY: -1}[law], atol=1e-12)


def test_words_name_laws():
    assert [law_of(law.name) for law in LAWS] == LAWS and [law_of(law) for law in LAWS] == LAWS
    for wrong in ("pink", None, 1.0, ["real"]):
        with pytest.raises(ValueError, match="^noise: expected one of real, complex, unitary, jump, any; got"):
            law_of(wrong)


def _mixed():
    matrix = hermitian(3, 4)
    rates, potential = np.array([0.7, 0.2, 0.5]), hermitian(3, 5, 0.6)
    lower = 0.5 * np.diag([1.0, 1.0], 1)
    channels = [
        Projectors(rates).with_law("complex"),
        DenseOperators([potential]).with_law("unitary"),
        DenseOperators([lower]),
    ]
    jumps = [*(np.sqrt(rate) * np.diag(row) for rate, row in zip(rates, np.eye(3), strict=True)), potential, lower]
    return sq.Equation(sq.systems.levels(matrix), channels), matrix, jumps


@pytest.mark.parametrize(
    "scheme",
    [sq.schemes.Strang(), pytest.param(sq.schemes.EulerMaruyama(), marks=pytest.mark.release)],
)
def test_one_equation_mixes_laws(scheme):
    """The master equation is that of all operators, whatever the law of each."""
    equation, matrix, jumps = _mixed()
    assert equation.noise == "mixed" and [channel.law for channel in equation.channels] == [COMPLEX, UNITARY, REAL]
    times, observable = np.array([0.0, 0.5, 1.0]), hermitian(3, 6)
    expected = {"o": liouville.expectation(observable, liouville.density(matrix, jumps, state(3, 7), times))}
    steps = 64 if scheme == sq.schemes.Strang() else 1024
    result = sq.simulate(
        equation, state(3, 7), times, observables={"o": observable}, trajectories=8192, scheme=scheme, dt=1 / steps
    )
    judge_ensemble(result, expected, f"mixed laws, {scheme.name}")


def test_a_law_of_its_own_is_the_law_it_has():
    """Unitary noise alone leaves populations of its basis alone in every trajectory, real noise beside it does not."""
    levels, projectors = sq.systems.levels([0.0, 1.0]), Projectors(np.array([1.0, 1.0]))
    run = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 64, "dt": 0.5}
    for law, spread in (("unitary", False), ("real", True), ("complex", True)):
        result = sq.simulate(sq.Equation(levels, [projectors.with_law(law)]), [0.6, 0.8], [0, 0.5], **run)
        assert (result.variance["p"][-1] > 1e-3) == spread


def test_noise_names_the_law_of_all_channels_and_none_leaves_each_its_own():
    channels, levels = [Projectors([1.0, 0.5]).with_law("complex"), Projectors([0.1, 0.5])], sq.systems.levels([0, 1.0])
    assert [channel.law for channel in sq.Equation(levels, channels).channels] == [COMPLEX, REAL]
    assert [channel.law for channel in sq.Equation(levels, channels, "unitary").channels] == [UNITARY, UNITARY]
    assert [channel.law for channel in sq.models.unravel(levels, channels).channels] == [COMPLEX, REAL]
    assert sq.models.suv(levels, strength=1.0, noise="complex").channels[0].law == COMPLEX
    with pytest.raises(ValueError, match="^noise: 'unitary' needs Hermitian"):
        sq.Equation(levels, [DenseOperators([np.diag([1.0], 1)]).with_law("unitary")])


def test_laws_are_static():
    """They are part of a program's structure, not of its numbers: equal laws compile once."""
    traced = []

    @jax.jit
    def run(channel):
        traced.append(channel.law)
        return channel.rates

    for rates, law in ((1.0, "real"), (2.0, "real"), (1.0, "complex"), (3.0, "complex")):
        run(Projectors(np.array([rates, rates])).with_law(law))
    assert traced == [REAL, COMPLEX]
