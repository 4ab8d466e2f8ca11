"""Parts of a master equation that are solved exactly, element by element, in a basis of their own.

In such a basis coherences turn and decay, ρ_ij → exp[(−i(E_i − E_j)/ħ − Γ_ij) t] ρ_ij, and populations obey a rate
equation ṗ = R p. Diagonal collapse gives Γ, transitions give Γ and R, a Hamiltonian that is diagonal there gives E.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from stochq.channels import Channel, Energy
from stochq.equation import Equation
from stochq.exact import rotation
from stochq.exact.action import is_driven
from stochq.exact.populations import Hopping, Populations, Relaxing
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import DiagonalHamiltonian

# Up to here a grid's Hamiltonian is solved in its eigenvectors; above, kinetic and potential energy are separate
# parts, whose bases are joined by Fourier transforms.
LARGEST_GRID_EIGENVECTORS = 512
_DIAGONAL_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Group:
    """One part: where it is diagonal, the angular frequencies E/ħ (dim,), Γ (dim, dim) and R; None where absent."""

    basis: rotation.Rotation
    frequencies: np.ndarray | None
    decay: np.ndarray | None
    populations: Populations | None

    def step(self, length: float) -> "Step":
        """The exact solution over a time."""
        factors: Any = 1.0
        if self.decay is not None:
            factors = np.exp(-length * self.decay)
        if self.frequencies is not None:
            turn = np.exp(-1j * length * self.frequencies)
            factors = (turn[:, None] * turn.conj()[None, :]) * factors
        return Step(factors, None if self.populations is None else self.populations.after(length))

    def slope(self, rho: np.ndarray) -> np.ndarray:
        """This part of dρ/dt."""
        rates: Any = 0.0 if self.decay is None else -self.decay
        if self.frequencies is not None:
            rates = rates - 1j * (self.frequencies[:, None] - self.frequencies[None, :])
        change = rates * rho
        if self.populations is not None:
            np.fill_diagonal(change, self.populations.matrix() @ np.real(np.diagonal(rho)))
        return change

    @property
    def width(self) -> float:
        """The largest rate at which an element turns or decays."""
        turning = 0.0 if self.frequencies is None else float(np.ptp(self.frequencies))
        return turning + (0.0 if self.decay is None else float(self.decay.max()))


@dataclass(frozen=True)
class Step:
    """Factors (dim, dim) of the elements and, where populations mix, the map of populations (dim,) to (dim,)."""

    factors: Any
    mix: Any

    def __call__(self, rho: np.ndarray) -> np.ndarray:
        after = self.factors * rho
        if self.mix is not None:
            np.fill_diagonal(after, self.mix(np.real(np.diagonal(rho))))
        return after


def unstructured(equation: Equation) -> str:
    """Why the equation is not a sum of such parts; empty when it is."""
    if is_driven(equation):
        return "the Hamiltonian depends on time"
    for channel in equation.channels:
        if not channel.is_secular:
            return f"{type(channel).__name__} is neither diagonal nor made of transitions between basis states"
    return ""


def groups_of(equation: Equation) -> list[Group]:
    """The parts of an equation for which `unstructured` is empty; the part with the Hamiltonian comes first."""
    places, frequencies = parts_of(equation)
    groups = [
        Group(place, frequencies.get(index), *_elements(equation, members))
        for index, (place, members) in enumerate(places)
    ]
    order = sorted(range(len(groups)), key=lambda index: (index not in frequencies, index))
    return [groups[index] for index in order]


Places = list[tuple[rotation.Rotation, list[Channel]]]


def parts_of(equation: Equation) -> tuple[Places, dict[int, np.ndarray]]:
    """The distinct bases with the channels in each, and the Hamiltonian's frequencies (dim,) by their index."""
    places = _places(equation)
    return places, _hamiltonian(equation, places)


def _places(equation: Equation) -> Places:
    """The distinct bases of the channels with the channels in each."""
    places: Places = []
    for channel in equation.channels:
        basis = equation.basis_matrix(channel)
        for place, members in places:
            if _is_basis(place, basis):
                members.append(channel)
                break
        else:
            places.append((rotation.Same() if basis is None else rotation.Columns(basis), [channel]))
    return places


def _is_basis(place: rotation.Rotation, basis: Any) -> bool:
    if basis is None or isinstance(place, rotation.Same):
        return basis is None and isinstance(place, rotation.Same)
    return isinstance(place, rotation.Columns) and np.array_equal(place.matrix, basis)


def _hamiltonian(equation: Equation, places: Places) -> dict[int, np.ndarray]:
    """Frequencies (dim,) by the index of the place; places that the Hamiltonian needs are added."""
    hamiltonian, hbar = equation.hamiltonian, float(equation.hbar)
    if isinstance(hamiltonian, DiagonalHamiltonian):
        for index, (_, members) in enumerate(places):
            # Levels that do not ascend: channels in the energy basis alone need no second one.
            if len(places) == 1 and any(isinstance(channel.basis, Energy) for channel in members):
                return {index: np.asarray(hamiltonian.energies) / hbar}
        return {_given_place(places): np.asarray(hamiltonian.diagonal) / hbar}
    if isinstance(hamiltonian, Particle) and _use_transforms(hamiltonian, places):
        kinetic = np.asarray(hamiltonian.kinetic).reshape(-1) / hbar
        potential = np.asarray(hamiltonian.potential) / hbar
        given = _given_place(places)
        places.append((rotation.Momentum(hamiltonian.shape), []))
        return {given: potential, len(places) - 1: kinetic}
    matrix = np.asarray(hamiltonian.matrix())
    for index, (place, members) in enumerate(places):
        if any(isinstance(channel.basis, Energy) for channel in members):
            return {index: np.asarray(hamiltonian.energies) / hbar}
        own = place.enter(matrix)
        if np.abs(own - np.diag(np.diagonal(own))).max() <= _DIAGONAL_TOLERANCE * np.abs(own).max():
            return {index: np.real(np.diagonal(own)) / hbar}
    places.append((rotation.Columns(hamiltonian.eigenvectors), []))
    return {len(places) - 1: np.asarray(hamiltonian.energies) / hbar}


def _given_place(places: Places) -> int:
    """The index of the given basis, added first if no channel lives there."""
    for index, (place, _) in enumerate(places):
        if isinstance(place, rotation.Same):
            return index
    places.append((rotation.Same(), []))
    return len(places) - 1


def _use_transforms(grid: Particle, places: Places) -> bool:
    return grid.dim > LARGEST_GRID_EIGENVECTORS and all(isinstance(place, rotation.Same) for place, _ in places)


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
