"""Named observables and conserved quantities of spins, as sums of Pauli strings."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.module import Module
from stochq.systems.observables import LazyMapping
from stochq.systems.pauli.lattices import Lattice
from stochq.systems.pauli.sums import PauliSum
from stochq.systems.pauli.terms import String
from stochq.systems.typicality.sectors import Involution, Momentum, Reflection

_PAIR = re.compile(r"(xx|yy|zz)_(\d+)_(\d+)$")
# Coefficients that differ by less than this part of the largest are the same.
_SAME_RTOL = 1e-12


@final
class EnergyVariance(Module):
    """⟨H²⟩ − ⟨H⟩² of one normalised state (dim,); not linear in |ψ⟩⟨ψ|."""

    terms: PauliSum

    def __call__(self, psi: Array) -> jax.Array:
        psi = jnp.asarray(psi)
        after = self.terms.apply(psi)
        return jnp.sum(jnp.abs(after - jnp.vdot(psi, after).real * psi) ** 2)


@final
class SpinObservables(Mapping[str, Any]):
    """Observables by name, made when asked for; correlations "xx_i_j", "yy_i_j", "zz_i_j" too, which are not listed."""

    def __init__(self, terms: PauliSum, lattice: Lattice | None) -> None:
        self._sites = terms.sites
        self._listed = LazyMapping(_makers(terms, lattice))
        self._pairs: dict[str, PauliSum] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._pairs:
            pair = _PAIR.match(name)
            if pair is None:
                return self._listed[name]
            self._pairs[name] = self._correlation(name, pair[1][0].upper(), int(pair[2]), int(pair[3]))
        return self._pairs[name]

    def _correlation(self, name: str, letter: str, one: int, other: int) -> PauliSum:
        if one == other or max(one, other) >= self._sites:
            raise KeyError(f"no observable {name!r}: expected two different sites from 0 to {self._sites - 1}")
        return PauliSum(self._sites, {f"{letter}{one} {letter}{other}": 1.0})

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def __repr__(self) -> str:
        return f"SpinObservables({', '.join(self)}, zz_i_j, xx_i_j, yy_i_j)"


def _makers(terms: PauliSum, lattice: Lattice | None) -> dict[str, Callable[[], Any]]:
    sites, of = terms.sites, partial(PauliSum, terms.sites)
    signs = [(-1) ** (site if lattice is None else lattice.sublattice(site)) for site in range(sites)]
    makers: dict[str, Callable[[], Any]] = {
        "energy": lambda: terms,
        "energy_variance": lambda: EnergyVariance(terms),
        "magnetization": lambda: of({f"Z{j}": 1 / sites for j in range(sites)}),
        "transverse": lambda: of({f"X{j}": 1 / sites for j in range(sites)}),
        "staggered": lambda: of({f"Z{j}": signs[j] / sites for j in range(sites)}),
        "total_sz": lambda: total_sz(sites),
    }
    bonds = () if lattice is None else lattice.bonds()
    if bonds:
        makers["domain_walls"] = lambda: of({"": len(bonds) / 2} | {f"Z{i} Z{j}": -0.5 for i, j in bonds})
        makers["nearest_zz"] = lambda: of({f"Z{i} Z{j}": 1 / len(bonds) for i, j in bonds})
    for letter in "zxy":
        makers |= {f"sigma_{letter}_{j}": partial(of, {f"{letter.upper()}{j}": 1.0}) for j in range(sites)}
    return makers


def total_sz(sites: int) -> PauliSum:
    """Σ σ^z/2."""
    return PauliSum(sites, {f"Z{site}": 0.5 for site in range(sites)})


def conserved_of(terms: PauliSum) -> LazyMapping:
    """What commutes with a sum of Pauli strings: the flip of all spins, total S_z, a chain's reflection, a ring's
    momentum. Where coefficients are traced, only what their values cannot break."""
    sites = terms.sites
    known = dict(zip(terms.strings, terms.coefficients, strict=True))
    known = {string: c for string, c in known.items() if not is_concrete(c) or float(c) != 0.0}
    makers: dict[str, Callable[[], Any]] = {}
    if all(sum(letter in "YZ" for _, letter in string) % 2 == 0 for string in known):
        makers["spin_flip"] = lambda: PauliSum(sites, {" ".join(f"X{site}" for site in range(sites)): 1.0})
    if _conserves_total_sz(known):
        makers["total_sz"] = lambda: total_sz(sites)
    if sites > 1 and _is_invariant(known, lambda site: sites - 1 - site):
        makers["parity"] = lambda: Involution(Reflection(sites))
    if sites > 2 and _is_invariant(known, lambda site: (site + 1) % sites):
        makers["momentum"] = lambda: Momentum(sites)
    return LazyMapping(makers)


def _conserves_total_sz(terms: dict[String, Any]) -> bool:
    """Whether [Σ Z_j, H] = 2 Σ_k c_k Σ_j Z_j P_k, over the sites j that P_k flips, vanishes."""
    if not is_concrete(list(terms.values())):
        return all(letter == "Z" for string in terms for _, letter in string)
    total: dict[String, complex] = {}
    for string, coefficient in terms.items():
        for place, (site, letter) in enumerate(string):
            if letter == "Z":
                continue
            # ZX = iY and ZY = -iX.
            product = (*string[:place], (site, "Y" if letter == "X" else "X"), *string[place + 1 :])
            total[product] = total.get(product, 0.0) + (1j if letter == "X" else -1j) * float(coefficient)
    return all(abs(value) <= _tolerance(terms) for value in total.values())


def _is_invariant(terms: dict[String, Any], moved: Callable[[int], int]) -> bool:
    """Whether moving every site changes no coefficient."""
    if not is_concrete(list(terms.values())):
        return False
    after = {tuple(sorted((moved(site), letter) for site, letter in string)): c for string, c in terms.items()}
    return after.keys() == terms.keys() and all(abs(after[s] - c) <= _tolerance(terms) for s, c in terms.items())


def _tolerance(terms: dict[String, Any]) -> float:
    return _SAME_RTOL * float(np.max(np.abs(list(terms.values())), initial=0.0))
