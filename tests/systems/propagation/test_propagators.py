"""Steps of Hamiltonians of many spins, against exponentials of matrices put together by Kronecker products."""

from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import jv

from stochq.systems.propagation import propagator_of, splitting_of
from stochq.systems.propagation.chebyshev import Chebyshev, chebyshev, terms_needed
from stochq.systems.propagation.choice import plan_of, with_chosen_way, with_measured_errors
from stochq.systems.propagation.diagonal import diagonal_of
from stochq.systems.propagation.trotter import Trotter, trotter
from stochq.systems.propagation.windows import apply_real, windows_of

SITES = 6
PAULI = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}
ISING = (
    [(-1.0, {j: "Z", j + 1: "Z"}) for j in range(SITES - 1)]
    + [(-0.9, {j: "X"}) for j in range(SITES)]
    + [(0.3, {0: "Z"})]
)
# Rings, fields of all kinds, and strings over more sites than a window has.
EVERYTHING = [(0.7, {j: letter, (j + 1) % SITES: letter}) for j in range(SITES) for letter in "XYZ"] + [
    (0.4, {0: "X", 2: "Y", 5: "Z"}),
    (-0.5, {2: "Y"}),
    (0.2, {j: "Z" for j in range(SITES)}),
    (0.3, {4: "X"}),
]
FIELD = [(0.3 + 0.1 * j, {j: "X"}) for j in range(SITES)]


def matrix(terms):
    """Σ c P as a matrix: site 0 is the lowest bit, 0 is up."""
    strings = [[np.array(PAULI[at[j]]) if j in at else np.eye(2) for j in reversed(range(SITES))] for _, at in terms]
    return sum(c * reduce(np.kron, string) for (c, _), string in zip(terms, strings, strict=True))


def bounds(terms):
    energies = np.linalg.eigvalsh(matrix(terms))
    return energies[0] - 0.1, energies[-1] + 0.3


def states(columns):
    rng = np.random.default_rng(columns)
    psi = rng.normal(size=(2**SITES, columns)) + 1j * rng.normal(size=(2**SITES, columns))
    return psi / np.linalg.norm(psi, axis=0)


def error(result, expected):
    assert result.shape == expected.shape
    return np.linalg.norm(np.asarray(result) - expected, axis=0).max()


@eqx.filter_jit
def run(propagator, psi):
    return propagator(0.0, jnp.asarray(psi))


@pytest.mark.parametrize("columns", [1, 3, 16])
@pytest.mark.parametrize("first", [0, 3])
def test_a_matrix_on_neighbouring_sites(columns, first):
    # One column, few and many: three ways of taking the product.
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        local, x = rng.normal(size=(8, 8)), rng.normal(size=(2**SITES, columns))
        parts = [np.eye(2 ** (SITES - 3 - first)), local, np.eye(2**first)]
        result = apply_real(jnp.asarray(local), jnp.asarray(x), first)
    np.testing.assert_allclose(result, reduce(np.kron, parts) @ x, rtol=0, atol=1e-13)


@pytest.mark.parametrize("sites", [1, 5, 9, 20])
def test_windows_cover_all_sites_once(sites):
    covered = [site for first, count in windows_of(sites) for site in range(first, first + count)]
    assert covered == list(range(sites))


@pytest.mark.parametrize("terms", [ISING, EVERYTHING, FIELD], ids=["ising", "everything", "field"])
def test_action_of_the_splitting(terms):
    psi = states(2)
    with jax.enable_x64(True):
        real, imag = splitting_of(SITES, terms).apply((jnp.asarray(psi.real), jnp.asarray(psi.imag)))
    assert error(np.asarray(real) + 1j * np.asarray(imag), matrix(terms) @ psi) < 1e-13


def test_a_state_that_is_not_finite_leaves_those_beside_it():
    psi, broken = states(16), states(16)
    broken[:, 0] = np.nan
    real, imag = splitting_of(SITES, ISING).apply((jnp.asarray(broken.real), jnp.asarray(broken.imag)))
    assert error((np.asarray(real) + 1j * np.asarray(imag))[:, 1:], (matrix(ISING) @ psi)[:, 1:]) < 1e-5


@pytest.mark.parametrize("terms", [ISING, EVERYTHING], ids=["ising", "everything"])
@pytest.mark.parametrize("is_fourth", [False, True], ids=["order 2", "order 4"])
def test_orders_of_the_product_formulas(terms, is_fourth):
    splitting, psi, order = splitting_of(SITES, terms), states(1), 4 if is_fourth else 2
    with jax.enable_x64(True):
        step = jax.jit(lambda dt: trotter(splitting, dt, 2.0, is_fourth)(0.0, jnp.asarray(psi)))
        lengths = np.array([0.2, 0.1, 0.05])
        errors = [error(step(dt), expm(-1j * dt * matrix(terms)) @ psi) for dt in lengths]
    slopes = np.diff(np.log(errors)) / np.diff(np.log(lengths))
    np.testing.assert_allclose(slopes[-1], order + 1, atol=0.15)
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("terms", [ISING, EVERYTHING, FIELD], ids=["ising", "everything", "field"])
@pytest.mark.parametrize("double", [False, True], ids=["single", "double"])
@pytest.mark.sweep(3)
def test_any_step_length_within_the_stated_error(terms, double):
    # Short and long, backwards and none at all, by one program.
    splitting, limits, psi = with_measured_errors(splitting_of(SITES, terms)), bounds(terms), states(3)
    hbar = 1.3
    with jax.enable_x64(double):
        step = jax.jit(lambda dt, psi: propagator_of(splitting, limits, dt, hbar)(0.0, psi))
        start = jnp.asarray(psi, np.complex128 if double else np.complex64)
        for dt in (0.001, 0.13, -0.13, 4.0, 0.0):
            expected = expm(-1j * dt / hbar * matrix(terms)) @ psi
            # What some 15 symmetric steps round off comes on top in single precision.
            assert error(step(dt, start), expected) < (1e-12 if double else 5e-6)
        assert step._cache_size() == 1


def test_every_way_is_taken_where_it_is_the_cheapest():
    splitting, limits, psi = with_measured_errors(splitting_of(SITES, ISING)), bounds(ISING), states(1)
    plans = {dt: plan_of(splitting, limits, dt) for dt in (0.003, 0.05, 3.0)}
    assert [str(plan).split(" for ")[0] for plan in plans.values()] == [
        "1 Trotter steps of order 2", "1 Suzuki steps of order 4", f"{plans[3.0].terms} Chebyshev terms",
    ]  # fmt: skip
    with jax.enable_x64(True):
        for dt, accuracy, way in ((0.003, 1e-6, Trotter), (0.05, 1e-8, Trotter), (3.0, 1e-6, Chebyshev)):
            propagator = propagator_of(splitting, limits, dt, accuracy=accuracy)
            assert isinstance(propagator, way)
            difference = error(run(propagator, psi), expm(-1j * dt * matrix(ISING)) @ psi)
            # The constants are those of another random state.
            assert difference < 1.5 * accuracy


def test_a_way_that_is_chosen_before_a_run_holds_for_any_step():
    # Of the length that it is chosen for and of others, in a program that holds no other way.
    measured, limits, psi = with_measured_errors(splitting_of(SITES, ISING)), bounds(ISING), states(1)
    for chosen_for, way in ((0.003, Trotter), (3.0, Chebyshev)):
        splitting = with_chosen_way(measured, limits, chosen_for)

        @jax.jit
        def step(dt, splitting=splitting, way=way):
            propagator = propagator_of(splitting, limits, dt)
            assert isinstance(propagator, way)
            return propagator(0.0, jnp.asarray(psi, np.complex64))

        for dt in (0.003, 0.13, -0.3):
            assert error(step(dt), expm(-1j * dt * matrix(ISING)) @ psi) < 5e-6


# Strings of Z that reach over half of the sites not at all, by one site, by two that are apart, and everywhere.
REACHES = [
    [{0: "Z"}, {1: "Z", 2: "Z"}, {4: "Z"}],
    [{2: "Z", 3: "Z"}, {1: "Z"}, {3: "Z", 5: "Z"}],
    [{0: "Z", 5: "Z"}, {2: "Z", 3: "Z"}, {1: "Z", 2: "Z"}],
    [{0: "Z", 1: "Z", 2: "Z", 4: "Z"}, {1: "Z"}],
]


@pytest.mark.parametrize("places", REACHES, ids=["none", "one", "two", "all"])
def test_a_diagonal_is_the_sum_of_its_tables(places):
    terms = [(0.3 + k, at) for k, at in enumerate(places)]
    expected = np.diag(matrix(terms)).real
    strings = [tuple(sorted(at.items())) for _, at in terms]
    x = np.random.default_rng(3).normal(size=(2**SITES, 2))
    with jax.enable_x64(True):
        # Numbers that are known and numbers that may be traced are put together in different ways.
        for coefficients in (np.array([c for c, _ in terms]), jnp.array([c for c, _ in terms])):
            diagonal = diagonal_of(SITES, strings, coefficients)
            np.testing.assert_allclose(diagonal.times(jnp.asarray(x)), expected[:, None] * x, atol=1e-13)
            added = diagonal.added_to(jnp.asarray(x), jnp.asarray(0.7), jnp.asarray(0.2), jnp.asarray(x))
            np.testing.assert_allclose(added, x + 0.7 * (expected[:, None] - 0.2) * x, atol=1e-13)
            turns = [(jnp.cos(jnp.asarray(table)), jnp.sin(jnp.asarray(table))) for table in diagonal.tables]
            real, imag = diagonal.product(turns)
            np.testing.assert_allclose(np.asarray(real) + 1j * np.asarray(imag), np.exp(1j * expected), atol=1e-13)
            # Five columns are multiplied by that product, one by the tables in turn.
            for columns in (1, 5):
                psi = np.random.default_rng(2).normal(size=(2, 2**SITES, columns))
                real, imag = diagonal.apply_phases(turns, (jnp.asarray(psi[0]), jnp.asarray(psi[1])))
                wanted = np.exp(1j * expected)[:, None] * (psi[0] + 1j * psi[1])
                np.testing.assert_allclose(np.asarray(real) + 1j * np.asarray(imag), wanted, atol=1e-13)
            assert len(diagonal.tables) == (1 if len(places) == 2 else 2)


def test_measured_errors_are_those_of_the_matrices():
    errors = with_measured_errors(splitting_of(SITES, ISING)).errors
    assert errors is not None
    diagonal = np.diag(np.diag(matrix(ISING)))
    field = matrix(ISING) - diagonal
    double = [a @ b - b @ a for a, b in ((diagonal, field), (field, diagonal))]
    # Strang's leading error, of the diagonal halved: [D, [D, F]]/24 + [F, [D, F]]/12 in the norm of a random state.
    outer = diagonal @ double[0] - double[0] @ diagonal
    inner = field @ double[0] - double[0] @ field
    expected = np.linalg.norm(outer / 24 + inner / 12) / 2 ** (SITES / 2)
    assert abs(errors[0] / expected - 1) < 0.1


def test_terms_of_the_polynomial_leave_out_what_they_may():
    for z in (0.01, 1.0, 30.0):
        for accuracy in (1e-6, 1e-12):
            terms = int(terms_needed(z, accuracy))
            left = 2 * np.abs(jv(np.arange(terms + 1, terms + 200), z)).sum()
            kept = 2 * np.abs(jv(np.arange(terms - 4, terms + 200), z)).sum()
            assert left < accuracy < kept


def test_polynomial_of_an_uncentred_spectrum():
    splitting, (low, high), psi = splitting_of(SITES, ISING), bounds(ISING), states(1)
    with jax.enable_x64(True):
        result = run(chebyshev(splitting, (low - 5.0, high), 0.7, 1e-10), psi)
    assert error(result, expm(-0.7j * matrix(ISING)) @ psi) < 1e-10


def test_coefficients_may_be_traced():
    # Couplings that change by the run: the polynomial alone, bounds from the sum of all moduli.
    psi = states(1)

    @jax.jit
    def step(scale):
        splitting = splitting_of(SITES, [(scale * c, at) for c, at in ISING])
        return propagator_of(splitting, (-15.0 * scale, 15.0 * scale), 0.2)(0.0, jnp.asarray(psi, np.complex64))

    for scale in (1.0, 0.6):
        assert error(step(scale), expm(-0.2j * scale * matrix(ISING)) @ psi) < 2e-6
