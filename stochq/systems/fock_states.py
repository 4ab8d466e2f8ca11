"""States of an oscillator in a truncated Fock basis, refused where the cutoff would change them."""

import math
from typing import Any

import numpy as np

from stochq.systems.checks import check_count, check_number

# Largest weight of a state that may lie outside the truncated basis.
LOST_WEIGHT = 1e-6


def _log_factorial(n: np.ndarray) -> np.ndarray:
    return np.array([math.lgamma(k + 1) for k in n])


def _truncated(name: str, value: Any, amplitudes: np.ndarray) -> np.ndarray:
    weight = float(np.sum(np.abs(amplitudes) ** 2))
    _check_lost(name, value, len(amplitudes), 1 - weight)
    return amplitudes.astype(np.complex128) / math.sqrt(weight)


def _check_lost(name: str, value: Any, cutoff: int, lost: float) -> None:
    if lost > LOST_WEIGHT:
        raise ValueError(
            f"{name}: expected a state within the {cutoff} Fock states kept; {name} = {value} has {lost:.2g} of its "
            f"weight outside (at most {LOST_WEIGHT:.0e}). Take a larger cutoff."
        )


def fock(cutoff: int, n: int) -> np.ndarray:
    """Fock state |n> (dim,)."""
    n = check_count("n", n, 0, most=cutoff - 1)
    return (np.arange(cutoff) == n).astype(np.complex128)


def coherent(cutoff: int, alpha: Any) -> np.ndarray:
    """Coherent state (dim,)."""
    try:
        alpha = complex(alpha)
    except (TypeError, ValueError):
        raise ValueError(f"alpha: expected a complex number; got {alpha!r}.") from None
    if not np.isfinite(alpha):
        raise ValueError(f"alpha: expected a finite complex number; got {alpha}.")
    n = np.arange(cutoff)
    if alpha == 0:
        return fock(cutoff, 0)
    # In logarithms, where neither the power nor the factorial can overflow.
    sizes = np.exp(n * math.log(abs(alpha)) - _log_factorial(n) / 2 - abs(alpha) * abs(alpha) / 2)
    return _truncated("alpha", alpha, sizes * np.exp(1j * n * np.angle(alpha)))


def squeezed(cutoff: int, r: Any) -> np.ndarray:
    """Squeezed vacuum (dim,), narrow in position for r > 0."""
    check_number("r", r)
    r = float(r)
    # Beyond this even the largest cutoff is too small, and cosh would overflow.
    if abs(r) > 100:
        _check_lost("r", r, cutoff, 1.0)
    amplitudes = np.zeros(cutoff)
    amplitudes[0] = 1 / math.sqrt(math.cosh(r))
    if r != 0:
        pairs = np.arange(1, (cutoff - 1) // 2 + 1)
        logs = _log_factorial(2 * pairs) / 2 - pairs * math.log(2) - _log_factorial(pairs)
        sizes = np.exp(logs + pairs * math.log(abs(math.tanh(r))))
        amplitudes[2 * pairs] = amplitudes[0] * np.where(pairs % 2, -np.sign(r), 1.0) * sizes
    return _truncated("r", r, amplitudes)


def thermal_density(cutoff: int, nbar: Any) -> np.ndarray:
    """Thermal density matrix (dim, dim)."""
    check_number("nbar", nbar)
    nbar = float(nbar)
    if nbar < 0:
        raise ValueError(f"nbar: expected a mean number of at least 0; got {nbar}.")
    ratio = nbar / (1 + nbar)
    _check_lost("nbar", nbar, cutoff, ratio**cutoff)
    populations = ratio ** np.arange(cutoff)
    return np.diag(populations / populations.sum()).astype(np.complex128)
