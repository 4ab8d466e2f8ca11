"""The evolution between clicks of an equation, worked out once in double precision on the host."""

from math import factorial
from typing import Any

import numpy as np

from stochq.accuracy.resolution import spectrum_of
from stochq.channels.jumps import Jumps, as_loss
from stochq.ensemble.jumps.evolution import Evolution, ExponentialClocks, Powers
from stochq.ensemble.jumps.modes import Modes
from stochq.schemes import Frame
from stochq.systems.basis import matrix_of, out_of
from stochq.systems.hamiltonian import DiagonalHamiltonian

# ΣL†L that varies by less than this part of itself is a multiple of 1.
_EVEN = 1e-12
# The most terms of the series, and its remainder θ^(m+1)/(m+1)! where ‖H_eff‖ times its interval is θ: rounding.
_SERIES = {"single": (5, 1.6e-8), "double": (8, 5e-20)}
# Propagators over whole intervals are kept for at most so many different ones.
_MOST_INTERVALS = 16
# One search reaches as far as so many mean waiting times.
_WAITING_TIMES = 4.0
# States along the evolution without clicks that tell how fast these come.
_LOOKED_AT = 32
# Terms of the exponential of a matrix whose norm is small: a remainder of .25¹³/13! = 2e-18.
_SMALL, _TERMS = 0.25, 12
# Eigenvectors are taken of so many levels or more, where their condition, by which they enlarge rounding, is at most
# this, and no phase turns more often between saved times.
_FEW_LEVELS, _CONDITION, _TURNS = 16, 16.0, 8.0
# Numbers of stored propagators come in multiples of this, so that not every change of numbers is compiled.
_LEVELS = 2


def evolution_of(
    frame: Frame, jumps: tuple[Jumps, ...], psi0: np.ndarray, lengths: np.ndarray, precision: str
) -> tuple[Evolution, np.ndarray, float]:
    """The evolution of a frame between clicks, the index (T-1,) of each interval among the different ones, and the rate
    of clicks that is to be expected.

    psi0: as of `Task`, in the given basis.
    """
    distinct, index = _distinct(lengths)
    loss = total_loss(frame, jumps)
    hbar = float(frame.hbar)
    if loss.ndim == 1 and np.ptp(loss) <= _EVEN * np.abs(loss).max(initial=0.0):
        energies, vectors = spectrum_of(frame.hamiltonian)
        held = None if isinstance(frame.hamiltonian, DiagonalHamiltonian) else vectors
        # A rate of zero never clicks: its clock must only outlast the run.
        rate = max(float(loss.mean()), 1e3 * float(np.finfo(np.float32).tiny))
        return ExponentialClocks(np.float64(rate), energies / hbar, held), index, rate
    generator = _generator(frame, loss, hbar)
    start = psi0 if frame.columns is None else np.asarray(frame.columns).conj().T @ psi0
    rate = _usual_rate(generator, loss, start, lengths)
    modes = _modes(generator, loss, distinct)
    return _powers(generator, rate, distinct, precision) if modes is None else modes, index, rate


def _modes(generator: np.ndarray, loss: np.ndarray, lengths: np.ndarray) -> Modes | None:
    """The evolution by eigenvectors where it is right to rounding, and takes less time: of many levels."""
    if generator.ndim == 1 or loss.ndim > 1 or len(loss) < _FEW_LEVELS:
        return None
    values, vectors = np.linalg.eig(generator)
    condition, turns = np.linalg.cond(vectors), values.imag / (2 * np.pi)
    if condition > _CONDITION or np.abs(turns).max() * lengths.max() > _TURNS:
        return None
    whole = np.exp(lengths[:, None] * values) if len(lengths) <= _MOST_INTERVALS else None
    held = _as_held(vectors), _as_held(np.linalg.inv(vectors))
    return Modes(whole, *held, -values.real, turns, loss, condition=float(2 ** np.ceil(np.log2(condition))))


def _usual_rate(generator: np.ndarray, loss: np.ndarray, psi: np.ndarray, lengths: np.ndarray) -> float:
    """The rate of clicks along the evolution without any, averaged over the run: the size of what is to be expected.

    Means over all levels would be far from it where a cut-off spectrum is hardly occupied.
    """
    propagator, rates = exponential(generator * lengths.mean()), [_mean_loss(loss, psi)]
    for _ in range(min(len(lengths), _LOOKED_AT)):
        psi = propagator * psi.T if propagator.ndim == 1 else (propagator @ psi).T
        norm = np.linalg.norm(psi)
        if not norm:
            # So many decay times lie in an interval that nothing of the state is left, in numbers.
            break
        psi = psi.T / norm
        rates.append(_mean_loss(loss, psi))
    rates = rates[1:] or rates
    # No click is ever expected: a rate whose inverse is still a number.
    return max(float(np.mean(rates)), 1e3 * np.finfo(float).tiny)


def _mean_loss(loss: np.ndarray, psi: np.ndarray) -> float:
    return float(np.vdot(psi, (loss * psi.T).T if loss.ndim == 1 else loss @ psi).real)


def _distinct(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different lengths, but for rounding of the saved times, and which of them each is."""
    _, first, index = np.unique(np.round(lengths / lengths.max(), 10), return_index=True, return_inverse=True)
    return lengths[first], index.astype(np.int32)


def total_loss(frame: Frame, jumps: tuple[Jumps, ...]) -> np.ndarray:
    """Σ L†L of all channels in the frame's basis, (dim,) where it is diagonal, else (dim, dim)."""
    total: Any = np.zeros(frame.dim)
    for channel, change in zip(jumps, frame.changes, strict=True):
        loss = np.asarray(channel.loss())
        if change is not None and not (loss.ndim == 1 and np.ptp(loss) <= _EVEN * np.abs(loss).max(initial=0.0)):
            loss = out_of(np.asarray(matrix_of(change)).conj().T, np.diag(loss) if loss.ndim == 1 else loss)
        if loss.ndim != total.ndim:
            loss, total = (np.diag(one) if one.ndim == 1 else one for one in (loss, total))
        total = total + loss
    return np.asarray(as_loss(total))


def square_root(loss: np.ndarray) -> np.ndarray:
    """√ of `total_loss`, in its form."""
    if loss.ndim == 1:
        return np.sqrt(loss)
    rates, vectors = np.linalg.eigh(loss)
    return (np.sqrt(np.maximum(rates, 0)) * vectors) @ vectors.conj().T


def _generator(frame: Frame, loss: np.ndarray, hbar: float) -> np.ndarray:
    """−iH_eff/ħ, (dim,) where it is diagonal, else (dim, dim)."""
    if isinstance(frame.hamiltonian, DiagonalHamiltonian) and loss.ndim == 1:
        return -1j * np.asarray(frame.hamiltonian.diagonal) / hbar - 0.5 * loss
    matrix = np.asarray(frame.hamiltonian.matrix())
    return -1j * matrix / hbar - 0.5 * (np.diag(loss) if loss.ndim == 1 else loss)


def _powers(generator: np.ndarray, rate: float, lengths: np.ndarray, precision: str) -> Powers:
    most, remainder = _SERIES[precision]
    size = (remainder * factorial(most + 1)) ** (1 / (most + 1))
    norm = float(np.abs(generator).max() if generator.ndim == 1 else np.linalg.norm(generator, 2))
    reach = min(float(lengths.max()), _WAITING_TIMES / rate)
    unit = min(size / norm, reach)
    levels = _LEVELS * max(1, int(np.ceil(np.log2(max(reach / unit, 1.0)) / _LEVELS)))
    unit = reach / 2.0**levels
    order = next(m for m in range(1, most + 1) if (unit * norm) ** (m + 1) <= remainder * factorial(m + 1) or m == most)
    powers = [exponential(generator * unit)]
    for _ in range(levels - 1):
        powers.append(powers[-1] ** 2 if generator.ndim == 1 else powers[-1] @ powers[-1])
    durations = unit * 2.0 ** np.arange(levels)
    whole = _stacked([exponential(generator * one) for one in lengths]) if len(lengths) <= _MOST_INTERVALS else None
    return Powers(whole, _stacked(powers[::-1]), durations[::-1].copy(), _as_held(generator * unit), order)


def _stacked(operators: list[np.ndarray]) -> np.ndarray:
    return np.stack([_as_held(operator) for operator in operators])


def _as_held(operator: np.ndarray) -> np.ndarray:
    """As `Powers` holds it: a matrix as a real one on real over imaginary parts, a diagonal as it is."""
    if operator.ndim == 1:
        return operator
    return np.block([[operator.real, -operator.imag], [operator.imag, operator.real]])


def exponential(generator: np.ndarray) -> np.ndarray:
    """exp of a matrix, or of the diagonal of one: by Taylor's series of a part of it, which is squared again.

    SciPy's takes ten times as long at a few dozen levels, on threads that wait for each other: longer than it takes to
    follow hundreds of trajectories.
    """
    if generator.ndim == 1:
        return np.exp(generator)
    squarings = max(0, int(np.ceil(np.log2(max(np.linalg.norm(generator, 1), _SMALL) / _SMALL))))
    part = generator / 2.0**squarings
    result = term = np.eye(len(part), dtype=complex)
    for order in range(1, _TERMS + 1):
        term = term @ part / order
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result
