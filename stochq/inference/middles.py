"""What it costs to take operators that depend on time in the middle of each bin."""

import jax
import numpy as np
from scipy.linalg import expm

from stochq.equation import Equation
from stochq.measurement.line import WatchedParts

# Where a bin is cut to look inside: unevenly, so that no period fits into it unseen.
_CUTS = np.array([0.0, 0.29, 0.63, 1.0])
# Bins that are looked at, and the error of a record's law, or its log-likelihood, that is worth a warning.
_BINS, _LARGEST_ERROR = 32, 0.1


def note_of_middles(equation: Equation, times: np.ndarray) -> str:
    """What to say of bins (T,) in which operators change too much; empty where they do not, and for numbers traced."""
    if not equation.time_dependent:
        return ""
    error = error_of_middles(equation, times)
    if not error > _LARGEST_ERROR:
        return ""
    return (
        "expected bins in which what depends on time hardly changes, as it is taken in the middle of each; what is "
        f"written down, or its log-likelihood, may be off by {error:.2g} over one record, which falls with the square "
        "of the bins' width. Give finer times: a record of them adds up to one of wide bins."
    )


def error_of_middles(equation: Equation, times: np.ndarray) -> float:
    r"""How far the law of a record may be off, each bin against three parts of it:

    $$\sum_j2\|U_j-U_{j3}U_{j2}U_{j1}\|+\sum_{jl}2h\|l\|\|\bar l-l\|
      +\Big(\sum_{jk}4h(\|\bar c_k-c_k\|+\|c_k\|u_j)^2\Big)^{1/2}$$

    with U = exp(h(−iH − ½ΣL†L)), l of what is counted or lost, and c_k of the currents, whose noise has random signs
    and whose mean over the bin has u_j, by how much U is off inside.
    """
    begins, widths = np.asarray(times[:-1], float), np.diff(times)
    chosen = np.unique(np.linspace(0, len(widths) - 1, min(len(widths), _BINS)).astype(int))
    share = len(widths) / len(chosen)
    shares = np.diff(_CUTS)
    inside = 0.5 * (_CUTS[1:] + _CUTS[:-1])
    places = np.concatenate([inside, [0.5]])
    with jax.enable_x64(True):
        at = begins[chosen, None] + places * widths[chosen, None]
        parts = jax.device_get(jax.vmap(jax.vmap(equation.watched_parts))(at))
    effective = _effective(parts)
    flows = expm((widths[chosen, None] * shares)[..., None, None] * effective[:, :-1])
    middle = expm((widths[chosen, None] * _CUTS[1:])[..., None, None] * effective[:, -1:])
    aside = np.zeros((len(chosen), len(_CUTS)))
    flow = np.eye(equation.dim)
    for place in range(len(shares)):
        flow = flows[:, place] @ flow
        aside[:, place + 1] = 2 * _norm(middle[:, place] - flow)
    drift, inside = aside[:, -1], np.asarray(np.trapezoid(aside, _CUTS, axis=1))
    for stack in (parts.counted, parts.lost):
        off, size = _off(stack, shares), _norm(stack[:, -1])
        drift = drift + np.sum(2 * widths[chosen, None] * size * off, axis=1)
    off = _off(parts.watched, shares) + inside[:, None] * _norm(parts.watched[:, -1])
    current = 2 * np.sqrt(widths[chosen, None]) * off
    return float(share * np.sum(drift) + np.sqrt(share * np.sum(current**2)))


def _effective(parts: WatchedParts) -> np.ndarray:
    """−iH − ½ΣL†L without the phase of H's trace, (bins, 4, dim, dim)."""
    hamiltonian = np.asarray(parts.hamiltonian)
    dim = hamiltonian.shape[-1]
    traceless = hamiltonian - np.trace(hamiltonian, axis1=-2, axis2=-1)[..., None, None] * np.eye(dim) / dim
    stacks = parts.watched, parts.counted, parts.lost
    loss = sum(np.einsum("bpkji,bpkjl->bpil", stack.conj(), stack) for stack in map(np.asarray, stacks))
    return -1j * traceless - 0.5 * loss


def _off(stack: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """‖mean − middle‖ of operators (bins, 4, K, dim, dim), (bins, K)."""
    return _norm(np.einsum("p,bpkij->bkij", shares, stack[:, :-1]) - stack[:, -1])


def _norm(matrices: np.ndarray) -> np.ndarray:
    if not matrices.size:
        return np.zeros(matrices.shape[:-2])
    return np.linalg.norm(matrices, 2, axis=(-2, -1))
