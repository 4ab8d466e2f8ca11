"""The Ising and the XXZ model on chains and square lattices, as sums of Pauli strings."""

from stochq.arrays import Number, is_concrete
from stochq.systems.pauli.hamiltonian import SpinHamiltonian
from stochq.systems.pauli.lattices import Lattice
from stochq.systems.pauli.sums import PauliSum


def ising_spins(lattice: Lattice, coupling: Number, transverse: Number, longitudinal: Number) -> SpinHamiltonian:
    """-J Σ r_ij^{-α} Z_i Z_j - g Σ X_i - h Σ Z_i."""
    terms: dict[str, Number] = {f"Z{i} Z{j}": -coupling * weight for i, j, weight in lattice.couplings()}
    terms |= _field("X", lattice.sites, -transverse)
    terms |= _field("Z", lattice.sites, -longitudinal)
    return SpinHamiltonian(PauliSum(lattice.sites, terms or {"": 0.0}), lattice)


def xxz_spins(lattice: Lattice, coupling: Number, anisotropy: Number, field: Number) -> SpinHamiltonian:
    """J/4 Σ r_ij^{-α} (X_i X_j + Y_i Y_j + Δ Z_i Z_j) + h/2 Σ Z_i."""
    terms: dict[str, Number] = {}
    for i, j, weight in lattice.couplings():
        flip = coupling * weight / 4
        terms |= {f"X{i} X{j}": flip, f"Y{i} Y{j}": flip, f"Z{i} Z{j}": flip * anisotropy}
    terms |= _field("Z", lattice.sites, field / 2)
    return SpinHamiltonian(PauliSum(lattice.sites, terms or {"": 0.0}), lattice)


def _field(letter: str, sites: int, strength: Number) -> dict[str, Number]:
    """The same field at every site; no terms where there is none."""
    if is_concrete(strength) and float(strength) == 0.0:
        return {}
    return {f"{letter}{site}": strength for site in range(sites)}
