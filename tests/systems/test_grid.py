"""A particle on a grid against closed forms and dense transforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.systems import double_well, grid, harmonic, particle


def _large(*args, **kwargs):
    """A particle without the dense matrix that small grids keep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "DENSE_POINTS", 0)
        return particle(*args, **kwargs)


def test_coordinates_are_centred():
    free = particle(4, 8.0, 1.0)
    np.testing.assert_array_equal(free.coordinates[0], [-4.0, -2.0, 0.0, 2.0])
    assert free.spacing == 2.0
    x, y = particle(2, 2.0, 1.0, dimensions=2).coordinates
    np.testing.assert_array_equal(x, [-1.0, -1.0, 0.0, 0.0])
    np.testing.assert_array_equal(y, [-1.0, 0.0, -1.0, 0.0])


@pytest.mark.parametrize(("mass", "frequency", "hbar"), [(1.0, 1.0, 1.0), (1.7, 0.6, 0.8)])
def test_harmonic_ground_state(mass, frequency, hbar):
    trap = particle(64, 16.0, mass, harmonic(frequency), hbar=hbar)
    np.testing.assert_allclose(trap.energies[:4], hbar * frequency * (np.arange(4) + 0.5), atol=1e-8)
    ground = trap.eigenvectors[:, 0]
    variance = hbar / (2 * mass * frequency)
    np.testing.assert_allclose(trap.operators["position_squared"] @ ground**2, variance, atol=1e-8)
    packet = trap.gaussian(0.0, np.sqrt(variance))
    np.testing.assert_allclose(abs(np.vdot(packet, ground)), 1.0, atol=1e-8)
    with jax.enable_x64(True):
        np.testing.assert_allclose(trap.operators["momentum_squared"](packet), hbar**2 / (4 * variance), atol=1e-8)
        np.testing.assert_allclose(trap.operators["energy"](packet), hbar * frequency / 2, atol=1e-8)
        np.testing.assert_allclose(trap.operators["kinetic"](packet), hbar * frequency / 4, atol=1e-8)


@pytest.mark.parametrize(("points", "dimensions"), [(7, 1), (8, 1), (4, 2), (3, 3)])
def test_kinetic_spectrum(points, dimensions):
    length, mass, hbar = 5.0, 1.3, 0.7
    free = particle(points, length, mass, "free", dimensions, hbar)
    waves = 2 * np.pi * np.fft.fftfreq(points, length / points)
    squares = sum(np.meshgrid(*[waves**2] * dimensions))
    np.testing.assert_allclose(free.energies, np.sort(hbar**2 * np.ravel(squares) / (2 * mass)), atol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_transforms_agree_with_the_dense_matrix(dimensions):
    points = {1: 16, 2: 6, 3: 4}[dimensions]
    well = double_well(2.0, 1.0, 1.5)
    small = particle(points, 4.0, 1.2, well, dimensions, hbar=0.9)
    large = _large(points, 4.0, 1.2, well, dimensions, hbar=0.9)
    assert small.dense is not None and large.dense is None
    rng = np.random.default_rng(0)
    rho = rng.normal(size=(small.dim,) * 2) + 1j * rng.normal(size=(small.dim,) * 2)
    matrix = small.matrix()
    with jax.enable_x64(True):
        states = jnp.asarray(rho)
        batched = jax.vmap(large.apply, in_axes=(None, -1), out_axes=-1)(0.0, states)
        np.testing.assert_allclose(batched, matrix @ rho, atol=1e-10)
        np.testing.assert_allclose(large.commutator(0.0, states), matrix @ rho - rho @ matrix, atol=1e-10)
    np.testing.assert_array_equal(large.matrix(), matrix)
    np.testing.assert_allclose(large.energies, small.energies, atol=1e-12)
    assert large.eigenvectors.shape == matrix.shape


def test_the_split_step_is_unitary_and_of_second_order():
    small, large = (build(32, 12.0, 1.0, double_well(3.0, 2.0)) for build in (particle, _large))
    psi = small.gaussian(1.0, 0.6, 0.5)
    states = np.stack([psi, psi.conj()], axis=1)
    errors = []
    with jax.enable_x64(True):
        exact = small.propagate(0.0, 1.0, jnp.asarray(psi))
        for steps in (200, 400):
            step = jax.vmap(large.propagator(1.0 / steps), in_axes=(None, -1), out_axes=-1)
            state = jax.lax.fori_loop(0, steps, lambda n, x, step=step: step(0.0, x), jnp.asarray(states))
            np.testing.assert_allclose(np.linalg.norm(state, axis=0), 1.0, atol=1e-12)
            errors.append(np.linalg.norm(state[:, 0] - exact))
    assert errors[1] < 1e-4
    assert 3.8 < errors[0] / errors[1] < 4.2


def test_a_free_packet_moves_and_spreads():
    mass, hbar, sigma, momentum, time = 1.5, 0.8, 0.7, 1.1, 2.0
    free = particle(256, 40.0, mass, None, hbar=hbar)
    assert free.dense is None
    psi = free.gaussian(-2.0, sigma, momentum)
    with jax.enable_x64(True):
        final = np.asarray(free.propagate(0.0, time, jnp.asarray(psi), hbar))
        np.testing.assert_allclose(free.operators["momentum"](final), momentum, atol=1e-8)
    density, x = np.abs(final) ** 2, free.coordinates[0]
    mean = density @ x
    np.testing.assert_allclose(mean, -2.0 + momentum * time / mass, atol=1e-8)
    spread = sigma**2 + (hbar * time / (2 * mass * sigma)) ** 2
    np.testing.assert_allclose(density @ x**2 - mean**2, spread, atol=1e-8)


def test_observables_in_three_dimensions():
    trap = particle(12, 10.0, 1.0, harmonic((1.0, 1.2, 0.9)), dimensions=3)
    psi = trap.gaussian((0.1, 0.0, -0.1), 0.71, (0.0, 0.2, 0.0))
    density = np.abs(psi) ** 2
    np.testing.assert_allclose(density @ trap.operators["position_z"], -0.1, atol=1e-3)
    np.testing.assert_allclose(density @ trap.operators["position_squared"], 0.71**2 + 0.01, atol=1e-3)
    with jax.enable_x64(True):
        np.testing.assert_allclose(trap.operators["momentum_y"](psi), 0.2, atol=1e-3)
        np.testing.assert_allclose(trap.operators["momentum_z_squared"](psi), 1 / (4 * 0.71**2), atol=1e-3)


@pytest.mark.parametrize("name", ["momentum", "momentum_squared", "momentum_y", "kinetic", "energy"])
def test_spectral_observables_of_states_and_densities(name):
    trap = particle(6, 5.0, 1.0, harmonic(1.0), dimensions=2)
    operator = trap.operators[name]
    rng = np.random.default_rng(4)
    states = rng.normal(size=(trap.dim, 2)) + 1j * rng.normal(size=(trap.dim, 2))
    rho = states @ states.conj().T
    expected = np.einsum("ik,ij,jk->k", states.conj(), operator.matrix(), states).real
    with jax.enable_x64(True):
        values = jax.vmap(operator, in_axes=-1)(jnp.asarray(states))
        np.testing.assert_allclose(values, expected, atol=1e-10)
        np.testing.assert_allclose(operator.of_density(rho), expected.sum(), atol=1e-10)
    if name == "energy":
        np.testing.assert_allclose(operator.matrix(), trap.matrix(), atol=1e-12)


def test_real_states_have_no_momentum():
    free = particle(8, 4.0, 1.0)
    psi = np.array([1.0, -1.0] * 4) / np.sqrt(8)
    assert abs(free.operators["momentum"](psi)) < 1e-6
    assert free.operators["momentum_squared"](psi) > 10


@pytest.mark.parametrize("dimensions", [1, 2])
def test_weights_near_the_edges(dimensions):
    free = particle(32, 16.0, 1.0, dimensions=dimensions)
    inside = free.gaussian(0.0, 1.0)
    assert free.edge_weight(inside) < 1e-6 and free.alias_weight(inside) < 1e-6
    moved = np.roll(inside.reshape(free.shape), 16, axis=-1).ravel()
    assert free.edge_weight(moved) > 0.5
    boosted = inside * np.exp(1j * np.pi / free.spacing * free.coordinates[-1])
    assert free.alias_weight(boosted) > 0.3
    batched = jax.vmap(free.edge_weight, in_axes=-1)(np.stack([inside, moved], axis=-1))
    np.testing.assert_allclose(batched, [free.edge_weight(inside), free.edge_weight(moved)], atol=1e-6)


def test_ways_to_give_a_potential():
    x = particle(8, 4.0, 2.0).coordinates[0]
    expected = particle(8, 4.0, 2.0, harmonic(1.5)).potential
    np.testing.assert_allclose(expected, 2.0 * 1.5**2 * x**2 / 2)
    np.testing.assert_allclose(particle(8, 4.0, 2.0, lambda x: 2.25 * x**2).potential, expected)
    np.testing.assert_allclose(particle(8, 4.0, 2.0, expected).potential, expected)
    np.testing.assert_array_equal(particle(8, 4.0, 2.0, lambda x: 3.0).potential, np.full(8, 3.0))
    square = particle(4, 4.0, 1.0, np.arange(16.0).reshape(4, 4), dimensions=2)
    np.testing.assert_array_equal(square.potential, np.arange(16.0))


@pytest.mark.parametrize("build", [particle, _large])
def test_derivatives_with_respect_to_mass_and_trap(build):
    psi = particle(32, 12.0, 1.0).gaussian(1.0, 0.6)

    @jax.jit
    def mean(parameters):
        mass, frequency = parameters
        trap = build(32, 12.0, mass, harmonic(frequency))
        return jnp.sum(trap.coordinates[0] ** 2 * jnp.abs(trap.propagate(0.0, 0.3, jnp.asarray(psi))) ** 2)

    with jax.enable_x64(True):
        derivative = jax.jit(jax.grad(mean))((1.0, 1.2))
        steps = ((1e-5, 0.0), (0.0, 1e-5))
        numeric = [(mean((1.0 + a, 1.2 + b)) - mean((1.0 - a, 1.2 - b))) / 2e-5 for a, b in steps]
    np.testing.assert_allclose(derivative, numeric, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: particle(1, 1.0, 1.0), "points: expected a whole number of at least 2 and at most 67108864; got 1"),
        (lambda: particle(8, -1.0, 1.0), r"length: expected a finite number greater than 0; got -1\.0"),
        (lambda: particle(8, 1.0, 0.0), "mass: expected a finite number greater than 0"),
        (lambda: particle(8, 1.0, 1.0, hbar=np.inf), "hbar: expected"),
        (lambda: particle(8, 1.0, 1.0, dimensions=4), "dimensions: expected a whole number.*at most 3; got 4"),
        (lambda: particle(8, 1.0, 1.0, "square"), "potential: expected \"free\".*got 'square'"),
        (lambda: particle(8, 1.0, 1.0, np.zeros(7)), r"potential: expected shape \(8,\) or \(8,\); got \(7,\)"),
        (lambda: particle(8, 1.0, 1.0, lambda x: 1 / (x * 0 + np.inf) + np.nan), "potential: expected finite numbers"),
        (lambda: particle(8, 1.0, 1.0, lambda x: 1j * x), "potential: expected real energies"),
        (lambda: particle(8, 1.0, 1.0, harmonic((1.0, 2.0))), "frequency: expected one number.*1 dimensions"),
        (lambda: harmonic(np.nan), "frequency: expected a finite real number"),
        (lambda: double_well(0.0, 1.0), "separation: expected a finite number greater than 0"),
        (lambda: particle(64, 10.0, 1.0).gaussian(4.5, 1.0), "width: expected a packet inside the box.*wrap around"),
        (lambda: particle(64, 10.0, 1.0).gaussian(9.0, 0.1), "wrap around. Take a longer box"),
        (lambda: particle(16, 10.0, 1.0).gaussian(0.0, 1.0, 4.0), "points: expected momenta below.*aliased"),
        (lambda: particle(16, 10.0, 1.0).gaussian(0.0, 0.1), "points: expected momenta below.*Take more points"),
        (lambda: particle(64, 10.0, 1.0).gaussian(0.0, -1.0), "width: expected a finite number greater than 0"),
        (lambda: particle(64, 10.0, 1.0).gaussian((0.0, 1.0), 1.0), "position: expected one number or 1"),
        (lambda: particle(100, 10.0, 1.0, dimensions=2).energies, "at most 4096 points in all.*got 10000"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
