"""Self-consistent baths, or Büttiker probes: occupations at which they exchange nothing on average."""

from typing import Any

import numpy as np
from jaxtyping import Float

from stochq.gaussian.transport import Damping

# Of the unknown differences between occupations. Rounding stops the iteration earlier, and is then accepted.
_TOLERANCE = 1e-14
_ACCEPTED = 1e-10
_ITERATIONS = 200
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
    Lyapunov equation, O(L³). The equation for c is solved by GMRES; a network of resistors, exact for the uniform
    chain, stands in for G as preconditioner, so that a few products suffice.

    Raises: ValueError if a normal mode is not damped, or no bath of fixed occupation reaches a probe.
    """
    from scipy.sparse.linalg import LinearOperator, gmres

    couplings, total = damping.hamiltonian, rates.sum(axis=0)
    _check_reached(couplings, rates, probes)
    damping.check_damped()
    mean = np.sum(rates * occupations) / rates.sum()
    guess = _Resistors(couplings, total, probes)

    def residual(unknown: np.ndarray, source: np.ndarray | float = 0.0) -> np.ndarray:
        return guess.improve(damping.solve_diagonal(source + probes * unknown) - unknown)

    driven = np.sum(rates * (occupations - mean), axis=0)
    right = residual(np.zeros_like(total), driven)
    size = float(np.linalg.norm(right))
    if size == 0:
        return np.full_like(total, mean)
    operator: Any = LinearOperator(couplings.shape, matvec=lambda unknown: -residual(unknown), dtype=float)  # pyright: ignore
    found, _ = gmres(operator, right, rtol=_TOLERANCE, atol=0.0, restart=min(_ITERATIONS, len(total)), maxiter=4)
    left_over = float(np.linalg.norm(residual(found, driven))) / size
    if left_over > _ACCEPTED:
        raise ValueError(
            f"probe rates: expected self-consistent occupations within {_ACCEPTED:g}; the iteration stopped at "
            f"{left_over:.2g}. Raise the smallest rates: some part of the network hardly feels its baths."
        )
    return np.maximum(found + mean, 0.0)


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

    def improve(self, residual: np.ndarray) -> np.ndarray:
        """(1 - GΓ)⁻¹ residual with the resistors' G."""
        from scipy.linalg import lu_solve

        return lu_solve(self._factors, self._response @ residual, check_finite=False)


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
