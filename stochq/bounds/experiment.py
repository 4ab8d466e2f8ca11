"""Kinds of experiment: from the numbers one has measured to the largest collapse rate that they allow."""

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from stochq.arrays import ArrayLike
from stochq.bounds.checks import positive, positive_lengths, warn_outside
from stochq.bounds.spectra import Spectrum, check_spectrum
from stochq.constants import BOLTZMANN, HBAR, REFERENCE_MASS


def quantity(unit: str, low: float, high: float, **more: Any) -> Any:
    """A positive number of an experiment, with its unit and the range that such experiments have had."""
    return dataclasses.field(metadata={"unit": unit, "low": low, "high": high}, **more)


@dataclass(frozen=True, kw_only=True)
class Experiment(abc.ABC):
    r"""Something measured that collapse would add to in proportion to λ, which bounds it by limit / effect(r_C).

    Two ways in which the bound weakens are common to all kinds:
    - a spectrum γ(ω)/γ(0) multiplies the effect by a mean over the frequencies that it is made of;
    - a noise of finite temperature T (dissipative CSL, A. Smirne and A. Bassi, Sci. Rep. 5, 12518 (2015)) acts on slow
      constituents of mass m as one of correlation length $$r_C(1+k)$$ and rate $$\lambda/(1+k)^3$$,
      $$k=\hbar^2/8mk_BTr_C^2$$, because γ stays and the smearing widens; matter at rest in the noise gains
      $$(1+k)^{-5}$$ of the power. What is warmer than the noise is not heated by it.
    """

    name: str
    constituent_mass: float = REFERENCE_MASS
    lower: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("kilograms", constituent_mass=self.constituent_mass)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if "unit" in field.metadata and value is not None:
                unit = field.metadata["unit"]
                positive(unit, **{field.name: value})
                place = f"{self.name}: {field.name}"
                warn_outside(place, unit, field.metadata["low"], field.metadata["high"], value)

    @property
    @abc.abstractmethod
    def limit(self) -> float:
        """What was measured, or its upper limit, in the units of `effect`."""

    @abc.abstractmethod
    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """What white noise of rate 1/s would give, at correlation lengths in m (lengths,)."""

    @abc.abstractmethod
    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float | np.ndarray:
        """By what a spectrum multiplies the effect: a number, or one per length."""

    def warmth(self) -> float:
        """The temperature in K of matter whose energy is what is measured: a noise that is colder takes from it."""
        return 0.0

    def rate_bound(
        self, length: ArrayLike, spectrum: Spectrum | None = None, noise_temperature: float | None = None
    ) -> np.ndarray:
        """The rates λ in 1/s that the experiment allows at most, at lengths r_C in m (lengths,); inf for no bound.

        Raises:
            ValueError: for numbers that are not positive, a bad spectrum, or a spectrum and a temperature at once.
        """
        lengths = positive_lengths(length)
        if spectrum is not None and noise_temperature is not None:
            raise ValueError(
                "noise_temperature: expected a spectrum or a temperature; CSL with both is not defined here."
            )
        if noise_temperature is not None:
            return self._dissipative(lengths, noise_temperature)
        effect = self.effect(lengths)
        if spectrum is not None:
            check_spectrum(spectrum)
            effect = effect * self.coloured(spectrum, lengths)
        with np.errstate(divide="ignore"):
            return self.limit / effect

    def _dissipative(self, lengths: np.ndarray, temperature: float) -> np.ndarray:
        positive("kelvin", noise_temperature=temperature)
        if temperature <= self.warmth():
            return np.full(lengths.shape, np.inf)
        wider = 1 + HBAR**2 / (8 * self.constituent_mass * BOLTZMANN * temperature) / lengths**2
        gained = 1 - self.warmth() / temperature
        return wider**3 * self.limit / (self.effect(lengths * wider) * gained)
