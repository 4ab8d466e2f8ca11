"""The theoretical lower bound: collapse that is too weak does not do what it was made for."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from stochq.bounds.experiments import Experiment, quantity
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

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> Any:
        """The mean of the spectrum over the frequencies that a phase gathers within the time."""
        return remembered(spectrum, self.time, 0)


def _distinguished(width: np.ndarray) -> np.ndarray:
    r"""Γ m0²/λM² at widths w = r_C/R: $$8w^2\int_0^\infty\frac{J_1(y)^2}{y}e^{-y^2w^2}[1-J_0(2y)]\,dy$$.

    Summed over the distance of two points of the disks instead of the wave number, because nothing oscillates there.
    """
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = np.concatenate([[0.0], np.geomspace(1e-6, 2.0, 60)])
    spans = np.diff(edges)[:, None]
    near, measure = (edges[:-1, None] + spans * (nodes + 1) / 2).ravel(), (spans * weights / 2).ravel()
    same = _overlap(near) * near * 2 * measure / math.pi
    # The displaced disk: the separation s of two points of one disk becomes |s + d|, averaged over directions.
    angles = (np.arange(64) + 0.5) * math.pi / 64
    shifted = near[:, None] ** 2 + 4 + 4 * near[:, None] * np.cos(angles)
    flat = np.atleast_1d(width).ravel()
    found = np.empty(flat.size)
    for i, w in enumerate(flat):
        kernel = np.exp(-(near**2) / (4 * w**2))
        # 1 - e^{-(|s+d|² - s²)/4w²} where it is small, a difference of two where it is not.
        moved = np.exp(-shifted / (4 * w**2)).mean(axis=1)
        gap = -np.expm1(-np.maximum(shifted - near[:, None] ** 2, 0.0) / (4 * w**2)).mean(axis=1) * kernel
        found[i] = np.sum(same * np.where(near < 1, gap, kernel - moved))
    return found.reshape(np.shape(width))


def _overlap(s: np.ndarray) -> np.ndarray:
    """The area that two unit disks share at a distance s <= 2 of their centres."""
    return 2 * np.arccos(s / 2) - s / 2 * np.sqrt(4 - s**2)
