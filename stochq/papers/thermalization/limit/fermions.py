r"""The open Ising chain without a longitudinal field, as free fermions (Jordan and Wigner).

With the Majorana operators $a_j = (\prod_{i<j}\sigma^x_i)\sigma^z_j$ and $b_j = (\prod_{i<j}\sigma^x_i)\sigma^y_j$,
$\sigma^x_j = i\,a_jb_j$ and $\sigma^z_j\sigma^z_{j+1} = -i\,a_{j+1}b_j$, so that $H = i\sum_{jk}M_{jk}a_jb_k$. With
$M = U\,\mathrm{diag}(s)\,V^T$, mode n has the energy $2s_n$, and the operator
$m_n = i\sum_{jk}U_{jn}V_{kn}a_jb_k$, twice its occupation less 1, is conserved.
"""

import numpy as np


class Modes:
    """Energies and occupations of the modes of a chain."""

    def __init__(self, sites: int, coupling: float, transverse: float) -> None:
        matrix = -transverse * np.eye(sites) + coupling * np.eye(sites, k=-1)
        self.sites = sites
        self.left, self.halves, right = np.linalg.svd(matrix)
        self.right = right.T

    def occupations(self, psi: np.ndarray) -> np.ndarray:
        """⟨m_n⟩ (sites,) of a state (dim,)."""
        strings = [self._majoranas(psi, site) for site in range(self.sites)]
        a, b = (np.array(some) for some in zip(*strings, strict=True))
        return np.einsum("jn,kn,jk->n", self.left, self.right, -(a.conj() @ b.T).imag, optimize=True)

    def _majoranas(self, psi: np.ndarray, site: int) -> tuple[np.ndarray, np.ndarray]:
        """a_jψ and b_jψ. Bit j of a state is 1 where the spin at site j is down."""
        states = np.arange(len(psi))
        below = (1 << site) - 1
        sign = 1 - 2 * ((states >> site) & 1)
        # σ^yψ at s is -iσ_s ψ at s with the spin turned.
        return sign * psi[states ^ below], -1j * sign * psi[states ^ below ^ (1 << site)]

    def thermal(self, beta: float) -> np.ndarray:
        """Tr χ m_n of the canonical equilibrium."""
        return -np.tanh(beta * self.halves)

    def purity(self, beta: float) -> float:
        """Tr χ², from Z(2β)/Z(β)²."""
        return float(np.prod(0.5 * np.cosh(2 * beta * self.halves) / np.cosh(beta * self.halves) ** 2))

    def variance(self, beta: float) -> np.ndarray:
        """Tr χm̃χm̃/(1 + Tr χ²), m̃ = m - Tr χm: its square's mean at 2β times Tr χ², as χ and m commute."""
        mean, colder, purity = self.thermal(beta), self.thermal(2 * beta), self.purity(beta)
        return purity * (1 - 2 * mean * colder + mean**2) / (1 + purity)

    def along_x(self, times: np.ndarray) -> np.ndarray:
        """⟨σ^x⟩, mean over sites, of a chain without OQT that starts with all spins along x."""
        start = self.left.T @ self.right
        phases = 2 * np.outer(times, self.halves)
        cosine, sine = np.cos(phases), np.sin(phases)
        total = np.einsum("mn,mn,tm,tn->t", start, start, cosine, cosine, optimize=True)
        return (total + np.einsum("mn,nm,tm,tn->t", start, start, sine, sine, optimize=True)) / self.sites
