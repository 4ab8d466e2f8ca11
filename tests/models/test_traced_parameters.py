"""Parameters of models that JAX traces: the decoherence, or the operators, and their derivatives by differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

import stochq as sq
from tests import oracles

POINTS, BOX = 16, 20.0
INDEX = np.arange(POINTS)
DISTANCE = np.minimum(INDEX, POINTS - INDEX) / POINTS
OCCUPATIONS, PLACES = np.array([[2, 0, 1], [1, 1, 1], [0, 3, 0]]), np.array([0.0, 0.8, 2.0])
MASSES = np.array([1.0, 2.0, 0.5])


def _decoherence(kernel):
    diagonal = np.diagonal(kernel)
    return 0.5 * (diagonal[:, None] + diagonal[None, :]) - kernel


def _diosi_penrose(x):
    particle = sq.systems.particle(POINTS, x[1], x[2])
    return sq.models.diosi_penrose(particle, gravity=2.0, length=x[0]).channels[0].decoherence()


def _plain_diosi_penrose(x):
    length, box, mass = x
    distance = DISTANCE * box
    profile = np.full(POINTS, 1 / (np.sqrt(np.pi) * length))
    profile[1:] = erf(distance[1:] / (2 * length)) / distance[1:]
    spectrum = np.fft.fft(profile).real
    spectrum[0] = 0
    profile = np.fft.ifft(np.maximum(spectrum, 0)).real
    return _decoherence(2.0 * mass**2 * profile[np.subtract.outer(INDEX, INDEX) % POINTS])


def _csl_in_two_dimensions(x):
    particle = sq.systems.particle(4, x[1], 1.0, dimensions=2)
    return sq.models.csl(particle, rate=0.7, length=x[0], reference_mass=x[2]).channels[0].decoherence()


def _plain_csl_in_two_dimensions(x):
    length, box, reference = x
    coordinates = np.stack(np.meshgrid(*[np.arange(4) * box / 4] * 2, indexing="ij")).reshape(2, -1)
    kernel = np.ones((16, 16))
    for axis in coordinates:
        images = np.subtract.outer(axis, axis)[..., None] + box * np.arange(-3, 4)
        kernel = kernel * np.exp(-(images**2) / (4 * length**2)).sum(axis=-1)
    return _decoherence(0.7 / reference**2 * kernel / kernel[0, 0])


def _lattice(x):
    places = {"occupations": OCCUPATIONS, "positions": PLACES}
    hop = oracles.random_hermitian(3, 1)
    model = sq.models.csl_lattice(hop, **places, rate=x[2], length=x[0], masses=x[1] * MASSES)
    return model.channels[0].decoherence()


def _plain_lattice(x):
    weighted = OCCUPATIONS * x[1] * MASSES
    kernel = np.exp(-(np.subtract.outer(PLACES, PLACES) ** 2) / (4 * x[0] ** 2))
    return _decoherence(x[2] * weighted @ kernel @ weighted.T)


def _qmupl(x):
    return sq.models.qmupl(sq.systems.particle(POINTS, x[0], 1.0), rate=x[1]).channels[0].decoherence()


def _plain_qmupl(x):
    coordinate = (INDEX - POINTS / 2) * x[0] / POINTS
    return _decoherence(x[1] * np.outer(coordinate, coordinate))


def _brownian(x):
    """The whole action on a density matrix, of a mass, a frequency, a friction, β, cross diffusion and squeezing."""
    mass, frequency, friction, beta, cross, squeezing = x
    model = sq.models.brownian(
        sq.systems.oscillator(6, frequency, mass=mass),
        friction=friction,
        beta=beta,
        cross_diffusion=cross,
        squeezing=squeezing,
    )
    rho, zero = jnp.asarray(oracles.random_density(6, 4)), jnp.zeros(())
    slope = model.channels[0].dissipator(zero, rho) - 1j * model.hamiltonian.commutator(zero, rho)
    return jnp.concatenate([slope.real, slope.imag])


def _plain_brownian(x):
    mass, frequency, friction, beta, cross, squeezing = x
    # Products with two more levels are those of the untruncated operators.
    a = oracles.lowering(8)
    q, p = (a + a.T) / np.sqrt(2 * mass * frequency), 1j * np.sqrt(mass * frequency / 2) * (a.T - a)
    strength = mass * friction / beta
    jump = (np.sqrt(2 * strength) * (q + (0.25j * friction - cross) / strength * p))[:6, :6]
    matrix = frequency * np.diag(np.arange(6) + 0.5) + (friction / 4 + squeezing / 2) * (q @ p + p @ q)[:6, :6]
    rho = oracles.random_density(6, 4)
    slope = oracles.dissipator(jump, rho) - 1j * (matrix @ rho - rho @ matrix)
    return np.concatenate([slope.real, slope.imag])


def _packet(x):
    """Probabilities, and the real part, of a packet of a position, a width and a momentum, in a box, with ħ."""
    system = sq.systems.particle(POINTS, x[3], 1.0, hbar=x[4])
    psi = system.gaussian(x[0], x[1], x[2])
    return jnp.stack([psi.real, psi.imag])


def _plain_packet(x):
    coordinate = (INDEX - POINTS / 2) * x[3] / POINTS - x[0]
    psi = np.exp(-(coordinate**2) / (4 * x[1] ** 2) + 1j * x[2] * coordinate / x[4])
    psi = psi / np.linalg.norm(psi)
    return np.stack([psi.real, psi.imag])


CASES = {
    "diosi_penrose": (_diosi_penrose, _plain_diosi_penrose, [1.4, BOX, 0.9]),
    "csl": (_csl_in_two_dimensions, _plain_csl_in_two_dimensions, [1.1, 15.0, 0.8]),
    "csl_lattice": (_lattice, _plain_lattice, [1.6, 0.7, 0.4]),
    "qmupl": (_qmupl, _plain_qmupl, [BOX, 0.3]),
    "brownian": (_brownian, _plain_brownian, [0.7, 1.6, 0.3, 0.8, 0.1, 0.2]),
    "packet": (_packet, _plain_packet, [0.5, 1.5, 0.4, BOX, 1.2]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    build, plain, at = CASES[name]
    at = np.array(at)
    weights = np.random.default_rng(1).normal(size=np.shape(plain(at)))
    with jax.enable_x64(True):
        value, backward = jax.jit(jax.value_and_grad(lambda x: jnp.sum(weights * build(x))))(at)
        forward = jax.jit(jax.jacfwd(lambda x: jnp.sum(weights * build(x))))(at)
    np.testing.assert_allclose(value, np.sum(weights * plain(at)), rtol=1e-9, atol=1e-10)
    expected = oracles.gradient(lambda x: np.sum(weights * plain(x)), at)
    np.testing.assert_allclose(forward, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(backward, expected, rtol=1e-6, atol=1e-7)


def test_rates_of_kicks_need_numbers():
    particle = sq.systems.particle(POINTS, BOX, 1.0)

    def loss(length):
        model = sq.models.dissipative_csl(particle, rate=0.5, length=length, dissipation=0.1)
        return model.channels[0].total_loss()[0]

    with pytest.raises(ValueError, match="rate: expected numbers"):
        jax.jvp(loss, (1.5,), (1.0,))


OSCILLATOR, PARTICLE = sq.systems.oscillator(6), sq.systems.particle(64, 32.0, 1.0)
MODELS = {
    "brownian": lambda x: sq.models.brownian(OSCILLATOR, friction=x, beta=0.9),
    "qmupl": lambda x: sq.models.qmupl(OSCILLATOR, rate=x),
    "csl": lambda x: sq.models.csl(PARTICLE, rate=0.7, length=1.5, reference_mass=x),
    "diosi_penrose": lambda x: sq.models.diosi_penrose(PARTICLE, gravity=x, length=1.5),
}


@pytest.mark.parametrize("model", MODELS)
def test_traced_in_single_precision_and_then_solved_in_double(model):
    """JAX remembers the form of single precision of a system's arrays: it is not taken in the other programs."""
    made = MODELS[model]
    program = jax.jit(lambda x: [leaf for leaf in jax.tree.leaves(made(x)) if isinstance(leaf, jax.core.Tracer)])
    program(0.8)
    equation = made(0.8)
    with jax.enable_x64(True):
        for leaf in jax.tree.leaves(equation):
            np.testing.assert_array_equal(jax.jit(lambda x: x)(leaf), leaf)


def test_arrays_of_users_are_copied():
    """What a program of theirs holds in single precision is an argument of ours in double."""
    energies = np.array([0.0, 0.3, 0.7])
    program = jax.jit(lambda x: x * energies)
    program(0.5)
    equation = sq.models.unravel(sq.systems.levels(energies), [energies])
    energies[:] = 1.0
    found = sq.exact.evolve(equation, [0.6, 0.8, 0.0], [0.0, 0.5], method="ode").density[-1, 0, 1]
    np.testing.assert_allclose(found, 0.48 * np.exp(0.5 * (0.3j - 0.5 * 0.3**2)), atol=1e-8)
