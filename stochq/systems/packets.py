"""Gaussian wave packets on a grid, refused where the grid cannot hold them."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, as_real, is_concrete
from stochq.systems.checks import check_number

# Largest share of a packet that may lie outside the box or above the largest momentum of the grid.
LOST_WEIGHT = 1e-5


def gaussian_packet(
    coordinates: tuple[Array, ...],
    points: int,
    length: Number,
    hbar: Number,
    position: Number | Sequence[Number],
    width: Number | Sequence[Number],
    momentum: Number | Sequence[Number],
) -> Array:
    """Normalised packet (dim,); see `Particle.gaussian`. One of traced numbers is not checked."""
    dimensions = len(coordinates)
    centres, widths, momenta = (
        _per_dimension(name, value, dimensions)
        for name, value in (("position", position), ("width", width), ("momentum", momentum))
    )
    numbers = is_concrete((coordinates, length, hbar, centres, widths, momenta))
    xp = np if numbers else jnp
    exponent = xp.zeros(coordinates[0].shape) + 0j
    for x, x0, sigma, p0 in zip(coordinates, centres, widths, momenta, strict=True):
        if numbers:
            _check_packet(points, float(length), float(hbar), float(x0), float(sigma), float(p0))
        exponent = exponent - (x - x0) ** 2 / (4 * sigma**2) + 1j * p0 * (x - x0) / hbar
    psi = xp.exp(exponent)
    return psi / xp.linalg.norm(psi)


def _per_dimension(name: str, value: Any, dimensions: int) -> list[Number]:
    values = list(value) if np.ndim(value) == 1 else [value] * dimensions
    if len(values) != dimensions:
        raise ValueError(f"{name}: expected one number or {dimensions}, one per dimension; got {len(values)}.")
    for entry in values:
        check_number(name, entry, positive=name == "width")
    return [as_real(entry) for entry in values]


def _outside(mean: float, deviation: float, low: float, high: float) -> float:
    """Probability of a normal variable outside an interval."""
    below = math.erfc((mean - low) / (math.sqrt(2) * deviation)) / 2
    return below + math.erfc((high - mean) / (math.sqrt(2) * deviation)) / 2


def _check_packet(points: int, length: float, hbar: float, x0: float, sigma: float, p0: float) -> None:
    spacing = length / points
    beyond = _outside(x0, sigma, -length / 2, length / 2 - spacing)
    if beyond > LOST_WEIGHT:
        raise ValueError(
            f"width: expected a packet inside the box from {-length / 2:.4g} to {length / 2:.4g}; centred at {x0:.4g} "
            f"with width {sigma:.4g}, {beyond:.2g} of it lies outside and would wrap around. Take a longer box."
        )
    largest = math.pi * hbar / spacing
    beyond = _outside(p0, hbar / (2 * sigma), -largest, largest)
    if beyond > LOST_WEIGHT:
        raise ValueError(
            f"points: expected momenta below pi hbar / spacing = {largest:.4g}; a packet of momentum {p0:.4g} "
            f"and width {sigma:.4g} (momentum spread {hbar / (2 * sigma):.4g}) has {beyond:.2g} of it above, which "
            "would be aliased. Take more points or a shorter box."
        )
