"""The uniform chain between two heat baths with self-consistent baths along it, in closed form."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from stochq.arrays import ArrayLike
from stochq.gaussian.models import network_checks as checks
from stochq.gaussian.models.hopping import Network, build
from stochq.systems.checks import check_count, check_finite, check_number


def chain(
    sites: int,
    coupling: float,
    rate: ArrayLike,
    occupations: ArrayLike,
    *,
    probe: ArrayLike = 0.0,
    frequency: float = 0.0,
) -> "Chain":
    r"""A chain of equal modes (Malouf et al. 2019, eq. 27) between two reservoirs, with self-consistent baths:
    $$H=\omega\sum_ka_k^\dagger a_k+i\lambda\sum_k(a_k^\dagger a_{k+1}-a_{k+1}^\dagger a_k).$$

    Everything takes O(L), against O(L³) of the `network()` that it stands for.

    Args:
        sites: L, at least two.
        coupling: λ, a rate.
        rate: γ of the reservoirs at the first and last site, a number or a pair (2,).
        occupations: mean quanta of the reservoirs $(n_1,n_L)$ (2,).
        probe: Γ of the self-consistent baths, a rate or one for every site (L,).
        frequency: ω of every mode.

    Raises:
        ValueError: for fewer than two sites, a coupling of 0, rates that are not positive, or occupations below 0.

    >>> line = chain(3, 1.0, rate=1.0, occupations=(1.0, 2.0), probe=2.0)
    >>> line.site_occupations
    array([1.22222222, 1.5 , 1.77777778])
    """
    check_count("sites", sites, 2)
    check_number("coupling", coupling)
    check_number("frequency", frequency)
    if coupling == 0:
        raise ValueError("coupling: expected a number other than 0, or nothing joins the reservoirs; got 0.")
    reservoirs = np.broadcast_to(np.asarray(rate, dtype=float), (2,))
    check_finite("rate", reservoirs)
    if reservoirs.min() <= 0:
        raise ValueError(f"rate: expected numbers greater than 0 at both ends; got {reservoirs.min():g}.")
    ends = checks.occupations(occupations, (2,))
    return Chain(sites, float(coupling), reservoirs, ends, checks.rates(probe, sites, "probe"), float(frequency))


class ChainProduction(NamedTuple):
    """Wigner entropy per unit of time at the two reservoirs (2,) and at the self-consistent baths (sites,)."""

    reservoirs: Float[np.ndarray, "2"]
    probes: Float[np.ndarray, " sites"]


@dataclass(frozen=True, eq=False)
class Chain:
    r"""What `chain` makes, with its steady state. Only neighbours are correlated, all alike:
    $\langle a_k^\dagger a_{k+1}\rangle=x$, which holds for any rates of the probes as long as all couplings are equal.
    """

    sites: int
    coupling: float
    rates: Float[np.ndarray, "2"]
    occupations: Float[np.ndarray, "2"]
    probes: Float[np.ndarray, " sites"]
    frequency: float

    @cached_property
    def _mean_rates(self) -> Float[np.ndarray, " bonds"]:
        """The damping of the coherence of each bond."""
        total = self.probes.copy()
        total[[0, -1]] += self.rates
        return (total[1:] + total[:-1]) / 2

    @cached_property
    def coherence(self) -> float:
        r"""$x=\langle a_k^\dagger a_{k+1}\rangle$; for equal rates $\gamma\lambda(n_L-n_1)/(4\lambda^2+\gamma^2
        +\gamma\Gamma(L-1))$ (eq. 29b).
        """
        resistance = self._mean_rates.sum() + 2 * self.coupling**2 * np.sum(1 / self.rates)
        return float((self.occupations[1] - self.occupations[0]) * self.coupling / resistance)

    @property
    def current(self) -> float:
        r"""Quanta per unit of time into each mode from its right neighbour, $j=2\lambda x$ (eq. 30)."""
        return 2 * self.coupling * self.coherence

    @cached_property
    def site_occupations(self) -> Float[np.ndarray, " sites"]:
        r"""$\langle a_k^\dagger a_k\rangle$ (sites,), eq. 29a; the occupations of the probes as well."""
        first = self.occupations[0] + self.current / self.rates[0]
        return first + self.coherence / self.coupling * np.concatenate([[0.0], np.cumsum(self._mean_rates)])

    def entropy_production(self) -> ChainProduction:
        r"""$\Pi_r$ by reservoir and $\Pi_{sc}$ by site (eqs. 32, 33), in the form in which nothing cancels.

        Knowing all other modes is knowing both neighbours, each conditioned on what lies beyond it:
        $v_k=x^2(1/l_{k-1}+1/r_{k+1})$ with $l_k=\Theta_{kk}-x^2/l_{k-1}$ from the left and $r_k$ alike from the right.
        """
        variances, square = self.site_occupations + 0.5, self.coherence**2
        left, right = (_eliminated(values, square) for values in (variances, variances[::-1]))
        explained = square * (np.concatenate([[0.0], 1 / left[:-1]]) + np.concatenate([[0.0], 1 / right[:-1]])[::-1])
        remaining = variances - explained
        bath, here = self.occupations + 0.5, [0, -1]
        # The excess ±j/γ of the ends over their reservoirs is not taken as a difference of occupations.
        excess = self.current / self.rates * [1, -1] - explained[here]
        reservoirs = self.rates * (explained[here] / bath + excess**2 / (bath * remaining[here]))
        probes = self.probes * explained / variances * (1 + explained / remaining)
        return ChainProduction(reservoirs, probes)

    def network(self) -> Network:
        """The same chain with its self-consistent occupations given: reservoirs and probes are two rows of baths."""
        middle = np.zeros((2, self.sites))
        rates, occupations = np.stack([middle[0], self.probes]), np.stack([middle[1], self.site_occupations])
        rates[0, [0, -1]], occupations[0, [0, -1]] = self.rates, self.occupations
        return build(self.couplings(), rates, occupations)

    def couplings(self) -> Complex[np.ndarray, "sites sites"]:
        """H (sites, sites), complex."""
        upper = np.diag(np.full(self.sites - 1, 1j * self.coupling), 1)
        return upper + upper.conj().T + self.frequency * np.eye(self.sites)


def _eliminated(variances: np.ndarray, square: float) -> np.ndarray:
    """l_k = variance_k - x²/l_{k-1} along the chain."""
    found = np.empty(len(variances))
    last = np.inf
    for k, variance in enumerate(variances.tolist()):
        last = variance - square / last
        found[k] = last
    return found
