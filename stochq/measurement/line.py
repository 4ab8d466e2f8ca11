"""Which operators of an equation write which record."""

from typing import NamedTuple

from stochq.arrays import Array


class Line(NamedTuple):
    """One record of an equation.

    name: of the record. sources: the (channel, operator) pairs, by their places in the equation, whose increments add
    up to it. detector: its place among the equation's detectors; -1 where the equation has none and the record is the
    channel's own.
    """

    name: str
    sources: tuple[tuple[int, int], ...]
    detector: int = -1


class WatchedParts(NamedTuple):
    r"""A monitored equation as its conditional master equation needs it, in the given basis.

    $$d\tilde\rho = \Big[-i[H,\cdot] + \sum_{k}\mathcal D[c_k] + \sum_m\mathcal D[\ell_m]\Big]\tilde\rho\,dt
      + \sum_k(c_k\tilde\rho + \tilde\rho c_k^\dagger)dY_k$$

    hamiltonian: H/ħ (dim, dim), 1/time. watched: c_k (K, dim, dim), with the efficiency inside, one for each real
    record Y_k of unit noise. counted: (C, dim, dim) operators whose clicks are counted, with the efficiency inside.
    dark: (C,) rates of dark counts. lost: ℓ_m (M, dim, dim), of which nothing is written down.
    """

    hamiltonian: Array
    watched: Array
    counted: Array
    dark: Array
    lost: Array
