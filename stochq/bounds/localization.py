"""The theoretical lower bound: collapse that is too weak does not do what it was made for."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stochq.bounds.experiment import Experiment, quantity
from stochq.bounds.memory import remembered
from stochq.bounds.spectra import Spectrum
from stochq.constants import REFERENCE_MASS


@dataclass(frozen=True, kw_only=True)
class VisibleDisk(Experiment):
    r"""A disk that one can just see must not stay in two places, side by side, for longer than one notices: Γt = 1,

    $$\Gamma=\frac{\lambda}{m_0^2}\,\frac{4\pi r_C^2}{(2\pi)^2}
    \int d^2q\,e^{-q^2r_C^2}|\tilde\sigma(q)|^2(1-\cos q\cdot d),
    \qquad\tilde\sigma(q)=\frac{2\pi\sigma R}{q}J_1(qR),\quad d=2R$$

    radius: m; surface_density: σ in kg/m²; time: s. A sheet thinner than r_C, whose atoms are closer than r_C.
    (M. Toroš and A. Bassi, J. Phys. A 51, 115302 (2018).)

    >>> sheet = VisibleDisk(name="sheet", radius=1e-5, surface_density=7.6e-7, time=0.01)
    >>> bool(1e-18 < sheet.rate_bound(1e-7) < 1e-16)
    True
    """

    radius: float = quantity("metres", 1e-9, 1.0)
    surface_density: float = quantity("kg/m²", 1e-9, 1e3)
    time: float = quantity("seconds", 1e-6, 1e4)
    lower: ClassVar[bool] = True

    @property
    def limit(self) -> float:
        """1/s."""
        return 1 / self.time

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        mass = math.pi * self.radius**2 * self.surface_density
        return (mass / REFERENCE_MASS) ** 2 * _distinguished(np.asarray(lengths) / self.radius)

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float:
        """The mean of the spectrum over the frequencies that a phase gathers within the time."""
        return remembered(spectrum, self.time, 0)


# Gauss-Legendre nodes of integrals whose integrand has one feature, as wide as the interval.
NODES = 96
# Exponents beyond this leave nothing of an exponential.
NEGLIGIBLE = 50.0


def _distinguished(width: np.ndarray) -> np.ndarray:
    r"""Γ m0²/λM² at widths w = r_C/R: $$8w^2\int_0^\infty\frac{J_1(y)^2}{y}e^{-y^2w^2}[1-J_0(2y)]\,dy$$.

    Summed over the distance s of two points of the disks instead of the wave number, because nothing oscillates there.
    """
    flat = np.asarray(width, dtype=np.float64).reshape(-1)
    wide = flat >= 1
    found = np.empty(flat.size)
    found[~wide] = _one_disk(flat[~wide]) - _two_disks(flat[~wide])
    found[wide] = _difference(flat[wide])
    return found.reshape(np.shape(width))


def _one_disk(width: np.ndarray) -> np.ndarray:
    r"""Weber's integral $$8w^2\int\frac{J_1^2}{y}e^{-y^2w^2}dy=4w^2[1-e^{-z}(I_0(z)+I_1(z))],\quad z=1/2w^2$$."""
    from scipy.special import i0e, i1e

    inverse = 0.5 / width**2
    return 4 * width**2 * (1 - i0e(inverse) - i1e(inverse))


def _two_disks(width: np.ndarray) -> np.ndarray:
    r"""The same with J_0(2y): $$\frac2\pi\int_0^2A(s)\,s\,e^{-(s-2)^2/4w^2}e^{-z}I_0(z)\,ds,\quad z=s/w^2$$.

    A(s) is the area that two unit disks share at a distance s. With s = 2 cos φ nothing is singular, and what is left
    of the exponential reaches to φ ~ √w.
    """
    from scipy.special import i0e

    reach = 2 * np.arcsin(np.minimum((NEGLIGIBLE * width**2 / 4) ** 0.25, math.sin(math.pi / 4)))
    angles, weights = _angles(reach[:, None])
    separation = 2 * np.cos(angles)
    lost = 4 * np.sin(angles / 2) ** 4 / width[:, None] ** 2
    kernel = np.exp(-lost) * i0e(separation / width[:, None] ** 2)
    return np.sum(weights * _pairs(angles) * kernel, axis=1)


def _difference(width: np.ndarray) -> np.ndarray:
    """One disk less two for r_C above R, where they are almost alike: 1 - e^{-1/w²}I_0(s/w²) without a cancellation."""
    angles, weights = _angles(np.full((1, 1), math.pi / 2))
    separation = 2 * np.cos(angles)
    inverse = 1 / width[:, None] ** 2
    bessel = _bessel_less_one((separation * inverse / 2) ** 2)
    gap = -np.expm1(-inverse) - np.exp(-inverse) * bessel
    kernel = np.exp(-(separation**2) * inverse / 4)
    return np.sum(weights * _pairs(angles) * kernel * gap, axis=1)


def _angles(reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of ∫ dφ from 0 to `reach`."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return reach * (nodes + 1) / 2, reach * weights / 2


def _pairs(angles: np.ndarray) -> np.ndarray:
    """The density over φ of the distances 2 cos φ of two points in unit disks: (2/π) A(s) s |ds/dφ|."""
    shared = 2 * angles - np.sin(2 * angles)
    return 4 / math.pi * shared * np.sin(2 * angles)


def _bessel_less_one(square: np.ndarray) -> np.ndarray:
    """I_0(2√x) - 1 for x up to 1, by its series."""
    term, total = np.ones_like(square), np.zeros_like(square)
    for n in range(1, 16):
        term = term * square / n**2
        total = total + term
    return total
