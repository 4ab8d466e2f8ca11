"""The oscillator of every table and figure, and what the paper prints about it."""

from typing import NamedTuple

MASS, FREQUENCY, FRICTION, BETA, HBAR = 1.0, 1.0, 0.3, 2.0, 1.0
# Units of second moments.
MOMENTS = {"qq": "ħ/mω", "qp": "ħ", "pp": "mħω"}
# Linear solves of 2 × 2 matrices.
ROUNDING = 1e-12


class Diffusion(NamedTuple):
    """D_pp and the minimal D_qq of eq. 8."""

    momentum: float
    position: float


def diffusion(beta: float, cross: float = 0.0) -> Diffusion:
    """Eq. 8, written out."""
    return Diffusion(
        MASS * FRICTION / beta, HBAR**2 * FRICTION * beta / (16 * MASS) + beta * cross**2 / (FRICTION * MASS)
    )


def exact_production(beta: float) -> float:
    """Π_S of the minimal oscillator, ηm²ω²D_qq/D_pp = η(βħω)²/16."""
    return FRICTION * (beta * HBAR * FREQUENCY) ** 2 / 16


def printed_production(beta: float) -> float:
    """Eq. 15 as it is printed, with a second term that comes from a misprinted eq. 14."""
    d = diffusion(beta)
    stiff = (MASS * FREQUENCY) ** 2
    root = (d.momentum + d.position * stiff) ** 2
    root += d.position * MASS**2 * FRICTION**2 * (d.momentum - 3 * d.position * stiff)
    return d.position * FRICTION * stiff * (1 / d.momentum + 3 * d.position * FRICTION**2 * MASS**2 / root)
