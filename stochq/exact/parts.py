"""Parts of a master equation that are solved exactly, element by element, in a basis of their own.

In such a basis coherences oscillate and decay, ρ_ij → exp[(−i(E_i − E_j)/ħ − Γ_ij) t] ρ_ij, and populations obey a rate
equation ṗ = R p. Diagonal collapse gives Γ, transitions give Γ and R, a Hamiltonian that is diagonal there gives E.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from stochq.arrays import ArrayLike
from stochq.channels import Channel, Energy
from stochq.equation import Equation
from stochq.exact import rotation
from stochq.exact.populations import Hopping, Populations, Relaxing
from stochq.systems.basis import energy_columns
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import DiagonalHamiltonian

# Up to here a grid's Hamiltonian is solved in its eigenvectors; above, kinetic and potential energy are separate
# parts, whose bases are joined by Fourier transforms.
LARGEST_GRID_EIGENVECTORS = 512
_DIAGONAL_TOLERANCE = 1e-13
DEPENDS_ON_TIME = "the Hamiltonian or a channel depends on time"


@dataclass(frozen=True)
class ExactPart:
    """One part: where it is diagonal, the angular frequencies E/ħ (dim,), Γ (dim, dim) and R; None where absent."""

    basis: rotation.Rotation
    frequencies: np.ndarray | None
    decay: np.ndarray | None
    populations: Populations | None

    def step(self, length: float) -> "Step":
        """The exact solution over a time."""
        factors: float | np.ndarray = 1.0
        if self.decay is not None:
            factors = np.exp(-length * self.decay)
        if self.frequencies is not None:
            phases = np.exp(-1j * length * self.frequencies)
            factors = (phases[:, None] * phases.conj()[None, :]) * factors
        mix = None if self.populations is None else self.populations.after(length)
        return Step(factors, mix)

    def slope(self, rho: np.ndarray) -> np.ndarray:
        """This part of dρ/dt."""
        rates: float | np.ndarray = 0.0 if self.decay is None else -self.decay
        if self.frequencies is not None:
            rates = rates - 1j * (self.frequencies[:, None] - self.frequencies[None, :])
        change = rates * rho
        if self.populations is not None:
            np.fill_diagonal(change, self.populations.matrix() @ np.real(np.diagonal(rho)))
        return change

    @property
    def width(self) -> float:
        """The largest rate at which an element oscillates or decays."""
        bandwidth = 0.0 if self.frequencies is None else float(np.ptp(self.frequencies))
        decay = 0.0 if self.decay is None else float(self.decay.max())
        return bandwidth + decay


@dataclass(frozen=True)
class Step:
    """Factors (dim, dim) of the elements and, where populations mix, the map of populations (dim,) to (dim,)."""

    factors: float | np.ndarray
    mix: Callable[[np.ndarray], np.ndarray] | None

    def __call__(self, rho: np.ndarray) -> np.ndarray:
        after = self.factors * rho
        if self.mix is not None:
            np.fill_diagonal(after, self.mix(np.real(np.diagonal(rho))))
        return after


def why_not_splittable(equation: Equation) -> str:
    """Why the equation is not a sum of such parts; empty where it is."""
    if equation.time_dependent:
        return DEPENDS_ON_TIME
    for channel in equation.channels:
        if not channel.is_secular:
            return f"{type(channel).__name__} is neither diagonal nor made of transitions between basis states"
    return ""


def exact_parts(equation: Equation) -> list[ExactPart]:
    """The parts of an equation for which `why_not_splittable` is empty; the part with the Hamiltonian comes first."""
    bases, frequencies = bases_and_frequencies(equation)
    parts = [
        ExactPart(basis, frequencies.get(index), *_elements(equation, members))
        for index, (basis, members) in enumerate(bases)
    ]
    order = sorted(range(len(parts)), key=lambda index: (index not in frequencies, index))
    return [parts[index] for index in order]


Bases = list[tuple[rotation.Rotation, list[Channel]]]


def bases_and_frequencies(equation: Equation) -> tuple[Bases, dict[int, np.ndarray]]:
    """The distinct bases with the channels in each, and the Hamiltonian's frequencies (dim,) by their index."""
    bases = _bases(equation)
    return bases, _hamiltonian(equation, bases)


def _bases(equation: Equation) -> Bases:
    """The distinct bases of the channels with the channels in each."""
    bases: Bases = []
    for channel in equation.channels:
        vectors = equation.basis_matrix(channel)
        for basis, members in bases:
            if _is_basis(basis, vectors):
                members.append(channel)
                break
        else:
            bases.append((rotation.Same() if vectors is None else rotation.Unitary(vectors), [channel]))
    return bases


def _is_basis(basis: rotation.Rotation, vectors: ArrayLike | None) -> bool:
    if vectors is None or isinstance(basis, rotation.Same):
        return vectors is None and isinstance(basis, rotation.Same)
    return isinstance(basis, rotation.Unitary) and np.array_equal(basis.matrix, vectors)


def _hamiltonian(equation: Equation, bases: Bases) -> dict[int, np.ndarray]:
    """Frequencies (dim,) by the index of the basis; bases that the Hamiltonian needs are added."""
    hamiltonian, hbar = equation.hamiltonian, float(equation.hbar)
    if isinstance(hamiltonian, DiagonalHamiltonian):
        for index, (_, members) in enumerate(bases):
            # Levels that do not ascend: channels in the energy basis alone need no second one.
            if len(bases) == 1 and any(isinstance(channel.basis, Energy) for channel in members):
                return {index: np.asarray(hamiltonian.energies) / hbar}
        return {_given_basis(bases): np.asarray(hamiltonian.diagonal) / hbar}
    if isinstance(hamiltonian, Particle) and _use_transforms(hamiltonian, bases):
        kinetic = np.asarray(hamiltonian.kinetic).reshape(-1) / hbar
        potential = np.asarray(hamiltonian.potential) / hbar
        position = _given_basis(bases)
        bases.append((rotation.Momentum(hamiltonian.shape), []))
        return {position: potential, len(bases) - 1: kinetic}
    matrix = np.asarray(hamiltonian.matrix())
    for index, (basis, members) in enumerate(bases):
        if any(isinstance(channel.basis, Energy) for channel in members):
            return {index: np.asarray(hamiltonian.energies) / hbar}
        rotated = basis.to_basis(matrix)
        diagonal = np.diagonal(rotated)
        if np.abs(rotated - np.diag(diagonal)).max() <= _DIAGONAL_TOLERANCE * np.abs(rotated).max():
            return {index: np.real(diagonal) / hbar}
    bases.append((rotation.Unitary(energy_columns(hamiltonian)), []))
    return {len(bases) - 1: np.asarray(hamiltonian.energies) / hbar}


def _given_basis(bases: Bases) -> int:
    """The index of the given basis, added first if no channel lives there."""
    for index, (basis, _) in enumerate(bases):
        if isinstance(basis, rotation.Same):
            return index
    bases.append((rotation.Same(), []))
    return len(bases) - 1


def _use_transforms(grid: Particle, bases: Bases) -> bool:
    return grid.dim > LARGEST_GRID_EIGENVECTORS and all(isinstance(basis, rotation.Same) for basis, _ in bases)


def _elements(equation: Equation, channels: list[Channel]) -> tuple[np.ndarray | None, Populations | None]:
    """Γ and R of channels that share a basis."""
    if not channels:
        return None, None
    decay = np.zeros((equation.dim, equation.dim))
    with jax.enable_x64(True):
        for channel in channels:
            decay += np.asarray(channel.decoherence())
    return decay, _populations([channel for channel in channels if channel.moves_populations])


def _populations(moving: list[Channel]) -> Populations | None:
    if not moving:
        return None
    arrivals = [rates for channel in moving if (rates := channel.arrival_rates()) is not None]
    if len(arrivals) == len(moving):
        return Relaxing(np.sum(arrivals, axis=0))
    rates = np.sum([channel.transition_rates() for channel in moving], axis=0)
    return Hopping(rates - np.diag(rates.sum(axis=0)))
