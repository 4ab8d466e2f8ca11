"""Mixed initial states: drawn from their spectrum, with the means of the master equation by plain scipy."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from tests import liouville
from tests.judging import judge, judge_mean, judge_sample

MATRIX = np.array([[0.4, 0.7, 0.0], [0.7, -0.2, 0.3], [0.0, 0.3, 0.1]])
JUMPS = [0.5 * np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.6], [0.2, 0.0, 0.0]]), np.diag([0.5, 0.0, -0.5])]
_VECTORS = np.linalg.qr(
    np.random.default_rng(5).normal(size=(3, 3)) + 1j * np.random.default_rng(6).normal(size=(3, 3))
)[0]
WEIGHTS = np.array([0.2, 0.0, 0.8])
RHO = (_VECTORS * WEIGHTS) @ _VECTORS.conj().T
TIMES = np.linspace(0, 1, 5)
OBSERVABLES = {"p": np.array([1.0, 0.0, 0.0]), "x": np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]])}


def exact(psi0=RHO):
    generator = liouville.superoperator(MATRIX.astype(complex), JUMPS)
    rho = np.stack([liouville.exponential(generator, psi0, t) for t in TIMES])
    matrices = {name: np.diag(one) if one.ndim == 1 else one for name, one in OBSERVABLES.items()}
    return {name: liouville.expectation(one, rho) for name, one in matrices.items()}


def run(noise="real", **options):
    options = {"trajectories": 8000, "observables": OBSERVABLES, "seed": 2} | options
    return sq.simulate(sq.models.unravel(MATRIX, JUMPS, noise=noise), RHO, TIMES, **options)


OPTIONS = {
    "steps": {"dt": 0.025},
    "step of the run's choice": {},
    "a tolerance, in pairs": {"tolerance": 0.02},
    "extrapolated": {"dt": 0.125, "scheme": sq.schemes.Extrapolated(sq.schemes.Strang())},
    "jumps": {"noise": "jump"},
}


LONG = {"a tolerance, in pairs", "extrapolated", "step of the run's choice"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.release] * (name in LONG)) for name in OPTIONS])
def test_means_are_those_of_the_master_equation(name):
    result = run(**OPTIONS[name])
    for observable, curve in exact().items():
        judge_mean(result.mean[observable], result.stderr[observable], curve, f"{name}, {observable}")


@pytest.mark.parametrize("noise", ["real", "jump"])
def test_trajectories_start_from_eigenvectors_drawn_by_their_weights(noise):
    step = {} if noise == "jump" else {"dt": 0.025}
    kept = run(noise, trajectories=4000, keep=4000, **step).kept[:, 0]
    chances = np.abs(kept @ _VECTORS.conj()) ** 2
    assert np.all(chances.max(axis=1) > 1 - 1e-5)
    assert np.all(chances.argmax(axis=1) != 1)
    drawn = int(np.sum(chances.argmax(axis=1) == 0))
    judge(stats.binomtest(drawn, 4000, 0.2).pvalue, "eigenvectors")
    judge_sample(kept[:, :, None] * kept[:, None, :].conj(), RHO, "mean density")
    few = run(noise, trajectories=70, keep=70, **step).kept[:, 0]
    np.testing.assert_allclose(few, kept[:70], atol=1e-6)


def test_a_pure_density_matrix_is_its_state():
    psi = _VECTORS[:, 2]
    equation, options = sq.models.unravel(MATRIX, JUMPS), {"observables": OBSERVABLES, "trajectories": 64, "dt": 0.25}
    state, density = (sq.simulate(equation, one, TIMES, **options) for one in (psi, np.outer(psi, psi.conj())))
    np.testing.assert_allclose(density.mean["x"], state.mean["x"], atol=1e-5)


@pytest.mark.parametrize(
    ("psi0", "message"),
    [
        (np.eye(2) / 2, r"psi0: expected shape \(3, 3\), or a ket of shape \(3,\); got \(2, 2\)"),
        (np.eye(3), r"psi0: expected trace 1 .* got 3"),
        (np.diag([1.5, -0.5, 0.0]), r"psi0: expected no negative eigenvalue; the lowest is -0.5"),
        (np.eye(3, k=1) + np.eye(3) / 3, "psi0: expected a Hermitian matrix"),
        (np.diag([1.0, np.nan, 0.0]), "psi0: expected finite"),
    ],
)
def test_what_is_no_state_is_refused(psi0, message):
    with pytest.raises(ValueError, match=message):
        sq.simulate(sq.models.unravel(MATRIX, JUMPS), psi0, TIMES, observables=OBSERVABLES, trajectories=10)
