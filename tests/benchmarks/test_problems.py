"""Both statements of every timed problem are one problem, and the libraries agree on it."""

import numpy as np
import pytest

from benchmarks import peers, stochq_runner
from benchmarks.problems import PROBLEMS, REACHED_ONLY, Problem, find
from benchmarks.targets import LARGEST_Z

KNOWN = PROBLEMS + REACHED_ONLY
LISTED = [problem for problem in KNOWN if problem.name not in ("oqt-64", "csl-256") and problem.qutip_steps]


@pytest.mark.parametrize("problem", LISTED, ids=lambda problem: problem.name)
def test_both_statements_give_one_master_equation(problem: Problem) -> None:
    equation, statement = problem.equation(), problem.statement()
    assert len(statement.jumps) == problem.operators
    np.testing.assert_allclose(equation.hamiltonian.matrix(), statement.hamiltonian, atol=1e-10)
    rho = _density(equation.dim)
    own = sum(_dissipate(operator, rho) for channel in equation.channels for operator in channel.operators())
    other = sum(_dissipate(jump, rho) for jump in statement.jumps)
    np.testing.assert_allclose(own, other, atol=1e-10)


@pytest.mark.parametrize("problem", KNOWN, ids=lambda problem: problem.name)
def test_states_and_observables_fit(problem: Problem) -> None:
    statement = problem.statement()
    assert np.linalg.norm(statement.psi0) == pytest.approx(1.0)
    assert statement.psi0.shape == statement.observable.shape == (problem.equation().dim,)
    # An even number of steps between saved times lets stochq share draws between steps.
    assert problem.steps % (2 * (len(problem.times) - 1)) == 0


def test_an_unknown_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of suv-2"):
        find("suv-3")


# For QuTiP 300 and for dynamiqs 1000 trajectories; P(largest of five |z| > 4) is below 4e-4 each, seeds are fixed.
def test_qutip_agrees() -> None:
    pytest.importorskip("qutip")
    problem = find("suv-2")
    _assert_agreement(problem, peers.qutip_runner(problem, problem.steps, cores=1)(300, 1))


@pytest.mark.filterwarnings("ignore")
def test_dynamiqs_agrees() -> None:
    pytest.importorskip("dynamiqs")
    problem = find("suv-8")
    _assert_agreement(problem, peers.dynamiqs_runner(problem, "dia")(1000, 1))


def _assert_agreement(problem: Problem, other) -> None:
    for method in ("default", "euler"):
        own = stochq_runner.runner(problem, method)(8192, 1)
        z = (own.mean - other.mean)[1:] / np.hypot(own.stderr, other.stderr)[1:]
        assert np.all(np.abs(z) < LARGEST_Z)


def _density(dim: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    root = generator.normal(size=(dim, dim)) + 1j * generator.normal(size=(dim, dim))
    rho = root @ root.conj().T
    return rho / np.trace(rho)


def _dissipate(operator: np.ndarray, rho: np.ndarray) -> np.ndarray:
    square = operator.conj().T @ operator
    return operator @ rho @ operator.conj().T - 0.5 * (square @ rho + rho @ square)
