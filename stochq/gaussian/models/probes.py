"""Self-consistent baths, or Büttiker probes: occupations at which they exchange nothing on average."""

import numpy as np
from jaxtyping import Float

from stochq.gaussian.transport import Damping

# What an iteration leaves of the error, and what may be left at the end, relative to the differences of occupations.
_REDUCTION = 1e-4
_ACCEPTED = 1e-6
_REFINEMENTS, _KRYLOV = 12, 60
_ROUNDING = 8 * np.finfo(float).eps
# Rates that the preconditioner sees, at least, relative to the largest.
_FLOOR = 1e-3


def probe_occupations(
    damping: Damping,
    rates: Float[np.ndarray, "baths modes"],
    occupations: Float[np.ndarray, "baths modes"],
    probes: Float[np.ndarray, " modes"],
) -> Float[np.ndarray, " modes"]:
    r"""$\tilde n_k=\langle a_k^\dagger a_k\rangle$ in the steady state of baths and probes together, for every mode.

    damping: of baths and probes together.

    The occupations c of the modes are linear in those of the baths, $c = G(f+\Gamma c)$, and one product with G is one
    Lyapunov equation, O(L³). A network of resistors, exact for the uniform chain, stands in for G to start from and as
    the preconditioner of GMRES, so that a few products suffice.

    Raises:
        ValueError: if a normal mode is not damped, or no bath of fixed occupation reaches a probe.
    """
    couplings, total = damping.hamiltonian, rates.sum(axis=0)
    _check_reached(couplings, rates, probes)
    damping.check_damped()
    mean = np.sum(rates * occupations) / rates.sum()
    driven = np.sum(rates * (occupations - mean), axis=0)
    found = _refined(damping, probes, driven, _Resistors(couplings, total, probes))
    return np.maximum(found + mean, 0.0)


def _refined(damping: Damping, probes: np.ndarray, driven: np.ndarray, guess: "_Resistors") -> np.ndarray:
    """c = G(driven + Γc): GMRES to a few digits, again and again until rounding stops it."""
    from scipy.sparse.linalg import LinearOperator, gmres

    def missing(unknown: np.ndarray, source: np.ndarray | float = driven) -> np.ndarray:
        return damping.solve_diagonal(source + probes * unknown) - unknown

    modes = len(driven)
    step = LinearOperator((modes, modes), matvec=lambda c: -guess.improve(missing(c, 0.0)), dtype=float)  # pyright: ignore
    found = guess.solution(driven)
    gap = missing(found)
    error = guess.improve(gap)
    last = float(np.linalg.norm(error))
    for _ in range(_REFINEMENTS):
        if np.abs(gap).max() <= _ROUNDING * modes**0.5 * np.abs(found).max():
            break
        change, _ = gmres(step, error, rtol=_REDUCTION, atol=0.0, restart=min(_KRYLOV, modes), maxiter=4)
        gap = missing(found + change)
        error = guess.improve(gap)
        left = float(np.linalg.norm(error))
        if left >= last:
            break
        found, last = found + change, left
    if last > _ACCEPTED * np.linalg.norm(found):
        raise ValueError(
            f"probe rates: expected self-consistent occupations within {_ACCEPTED:g} of their differences; the "
            f"iteration stopped at {last / np.linalg.norm(found):.2g}. Raise the smallest rates: some part of the "
            "network hardly feels its baths."
        )
    return found


class _Resistors:
    r"""Coherences between directly coupled modes alone, followed adiabatically: quanta then hop between k and l at the
    rate $|H_{kl}|^2g/(g^2/4+(H_{kk}-H_{ll})^2)$, $g=\gamma_k+\gamma_l$, as currents flow through resistors.
    """

    def __init__(self, couplings: np.ndarray, total: np.ndarray, probes: np.ndarray) -> None:
        from scipy.linalg import lu_factor

        rates = total + probes
        floored = np.maximum(rates, _FLOOR * rates.max())
        sums = floored[:, None] + floored
        frequency = np.diagonal(couplings).real
        hopping = np.abs(couplings) ** 2 * sums / (sums**2 / 4 + (frequency[:, None] - frequency) ** 2)
        np.fill_diagonal(hopping, 0.0)
        laplacian = np.diag(hopping.sum(axis=1)) - hopping
        self._response = laplacian + np.diag(rates)
        self._factors = lu_factor(laplacian + np.diag(total), check_finite=False)

    def solution(self, driven: np.ndarray) -> np.ndarray:
        """The resistors' occupations with self-consistent probes."""
        from scipy.linalg import lu_solve

        return lu_solve(self._factors, driven, check_finite=False)

    def improve(self, residual: np.ndarray) -> np.ndarray:
        """(1 - GΓ)⁻¹ residual with the resistors' G."""
        return self.solution(self._response @ residual)


def _check_reached(couplings: np.ndarray, rates: np.ndarray, probes: np.ndarray) -> None:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, part = connected_components(csr_array(np.abs(couplings)), directed=False)
    fixed = np.bincount(part, weights=rates.sum(axis=0), minlength=count)
    lost = np.flatnonzero(fixed == 0)
    if len(lost):
        sites = np.flatnonzero(part == lost[0])
        raise ValueError(
            f"rates: expected a bath of fixed occupation in every connected part of the network, or its probes have no "
            f"occupation to follow; the part of {len(sites)} modes with mode {sites[0]} has none. Give it one."
        )
