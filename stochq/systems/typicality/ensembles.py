"""Canonical and microcanonical equilibria of Hamiltonians that are never matrices."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number, OperatorLike, StateLike, check_numbers
from stochq.systems.checks import check_number
from stochq.systems.equilibrium import Window
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.states import check_state
from stochq.systems.typicality.conserved import projectors_of
from stochq.systems.typicality.equilibrium import Equilibrium, equilibrium, estimated, typical_size
from stochq.systems.typicality.functions import BAND_MARGIN, Polynomial, polynomial_of, step_polynomial
from stochq.systems.typicality.sectors import Projector

Shape = Literal["sharp", "gaussian"]
# Deviation of a polynomial from the function that is meant, relative to the typical size of the latter.
ERROR = {"single": 1e-6, "double": 1e-12}
# Below this size of the typical weight's root against the largest, rounding is all that is left of it.
SMALLEST_SIZE = {"single": 1e-5, "double": 1e-11}


def canonical_equilibrium(
    hamiltonian: Hamiltonian, beta: Number, *, trace_rtol: float = 3e-3, seed: int = 0, precision: str = "single"
) -> Equilibrium:
    r"""χ = e^(-βH)/Z, with $g(H) = e^{-\beta(H - E_\pm)/2}$ between 0 and 1 on the band of energies.

    E_± is the bound on the lowest energy, of the highest one for a negative beta. Arguments and errors as in
    `sq.canonical`.
    """
    check_numbers("Compute the equilibrium beforehand.", beta=beta, hamiltonian=hamiltonian)
    check_number("beta", beta)
    check_number("trace_rtol", trace_rtol, positive=True)
    beta, band = float(beta), _band(hamiltonian)
    # The polynomial's band is a little wider than the bounds: with its end the function is smooth and at most 1.
    margin = BAND_MARGIN * (band[1] - band[0]) / 2
    heaviest = band[0] - margin if beta >= 0 else band[1] + margin

    def root(energies: np.ndarray) -> np.ndarray:
        return np.exp(-beta * (energies - heaviest) / 2)

    label = f"canonical, beta = {beta:g}"
    polynomial = _resolved(hamiltonian, root, (), label, seed, precision)
    return equilibrium(
        hamiltonian,
        polynomial,
        (),
        label=label,
        log_scale=-beta * heaviest,
        trace_rtol=trace_rtol,
        seed=seed,
        precision=precision,
    )


def microcanonical_equilibrium(
    hamiltonian: Hamiltonian,
    psi0: StateLike,
    conserved: Sequence[OperatorLike | str] = (),
    *,
    shape: Shape = "sharp",
    edge: float = 0.5,
    trace_rtol: float = 3e-3,
    seed: int = 0,
    precision: str = "single",
) -> Equilibrium:
    """A window of energies at the mean energy E of a state, of its variance V. Arguments as in `sq.microcanonical`."""
    check_numbers("Compute the equilibrium beforehand.", hamiltonian=hamiltonian, psi0=psi0)
    check_number("trace_rtol", trace_rtol, positive=True)
    check_number("edge", edge, positive=True)
    psi = check_state(psi0, hamiltonian.dim)
    energy, variance = moments(hamiltonian, psi)
    projectors = projectors_of(hamiltonian, conserved, psi)
    spread, band = variance**0.5, _band(hamiltonian)
    _check_width(spread, band)
    label = f"microcanonical, {shape} window at E = {energy:.6g}, √V = {spread:.4g}"
    if shape == "sharp":
        polynomial = step_polynomial(energy - spread, energy + spread, band, edge * spread)
    else:

        def root(energies: np.ndarray) -> np.ndarray:
            return np.exp(-((energies - energy) ** 2) / (4 * variance))

        polynomial = _resolved(hamiltonian, root, projectors, label, seed, precision, spread)
    chi = equilibrium(
        hamiltonian,
        polynomial,
        projectors,
        label=label,
        log_scale=0.0,
        trace_rtol=trace_rtol,
        seed=seed,
        precision=precision,
    )
    return dataclasses.replace(chi, window=_window(chi, energy, variance, precision))


def _band(hamiltonian: Hamiltonian) -> tuple[float, float]:
    low, high = hamiltonian.spectrum
    return float(low), float(high)


def _check_width(spread: float, band: tuple[float, float]) -> None:
    if spread <= 1e-6 * (band[1] - band[0]):
        raise ValueError(
            f"psi0: expected a state whose energies spread over a window; its spread is √V = {spread:.3g} in a band "
            f"of {band[1] - band[0]:.3g}. It is an eigenstate: give another state."
        )


def moments(hamiltonian: Hamiltonian, psi: np.ndarray) -> tuple[float, float]:
    """Mean and variance of H in a state (dim,), in double precision."""
    with jax.enable_x64(True):
        after = np.asarray(hamiltonian.apply(0.0, jnp.asarray(psi)))
    mean = float(np.vdot(psi, after).real)
    return mean, float(np.linalg.norm(after - mean * psi) ** 2)


def _resolved(
    hamiltonian: Hamiltonian,
    root: Callable[[np.ndarray], np.ndarray],
    projectors: Sequence[Projector],
    label: str,
    seed: int,
    precision: str,
    width: float = np.inf,
) -> Polynomial:
    """The polynomial whose error is small against the typical size of the function, not the largest."""
    band = _band(hamiltonian)
    # No weight that sums to that of one state at least is typically smaller.
    coarse = polynomial_of(root, band, 0.01 * hamiltonian.dim**-0.5, width)
    size = typical_size(hamiltonian, coarse, projectors, seed, precision)
    if not size > SMALLEST_SIZE[precision]:
        raise ValueError(
            f"{label}: expected weights that {precision} precision resolves; typical ones are {size**2:.2g} of the "
            "largest. Take a smaller |beta|, a window where there are states, or a tighter bound on the energies."
        )
    return polynomial_of(root, band, ERROR[precision] * size, width)


def _window(chi: Equilibrium, energy: float, variance: float, precision: str) -> Window:
    with jax.enable_x64(precision == "double"):
        mean = estimated(chi.map, chi.states, chi.vectors, _power(chi, 0.0, 1))
        spread = estimated(chi.map, chi.states, chi.vectors, _power(chi, mean.value, 2))
    return Window(round(chi.dimension.value), mean.value, spread.value, energy, variance, mean.stderr, spread.stderr)


def _power(chi: Equilibrium, centre: float, power: int) -> Callable[[Any], Any]:
    """(H - centre)^power of columns."""

    def product(states: np.ndarray) -> np.ndarray:
        for _ in range(power):
            states = np.asarray(_apply(chi.map.hamiltonian, states)) - np.asarray(centre, states.real.dtype) * states
        return states

    return product


@jax.jit
def _apply(hamiltonian: Hamiltonian, states: jax.Array) -> jax.Array:
    return jnp.asarray(hamiltonian.apply(0.0, states), states.dtype)
