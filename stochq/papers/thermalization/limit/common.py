"""What the parts share: what a part returns, chains of any size, and means in pure states (..., dim)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.arrays import Array
from stochq.papers.checks import Check
from stochq.papers.output import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Beyond so many sites no matrices are made.
MOST_DENSE = 10
# From this effort on chains are longer as well.
LONGER = 2.0


@dataclass(frozen=True)
class Part:
    """One part of the figure: its numbers, its checks, and a function for each of its panels."""

    series: list[Series]
    checks: list[Check]
    panels: "tuple[Callable[[Axes], None], ...]"


def spins(sites: int, coupling: float, transverse: float, longitudinal: float) -> sq.systems.Hamiltonian:
    """An open Ising chain, a matrix up to MOST_DENSE sites and a sum of Pauli strings above."""
    matrix_free = True if sites > MOST_DENSE else None
    return sq.systems.ising(
        sites, coupling=coupling, transverse=transverse, longitudinal=longitudinal, matrix_free=matrix_free
    )


def lengths(usual: tuple[int, ...], longer: tuple[int, ...], effort: float) -> tuple[int, ...]:
    """Numbers of sites of a part."""
    return usual + longer if effort >= LONGER else usual


def thermal_mean(system: sq.systems.Hamiltonian, chi: Any, operator: Any) -> float:
    """Tr χO of one of the system's operators; without a matrix by random vectors, to the relative error of a trace."""
    if system.is_matrix_free:
        return float(chi.mean(operator).value)
    vectors = np.asarray(system.eigenvectors)
    return float(np.einsum("iu,ij,ju,u->", vectors.conj(), np.asarray(operator), vectors, chi, optimize=True).real)


def sigma_x(psi: jax.Array, site: int) -> jax.Array:
    """⟨σ^x⟩ at a site of a state (dim,), for chains of any size."""
    pairs = psi.reshape(-1, 2, 2**site)
    return 2 * jnp.sum((pairs[:, 0].conj() * pairs[:, 1]).real)


def all_sigma_x(psi: jax.Array) -> jax.Array:
    """⟨σ^x⟩, mean over the sites of a state (dim,)."""
    sites = psi.size.bit_length() - 1
    return sum((sigma_x(psi, site) for site in range(sites)), jnp.zeros(())) / sites


def over_states(function: Callable[[jax.Array], jax.Array], states: Array) -> np.ndarray:
    """A function of one state (dim,) in states (..., dim)."""
    flat = jax.lax.map(function, jnp.asarray(states).reshape(-1, states.shape[-1]))
    return np.asarray(flat, float).reshape(states.shape[:-1])
