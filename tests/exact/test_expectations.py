"""Means and their derivatives, in every method, against generators written out with numpy and their differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.channels import DenseOperators, Modulated, RateMatrix
from tests import oracles
from tests.exact.test_evolve import CASES

TIMES = np.array([0.3, 0.5, 1.1, 2.0])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.sweep(3)
def test_values_are_those_of_the_written_out_generator(case):
    build, methods = CASES[case]
    equation, matrix, operators, hbar = build()
    rho = oracles.random_density(equation.dim, 11)
    expected = oracles.by_liouvillian(matrix, operators, rho, TIMES, hbar)
    hermitian, skew = oracles.random_hermitian(equation.dim, 12), oracles.random_unitary(equation.dim, 13)
    observables = {"o": hermitian, "diagonal": np.diag(hermitian).real, "complex": skew}
    observables["function"] = lambda psi: jnp.vdot(psi, hermitian @ psi).real
    method = next((one for one in ("closed-form", "ode") if one in methods), "liouvillian")
    tolerance = {"atol": 2e-7 if method == "ode" else 1e-10}
    found = sq.exact.expectations(equation, rho, TIMES, observables=observables, method=method)
    assert list(found) == list(observables)
    mean = np.einsum("ij,tji->t", hermitian, expected).real
    np.testing.assert_allclose(found["o"], mean, **tolerance)
    np.testing.assert_allclose(found["function"], mean, **tolerance)
    np.testing.assert_allclose(found["complex"], np.einsum("ij,tji->t", skew, expected), **tolerance)
    np.testing.assert_allclose(found["diagonal"], np.einsum("i,tii->t", np.diag(hermitian), expected), **tolerance)


# What parameters enter: an equation with its state and observable, and the same in plain numpy, (H, L's, ρ, O, ħ).
def _levels(x):
    """An element of the Hamiltonian, a strength, and what a jump operator is made of."""
    matrix = oracles.random_hermitian(3, 1) + x[0] * oracles.random_hermitian(3, 2)
    jump = x[2] * oracles.random_unitary(3, 6) + x[2] ** 2 * oracles.random_hermitian(3, 7)
    collapse = sq.models.suv(sq.systems.levels(matrix), strength=x[1], basis=oracles.random_unitary(3, 3))
    equation = sq.Equation(collapse.hamiltonian, [*collapse.channels, DenseOperators(jump[None])])
    return equation, oracles.random_density(3, 4), oracles.random_hermitian(3, 5)


def _plain_levels(x):
    matrix = oracles.random_hermitian(3, 1) + x[0] * oracles.random_hermitian(3, 2)
    columns = oracles.random_unitary(3, 3)
    jumps = [np.sqrt(x[1]) * oracles.projector(columns[:, k]) for k in range(3)]
    jumps.append(x[2] * oracles.random_unitary(3, 6) + x[2] ** 2 * oracles.random_hermitian(3, 7))
    return matrix, jumps, oracles.random_density(3, 4), oracles.random_hermitian(3, 5), 1.0


def _thermal(x):
    """An energy, a strength, an inverse temperature, ħ, and an angle of the state."""
    hamiltonian = sq.systems.levels(oracles.random_hermitian(3, 1) + x[0] * np.diag([1.0, 0.0, -0.4]))
    equation = sq.models.oqt(hamiltonian, strength=x[1], equilibrium=sq.canonical(hamiltonian, x[2]), hbar=x[3])
    return equation, jnp.stack([jnp.cos(x[4]), 1j * jnp.sin(x[4]), 0j]), oracles.random_hermitian(3, 5)


def _plain_thermal(x):
    matrix = oracles.random_hermitian(3, 1) + x[0] * np.diag([1.0, 0.0, -0.4])
    energies, vectors = np.linalg.eigh(matrix)
    chi = np.exp(-x[2] * energies) / np.exp(-x[2] * energies).sum()
    pairs = [(m, n) for m in range(3) for n in range(3)]
    jumps = [np.sqrt(x[1] / x[3] * chi[m]) * np.outer(vectors[:, m], vectors[:, n].conj()) for m, n in pairs]
    psi = np.array([np.cos(x[4]), 1j * np.sin(x[4]), 0])
    return matrix, jumps, oracles.projector(psi), oracles.random_hermitian(3, 5), x[3]


RATES = np.array([[0.0, 0.5, 0.1], [0.2, 0.0, 0.7], [0.4, 0.3, 0.0]])


def _rates(x):
    """Energies, rates and the observable."""
    (x,) = x
    system = sq.systems.levels(jnp.array([0.0, 1.0, 0.3]) * x)
    equation = sq.models.unravel(system, [RateMatrix(x * RATES + x**2 * RATES.T)])
    return equation, oracles.random_density(3, 4), x * oracles.random_hermitian(3, 5)


def _plain_rates(x):
    (x,) = x
    rates = x * RATES + x**2 * RATES.T
    jumps = [np.sqrt(rates[m, n]) * np.outer(np.eye(3)[m], np.eye(3)[n]) for m in range(3) for n in range(3)]
    return np.diag([0.0, x, 0.3 * x]), jumps, oracles.random_density(3, 4), x * oracles.random_hermitian(3, 5), 1.0


POINTS, BOX = 12, 13.0


def _packet(x):
    return np.exp(-((x - 0.4) ** 2) / 2) * np.exp(0.7j * x)


def _csl(x):
    """r_C, λ, a mass, the length of the box and the frequency of the trap."""
    length, rate, mass, box, frequency = x
    trap = sq.systems.particle(POINTS, box, mass, sq.systems.harmonic(frequency))
    x = (np.arange(POINTS) - POINTS / 2) * BOX / POINTS
    psi = sq.normalize(_packet(x))
    return sq.models.csl(trap, rate=rate, length=length), psi, x**2 + x


def _plain_csl(x):
    length, rate, mass, box, frequency = x
    grid = (np.arange(POINTS) - POINTS / 2) * box / POINTS
    images = np.subtract.outer(grid, grid)[..., None] + box * np.arange(-3, 4)
    kernel = np.exp(-(images**2) / (4 * length**2)).sum(axis=-1)
    jumps = oracles.factors(rate * mass**2 * kernel / kernel[0, 0])
    x = (np.arange(POINTS) - POINTS / 2) * BOX / POINTS
    psi = _packet(x) / np.linalg.norm(_packet(x))
    matrix = oracles.periodic_kinetic(POINTS, box, mass) + np.diag(0.5 * mass * frequency**2 * grid**2)
    return matrix, jumps, oracles.projector(psi), np.diag(x**2 + x), 1.0


def _driven(x):
    """An element of a driven Hamiltonian, which is a rate under a ramp too."""
    (x,) = x
    hamiltonian = sq.systems.levels(oracles.random_hermitian(3, 1) + x * oracles.random_hermitian(3, 2))
    hamiltonian = sq.systems.driven(hamiltonian, [oracles.random_hermitian(3, 8)], [_wave])
    ramped = Modulated(DenseOperators(jnp.sqrt(x) * oracles.random_unitary(3, 6)[None]), _ramp)
    return sq.Equation(hamiltonian, [ramped]), oracles.random_density(3, 4), oracles.random_hermitian(3, 5)


def _wave(t):
    return jnp.sin(2 * t)


def _ramp(t):
    return 1 - 0.3 * t


def _plain_driven(x, t):
    matrix = oracles.random_hermitian(3, 1) + x * oracles.random_hermitian(3, 2)
    matrix = matrix + np.sin(2 * t) * oracles.random_hermitian(3, 8)
    jump = (1 - 0.3 * t) * np.sqrt(x) * oracles.random_unitary(3, 6)
    return matrix, jump


def _mean_of_driven(x):
    (x,) = x

    def slope(t, rho):
        matrix, jump = _plain_driven(x, t)
        return -1j * (matrix @ rho - rho @ matrix) + oracles.dissipator(jump, rho)

    density = oracles.by_integration(slope, oracles.random_density(3, 4), TIMES)[-1]
    return np.trace(oracles.random_hermitian(3, 5) @ density).real


def _mean(problem):
    matrix, jumps, rho, observable, hbar = problem
    return np.trace(observable @ oracles.by_liouvillian(matrix, jumps, rho, TIMES[[0, -1]], hbar)[-1]).real


GRADIENTS = {
    "closed-form": (_thermal, lambda x: _mean(_plain_thermal(x)), [0.5, 0.6, 0.4, 1.3, 0.2]),
    "closed-form with rates": (_rates, lambda x: _mean(_plain_rates(x)), [0.5]),
    "liouvillian": (_levels, lambda x: _mean(_plain_levels(x)), [0.3, 0.6, 0.4]),
    "ode of a grid": (_csl, lambda x: _mean(_plain_csl(x)), [1.1, 0.5, 1.2, BOX, 0.7]),
    "ode with time": (_driven, _mean_of_driven, [0.4]),
}
LONG = {"ode of a grid", "closed-form with rates"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.release] * (name in LONG)) for name in GRADIENTS]
)
@pytest.mark.sweep(1)
def test_gradients_in_both_modes_are_differences_of_the_reference(name):
    build, plain, at = GRADIENTS[name]
    at, method = np.array(at), name.split()[0]
    expected = oracles.gradient(plain, at)
    with jax.enable_x64(True):

        def mean(x):
            equation, state, observable = build(x)
            watched = {"o": observable}
            return sq.exact.expectations(equation, state, TIMES, observables=watched, method=method)["o"][-1]

        value, forward = jax.jit(lambda x: (mean(x), jax.jacfwd(mean)(x)))(at)
        backward = jax.jit(jax.grad(mean))(at)
    np.testing.assert_allclose(value, plain(at), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(backward, expected, rtol=1e-6, atol=2e-7)


def _decay(x, method="auto"):
    qubit = sq.models.suv(sq.systems.levels([[0.0, 1.0], [1.0, 0.0]]), strength=x)
    return sq.exact.expectations(qubit, [1.0, 0.0], TIMES, observables={"p": [1.0, 0.0]}, method=method)["p"]


def _plain_decay(x):
    jumps = [np.sqrt(x) * oracles.projector(one) for one in np.eye(2)]
    generator = oracles.liouvillian(np.array([[0.0, 1.0], [1.0, 0.0]]), jumps)
    return np.array([(expm(generator * (t - TIMES[0])) @ [1, 0, 0, 0])[0].real for t in TIMES])


@pytest.mark.parametrize("method", ["liouvillian", pytest.param("ode", marks=pytest.mark.release)])
def test_transformations(method):
    """vmap, jit and second derivatives; single precision where JAX traces outside double mode."""
    rates = np.array([0.3, 0.9])
    expected = np.stack([_plain_decay(rate) for rate in rates])
    mapped = jax.vmap(lambda x: _decay(x, method))
    assert mapped(rates).dtype == np.float32
    np.testing.assert_allclose(mapped(rates), expected, atol=3e-5)
    assert jax.jit(lambda x: _decay(x, method))(0.3).dtype == np.float32
    assert _decay(0.3, method).dtype == np.float64
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(mapped)(rates), expected, atol=1e-8)
        slopes = jax.jit(jax.vmap(jax.jacrev(lambda x: _decay(x, method))))(rates)
        second = jax.jacfwd(jax.jacrev(lambda x: _decay(x, method)))(0.3)
    h = 1e-3
    for rate, slope in zip(rates, slopes, strict=True):
        np.testing.assert_allclose(slope, (_plain_decay(rate + h) - _plain_decay(rate - h)) / (2 * h), atol=1e-6)
    difference = (_plain_decay(0.3 + h) - 2 * _plain_decay(0.3) + _plain_decay(0.3 - h)) / h**2
    np.testing.assert_allclose(second, difference, atol=1e-6)


def test_one_program_for_all_values():
    from stochq.exact import traced

    _decay(0.3)
    size = traced.means._cached._cache_size()
    _decay(0.7)
    assert traced.means._cached._cache_size() == size


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"times": [0.0, 0.0]}, "times: expected increasing"),
        ({"observables": {}}, "observables: expected {name: operator}"),
        ({"observables": {"p": np.ones(3)}}, r"observables\['p'\]: expected shape"),
        ({"observables": {"p": lambda psi: jnp.abs(psi[0]) ** 4}}, r"observables\['p'\]: expected an operator"),
        ({"method": "exact"}, "method: expected one of auto"),
        ({"method": "closed-form"}, "method: 'closed-form' does not apply"),
        ({"psi0_or_rho0": [1.0, 1.0]}, "psi0: expected a normalised state"),
    ],
)
def test_bad_input(arguments, message):
    given = {"psi0_or_rho0": [1.0, 0.0], "times": [0.0, 1.0], "observables": {"p": [1.0, 0.0]}} | arguments
    equation = sq.models.suv([[0.0, 1.0], [1.0, 0.0]], strength=0.3)
    with pytest.raises(ValueError, match=message):
        sq.exact.expectations(equation, **given)


def test_traced_arguments_that_need_numbers():
    equation = sq.models.suv([[0.0, 1.0], [1.0, 0.0]], strength=0.3)
    watched = {"p": [1.0, 0.0]}
    with pytest.raises(ValueError, match="times: expected numbers"):
        jax.grad(lambda t: sq.exact.expectations(equation, [1, 0], [0.0, t], observables=watched)["p"][-1])(1.0)

    def held(x):
        function = {"p": lambda psi: x * jnp.abs(psi[0]) ** 2}
        return sq.exact.expectations(equation, [1.0, 0.0], [0.0, 1.0], observables=function)["p"][-1]

    with pytest.raises(ValueError, match=r"observables\['p'\]: expected an operator"):
        jax.grad(held)(1.0)
