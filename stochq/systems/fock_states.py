"""States of an oscillator in a truncated Fock basis, refused where the cutoff would change them."""

import math
from collections.abc import Callable

import numpy as np

from stochq.arrays import ComplexNumber, Number
from stochq.systems.checks import check_count, check_number

# Largest weight of a state that may lie outside the truncated basis.
LOST_WEIGHT = 1e-6


# The largest cutoff that a message may recommend.
LARGEST_CUTOFF = 4096


def _log_factorial(n: np.ndarray) -> np.ndarray:
    return np.array([math.lgamma(k + 1) for k in n])


def _refuse_lost(
    name: str, value: ComplexNumber, cutoff: int, log_weights: Callable[[int], np.ndarray], log_norm: Number
) -> None:
    """ValueError where more than a millionth of the weight lies at or above the cutoff.

    log_weights: the logarithms (cutoff,) of weights of the Fock states below a cutoff; log_norm: of their full sum.
    """
    lost = 1 - float(np.sum(np.exp(log_weights(cutoff) - log_norm)))
    if lost <= LOST_WEIGHT:
        return
    enough = np.flatnonzero(1 - np.cumsum(np.exp(log_weights(LARGEST_CUTOFF) - log_norm)) <= LOST_WEIGHT)
    repair = f"Take cutoff={enough[0] + 1} or larger" if len(enough) else f"No cutoff up to {LARGEST_CUTOFF} holds it"
    raise ValueError(
        f"{name}: expected a state within the {cutoff} Fock states kept; {name} = {value} has {lost:.2g} of its "
        f"weight outside (at most {LOST_WEIGHT:.0e}). {repair}, or give truncate=True for what is left of the state "
        "below the cutoff, normalised."
    )


def _relative(logs: np.ndarray) -> np.ndarray:
    """Weights (dim,) from their logarithms, the largest 1: none of them overflows, and not all vanish."""
    return np.exp(logs - logs.max())


def fock(cutoff: int, n: int) -> np.ndarray:
    """Fock state |n> (dim,)."""
    n = check_count("n", n, 0, most=cutoff - 1)
    return (np.arange(cutoff) == n).astype(np.complex128)


def coherent(cutoff: int, alpha: ComplexNumber, truncate: bool = False) -> np.ndarray:
    """Coherent state (dim,)."""
    try:
        alpha = complex(alpha)
    except (TypeError, ValueError):
        raise ValueError(f"alpha: expected a complex number; got {alpha!r}.") from None
    if not np.isfinite(alpha):
        raise ValueError(f"alpha: expected a finite complex number; got {alpha}.")
    if alpha == 0:
        return fock(cutoff, 0)

    def log_weights(size: int) -> np.ndarray:
        n = np.arange(size)
        return 2 * n * math.log(abs(alpha)) - _log_factorial(n)

    if not truncate:
        _refuse_lost("alpha", alpha, cutoff, log_weights, abs(alpha) * abs(alpha))
    phases = np.exp(1j * np.arange(cutoff) * np.angle(alpha))
    return _normalized(_relative(log_weights(cutoff) / 2) * phases)


def _normalized(amplitudes: np.ndarray) -> np.ndarray:
    return amplitudes.astype(np.complex128) / np.linalg.norm(amplitudes)


def squeezed(cutoff: int, r: Number, truncate: bool = False) -> np.ndarray:
    """Squeezed vacuum (dim,), narrow in position for r > 0."""
    check_number("r", r)
    r = float(r)
    if r == 0:
        return fock(cutoff, 0)

    def log_weights(size: int) -> np.ndarray:
        """Even states only: those of odd n have none."""
        pairs = np.arange((size + 1) // 2)
        logs = _log_factorial(2 * pairs) - 2 * pairs * math.log(2) - 2 * _log_factorial(pairs)
        logs += 2 * pairs * math.log(abs(math.tanh(r)))
        return np.stack([logs, np.full(len(pairs), -np.inf)], axis=1).ravel()[:size]

    if not truncate:
        log_cosh = abs(r) + math.log1p(math.exp(-2 * abs(r))) - math.log(2)
        _refuse_lost("r", r, cutoff, log_weights, log_cosh)
    signs = np.where(np.arange(cutoff) % 4 == 2, -np.sign(r), 1.0)
    return _normalized(_relative(log_weights(cutoff) / 2) * signs)


def thermal_density(cutoff: int, nbar: Number, truncate: bool = False) -> np.ndarray:
    """Thermal density matrix (dim, dim)."""
    check_number("nbar", nbar)
    nbar = float(nbar)
    if nbar < 0:
        raise ValueError(f"nbar: expected a mean number of at least 0; got {nbar}.")
    if nbar == 0:
        return np.diag(np.eye(1, cutoff)[0]).astype(np.complex128)

    def log_weights(size: int) -> np.ndarray:
        return np.arange(size) * math.log(nbar / (1 + nbar))

    if not truncate:
        _refuse_lost("nbar", nbar, cutoff, log_weights, math.log1p(nbar))
    populations = _relative(log_weights(cutoff))
    return np.diag(populations / populations.sum()).astype(np.complex128)
