"""What `evolve` accepts, leaves out and refuses."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from tests import oracles

QUBIT = sq.models.suv(sq.systems.levels([[0.5, 0.2], [0.2, -0.5]]), strength=0.4)
TIMES = [0.0, 1.0]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1.0, 0.0, 0.0], r"psi0: expected shape \(2,\)"),
        ([1.0, 1.0], r"psi0: expected a normalised state.*sq.normalize"),
        ([np.nan, 0.0], "psi0: expected finite"),
        (np.eye(3) / 3, r"rho0: expected shape \(2, 2\)"),
        (np.eye(2), "rho0: expected trace 1 within 1e-06; got 2"),
        ([[0.5, 0.3], [0.1, 0.5]], "rho0: expected a Hermitian matrix.*0.2"),
        ([[1.5, 0.0], [0.0, -0.5]], "rho0: expected no negative eigenvalue.*-0.5"),
        ([[np.inf, 0.0], [0.0, 0.0]], "rho0: expected finite"),
    ],
)
def test_initial_state(state, message):
    with pytest.raises(ValueError, match=message):
        sq.exact.evolve(QUBIT, state, TIMES)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0], "times: expected at least two"),
        ([0.0, 1.0, 1.0], "times: expected increasing.*1 followed by 1"),
        ([0.0, np.nan], "times: expected finite"),
        ([[0.0, 1.0]], "times: expected at least two"),
    ],
)
def test_times(times, message):
    with pytest.raises(ValueError, match=message):
        sq.exact.evolve(QUBIT, [1.0, 0.0], times)


@pytest.mark.parametrize(
    ("observables", "message"),
    [
        ([1.0, 0.0], "observables: expected a mapping"),
        ({"m": np.eye(3)}, r"observables\['m'\]: expected shape \(2,\) or \(2, 2\)"),
        ({"m": [[0.0, np.inf], [0.0, 0.0]]}, r"observables\['m'\]: expected finite"),
        ({"m": [np.nan, 0.0]}, r"observables\['m'\]: expected finite"),
    ],
)
def test_observables(observables, message):
    with pytest.raises(ValueError, match=message):
        sq.exact.evolve(QUBIT, [1.0, 0.0], TIMES, observables=observables)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("best", "method: expected one of auto"),
        ("closed-form", "'closed-form' does not apply, the terms are diagonal in different bases"),
    ],
)
def test_methods(method, message):
    with pytest.raises(ValueError, match=message):
        sq.exact.evolve(QUBIT, [1.0, 0.0], TIMES, method=method)


def test_methods_that_need_structure_or_a_small_system():
    cavity = sq.models.unravel(sq.systems.kerr(20, detuning=0.3, kerr=0.2), [oracles.lowering(20)])
    for method, message in (("split", "BandedOperators is neither"), ("liouvillian", "20 states are more than 16")):
        with pytest.raises(ValueError, match=message):
            sq.exact.evolve(cavity, np.eye(20)[0], TIMES, method=method)


def test_too_many_states():
    chain = sq.models.suv(sq.systems.levels(np.zeros(5000)), strength=1.0)
    with pytest.raises(ValueError, match="at most 4096 basis states"):
        sq.exact.evolve(chain, np.eye(1, 5000)[0], TIMES)


def test_callables_are_averaged_over_eigenvectors():
    trap = sq.systems.particle(24, 13.0, 1.0, sq.systems.harmonic(0.7))
    equation = sq.models.csl(trap, rate=0.5, length=1.0)
    rho = oracles.random_density(24, 1)
    matrix = oracles.random_hermitian(24, 2)
    named = dict(trap.operators)

    def quadratic(psi):
        return jnp.vdot(psi, jnp.asarray(matrix) @ psi).real

    def per_norm(psi):
        return quadratic(psi) / jnp.vdot(psi, psi).real

    wanted = {**named, "q": quadratic, "n": per_norm, "squared": lambda psi: quadratic(psi) ** 2}
    wanted |= {"rho": sq.Density(), "h": sq.Histogram(np.ones(24), [0.0, 2.0])}
    result = sq.exact.evolve(equation, rho, TIMES, observables=wanted)
    assert result.left_out == ("squared",)
    assert list(result.expect) == [*named, "q", "n"]
    for name in ("q", "n"):
        expected = np.einsum("ij,tji->t", matrix, result.density).real
        np.testing.assert_allclose(result.expect[name], expected, atol=1e-12)
    with jax.enable_x64(True):
        momentum = np.asarray(named["momentum_squared"].matrix())
    expected = np.einsum("ij,tji->t", momentum, result.density).real
    np.testing.assert_allclose(result.expect["momentum_squared"], expected, atol=1e-12)


def test_densities_that_do_not_fit_are_not_kept(monkeypatch):
    # The name `evolve` of the package is the function, not the module.
    monkeypatch.setattr(importlib.import_module("stochq.exact.evolve"), "KEPT_BYTES", 100)
    result = sq.exact.evolve(QUBIT, [1.0, 0.0], TIMES, observables={"p": [1.0, 0.0]})
    assert result.density is None
    assert "density" not in str(result)
    assert 0 < result.expect["p"][1] < 1


def test_result_prints():
    result = sq.exact.evolve(QUBIT, [1.0, 0.0], TIMES, observables={"p": [1.0, 0.0], "s": lambda psi: abs(psi[0]) ** 4})
    lines = str(result).splitlines()
    assert lines[0].startswith("ExactResult: 2 times in [0, 1], liouvillian, error about")
    assert lines[1].startswith("  p: 1  →  0.9")
    assert lines[-1] == "  no value on a density matrix: s"


def test_nothing_global_changes():
    sq.exact.evolve(QUBIT, [1.0, 0.0], TIMES)
    assert jnp.zeros(1).dtype == jnp.float32
