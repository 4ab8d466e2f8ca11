"""Every Hamiltonian against dense linear algebra in scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from stochq import systems
from stochq.systems.banded import Banded
from stochq.systems.hamiltonian import Dense, Diagonal


def _random_hermitian(rng, dim):
    matrix = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return matrix + matrix.conj().T


def _random_bands(rng, dim):
    """Pentadiagonal Hermitian matrix as bands."""
    upper = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return np.stack([np.roll(upper.conj(), 2), rng.normal(size=dim), upper])


def _cases():
    rng = np.random.default_rng(7)
    hermitian = _random_hermitian(rng, 5)
    return {
        "diagonal": Diagonal(rng.normal(size=5)),
        "complex": Dense(hermitian),
        "real": Dense(hermitian.real),
        "banded": Banded((-2, 0, 2), _random_bands(rng, 6)),
        "ising": systems.ising(3, 1.0, 0.7, 0.2, periodic=True),
        "xxz": systems.xxz(4, 1.0, 0.5, 0.1),
        "xxz sector": systems.xxz(5, 1.0, 0.5, 0.1, magnetization=0.5, parity=-1),
        "particle": systems.particle(16, 8.0, 1.3, systems.harmonic(1.1), hbar=0.9),
        "particle 2d": systems.particle(6, 4.0, 1.0, systems.double_well(2.0, 1.0, 1.5), dimensions=2),
        "oscillator": systems.oscillator(6, 1.3),
        "kerr": systems.kerr(6, 0.3, 0.4, 0.5),
        "driven": systems.driven(
            Dense(hermitian), [hermitian.real, np.arange(5.0)], [lambda t: 1.0 + t, lambda t: jnp.cos(t)]
        ),
    }


CASES = _cases()
STATIC = [name for name in CASES if name != "driven"]


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def _states(rng, dim, count):
    return rng.normal(size=(dim, count)) + 1j * rng.normal(size=(dim, count))


def test_the_matrix_is_hermitian_and_complex(case):
    matrix = np.asarray(case.matrix(0.3))
    assert matrix.shape == (case.dim, case.dim)
    assert matrix.dtype == np.complex128
    np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-13)


def test_apply_is_the_matrix_product_with_states_on_the_minor_axis(case, rng):
    states = _states(rng, case.dim, 3)
    with jax.enable_x64(True):
        matrix = np.asarray(case.matrix(0.3))
        batched = jax.vmap(case.apply, in_axes=(None, -1), out_axes=-1)(0.3, jnp.asarray(states))
    np.testing.assert_allclose(batched, matrix @ states, atol=1e-12)


def test_commutator(case, rng):
    rho = _states(rng, case.dim, case.dim)
    with jax.enable_x64(True):
        matrix = np.asarray(case.matrix(0.3))
        np.testing.assert_allclose(case.commutator(0.3, jnp.asarray(rho)), matrix @ rho - rho @ matrix, atol=1e-11)


@pytest.mark.parametrize("name", STATIC)
def test_propagate_is_the_matrix_exponential(name, rng):
    case, hbar, dt = CASES[name], 0.8, 0.37
    states = _states(rng, case.dim, 3)
    with jax.enable_x64(True):
        step = case.propagator(dt, hbar)
        batched = jax.vmap(step, in_axes=(None, -1), out_axes=-1)(0.0, jnp.asarray(states))
        single = case.propagate(0.0, dt, jnp.asarray(states[:, 0]), hbar)
        divided = case.propagate(0.0, dt / hbar, jnp.asarray(states[:, 0]))
    expected = scipy.linalg.expm(-1j * case.matrix() * dt / hbar) @ states
    np.testing.assert_allclose(batched, expected, atol=1e-11)
    np.testing.assert_allclose(single, expected[:, 0], atol=1e-11)
    np.testing.assert_allclose(divided, expected[:, 0], atol=1e-11)


@pytest.mark.parametrize("name", STATIC)
def test_energies_and_eigenvectors(name):
    case = CASES[name]
    matrix, energies = case.matrix(), case.energies
    np.testing.assert_allclose(energies, np.linalg.eigvalsh(matrix), atol=1e-11)
    if case.eigenvectors is None:
        np.testing.assert_array_equal(np.diag(matrix).real[case.order], energies)
        return
    vectors = case.eigenvectors
    assert np.isrealobj(vectors) == bool(np.all(matrix.imag == 0))
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(case.dim), atol=1e-12)
    np.testing.assert_allclose(matrix @ vectors, vectors * energies, atol=1e-11)


def test_survives_a_pytree_round_trip_and_jit(case, rng):
    leaves, structure = jax.tree_util.tree_flatten(case)
    assert all(isinstance(leaf, (np.ndarray, np.floating)) for leaf in leaves)
    again = jax.tree_util.tree_unflatten(structure, leaves)
    psi = jnp.asarray(_states(rng, case.dim, 1)[:, 0])
    eager = case.propagate(0.2, 0.1, psi)
    compiled = jax.jit(lambda h, t, dt, psi: h.propagate(t, dt, psi))(again, 0.2, 0.1, psi)
    assert compiled.dtype == jnp.complex64
    np.testing.assert_allclose(compiled, eager, atol=3e-5)


def test_single_precision_stays_single_in_a_double_session(case, rng):
    with jax.enable_x64(True):
        single = jax.tree_util.tree_map(lambda x: jnp.asarray(x).astype(np.result_type(x.dtype.type(0), "f4")), case)
        single = jax.tree_util.tree_map(
            lambda x: x.astype(jnp.complex64 if jnp.iscomplexobj(x) else jnp.float32), single
        )
        psi = jnp.asarray(_states(rng, case.dim, 1)[:, 0], jnp.complex64)
        for dt in (0.1, np.float64(0.1), jnp.asarray(0.1)):
            assert single.propagate(0.0, dt, psi).dtype == jnp.complex64
        assert single.apply(0.0, psi).dtype == jnp.complex64


def test_operators_are_hermitian_and_include_the_energy(case):
    assert "energy" in case.operators
    for name, operator in case.operators.items():
        matrix = operator.matrix() if callable(operator) else np.asarray(operator)
        if matrix.ndim == 1:
            assert np.isrealobj(matrix) and matrix.shape == (case.dim,), name
        else:
            np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", STATIC)
def test_the_bandwidth_is_the_largest_difference_of_energies(name):
    case = CASES[name]
    energies = np.linalg.eigvalsh(case.matrix())
    exact = energies[-1] - energies[0]
    if name.startswith("particle"):
        # A sum of two ranges: the potential's and that of p^2/2m.
        waves = 2 * np.pi * np.fft.fftfreq(case.points, float(case.spacing))
        kinetic = case.dimensions * np.max(waves**2) * float(case.hbar) ** 2 / (2 * float(case.mass))
        exact = kinetic + np.ptp(case.potential)
    np.testing.assert_allclose(case.bandwidth, exact, rtol=1e-12)
    assert case.bandwidth >= np.ptp(energies) * (1 - 1e-12)
    assert not case.time_dependent


def test_a_drive_has_no_bandwidth():
    assert CASES["driven"].bandwidth == np.inf
    assert CASES["driven"].time_dependent


def test_the_bandwidth_of_a_large_banded_matrix_is_gershgorins_bound(monkeypatch):
    monkeypatch.setattr("stochq.systems.banded.BANDED_DENSE_LIMIT", 0)
    large = systems.kerr(4, 0.3, 0.0, 0.5)
    # Rows: 0 +- .5, .3 +- .5(1 + r2), .6 +- .5(r2 + r3), .9 +- .5 r3 with r2, r3 the roots of 2 and 3.
    rows = np.array([0.5, 0.5 + 0.5 * 2**0.5, 0.5 * (2**0.5 + 3**0.5), 0.5 * 3**0.5])
    centres = np.array([0.0, 0.3, 0.6, 0.9])
    np.testing.assert_allclose(large.bandwidth, np.max(centres + rows) - np.min(centres - rows), rtol=1e-12)
    assert large.bandwidth >= np.ptp(np.linalg.eigvalsh(large.matrix()))


@pytest.mark.parametrize("name", list(CASES))
def test_centred_is_the_same_less_a_constant(name):
    case = CASES[name]
    difference = case.matrix(0.3) - case.centred().matrix(0.3)
    np.testing.assert_allclose(difference, difference[0, 0] * np.eye(case.dim), atol=1e-12)
    assert difference[0, 0].imag == 0
    if name in ("diagonal", "dense"):
        energies = np.linalg.eigvalsh(case.matrix())
        np.testing.assert_allclose(difference[0, 0].real, np.median(energies), atol=1e-12)


def _raised(energy):
    """Systems whose energies are raised by a constant, small and beyond the sizes that keep dense matrices."""
    bands = np.stack([np.full(6, 0.4), np.linspace(0.0, 1.0, 6) + energy, np.full(6, 0.4)])
    bands[0, 0] = bands[2, -1] = 0.0
    matrix = np.diag(bands[1]) + np.diag(bands[2, :-1], 1) + np.diag(bands[2, :-1], -1)
    well = 0.5 * (np.arange(16) - 8.0) ** 2 / 4 + energy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stochq.systems.banded.BANDED_DENSE_LIMIT", 0)
        patch.setattr("stochq.systems.grid.DENSE_POINTS", 0)
        large = {"banded, large": Banded((-1, 0, 1), bands), "particle, large": systems.particle(16, 8.0, 1.0, well)}
    return {
        "diagonal": systems.levels(bands[1]),
        "dense": systems.levels(matrix),
        "banded": Banded((-1, 0, 1), bands),
        "particle": systems.particle(16, 8.0, 1.0, well),
        "driven": systems.driven(systems.levels(matrix), [matrix - np.diag(bands[1])], [lambda t: 0.1]),
        **large,
    }


@pytest.mark.parametrize("name", list(_raised(0.0)))
def test_a_constant_energy_costs_no_digits_in_single_precision(name, rng):
    """exp(-iHt) up to a phase, H raised by 10^8, against scipy without the constant."""
    raised, plain = _raised(2.0**27)[name].centred(), np.asarray(_raised(0.0)[name].matrix())
    single = jax.tree_util.tree_map(lambda x: np.asarray(x, np.complex64 if np.iscomplexobj(x) else np.float32), raised)
    psi = _states(rng, raised.dim, 1)[:, 0]
    psi /= np.linalg.norm(psi)
    step, state = single.propagator(np.float32(0.01)), jnp.asarray(psi, jnp.complex64)
    state = jax.lax.fori_loop(0, 100, lambda n, x: step(0.0, x), state)
    expected = scipy.linalg.expm(-1j * plain) @ psi
    overlap = np.vdot(expected, np.asarray(state))
    np.testing.assert_allclose(np.asarray(state), overlap / abs(overlap) * expected, atol=3e-4)
    image = np.asarray(single.apply(0.0, jnp.asarray(psi, jnp.complex64)))
    shift = np.vdot(psi, plain @ psi - image)
    np.testing.assert_allclose(image + shift * psi, plain @ psi, atol=1e-4)


@pytest.mark.parametrize("name", STATIC)
def test_conserved_quantities_commute_and_are_sharp(name):
    """Those that do not commute with each other are not sharp all at once: the flip of all spins and the momentum."""
    case = CASES[name]
    vectors = np.eye(case.dim)[:, case.order] if case.eigenvectors is None else case.eigenvectors
    for label, operator in case.conserved.items():
        matrix = np.diag(operator) if operator.ndim == 1 else operator
        np.testing.assert_allclose(matrix @ case.matrix(), case.matrix() @ matrix, atol=1e-12, err_msg=label)
        if label in ("spin_flip", "momentum"):
            continue
        rotated = vectors.conj().T @ matrix @ vectors
        np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=1e-11, err_msg=label)


def test_a_large_banded_matrix_splits_to_second_order(monkeypatch):
    monkeypatch.setattr("stochq.systems.banded.BANDED_DENSE_LIMIT", 0)
    large = systems.kerr(12, 0.3, 0.2, 0.4)
    assert large.dense is None
    psi = np.ones(12) / np.sqrt(12)
    exact = scipy.linalg.expm(-1j * large.matrix()) @ psi
    errors = []
    with jax.enable_x64(True):
        for steps in (20, 40):
            step, state = large.propagator(1.0 / steps), jnp.asarray(psi, jnp.complex128)
            for _ in range(steps):
                state = step(0.0, state)
            errors.append(np.linalg.norm(state - exact))
    assert 3.6 < errors[0] / errors[1] < 4.4
    np.testing.assert_allclose(large.energies, np.linalg.eigvalsh(large.matrix()), atol=1e-12)


def test_derivatives_exist_for_degenerate_levels():
    """The propagator of x P, P a projector of rank one, is 1 + (exp(-i x dt) - 1) P."""
    projector = np.full((4, 4), 0.25)

    def survival(x):
        return jnp.abs(Dense(x * projector).propagate(0.0, 1.0, jnp.eye(4, dtype=complex)[0])[0]) ** 2

    with jax.enable_x64(True):
        derivative = jax.jit(jax.grad(survival))(0.7)
    exact = -2 * 0.25 * 0.75 * np.sin(0.7)
    np.testing.assert_allclose(derivative, exact, atol=1e-12)


def test_derivatives_of_energies_and_of_time():
    base, change = np.diag([0.0, 1.0, 1.0]), np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0.0]])
    with jax.enable_x64(True):
        slope = jax.jit(jax.jacobian(lambda x: Dense(base + x * change).energies))(0.3)
        matrix = base + 0.3 * change
        psi = jnp.array([1.0, 0.0, 0.0], dtype=complex)
        in_time = jax.jit(jax.jacfwd(lambda dt: Dense(matrix).propagate(0.0, dt, psi)))(0.4)
        in_time, psi = np.asarray(in_time), np.asarray(psi)
    numeric = (np.linalg.eigvalsh(base + 0.30001 * change) - np.linalg.eigvalsh(base + 0.29999 * change)) / 2e-5
    np.testing.assert_allclose(slope, numeric, atol=1e-8)
    np.testing.assert_allclose(in_time, -1j * matrix @ scipy.linalg.expm(-0.4j * matrix) @ psi, atol=1e-12)
