"""Symmetry sectors of a spin chain: states with a given magnetization, combined with their mirror images."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stochq.arrays import Array
from stochq.systems.eigen import sector_eigh


def sigma_z(states: np.ndarray, site: int) -> np.ndarray:
    """Value of sigma_z (dim,) at a site: +1 where its bit is 0, -1 where it is 1."""
    return 1.0 - 2.0 * ((states >> site) & 1)


def mirror(states: np.ndarray, sites: int) -> np.ndarray:
    """The states with their bits in reverse order: site j goes to sites - 1 - j."""
    result = np.zeros_like(states)
    for site in range(sites):
        result |= ((states >> site) & 1) << (sites - 1 - site)
    return result


class Sector(NamedTuple):
    """Basis of a sector: the vectors c_s (1 + parity R)|s>, or |s> where no parity is asked for.

    states: representatives s (dim,), ascending; weights: c_s (dim,), 1/2 where the state is its own mirror image
    and 1/sqrt(2) elsewhere, 1 without parity.
    """

    sites: int
    parity: int | None
    states: np.ndarray
    weights: np.ndarray


def sector(sites: int, magnetization: float | None, parity: int | None) -> Sector:
    """The sector of total S_z = magnetization and of the given parity; None leaves one free."""
    if magnetization is None:
        states = np.arange(2**sites)
    else:
        down = round(sites / 2 - magnetization)
        flipped = itertools.combinations(range(sites), down)
        states = np.sort(np.array([sum(1 << site for site in chosen) for chosen in flipped], dtype=np.int64))
    if parity is None:
        return Sector(sites, None, states, np.ones(len(states)))
    mirrored = mirror(states, sites)
    states = states[states <= mirrored] if parity == 1 else states[states < mirrored]
    symmetric = states == mirror(states, sites)
    return Sector(sites, parity, states, np.where(symmetric, 0.5, math.sqrt(0.5)))


def sector_dim(sites: int, magnetization: float | None, parity: int | None) -> int:
    """Number of states of a sector, without listing them."""
    half = sites // 2
    if magnetization is None:
        total, symmetric = 2**sites, 2 ** (sites - half)
    else:
        down = round(sites / 2 - magnetization)
        total = math.comb(sites, down)
        # The middle site of an odd chain is free; the others are flipped in mirrored pairs.
        symmetric = 0 if sites % 2 == 0 and down % 2 else math.comb(half, down // 2)
    return total if parity is None else (total + parity * symmetric) // 2


def hop(where: Sector, bonds: Sequence[tuple[int, int]]) -> np.ndarray:
    """Sum over bonds of the exchange of two opposite spins, S+ S- + S- S+, as a matrix (dim, dim) of a sector."""
    result = np.zeros((len(where.states), len(where.states)))
    for i, j in bonds:
        columns = np.flatnonzero(((where.states >> i) ^ (where.states >> j)) & 1)
        found = where.states[columns] ^ ((1 << i) | (1 << j))
        phases = np.ones(len(columns))
        if where.parity is not None:
            mirrored = mirror(found, where.sites)
            phases = np.where(found > mirrored, float(where.parity), 1.0)
            found = np.minimum(found, mirrored)
        rows = np.minimum(np.searchsorted(where.states, found), len(where.states) - 1)
        # With odd parity, a state that is its own mirror image has no place in the basis.
        kept = where.states[rows] == found
        rows, columns, phases = rows[kept], columns[kept], phases[kept]
        np.add.at(result, (rows, columns), phases * where.weights[columns] / where.weights[rows])
    return result


def reflection(where: Sector) -> np.ndarray:
    """The reflection R as a matrix (dim, dim), in a basis without parity."""
    mirrored = np.searchsorted(where.states, mirror(where.states, where.sites))
    return np.eye(len(where.states))[mirrored]


def spin_flip(where: Sector) -> np.ndarray:
    """The flip of all spins, the product of all sigma_x (dim, dim); needs a sector of zero magnetization or all."""
    flipped = where.states ^ (2**where.sites - 1)
    signs = np.ones(len(flipped))
    if where.parity is not None:
        mirrored = mirror(flipped, where.sites)
        signs = np.where(flipped > mirrored, float(where.parity), 1.0)
        flipped = np.minimum(flipped, mirrored)
    result = np.zeros((len(flipped),) * 2)
    result[np.searchsorted(where.states, flipped), np.arange(len(flipped))] = signs
    return result


def momentum(where: Sector) -> np.ndarray:
    """The lattice momentum K of a ring (dim, dim), exp(iK) the translation of site j to j + 1, in a basis without
    parity. Its eigenvalues are 2 pi n / sites, above -pi up to pi.

    $$K = \\sum_k k\\,\\frac1N\\sum_j e^{-ikj}\\,T^j$$
    """
    sites = where.sites
    waves = 2 * np.pi * (np.arange(sites) - (sites - 1) // 2) / sites
    columns, shifted = np.arange(len(where.states)), where.states
    result = np.zeros((len(columns),) * 2, complex)
    for distance in range(sites):
        coefficient = np.mean(waves * np.exp(-1j * waves * distance))
        np.add.at(result, (np.searchsorted(where.states, shifted), columns), coefficient)
        shifted = translated(shifted, sites)
    return (result + result.conj().T) / 2


def translated(states: np.ndarray, sites: int) -> np.ndarray:
    """The states of a ring with every spin moved from site j to j + 1."""
    return ((states << 1) & (2**sites - 1)) | (states >> (sites - 1))


def reflection_eigh(matrix: Array, where: Sector, quantities: Sequence[np.ndarray]) -> tuple[Array, Array]:
    """Energies and eigenvectors with sharp parity, of a matrix without parity that commutes with the reflection.

    quantities: diagonals (dim,) that commute with both, sharp in the eigenvectors as well.
    """
    mirrored = np.searchsorted(where.states, mirror(where.states, where.sites))
    own = np.arange(len(mirrored))
    even, odd = np.flatnonzero(own <= mirrored), np.flatnonzero(own < mirrored)
    first = np.concatenate([even, odd])
    second = mirrored[first]
    parities = np.repeat([1.0, -1.0], [len(even), len(odd)])
    # Half the amplitude on each of two equal indices adds up to a state that is its own mirror image.
    amplitudes = np.where(first == second, 0.5, math.sqrt(0.5))
    columns = matrix[:, first] * amplitudes[None, :] + matrix[:, second] * (parities * amplitudes)[None, :]
    rotated = columns[first] * amplitudes[:, None] + columns[second] * (parities * amplitudes)[:, None]
    basis = np.zeros(rotated.shape)
    basis[first, own] += amplitudes
    basis[second, own] += parities * amplitudes
    return sector_eigh(rotated, [parities, *(quantity[first] for quantity in quantities)], basis)
