"""Closed forms of the heating of a fermion gas: exact for white noise, first order in the rate for coloured noise.

The equations stand with the methods of `FermionGas` that call these functions.
"""

from typing import TYPE_CHECKING

import numpy as np

from stochq.arrays import ArrayLike, Times
from stochq.systems.checks import check_number, check_times

if TYPE_CHECKING:
    from stochq.fermions.gas import FermionGas

# Images of the spectrum that steps of finite length fold onto one frequency.
ALIASES = 64


def heating(gas: "FermionGas", occupied: ArrayLike) -> float:
    """Σ κ_q S(ω̄) ħω̄ / N."""
    frequencies, weights = _transitions(gas, occupied)
    return float(np.sum(weights * _spectrum(gas, frequencies)))


def energy_gain(gas: "FermionGas", occupied: ArrayLike, times: Times) -> np.ndarray:
    """Energy gained per particle, (T,)."""
    times = check_times(times)
    elapsed = times - times[0]
    if gas.colour is None:
        return _white_gain(gas, occupied, elapsed)
    frequencies, weights = _transitions(gas, occupied)
    # Frequencies that differ by rounding are one, in whatever unit.
    absolute = np.abs(frequencies).ravel()
    largest = absolute.max() or 1.0
    distinct, which = np.unique(np.round(absolute / largest, 12), return_inverse=True)
    distinct *= largest
    summed = np.bincount(which.ravel(), weights.ravel())
    return _growth(gas, distinct, elapsed) @ summed


def step_bias(gas: "FermionGas", occupied: ArrayLike, dt: float) -> float:
    """Relative error of the heating from steps of length dt."""
    check_number("dt", dt, positive=True)
    if gas.colour is None:
        return 0.0
    frequencies, weights = _transitions(gas, occupied)
    aliases = frequencies + 2 * np.pi / dt * np.arange(-ALIASES, ALIASES + 1)[:, None, None]
    stepped = np.sum(_spectrum(gas, aliases) * np.sinc(aliases * dt / (2 * np.pi)) ** 2, axis=0)
    exact = np.sum(weights * _spectrum(gas, frequencies))
    return float(np.sum(weights * stepped) / exact - 1)


def frequency_scale(gas: "FermionGas", occupied: ArrayLike) -> float:
    """Root mean square of the frequencies of the transitions that noise makes from the occupied waves."""
    frequencies, _ = _transitions(gas, occupied)
    return float(np.sqrt(np.average(frequencies**2, weights=np.broadcast_to(_both(gas)[1], frequencies.shape))))


def _both(gas: "FermionGas") -> tuple[np.ndarray, np.ndarray]:
    """q and κ_q of both signs, (2 waves,)."""
    q = 2 * np.pi / gas.box * np.arange(1, gas.waves + 1)
    return np.concatenate([q, -q]), np.tile(gas.strengths, 2)


def _transitions(gas: "FermionGas", occupied: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """ω̄ and κ_q ħω̄ / N of every occupied k and every q, (N, 2 waves)."""
    k = 2 * np.pi / gas.box * gas.check_occupied(occupied)[:, None]
    q, strengths = _both(gas)
    frequencies = gas.hbar / (2 * gas.mass) * (q * q + 2 * k * q)
    return frequencies, strengths * gas.hbar * frequencies / len(k)


def _spectrum(gas: "FermionGas", frequencies: np.ndarray) -> np.ndarray:
    return np.ones_like(frequencies) if gas.colour is None else np.asarray(gas.colour.spectrum(frequencies))


def _white_gain(gas: "FermionGas", occupied: ArrayLike, elapsed: np.ndarray) -> np.ndarray:
    occupied = gas.check_occupied(occupied)
    start = np.zeros(gas.modes)
    start[occupied % gas.modes] = 1 / len(occupied)
    strengths = np.zeros(gas.modes)
    np.add.at(strengths, np.arange(1, gas.waves + 1), gas.strengths)
    np.add.at(strengths, -np.arange(1, gas.waves + 1), gas.strengths)
    decay = strengths.sum() - np.fft.fft(strengths).real
    change = np.expm1(-np.outer(elapsed, decay)) * np.fft.ifft(start)
    return np.fft.fft(change, axis=1).real @ gas.kinetic


def _growth(gas: "FermionGas", frequencies: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
    """2∫₀ᵗ(t − s) C(s) cos ωs ds, (T, frequencies)."""
    from scipy.integrate import quad_vec  # half a second to import

    colour = gas.colour
    assert colour is not None

    def moments(s: float) -> np.ndarray:
        waves = float(colour.correlation(s)) * np.cos(frequencies * s)
        return np.stack([waves, s * waves])

    parts = [quad_vec(moments, a, b, epsrel=1e-9, limit=4000)[0] for a, b in zip(elapsed, elapsed[1:], strict=False)]
    plain, first = np.cumsum([np.zeros((2, frequencies.size)), *parts], axis=0).transpose(1, 0, 2)
    return 2 * (elapsed[:, None] * plain - first)
