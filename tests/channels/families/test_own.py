"""A family of somebody's own that says what its operators are, and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import null_space

import stochq as sq
from stochq.channels import Channel, DenseOperators
from tests import liouville
from tests.judging import judge_ensemble
from tests.problems import hermitian, state

TIMES = np.array([0.0, 0.4, 0.8])


def _jumps(dim, count, seed, scale):
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(count, dim, dim)) + 1j * rng.normal(size=(count, dim, dim)))


class Own(Channel):
    """√rate times any matrices."""

    matrices: Any
    rate: Any = 1.0

    def operators(self):
        return jnp.sqrt(self.rate) * self.matrices


class ByNumPy(Own):
    def operators(self):
        return np.sqrt(self.rate) * np.asarray(self.matrices)


JUMPS = _jumps(3, 2, 1, 0.5)
MATRIX = hermitian(3, 2)
OBSERVABLES: dict[str, Any] = {"ladder": np.arange(3.0), "dense": hermitian(3, 3)}


def _equation(**options):
    return sq.Equation(sq.systems.levels(MATRIX), [Own(JUMPS, 0.7)], **options)


def _expected():
    rho = liouville.density(MATRIX, list(np.sqrt(0.7) * JUMPS), state(3, 4), TIMES)
    dense = {"ladder": np.diag(np.arange(3.0)), "dense": OBSERVABLES["dense"]}
    return {name: liouville.expectation(matrix, rho) for name, matrix in dense.items()}


EULER, OUTCOMES = sq.schemes.EulerMaruyama(), sq.schemes.Strang(increments="discrete")


@pytest.mark.parametrize(
    ("noise", "scheme"),
    [
        ("real", None),
        *(
            pytest.param(*case, marks=pytest.mark.release)
            for case in [("complex", None), ("complex", EULER), ("real", OUTCOMES)]
        ),
    ],
)
def test_an_ensemble_is_the_master_equation(noise, scheme):
    steps = 1024 if scheme is EULER else 32
    result = sq.simulate(
        _equation(noise=noise), state(3, 4), TIMES, observables=OBSERVABLES, trajectories=4096, scheme=scheme,
        dt=TIMES[-1] / steps, seed=5,
    )  # fmt: skip
    judge_ensemble(result, _expected(), f"own, {noise}")


def test_a_tolerance_is_met():
    result = sq.simulate(
        _equation(), state(3, 4), TIMES, observables=OBSERVABLES, trajectories=10**6, tolerance=0.05, seed=6
    )
    expected = _expected()
    assert result.info["reached"] <= 0.05
    assert max(np.abs(result.mean[name] - expected[name]).max() for name in expected) < 0.1


@pytest.mark.parametrize("dim", [3, 20])
def test_its_exact_solution_and_steady_state_are_those_of_its_matrices(dim):
    """Twenty levels are too many for the generator as a matrix: the iteration needs the secular part as well."""
    jumps, matrix = _jumps(dim, 2, 7, 0.5 / np.sqrt(dim)), hermitian(dim, 8)
    equation, psi = sq.Equation(sq.systems.levels(matrix), [Own(jumps)]), state(dim, 9)
    ladder = np.arange(dim) / dim
    solved = sq.exact.evolve(equation, psi, TIMES, observables={"ladder": ladder})
    rho = liouville.density(matrix, list(jumps), psi, TIMES)
    np.testing.assert_allclose(solved.expect["ladder"], liouville.expectation(np.diag(ladder), rho), atol=1e-6)
    (steady,) = null_space(liouville.superoperator(matrix, jumps)).T.reshape(-1, dim, dim)
    np.testing.assert_allclose(sq.exact.steady_state(equation), steady / np.trace(steady), atol=1e-7)


def test_trajectories_are_those_of_the_same_matrices():
    """Number for number: the default is the dense family."""
    psi, options = state(3, 4), {"observables": OBSERVABLES, "trajectories": 64, "dt": 0.1, "keep": 2}
    dense = sq.Equation(sq.systems.levels(MATRIX), [DenseOperators(np.sqrt(0.7) * JUMPS)])
    own, same = (sq.simulate(equation, psi, TIMES, **options) for equation in (_equation(), dense))
    np.testing.assert_allclose(own.kept, same.kept, atol=1e-5)


def test_it_may_be_written_in_the_energy_basis():
    """Decay from the upper to the lower level of a tilted qubit, e^{−γt}."""
    vectors = np.linalg.eigh(MATRIX)[1]
    lower = np.zeros((1, 3, 3))
    lower[0, 0, 2] = 1.0
    equation = sq.Equation(sq.systems.levels(MATRIX), [Own(lower, 0.8, basis=sq.channels.Energy())])
    upper = np.outer(vectors[:, 2], vectors[:, 2].conj())
    solved = sq.exact.evolve(equation, vectors[:, 2], [0.0, 0.5], observables={"upper": upper})
    np.testing.assert_allclose(solved.expect["upper"][-1], np.exp(-0.4), rtol=1e-6)


def test_its_numbers_may_be_traced():
    """d/dγ of the rate at which decay fills the lower level: 1."""
    rho, lower = jnp.diag(jnp.array([0.0, 1.0])).astype(complex), np.array([[[0.0, 1.0], [0.0, 0.0]]])

    def filled(rate):
        return Own(lower, rate).dissipator(jnp.zeros(()), rho)[0, 0].real

    np.testing.assert_allclose(jax.grad(filled)(0.8), 1.0, rtol=1e-5)


def test_hermitian_operators_have_unitary_noise_and_others_have_not():
    levels = sq.systems.levels(MATRIX)
    assert sq.Equation(levels, [Own(np.array([MATRIX]))], noise="unitary").dim == 3
    with pytest.raises(ValueError, match="^noise: 'unitary' needs Hermitian jump operators"):
        sq.Equation(levels, [Own(JUMPS)], noise="unitary")


def test_operators_by_numpy_on_traced_numbers_are_refused_with_the_repair():
    equation = sq.Equation(sq.systems.levels(MATRIX), [ByNumPy(JUMPS, 0.7)])
    with pytest.raises(ValueError, match="^channels: expected ByNumPy.operators to build its matrices with jax.numpy"):
        sq.simulate(equation, state(3, 4), TIMES, observables=OBSERVABLES, trajectories=64, dt=0.1)


def test_a_family_that_does_not_say_its_operators_is_none():
    class Silent(Channel):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Silent()  # type: ignore[abstract]
