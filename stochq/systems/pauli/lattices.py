"""Chains, rings and square lattices of spins: who is a neighbour of whom, and how far apart sites are."""

from dataclasses import dataclass
from itertools import combinations

from stochq.systems.checks import check_count, check_flag, check_number


@dataclass(frozen=True)
class Lattice:
    """Sites of a chain (n,), or of a square lattice (columns, rows), whose site x + columns·y stands at (x, y).

    periodic: whether opposite ends are neighbours. exponent: α of couplings between all pairs that fall as 1/r^α with
    their distance r, the shortest one where periodic; None for neighbours alone.

    >>> Lattice((2, 2)).bonds()
    ((0, 1), (0, 2), (1, 3), (2, 3))
    >>> Lattice((3,), exponent=2.0).couplings()
    ((0, 1, 1.0), (0, 2, 0.25), (1, 2, 1.0))
    """

    shape: tuple[int, ...]
    periodic: bool = False
    exponent: float | None = None

    @property
    def sites(self) -> int:
        """Number of sites."""
        return self.shape[0] * (self.shape[1] if len(self.shape) == 2 else 1)

    def position(self, site: int) -> tuple[int, int]:
        """Column and row of a site."""
        return site % self.shape[0], site // self.shape[0]

    def distance_squared(self, one: int, other: int) -> int:
        """The square of the distance of two sites."""
        lengths = (*self.shape, 1)[:2]
        apart = [abs(a - b) for a, b in zip(self.position(one), self.position(other), strict=True)]
        if self.periodic:
            apart = [min(a, length - a) for a, length in zip(apart, lengths, strict=True)]
        return sum(a * a for a in apart)

    def bonds(self) -> tuple[tuple[int, int], ...]:
        """Pairs of neighbours, each once: a ring of two sites has one bond."""
        pairs = combinations(range(self.sites), 2)
        return tuple(pair for pair in pairs if self.distance_squared(*pair) == 1)

    def couplings(self) -> tuple[tuple[int, int, float], ...]:
        """Pairs that interact, with the strength of each relative to that of neighbours."""
        if self.exponent is None:
            return tuple((i, j, 1.0) for i, j in self.bonds())
        pairs = combinations(range(self.sites), 2)
        return tuple((i, j, self.distance_squared(i, j) ** (-self.exponent / 2)) for i, j in pairs)

    def sublattice(self, site: int) -> int:
        """0 or 1, as on a chessboard."""
        return sum(self.position(site)) % 2


def lattice_of(sites: object, periodic: bool, exponent: float | None, *, fewest: int = 1, most: int = 30) -> Lattice:
    """The lattice of a number of sites, or of a pair (columns, rows). Raises: ValueError for anything else."""
    check_flag("periodic", periodic)
    if exponent is not None:
        check_number("exponent", exponent)
        exponent = float(exponent)
        if exponent < 0:
            raise ValueError(f"exponent: expected at least 0, as couplings fall with distance; got {exponent:g}.")
    if not isinstance(sites, (tuple, list)):
        return Lattice((check_count("sites", sites, fewest, most=most),), bool(periodic), exponent)
    if len(sites) != 2:
        raise ValueError(
            f"sites: expected a number of sites of a chain, or (columns, rows) of a square lattice; got {sites!r}."
        )
    shape = tuple(check_count(f"sites[{k}]", length, 1, most=most) for k, length in enumerate(sites))
    lattice = Lattice(shape, bool(periodic), exponent)
    if not fewest <= lattice.sites <= most:
        raise ValueError(
            f"sites: expected {fewest} to {most} sites in all; got {shape[0]} columns of {shape[1]}, {lattice.sites}."
        )
    return lattice
