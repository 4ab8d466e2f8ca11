"""Density matrices given the clicks of counters, where other operators act unseen: exact, without a time step."""

from collections.abc import Iterator, Sequence
from math import factorial
from typing import NamedTuple, final

import numpy as np

from stochq.ensemble.jumps.prepare import exponential

# Up to so many levels the propagator between times is a matrix (dim², dim²); beyond it is a series.
_DENSE_LEVELS = 32
# The series: ‖L₀‖ times its interval is at most this, so that what is left out, θ^(n+1)/(n+1)!, is rounding.
_REACH, _TERMS = 2.0, 24
# Density matrices that are held at once, in numbers.
_AT_ONCE = 2**22


class JumpTimes(NamedTuple):
    """The jumps of one trajectory in their order: time (jumps,), and which (jumps,) the place of the operator."""

    time: np.ndarray
    which: np.ndarray


@final
class Between:
    r"""What happens between clicks, $\dot\rho = G\rho + \rho G^\dagger + \sum_k C_k\rho C_k^\dagger$ with
    $G = -iH - \tfrac12\sum_k C_k^\dagger C_k - \tfrac12\sum_j L_j^\dagger L_j$ (Wiseman and Milburn 2010, eq. 4.235).

    hamiltonian (dim, dim); lost: the C_k, (K, dim, dim); watched: the L_j, (J, dim, dim).
    """

    def __init__(self, hamiltonian: np.ndarray, lost: np.ndarray, watched: np.ndarray) -> None:
        energies = np.linalg.eigvalsh(hamiltonian)
        # A constant energy moves no density matrix, and lengthens the series.
        centred = hamiltonian - 0.5 * (energies[0] + energies[-1]) * np.eye(len(hamiltonian))
        loss = sum(one.conj().T @ one for one in (*lost, *watched))
        self.left = -1j * centred - 0.5 * loss
        self.lost = lost
        unread = sum(np.linalg.norm(one, 2) ** 2 for one in lost)
        self.norm = 2 * float(np.linalg.norm(self.left, 2)) + float(unread)
        self._propagators: dict[float, np.ndarray] = {}

    def over(self, rho: np.ndarray, length: float) -> np.ndarray:
        """ρ (n, dim, dim) after an interval between saved times."""
        dim = len(self.left)
        if dim > _DENSE_LEVELS:
            return self.after(rho, np.full(len(rho), length))
        # Lengths that differ by rounding are the same.
        key = float(f"{length:.12g}")
        if key not in self._propagators:
            self._propagators[key] = exponential(self._superoperator() * length)
        return (rho.reshape(-1, dim**2) @ self._propagators[key].T).reshape(rho.shape)

    def after(self, rho: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """ρ (n, dim, dim), each after a length of its own (n,)."""
        pieces = max(1, int(np.ceil(self.norm * float(np.max(lengths, initial=0.0)) / _REACH)))
        part = (lengths / pieces)[:, None, None]
        for _ in range(pieces):
            term, powers = rho, part
            for order in range(1, _TERMS + 1):
                term = self._change(term)
                rho = rho + term * (powers / factorial(order))
                powers = powers * part
        return rho

    def _change(self, rho: np.ndarray) -> np.ndarray:
        one = self.left @ rho
        change = one + one.conj().swapaxes(1, 2)
        for operator in self.lost:
            change += operator @ rho @ operator.conj().T
        return change

    def _superoperator(self) -> np.ndarray:
        """Of vectors of rows, (dim², dim²)."""
        one = np.eye(len(self.left))
        unseen = sum((np.kron(each, each.conj()) for each in self.lost), start=np.zeros((1, 1)))
        return np.kron(self.left, one) + np.kron(one, self.left.conj()) + unseen


def conditional_states(
    between: Between, watched: np.ndarray, rho: np.ndarray, times: np.ndarray, clicks: Sequence[JumpTimes]
) -> Iterator[np.ndarray]:
    """The states given the clicks, (trajectory, time, dim, dim), of some trajectories after the other.

    Args:
        between: what happens between clicks.
        watched: the operators that click, (J, dim, dim).
        rho: at the first time, (dim, dim).
        times: (T,), at which they are wanted.
        clicks: of every trajectory, in their order.
    """
    size = max(1, _AT_ONCE // (len(times) * rho.size))
    for first in range(0, len(clicks), size):
        part = clicks[first : first + size]
        states = np.empty((len(part), len(times), *rho.shape), complex)
        states[:, 0] = rho
        for place in range(1, len(times)):
            states[:, place] = _interval(between, watched, states[:, place - 1], times[place - 1 : place + 1], part)
        yield states


def _interval(
    between: Between, watched: np.ndarray, rho: np.ndarray, ends: np.ndarray, clicks: Sequence[JumpTimes]
) -> np.ndarray:
    """Those at the end of an interval from those at its beginning, (n, dim, dim)."""
    inside = [np.searchsorted(each.time, ends, side="right") for each in clicks]
    first, last = np.array(inside).T
    after, left = np.empty_like(rho), np.flatnonzero(last > first)
    still = np.flatnonzero(last == first)
    after[still] = between.over(rho[still], float(ends[1] - ends[0]))
    now, rho = np.full(len(clicks), ends[0]), rho.copy()
    while len(left):
        coming = [(clicks[n], first[n]) for n in left.tolist()]
        until = np.array([each.time[place] for each, place in coming])
        jump = watched[[each.which[place] for each, place in coming]]
        rho[left] = _normalized(jump @ between.after(rho[left], until - now[left]) @ jump.conj().swapaxes(1, 2))
        now[left] = until
        first[left] += 1
        done = left[first[left] == last[left]]
        after[done] = between.after(rho[done], ends[1] - now[done])
        left = left[first[left] < last[left]]
    return _normalized(after)


def _normalized(rho: np.ndarray) -> np.ndarray:
    """Of trace one, and Hermitian to the last bit."""
    rho = 0.5 * (rho + rho.conj().swapaxes(1, 2))
    return rho / np.trace(rho, axis1=1, axis2=2).real[:, None, None]
