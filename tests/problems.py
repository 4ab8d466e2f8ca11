"""The registry of problems: an equation, a state, and the exact answer from matrices written down independently.

Every problem is built twice: once with the library's constructors, once as a dense Hamiltonian and dense jump
operators in plain numpy, from which `tests.liouville` makes the exact answer.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.channels import DenseOperators, Energy, Features, RateMatrix, Separable
from tests import liouville


@dataclass(frozen=True)
class Problem:
    """What to run, the same thing in dense matrices, and how finely each scheme must step for a negligible bias."""

    equation: sq.Equation
    matrix: Any
    jumps: Any
    psi0: Any
    observables: dict[str, np.ndarray]
    hbar: float = 1.0
    times: np.ndarray = field(default_factory=lambda: np.linspace(0.0, 1.0, 5))
    steps: dict[str, int] = field(default_factory=dict)
    trajectories: int = 16384

    def expected(self):
        """{name: (T,)} from the master equation."""
        rho = liouville.density(self.matrix, self.jumps, self.psi0, self.times, self.hbar)
        return {name: liouville.expectation(dense(o), rho) for name, o in self.observables.items()}


# Steps over the whole time; Euler-Maruyama's bias must be small beside a standard error of about half a percent.
STEPS = {"euler": 512, "extrapolated": 64, "strang": 32, "extrapolated strang": 8}
SCHEMES = {
    "euler": sq.schemes.EulerMaruyama(),
    "extrapolated": sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()),
    "strang": sq.schemes.Strang(),
    "extrapolated strang": sq.schemes.Extrapolated(sq.schemes.Strang()),
}
# Steps of several operators take long; their coefficients are tested without sampling in tests/schemes/test_orders.py.
FEWER = 4096
# Larger systems: half the time and fewer trajectories.
HALF: dict[str, Any] = {"times": np.linspace(0.0, 0.5, 4), "trajectories": 4096}
PROBLEMS: dict[str, Callable[[], Problem]] = {}


def problem(name):
    """Register a builder; a problem is built once."""

    def register(build):
        PROBLEMS[name] = functools.cache(build)
        return build

    return register


def dense(operator):
    """A diagonal or a matrix as a matrix."""
    operator = np.asarray(operator)
    return np.diag(operator) if operator.ndim == 1 else operator


def hermitian(dim, seed, scale=1.0):
    """A random Hermitian matrix with elements of order `scale`."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return scale * (matrix + matrix.conj().T) / 2


def unitary(dim, seed):
    """A random unitary."""
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim)))[0]


def state(dim, seed):
    """A random normalised state."""
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return psi / np.linalg.norm(psi)


def projectors(basis, rate):
    """√rate |k⟩⟨k| for the columns |k⟩ of a unitary."""
    return [np.sqrt(rate) * np.outer(column, column.conj()) for column in basis.T]


def transitions(rates, basis):
    """√J_μν |μ⟩⟨ν| for the columns of a unitary."""
    return [
        np.sqrt(rates[m, n]) * np.outer(basis[:, m], basis[:, n].conj())
        for m in range(len(rates))
        for n in range(len(rates))
    ]


def watched(dim, seed):
    """One diagonal and one dense observable."""
    return {"ladder": np.arange(dim) / (dim - 1), "dense": hermitian(dim, seed)}


@problem("suv, two levels")
def _():
    matrix = np.array([[0.6, 0.4 - 0.3j], [0.4 + 0.3j, -0.6]])
    equation = sq.models.suv(sq.systems.levels(matrix), strength=0.9)
    return Problem(equation, matrix, projectors(np.eye(2), 0.9), state(2, 1), watched(2, 2))


@problem("suv, complex noise, rotated basis")
def _():
    matrix, basis = hermitian(3, 3), unitary(3, 4)
    equation = sq.models.suv(sq.systems.levels(matrix), strength=0.8, basis=basis, noise="complex")
    return Problem(equation, matrix, projectors(basis, 0.8), state(3, 5), watched(3, 6))


@problem("suv, unitary noise")
def _():
    matrix = hermitian(3, 7)
    equation = sq.models.suv(sq.systems.levels(matrix), strength=0.8, noise="unitary")
    return Problem(equation, matrix, projectors(np.eye(3), 0.8), state(3, 8), watched(3, 9))


@problem("energy-driven")
def _():
    matrix = hermitian(3, 10)
    equation = sq.models.energy_driven(sq.systems.levels(matrix), strength=0.6)
    return Problem(equation, matrix, [np.sqrt(0.6) * matrix], state(3, 11), watched(3, 12))


CHI = np.array([0.45, 0.3, 0.2, 0.05])


def _oqt(noise):
    matrix = hermitian(4, 13)
    equation = sq.models.oqt(sq.systems.levels(matrix), strength=1.1, equilibrium=CHI, noise=noise)
    jumps = transitions(1.1 * np.outer(CHI, np.ones(4)), np.linalg.eigh(matrix)[1])
    return Problem(equation, matrix, jumps, state(4, 14), watched(4, 15))


@problem("oqt")
def _():
    return _oqt("real")


@problem("oqt, complex noise")
def _():
    return _oqt("complex")


@problem("oqt, diagonal hamiltonian in no order, ħ = 0.7")
def _():
    energies, chi = np.array([1.0, -0.5, 0.3]), np.array([0.6, 0.3, 0.1])
    equation = sq.models.oqt(sq.systems.levels(energies), strength=0.5, equilibrium=chi, hbar=0.7)
    weights = np.array([0.1, 0.6, 0.3])  # the lowest level is the second, the highest the first
    jumps = transitions(0.5 / 0.7 * np.outer(weights, np.ones(3)), np.eye(3))
    return Problem(equation, np.diag(energies), jumps, state(3, 16), watched(3, 17), hbar=0.7)


@problem("sui, rotated basis, ħ = 0.7")
def _():
    matrix, basis, chi = hermitian(3, 18), unitary(3, 19), np.array([0.5, 0.4, 0.1])
    equation = sq.models.sui(
        sq.systems.levels(matrix), reduction=0.5, thermalization=0.4, equilibrium=chi, basis=basis, hbar=0.7
    )
    jumps = transitions(0.4 / 0.7 * np.outer(chi, np.ones(3)), np.linalg.eigh(matrix)[1])
    return Problem(equation, matrix, jumps + projectors(basis, 0.5 / 0.7), state(3, 20), watched(3, 21), hbar=0.7)


@problem("bath: rate matrix and sources")
def _():
    matrix = hermitian(3, 22)
    rates = np.random.default_rng(23).uniform(0, 0.6, (3, 3))
    target, source = np.array([0.5, 0.2, 0.1]), np.array([0.3, 1.0, 0.6])
    channels = [RateMatrix(rates, basis=Energy()), Separable(target, source)]
    equation = sq.models.unravel(sq.systems.levels(matrix), channels)
    jumps = transitions(rates, np.linalg.eigh(matrix)[1]) + transitions(np.outer(target, source), np.eye(3))
    return Problem(equation, matrix, jumps, state(3, 24), watched(3, 25))


def _jumps(seed):
    rng = np.random.default_rng(seed)
    return list(0.35 * (rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3))))


@problem("any operators")
def _():
    matrix, jumps = hermitian(3, 26), [*_jumps(27), np.diag([0.5, -0.2, 0.1])]
    equation = sq.models.unravel(sq.systems.levels(matrix), jumps)
    return Problem(equation, matrix, jumps, state(3, 28), watched(3, 29), steps={"strang": 64}, trajectories=FEWER)


@problem("any operators, complex noise")
def _():
    matrix, jumps = hermitian(3, 30), _jumps(31)
    equation = sq.models.unravel(sq.systems.levels(matrix), jumps, noise="complex")
    return Problem(equation, matrix, jumps, state(3, 32), watched(3, 33), steps={"strang": 64}, trajectories=FEWER)


@problem("hermitian operators, unitary noise")
def _():
    matrix, jumps = hermitian(3, 34), [hermitian(3, 35, 0.5), hermitian(3, 36, 0.5)]
    equation = sq.models.unravel(sq.systems.levels(matrix), jumps, noise="unitary")
    return Problem(equation, matrix, jumps, state(3, 37), watched(3, 38), steps={"strang": 64}, trajectories=FEWER)


def _ladder(cutoff):
    return np.diag(np.sqrt(np.arange(1.0, cutoff)), 1).astype(complex)


@problem("kerr cavity")
def _():
    lower = _ladder(16)
    number = lower.conj().T @ lower
    matrix = 0.3 * number + 0.1 * (number @ number - number) + 0.5 * (lower + lower.conj().T)
    equation = sq.models.unravel(sq.systems.kerr(16, 0.3, 0.2, 0.5), [np.sqrt(0.8) * lower])
    assert type(equation.channels[0]).__name__ == "BandedOperators"
    observables = {"number": np.diag(number).real, "x": lower + lower.conj().T, "p": 1j * (lower.conj().T - lower)}
    # Coherent states would stay nearly coherent and show no spread.
    psi0 = sq.normalize(np.eye(16)[0] + 1j * np.eye(16)[1] + np.eye(16)[3])
    steps = {"extrapolated": 128}
    return Problem(equation, matrix, [np.sqrt(0.8) * lower], psi0, observables, **HALF, steps=steps)


@problem("brownian motion")
def _():
    cutoff, friction, beta, squeezing = 20, 0.4, 1.5, -0.1
    lower = _ladder(cutoff)
    q, p = (lower + lower.conj().T) / np.sqrt(2), 1j * (lower.conj().T - lower) / np.sqrt(2)
    jump = np.sqrt(2 * friction / beta) * q + 1j * np.sqrt(2 * friction * beta / 16) * p
    # {q, p} = i(a†² − a²), written so that the cutoff leaves no trace in its last elements.
    pair = 1j * (lower.conj().T @ lower.conj().T - lower @ lower)
    matrix = np.diag(np.arange(cutoff) + 0.5) + (friction / 4 + squeezing / 2) * pair
    oscillator = sq.systems.oscillator(cutoff)
    equation = sq.models.brownian(oscillator, friction=friction, beta=beta, squeezing=squeezing)
    observables = {"q": q, "p": p, "number": np.arange(cutoff)}
    steps = {"extrapolated": 128, "strang": 64}
    return Problem(equation, matrix, [jump], oscillator.coherent(0.7), observables, **HALF, steps=steps)


def kinetic(points, length, mass=1.0, hbar=1.0):
    """p²/2m on a periodic grid, from its plane waves."""
    k = 2 * np.pi * np.fft.fftfreq(points, length / points)
    waves = np.exp(1j * np.outer(np.arange(points) * length / points, k)) / np.sqrt(points)
    return (waves * (hbar * k) ** 2 / (2 * mass)) @ waves.conj().T


def grid(points, length):
    """The points of a periodic grid."""
    return (np.arange(points) - points // 2) * length / points


def kernel_jumps(kernel):
    """Diagonal operators whose features have this kernel, from its eigenvectors."""
    values, vectors = np.linalg.eigh(kernel)
    return [np.sqrt(value) * np.diag(vector) for value, vector in zip(values, vectors.T, strict=True) if value > 1e-12]


def periodic_distance(x, length):
    """The shortest distance of every pair of points."""
    distance = np.abs(x[:, None] - x[None, :])
    return np.minimum(distance, length - distance)


def _trap(points, length):
    x = grid(points, length)
    return x, kinetic(points, length) + np.diag(x**2 / 2)


def csl_kernel(x, length, rate, width):
    """λ e^{−d²/4r_C²}, summed over the periodic images of the box so that it is positive semi-definite."""
    distance = periodic_distance(x, length)
    images = sum(np.exp(-((distance + shift) ** 2) / (4 * width**2)) for shift in length * np.arange(-2, 3))
    return rate * images / images[0, 0]


@problem("csl of a particle in a trap")
def _():
    points, length = 32, 14.0
    x, matrix = _trap(points, length)
    particle = sq.systems.particle(points, length, 1.0, sq.systems.harmonic(1.0))
    equation = sq.models.csl(particle, rate=1.5, length=1.0)
    jumps = kernel_jumps(csl_kernel(x, length, rate=1.5, width=1.0))
    observables = {"x": x, "x squared": x**2, "energy": matrix}
    psi0 = particle.gaussian(position=0.7, width=0.8)
    return Problem(equation, matrix, jumps, psi0, observables, **HALF, steps={"extrapolated": 128})


@problem("qmupl of a particle in a trap")
def _():
    points, length = 32, 14.0
    x, matrix = _trap(points, length)
    particle = sq.systems.particle(points, length, 1.0, sq.systems.harmonic(1.0))
    equation = sq.models.qmupl(particle, rate=0.4)
    observables = {"x": x, "x squared": x**2, "energy": matrix}
    psi0 = particle.gaussian(position=0.7, width=0.8)
    steps = {"extrapolated": 256}
    return Problem(equation, matrix, [np.sqrt(0.4) * np.diag(x)], psi0, observables, **HALF, steps=steps)


@problem("csl on a lattice")
def _():
    # Two distinguishable nucleons on two sites: states are (site of the first, site of the second).
    occupations = np.array([[2, 0], [1, 1], [1, 1], [0, 2]])
    hop = np.array([[0, 1], [1, 0]])
    matrix = 0.8 * (np.kron(hop, np.eye(2)) + np.kron(np.eye(2), hop)) + np.diag([0.5, 0, 0, 0.5])
    overlap = np.exp(-(1.5**2) / (4 * 1.2**2))
    kernel = 0.4 * occupations @ np.array([[1, overlap], [overlap, 1]]) @ occupations.T
    equation = sq.models.csl_lattice(
        sq.systems.levels(matrix), occupations=occupations, positions=[0.0, 1.5], rate=0.4, length=1.2
    )
    return Problem(equation, matrix, kernel_jumps(kernel), state(4, 39), watched(4, 40))


@problem("driven sui")
def _():
    matrix, term, chi = hermitian(3, 41), hermitian(3, 42), np.array([0.5, 0.4, 0.1])
    driven = sq.systems.driven(
        sq.systems.levels(matrix), [term, np.arange(3.0)], [lambda t: jnp.cos(3 * t), lambda t: 0.5 * t]
    )
    equation = sq.models.sui(driven, reduction=0.4, thermalization=0.5, equilibrium=chi)
    jumps = transitions(0.5 * np.outer(chi, np.ones(3)), np.linalg.eigh(matrix)[1]) + projectors(np.eye(3), 0.4)

    def at(t):
        return matrix + np.cos(3 * t) * term + 0.5 * t * np.diag(np.arange(3.0))

    return Problem(equation, at, jumps, state(3, 43), watched(3, 44), steps={"strang": 64})


@problem("sui of an ising chain")
def _():
    z, x = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])

    def at(site, operator):
        # Bit j of a basis state is site j, so site 0 is the last factor.
        return np.kron(np.kron(np.eye(2 ** (2 - site)), operator), np.eye(2**site))

    matrix = -sum(at(j, z) @ at(j + 1, z) for j in range(2)) - sum(0.7 * at(j, x) + 0.3 * at(j, z) for j in range(3))
    chain = sq.systems.ising(3, coupling=1.0, transverse=0.7, longitudinal=0.3)
    energies, vectors = np.linalg.eigh(matrix)
    chi = np.exp(-0.8 * energies) / np.exp(-0.8 * energies).sum()
    equation = sq.models.sui(chain, reduction=0.5, thermalization=0.6, equilibrium=sq.canonical(chain, 0.8))
    jumps = transitions(0.6 * np.outer(chi, np.ones(8)), vectors) + projectors(np.eye(8), 0.5)
    observables = {"magnetization": sum(np.diag(at(j, z)) for j in range(3)) / 3, "energy": matrix}
    return Problem(equation, matrix, jumps, np.eye(8)[3], observables, steps={"euler": 1024})


@problem("mixed families")
def _():
    # All three families in one equation, each in its own basis.
    matrix, basis = hermitian(3, 45), unitary(3, 46)
    jump, features = _jumps(47)[0], np.array([[0.4, -0.3, 0.1], [0.2, 0.5, -0.1]])
    target = np.array([0.3, 0.2, 0.1])
    channels = [DenseOperators(jump[None]), Features(features, basis=_columns(basis)), Separable(target)]
    equation = sq.models.unravel(sq.systems.levels(matrix), channels, noise="complex")
    rotated = [basis @ np.diag(row) @ basis.conj().T for row in features]
    jumps = [jump, *rotated, *transitions(np.outer(target, np.ones(3)), np.eye(3))]
    return Problem(equation, matrix, jumps, state(3, 48), watched(3, 49), steps={"strang": 64}, trajectories=FEWER)


def _columns(basis):
    from stochq.channels import Columns

    return Columns(basis)
