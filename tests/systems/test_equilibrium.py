"""Equilibria without a spectrum against full diagonalisation in NumPy."""

import re
from typing import Any

import jax
import numpy as np
import pytest
import scipy.stats

import stochq as sq
from stochq.systems.propagation.windows import planes_of
from stochq.systems.typicality.functions import polynomial_of, step_polynomial
from stochq.systems.typicality.sectors import Momentum
from stochq.systems.typicality.traces import Estimate, random_vectors

SITES = 8


def spins(sites, transverse, longitudinal, periodic=False):
    bonds = [(j, (j + 1) % sites) for j in range(sites if periodic else sites - 1)]
    terms = {f"Z{i} Z{j}": -1.0 for i, j in bonds} | {f"X{j}": -transverse for j in range(sites)}
    return sq.systems.spins(sites, terms | {f"Z{j}": -longitudinal for j in range(sites) if longitudinal})


CHAIN = spins(SITES, 0.9045, 0.809)
# Degenerate levels, by translations, reflections and the flip of all spins.
INTEGRABLE = spins(SITES, 0.9045, 0.0, periodic=True)
HEISENBERG = sq.systems.spins(6, {f"{a}{j} {a}{(j + 1) % 6}": 0.5 for j in range(6) for a in "XYZ"})


def of_energies(system, function):
    energies, vectors = np.linalg.eigh(np.asarray(system.matrix()))
    return (vectors * function(energies)) @ vectors.conj().T


def product_state(angle, sites=SITES):
    psi = np.ones(1)
    for _ in range(sites):
        psi = np.kron([np.cos(angle / 2), np.sin(angle / 2)], psi)
    return psi.astype(complex)


@pytest.mark.parametrize("system", [CHAIN, pytest.param(INTEGRABLE, marks=pytest.mark.release)])
@pytest.mark.parametrize(("precision", "tolerance"), [("single", 1e-6), ("double", 1e-12)])
def test_functions_of_the_hamiltonian(system, precision, tolerance):

    def function(energies):
        return np.exp(-((energies - 1) ** 2) / 9)

    rng = np.random.default_rng(1)
    psi = rng.normal(size=(256, 3)) + 1j * rng.normal(size=(256, 3))
    expected = of_energies(system, function) @ psi
    with jax.enable_x64(precision == "double"):
        polynomial = polynomial_of(function, system.spectrum, tolerance / 10)
        value = np.asarray(polynomial(system, psi.astype(np.complex64 if precision == "single" else complex)))
    assert np.linalg.norm(value - expected) < tolerance * np.linalg.norm(psi)


def test_roots_and_powers_of_several_states_are_one_sum():
    chi = sq.canonical(CHAIN, 0.4, trace_rtol=0.1).map

    def power(n):
        return of_energies(CHAIN, lambda energies: (chi.polynomial.of_energies(energies) / chi.root_of_norm) ** n)

    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 256, 3)) + 1j * rng.normal(size=(2, 256, 3))
    factors = rng.normal(size=(1, 3))
    expected = power(1) @ (factors * first) + power(3) @ (200.0 * first)
    expected += power(2) @ (-30.0 * second) + power(4) @ (2e4 * factors**2 * second)
    parts = [({1: factors, 3: 200.0}, planes_of(first)), ({2: -30.0, 4: 2e4 * factors**2}, planes_of(second))]
    with jax.enable_x64(True):
        real, imag = chi.roots_and_powers(parts)
    # What the powers leave out of their largest values, over the values that states have.
    difference = np.asarray(real) + 1j * np.asarray(imag) - expected
    assert np.linalg.norm(difference) < 3e-5 * np.linalg.norm(expected)
    assert chi.polynomial.degree < chi.powers[1].degree < 2.5 * chi.polynomial.degree


@pytest.mark.parametrize(("low", "high", "edge"), [(-2.0, 3.0, 0.5), (-9.5, -6.0, 0.3), (-30.0, 1.0, 1.0)])
def test_squares_of_steps_are_windows_as_sharp_as_said(low, high, edge):
    """At least as sharp: the edges farther from the middle of the band are sharper."""
    step = step_polynomial(low, high, (-10.0, 12.0), edge)
    energies = np.linspace(-10, 12, 20001)
    weights = step.of_energies(energies) ** 2
    assert weights.max() < 1.005
    above = energies[weights > 0.5]
    assert abs(above[-1] - high) < 0.1 * edge and (low < -10 or abs(above[0] - low) < 0.1 * edge)
    fall = energies[(weights < 0.9) & (weights > 0.1) & (energies > (low + high) / 2)]
    assert 0.4 * edge < np.ptp(fall) < 1.1 * edge
    far = (energies < low - 1.5 * edge) | (energies > high + 1.5 * edge)
    assert weights[far].max() < 1e-4


def by_eigenstates(system, function, operator):
    """Tr χ, Tr χO and so on of the weights function(E), in NumPy."""
    weights = of_energies(system, function)
    norm = np.trace(weights).real
    return norm, np.trace(weights @ operator).real / norm, norm**2 / np.trace(weights @ weights).real


def matrix_of(name):
    return np.asarray(CHAIN.operators[name].matrix())


@pytest.mark.parametrize("system", [CHAIN, INTEGRABLE])
def test_traces_over_a_whole_basis_are_exact(system):
    chi = sq.canonical(system, 0.4, trace_rtol=1e-3)
    assert chi.vectors == 0
    norm, transverse, dimension = by_eigenstates(system, lambda e: np.exp(-0.4 * e), matrix_of("transverse"))
    assert chi.log_partition.value == pytest.approx(np.log(norm), abs=1e-5)
    assert chi.mean("transverse").value == pytest.approx(transverse, abs=1e-5)
    assert chi.dimension.value == pytest.approx(dimension, rel=1e-5)
    assert chi.mean("transverse").stderr == chi.log_partition.stderr == chi.dimension.stderr == 0
    weights = np.exp(-0.4 * np.linalg.eigvalsh(system.matrix()))
    assert weights.max() / norm <= float(chi.largest_weight) < 1.2 * weights.max() / norm
    assert sq.canonical(system, -0.4, trace_rtol=1e-3).log_partition.value == pytest.approx(
        np.log(np.exp(0.4 * np.linalg.eigvalsh(system.matrix())).sum()), abs=1e-5
    )


def scores(make, exact, seeds):
    """(estimate - exact value) / standard error, {name: (seeds,)}, of independent random vectors."""
    values = {name: [] for name in exact}
    for seed in range(seeds):
        for name, estimate in make(seed).items():
            values[name].append((estimate.value - exact[name]) / estimate.stderr)
    return {name: np.array(z) for name, z in values.items()}


def check_scores(z):
    """Errors of some eight complex vectors: their scores have the tails of Student's t with 15 degrees of freedom. The
    largest of a right one lies beyond with a chance of 1e-4 per name, mean and mean square with 6e-5 each."""
    for name, one in z.items():
        assert np.abs(one).max() < scipy.stats.t.isf(0.5e-4 / len(one), 15), name
        assert abs(np.mean(one)) < 4 / len(one) ** 0.5, name
        assert abs(np.mean(one**2) - 1) < 4 * (2 / len(one)) ** 0.5, name


@pytest.mark.parametrize("seeds", [40, pytest.param(400, marks=pytest.mark.release)])
@pytest.mark.optimised
@pytest.mark.parametrize("system", [CHAIN, pytest.param(INTEGRABLE, marks=pytest.mark.release)])
def test_error_bars_of_canonical_traces_are_honest(system, seeds):
    def make(seed):
        chi = sq.canonical(system, 0.3, trace_rtol=0.1, seed=seed)
        means = {name: chi.mean(name) for name in ("magnetization", "transverse", "energy")}
        return means | {"log_partition": chi.log_partition, "dimension": chi.dimension}

    def weight(energies):
        return np.exp(-0.3 * energies)

    exact = {n: by_eigenstates(system, weight, matrix_of(n))[1] for n in ("magnetization", "transverse")}
    norm, exact["energy"], exact["dimension"] = by_eigenstates(system, weight, np.asarray(system.matrix()))
    check_scores(scores(make, exact | {"log_partition": np.log(norm)}, seeds))


@pytest.mark.parametrize(
    ("shape", "seeds"),
    [
        ("gaussian", 40),
        pytest.param("gaussian", 400, marks=pytest.mark.release),
        pytest.param("sharp", 400, marks=pytest.mark.release),
    ],
)
@pytest.mark.optimised
def test_error_bars_of_windows_are_honest(shape, seeds):
    psi = product_state(1.2)
    matrix = np.asarray(CHAIN.matrix())
    polynomial = sq.microcanonical(CHAIN, psi, shape=shape, trace_rtol=0.1).map.polynomial

    def weight(energies):
        return polynomial.of_energies(energies) ** 2

    norm, energy, dimension = by_eigenstates(CHAIN, weight, matrix)
    _, variance, _ = by_eigenstates(CHAIN, weight, np.linalg.matrix_power(matrix - energy * np.eye(256), 2))

    def make(seed):
        chi = sq.microcanonical(CHAIN, psi, shape=shape, trace_rtol=0.1, seed=seed)
        window = chi.window
        errors = {"dimension": chi.dimension, "log_partition": chi.log_partition, "transverse": chi.mean("transverse")}
        return errors | {
            "energy": Estimate(window.energy, window.energy_stderr),
            "variance": Estimate(window.variance, window.variance_stderr),
        }

    _, transverse, _ = by_eigenstates(CHAIN, weight, matrix_of("transverse"))
    exact = {"dimension": dimension, "log_partition": np.log(norm), "transverse": transverse, "energy": energy}
    check_scores(scores(make, exact | {"variance": variance}, seeds))


def test_windows_are_those_of_eigenstates():
    """Within the width of the edges; a Gaussian one to rounding."""
    psi = product_state(2.0)
    energies, vectors = np.linalg.eigh(CHAIN.matrix())
    population = np.abs(vectors.conj().T @ psi) ** 2
    energy = population @ energies
    variance = population @ (energies - energy) ** 2
    chi = sq.microcanonical(CHAIN, psi, trace_rtol=1e-3)
    inside = np.abs(energies - energy) <= variance**0.5
    assert chi.log_partition.value == pytest.approx(np.log(inside.sum()), abs=0.1)
    assert chi.window.energy == pytest.approx(energies[inside].mean(), abs=0.1 * float(variance) ** 0.5)
    assert (chi.window.state_energy, chi.window.state_variance) == pytest.approx((energy, variance))
    weights = np.exp(-((energies - energy) ** 2) / (2 * variance))
    chi = sq.microcanonical(CHAIN, psi, shape="gaussian", trace_rtol=1e-3)
    assert chi.log_partition.value == pytest.approx(np.log(weights.sum()), abs=1e-5)
    weights /= weights.sum()
    mean = weights @ energies
    assert chi.window.energy == pytest.approx(mean, abs=1e-4)
    assert chi.window.variance == pytest.approx(weights @ (energies - mean) ** 2, rel=1e-4)
    dense = sq.microcanonical(CHAIN.matrix(), psi, shape="gaussian")
    np.testing.assert_allclose(dense, weights, atol=1e-12)


@pytest.mark.release
def test_narrow_gaussian_windows_are_seen():
    """Two neighbouring levels of 256: the weight is zero at all but few energies."""
    energies, vectors = np.linalg.eigh(CHAIN.matrix())
    psi = (vectors[:, 100] + vectors[:, 101]) * np.sqrt(0.5)
    chi = sq.microcanonical(CHAIN, psi, shape="gaussian", trace_rtol=1e-3)
    energy, spread = energies[100:102].mean(), float(np.diff(energies[100:102])[0]) / 2
    weights = np.exp(-((energies - energy) ** 2) / (2 * spread**2))
    # Levels in single precision, beside a spread of a thousandth of the band.
    assert spread < 2e-3 * np.ptp(energies)
    assert chi.log_partition.value == pytest.approx(np.log(weights.sum()), abs=1e-3)
    assert chi.window.energy == pytest.approx(weights @ energies / weights.sum(), abs=0.01 * spread)


@pytest.mark.parametrize("make", [lambda: sq.canonical(CHAIN, 0.3), lambda: sq.microcanonical(CHAIN, product_state(2))])
def test_the_largest_weight_is_an_upper_bound(make):
    chi = make()
    polynomial = chi.map.polynomial
    low, high = CHAIN.spectrum
    true = np.max(polynomial.of_energies(np.linspace(low, high, 200_001)) ** 2)
    assert true <= float(chi.largest_weight) * float(chi.map.root_of_norm) ** 2 < 1.05 * true


def translation(sites):
    states = np.arange(2**sites)
    moved = ((states << 1) & (2**sites - 1)) | (states >> (sites - 1))
    return np.eye(2**sites)[:, np.argsort(moved)]


def reflection(sites):
    mirrored = [int(format(state, f"0{sites}b")[::-1], 2) for state in range(2**sites)]
    return np.eye(2**sites)[mirrored]


def inside_window(operator, psi):
    """The projector onto the eigenspaces of a Hermitian matrix with values in the mean ± the deviation of a state."""
    values, vectors = np.linalg.eigh(operator)
    population = np.abs(vectors.conj().T @ psi) ** 2
    mean = population @ values
    chosen = vectors[:, np.abs(values - mean) <= (population @ (values - mean) ** 2) ** 0.5 + 1e-9]
    return chosen @ chosen.conj().T


def quantities(sites):
    states = np.arange(2**sites)
    down = np.array([int(state).bit_count() for state in states])
    turn = translation(sites)
    angles = 2 * np.pi * (np.arange(sites) - (sites - 1) // 2) / sites
    powers = [np.linalg.matrix_power(turn, j) for j in range(sites)]
    waves = [sum(np.exp(-1j * k * j) * powers[j] for j in range(sites)) / sites for k in angles]
    return {
        "total_sz": np.diag(sites / 2 - down),
        "spin_flip": np.eye(2**sites)[::-1],
        "parity": reflection(sites),
        "momentum": sum(k * wave for k, wave in zip(angles, waves, strict=True)),
    }


@pytest.mark.parametrize(
    "conserved",
    [["total_sz"], ["spin_flip", "parity"], ["momentum"], ["total_sz", "momentum"]],
)
@pytest.mark.sweep(2)
def test_sectors_are_those_of_projectors_in_numpy(conserved):
    rng = np.random.default_rng(3)
    known = quantities(6)
    psi = rng.normal(size=64) + 1j * rng.normal(size=64)
    # Mostly of one total S_z, one momentum and even under flips and reflections.
    for name in ("spin_flip", "parity"):
        psi = psi + 0.8 * known[name] @ psi
    wave = sum(np.exp(-2j * np.pi * j / 6) * np.linalg.matrix_power(translation(6), j) for j in range(6)) / 6
    psi = sq.normalize(psi + 3 * wave @ psi if "momentum" in conserved else psi)
    chi = sq.microcanonical(HEISENBERG, psi, conserved, shape="gaussian", trace_rtol=1e-3)
    matrix = np.asarray(HEISENBERG.matrix())
    energy = (psi.conj() @ matrix @ psi).real
    variance = np.linalg.norm(matrix @ psi - energy * psi) ** 2
    expected = of_energies(HEISENBERG, lambda e: np.exp(-((e - energy) ** 2) / (2 * variance)))
    for name in conserved:
        projector = inside_window(known[name], psi)
        assert 0 < np.trace(projector).real < 63.5
        expected = projector @ expected @ projector
    value = np.asarray(chi.apply(np.eye(64, dtype=np.complex64)))
    np.testing.assert_allclose(value, expected / np.trace(expected).real, atol=3e-6)
    given = [known[name].diagonal().copy() if name == "total_sz" else name for name in conserved]
    again = sq.microcanonical(HEISENBERG, psi, given, shape="gaussian", trace_rtol=1e-3)
    assert again.log_partition == chi.log_partition


def test_pauli_strings_are_conserved_quantities():
    psi = product_state(1.0)
    flip = sq.systems.PauliSum(SITES, {" ".join(f"X{j}" for j in range(SITES)): 2.0})
    settings = {"shape": "gaussian", "trace_rtol": 1e-3}
    by_string, by_name = (sq.microcanonical(INTEGRABLE, psi, [one], **settings) for one in (flip, "spin_flip"))
    assert by_string.log_partition.value == pytest.approx(by_name.log_partition.value, abs=1e-5)


def test_exponentials_take_no_more_terms_than_they_need():
    chi = sq.canonical(CHAIN, 0.5, trace_rtol=1e-3)
    matrix = np.asarray(chi.map.apply(np.eye(256, dtype=np.complex64)))
    psi = product_state(0.7).astype(np.complex64)
    energies, vectors = np.linalg.eigh(matrix)
    for a in (3.0, -0.5, 1e-9):
        expected = vectors @ (np.exp(a * energies) * (vectors.conj().T @ psi))
        np.testing.assert_allclose(chi.exp_action(psi, a), expected, atol=3e-6 * np.exp(abs(a)))
    assert np.array_equal(chi.exp_action(psi, 1e-9), psi)


@pytest.mark.optimised
@pytest.mark.parametrize("part", [[5, 0], pytest.param([1, 2, 3], marks=pytest.mark.release)])
def test_reduced_equilibria(part):
    weights = of_energies(CHAIN, lambda e: np.exp(-0.3 * e))
    inside = [SITES - 1 - site for site in reversed(part)]
    outside = [axis for axis in range(SITES) if axis not in inside]
    order = [*inside, *outside, *(SITES + axis for axis in [*inside, *outside])]
    dim = 2 ** len(part)
    split = weights.reshape((2,) * (2 * SITES)).transpose(order).reshape(dim, 256 // dim, dim, 256 // dim)
    expected = np.einsum("aibi->ab", split) / np.trace(weights)
    whole = sq.canonical(CHAIN, 0.3, trace_rtol=1e-3).reduced(part)
    np.testing.assert_allclose(whole.value, expected, atol=1e-5)
    assert whole.stderr == 0
    seeds = 10 if len(part) < 3 else 3
    estimates = [sq.canonical(CHAIN, 0.3, trace_rtol=0.1, seed=seed).reduced(part) for seed in range(seeds)]
    squares = [np.linalg.norm(one.value - expected) ** 2 / one.stderr**2 for one in estimates]
    # Sums of a few squared normals each: at most the square of one, of variance 2.
    assert abs(np.mean(squares) - 1) < 4 * (2 / seeds) ** 0.5


def test_vectors_depend_on_the_seed_and_their_number_alone():
    first = random_vectors(7, 64, 0, 4, np.dtype(np.complex64))
    np.testing.assert_array_equal(first[:, 2:], random_vectors(7, 64, 2, 2, np.dtype(np.complex64)))
    assert not np.array_equal(first, random_vectors(8, 64, 0, 4, np.dtype(np.complex64)))
    many = np.asarray(random_vectors(0, 4096, 0, 16, np.dtype(np.complex64)))
    assert np.mean(np.abs(many) ** 2) == pytest.approx(1, abs=4 / many.size**0.5)
    assert abs(np.mean(many**2)) < 4 * (2 / many.size) ** 0.5


ROUND: Any = "round"
EIGENSTATE = np.linalg.eigh(CHAIN.matrix())[1][:, 3]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sq.canonical(CHAIN, np.inf), "beta: expected a finite real number"),
        (lambda: sq.canonical(CHAIN, 1e5), "smaller |beta|"),
        (lambda: jax.grad(lambda b: sq.canonical(CHAIN, b).purity)(0.3), "beta: expected numbers; JAX is tracing beta"),
        (lambda: sq.microcanonical(CHAIN, EIGENSTATE), "It is an eigenstate"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), edge=1e-5), "edge: expected edges that a polynomial"),
        (lambda: sq.microcanonical(CHAIN, EIGENSTATE, shape="gaussian"), "It is an eigenstate"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), shape=ROUND), "shape: expected 'sharp' or 'gaussian'"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), edge=-1.0), "edge: expected a finite number greater"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), trace_rtol=0.0), "trace_rtol: expected a finite number"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), ["total_sz"]), "which commutes with the Hamiltonian"),
        (
            lambda: sq.microcanonical(HEISENBERG, product_state(1.0, 6), ["momentum", "parity"]),
            "which commutes with conserved[0] = 'momentum'",
        ),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), ["charge"]), "conserved[0] = 'charge': expected one of"),
        (lambda: sq.microcanonical(CHAIN, product_state(1.0), [CHAIN.terms]), "a single Pauli string"),
        (lambda: sq.canonical(CHAIN, 0.1).mean("energy_variance"), "expected a linear one"),
        (lambda: sq.canonical(CHAIN, 0.1).mean("charge"), "operator: expected one of"),
        (lambda: sq.canonical(CHAIN, 0.1).reduced([8]), "part: expected sites from 0 to 7"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_the_momentum_is_that_of_moving_every_spin_one_site_on():
    symmetry, sites = Momentum(4), 4
    states = random_vectors(3, 16, 0, 1, np.dtype(np.complex64))
    for n, k in enumerate(symmetry.values):
        projected = np.asarray(symmetry.projector(np.arange(sites) == n)(states))[:, 0]
        moved = np.empty_like(projected)
        for index in range(16):
            # The spin at site j is bit j.
            moved[sum(((index >> j) & 1) << ((j + 1) % sites) for j in range(sites))] = projected[index]
        np.testing.assert_allclose(moved, np.exp(1j * k) * projected, atol=1e-6)
