"""Chains of spins 1/2: the Ising chain in two fields and the XXZ chain with its symmetry sectors.

A basis state is an integer whose bit j tells site j apart: bit 0 is spin up, sigma_z = +1, and bit 1 is spin down.
State 0 has all spins up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, as_real, is_concrete
from stochq.systems.checks import check_flag, check_number
from stochq.systems.eigen import sector_eigh
from stochq.systems.hamiltonian import Dense, Diagonal
from stochq.systems.observables import Catalogue
from stochq.systems.pauli.chains import ising_spins, xxz_spins
from stochq.systems.pauli.hamiltonian import SpinHamiltonian
from stochq.systems.pauli.lattices import Lattice, lattice_of
from stochq.systems.sectors import (
    Sector,
    hop,
    momentum,
    reflection,
    reflection_eigh,
    sector,
    sector_dim,
    sigma_z,
    spin_flip,
)

# Matrices are dense: 4096 states are 12 sites, or 14 sites in the sector of zero magnetization.
LARGEST_DIM = 4096


@dataclass(frozen=True)
class SpinCatalogue(Catalogue):
    """Observables of a chain of spins 1/2 in a sector; diagonals are (dim,) over its basis."""

    sites: int
    periodic: bool
    magnetization: float | None = None
    parity: int | None = None

    def sector(self) -> Sector:
        """The basis: all states, or those of the given magnetization and parity."""
        return sector(self.sites, self.magnetization, self.parity)

    @property
    def spins(self) -> int | None:
        return self.sites if self.magnetization is None and self.parity is None else None

    def bonds(self) -> list[tuple[int, int]]:
        """Pairs of neighbours; a ring of two sites has one bond, not two."""
        chain = [(j, j + 1) for j in range(self.sites - 1)]
        return [*chain, (self.sites - 1, 0)] if self.periodic and self.sites > 2 else chain

    def spin(self, site: int) -> np.ndarray:
        """sigma_z at a site."""
        return sigma_z(self.sector().states, site)

    def total(self) -> np.ndarray:
        """Sum over sites of sigma_z."""
        states = self.sector().states
        return np.sum([sigma_z(states, j) for j in range(self.sites)], axis=0)

    def alignment(self) -> np.ndarray:
        """Sum over bonds of sigma_z sigma_z."""
        states = self.sector().states
        return sum((sigma_z(states, i) * sigma_z(states, j) for i, j in self.bonds()), np.zeros(len(states)))

    def domain_walls(self) -> np.ndarray:
        """Number of bonds with opposite spins."""
        return (len(self.bonds()) - self.alignment()) / 2

    def staggered(self) -> np.ndarray:
        """Mean over sites of (-1)^j sigma_z."""
        states = self.sector().states
        return np.mean([(-1) ** j * sigma_z(states, j) for j in range(self.sites)], axis=0)

    def reflection(self) -> np.ndarray:
        """Reflection of the chain, site j to sites - 1 - j (dim, dim)."""
        return reflection(self.sector())

    def symmetries(self, flips: bool) -> dict[str, Callable[[], Array]]:
        """The flip of all spins where it is one, and the momentum of a ring where reflection is not fixed."""
        where = self.sector()
        makers: dict[str, Callable[[], Array]] = {}
        if flips:
            makers["spin_flip"] = partial(spin_flip, where)
        if self.periodic and self.parity is None:
            makers["momentum"] = partial(momentum, where)
        return makers

    def by_site(self) -> dict[str, Callable[[], Array]]:
        """The observables that are not symmetric under reflection."""
        spins = {f"sigma_z_{j}": partial(self.spin, j) for j in range(self.sites)}
        return {"staggered": self.staggered, **spins}


@dataclass(frozen=True)
class IsingCatalogue(SpinCatalogue):
    """Observables of the Ising chain."""

    transverse: bool = True
    longitudinal: bool = True

    def operators(self) -> dict[str, Callable[[], Array]]:
        return {
            "magnetization": lambda: self.total() / self.sites,
            "transverse": lambda: self.flips() / self.sites,
            "domain_walls": self.domain_walls,
            "parity": self.reflection,
            **self.by_site(),
        }

    def conserved(self) -> dict[str, Callable[[], Array]]:
        names = ("parity",) if self.transverse else ("magnetization", "domain_walls", "parity")
        named = {name: self.operators()[name] for name in names}
        return {**named, **self.symmetries(flips=not self.longitudinal)}

    def flips(self) -> np.ndarray:
        """Sum over sites of sigma_x (dim, dim)."""
        states = np.arange(2**self.sites)
        result = np.zeros((len(states), len(states)))
        for site in range(self.sites):
            result[states ^ (1 << site), states] = 1.0
        return result


@dataclass(frozen=True)
class XXZCatalogue(SpinCatalogue):
    """Observables of the XXZ chain."""

    field: bool = True

    def operators(self) -> dict[str, Callable[[], Array]]:
        named = {
            "total_sz": lambda: self.total() / 2,
            "nearest_zz": lambda: self.alignment() / len(self.bonds()),
            "domain_walls": self.domain_walls,
        }
        return named if self.parity is not None else {**named, "parity": self.reflection, **self.by_site()}

    def conserved(self) -> dict[str, Callable[[], Array]]:
        free = {"total_sz": self.magnetization is None, "parity": self.parity is None}
        named = {name: self.operators()[name] for name in free if free[name]}
        return {**named, **self.symmetries(flips=not self.field and not self.magnetization)}

    def eigen(self, matrix: Array) -> tuple[Array, Array]:
        """Energies and eigenvectors with sharp total S_z and parity."""
        if self.parity is not None:
            return sector_eigh(matrix, [self.total()])
        return reflection_eigh(matrix, self.sector(), [self.total()])


def ising(
    sites: int | tuple[int, int],
    coupling: Number,
    transverse: Number,
    longitudinal: Number = 0.0,
    periodic: bool = False,
    *,
    exponent: float | None = None,
    matrix_free: bool | None = None,
) -> Dense | Diagonal | SpinHamiltonian:
    """Ising model in a transverse and a longitudinal field, on a chain or a square lattice.

    $$H = -J\\sum_{\\langle ij\\rangle} \\sigma^z_i\\sigma^z_j - g\\sum_i \\sigma^x_i - h\\sum_i \\sigma^z_i$$

    with Pauli matrices; J = coupling > 0 is ferromagnetic, g = transverse, h = longitudinal, in energy units.
    dim = 2^sites. Basis: integers whose bit j is 0 for sigma_z = +1 at site j.
    Observables: "magnetization" and "transverse" (sigma_z and sigma_x, mean over sites), "domain_walls" (number of
    bonds with opposite spins), "sigma_z_j" at site j, "staggered" (mean of (-1)^j sigma_z), "parity" (reflection of
    the chain), "energy". Conserved: "parity", at zero longitudinal field "spin_flip" (the product of all sigma_x), in
    a ring "momentum" (2 pi n / sites), without transverse field "magnetization" and "domain_walls". Eigenvectors have
    sharp parity, also where energies are degenerate; with transverse = 0 the Hamiltonian is diagonal in the given
    basis instead.

    Above 12 sites, on square lattices and with couplings of long range it is never a matrix, as with
    `matrix_free=True`: see `sq.systems.spins`.

    Args:
        sites: of a chain, or (columns, rows) of a square lattice whose site x + columns*y stands at (x, y).
        coupling: J.
        transverse: g.
        longitudinal: h.
        periodic: a ring, or a torus; open otherwise.
        exponent: alpha of J / r^alpha between all pairs at the distance r, the shortest one where periodic; neighbours
            alone interact where it is None.
        matrix_free: whether to make no matrix; None: where it has to be so.

    Raises:
        ValueError: if a parameter is not finite or sites is not within 1 to 12, or 30 where no matrix is made.

    >>> chain = ising(2, coupling=1.0, transverse=0.0)
    >>> chain.matrix().real.diagonal().tolist()
    [-1.0, 1.0, 1.0, -1.0]
    >>> ising((4, 5), coupling=1.0, transverse=3.0, periodic=True).sites
    20
    """
    for name, value in (("coupling", coupling), ("transverse", transverse), ("longitudinal", longitudinal)):
        check_number(name, value)
    lattice = lattice_of(sites, periodic, exponent)
    if _is_matrix_free(lattice, matrix_free):
        return ising_spins(lattice, coupling, transverse, longitudinal)
    sites = lattice.sites
    classical = is_concrete(transverse) and float(transverse) == 0.0
    unbiased = is_concrete(longitudinal) and float(longitudinal) == 0.0
    catalogue = IsingCatalogue(sites, bool(periodic), transverse=not classical, longitudinal=not unbiased)
    diagonal = -as_real(coupling) * catalogue.alignment() - as_real(longitudinal) * catalogue.total()
    if classical:
        return Diagonal(diagonal, catalogue)
    matrix = _add_diagonal(-as_real(transverse) * catalogue.flips(), diagonal)
    return Dense(matrix, catalogue, reflection_eigh(matrix, catalogue.sector(), []))


def _add_diagonal(matrix: Array, diagonal: Array) -> Array:
    """Matrix plus diagonal, in numpy unless one of them is traced."""
    return matrix + (np.diag(diagonal) if is_concrete((matrix, diagonal)) else jnp.diag(diagonal))


def xxz(
    sites: int | tuple[int, int],
    coupling: Number,
    anisotropy: Number,
    field: Number = 0.0,
    periodic: bool = False,
    magnetization: float | int | None = None,
    parity: int | None = None,
    *,
    exponent: float | None = None,
    matrix_free: bool | None = None,
) -> Dense | SpinHamiltonian:
    """XXZ model of spins 1/2 on a chain, whole or within a symmetry sector, or on a square lattice.

    $$H = J\\sum_{\\langle ij\\rangle}\\left(S^x_iS^x_j + S^y_iS^y_j + \\Delta\\,S^z_iS^z_j\\right)
      + h\\sum_i S^z_i$$

    J = coupling > 0 is antiferromagnetic, Delta = anisotropy, h = field, with S = sigma / 2 and hbar = 1.
    magnetization: total S_z of the sector, from -sites/2 to sites/2 in steps of one. parity: +1 or -1, the eigenvalue
    of the reflection of the chain; the basis is then (|s> + parity |Rs>)/sqrt(2), and |s> where s = Rs.
    Matrices have a dim up to 4096. Eigenvectors have sharp total S_z and parity, also where energies are degenerate;
    `conserved` holds those that the sector does not fix, at zero field "spin_flip" (the product of all sigma_x) unless
    the magnetization is fixed to another value than 0, and in a ring "momentum" (2 pi n / sites). Observables:
    "total_sz", "nearest_zz" (sigma_z sigma_z, mean over bonds), "domain_walls", "energy", and where the parity is not
    fixed "parity", "staggered" and "sigma_z_j".

    Whole systems above 12 sites, square lattices and couplings of long range are never matrices, as with
    `matrix_free=True`: sites, periodic, exponent and matrix_free are those of `ising`. Sectors need no restriction
    there: evolution keeps a state in the sector in which it starts.

    Raises:
        ValueError: if a parameter is not finite, the sector does not exist or it has more than 4096 states.

    >>> xxz(4, coupling=1.0, anisotropy=1.0, magnetization=0.0, parity=1).energies.round(3).tolist()
    [-1.616, -0.25, 0.116, 0.75]
    """
    for name, value in (("coupling", coupling), ("anisotropy", anisotropy), ("field", field)):
        check_number(name, value)
    lattice = lattice_of(sites, periodic, exponent, fewest=2)
    whole = magnetization is None and parity is None
    if _is_matrix_free(lattice, matrix_free, whole):
        return xxz_spins(lattice, coupling, anisotropy, field)
    sites = lattice.sites
    if magnetization is not None:
        check_number("magnetization", magnetization)
        magnetization = float(magnetization)
    _check_sector(sites, magnetization, parity)
    unbiased = is_concrete(field) and float(field) == 0.0
    catalogue = XXZCatalogue(sites, bool(periodic), magnetization, parity, field=not unbiased)
    coupling, anisotropy, field = as_real(coupling), as_real(anisotropy), as_real(field)
    diagonal = coupling * anisotropy * catalogue.alignment() / 4 + field * catalogue.total() / 2
    matrix = _add_diagonal(coupling / 2 * hop(catalogue.sector(), catalogue.bonds()), diagonal)
    return Dense(matrix, catalogue, catalogue.eigen(matrix))


def _is_matrix_free(lattice: Lattice, matrix_free: bool | None, whole: bool = True) -> bool:
    """Whether to make no matrix. Raises: ValueError where that cannot be as it is asked for."""
    only_so = len(lattice.shape) == 2 or lattice.exponent is not None
    large = whole and 2**lattice.sites > LARGEST_DIM
    is_free = only_so or large if matrix_free is None else check_flag("matrix_free", matrix_free)
    if is_free and not whole:
        raise ValueError(
            "magnetization, parity: expected None, as sectors are of chains that are matrices. Leave them out: a state "
            "that starts in a sector stays in it; sq.microcanonical takes conserved=[...]."
        )
    if only_so and not is_free:
        raise ValueError(
            "matrix_free: expected True or None, as square lattices and couplings of long range are matrix-free. Give "
            "sq.systems.levels(ising(...).matrix()) where a matrix is wanted."
        )
    if large and not is_free:
        raise ValueError(
            f"sites: expected at most {LARGEST_DIM.bit_length() - 1} with matrix_free=False; got {lattice.sites}. "
            "Leave matrix_free out."
        )
    return is_free


def _check_sector(sites: int, magnetization: float | None, parity: int | None) -> None:
    if magnetization is not None and sites / 2 - magnetization not in range(sites + 1):
        raise ValueError(
            f"magnetization: expected a total S_z from {-sites / 2} to {sites / 2} in steps of 1; got {magnetization}."
        )
    if parity is not None and (not isinstance(parity, (int, float)) or parity not in (1, -1)):
        raise ValueError(f"parity: expected 1, -1 or None; got {parity!r}.")
    dim = sector_dim(sites, magnetization, parity)
    if not 1 <= dim <= LARGEST_DIM:
        raise ValueError(
            f"sites: expected a sector of 1 to {LARGEST_DIM} states; {sites} sites with magnetization={magnetization}, "
            f"parity={parity} have {dim}. Fix the magnetization and the parity, or take "
            f"{'other values of them' if dim == 0 else 'fewer sites'}."
        )
