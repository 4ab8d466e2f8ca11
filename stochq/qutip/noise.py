"""The Wiener increments behind records: dW = dY − ⟨L + L†⟩dt, summed over the steps of a run."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stochq.accuracy.grid import time_grid
from stochq.measurement import WatchedParts
from stochq.qutip.kept_runs import RunValues
from stochq.qutip.runs import Setup
from stochq.qutip.seeds import Range
from stochq.qutip.systems import JumpOperator

_VALUES = "means of every run"
# Numbers of all steps that are held at once.
_NUMBERS = 2**25
# A step by which a mean changes by so little, as a fraction of itself or of the noise; see `resolving_step`.
_RESOLVED = 0.3
# Of larger matrices a bound of the norm is taken.
_LARGEST_EXACT = 256


@dataclass(frozen=True)
class Increments:
    """Of every run.

    dW: (run, column, T-1), of unit noise. currents: ⟨m⟩ of QuTiP's m_ops at the saved times, (run, column, T). Columns
    are those of QuTiP: one for each operator, or two for heterodyne detection.
    """

    dW: np.ndarray
    currents: np.ndarray


@dataclass
class Noise:
    """What drove the trajectories, made when it is first asked for: the same trajectories again, seen at every step.

    ranges, dt: of the run. m_ops: QuTiP's, one for each column. heterodyne: whether they come in pairs.
    """

    setup: Setup
    ranges: Sequence[Range]
    dt: float
    m_ops: Sequence["Quadrature"]
    heterodyne: bool

    @cached_property
    def made(self) -> Increments:
        parts = [self._of_range(part) for each in self.ranges for part in self._chunks(each)]
        return Increments(*(np.concatenate(some) for some in zip(*parts, strict=True)))

    @cached_property
    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """The times of all steps, and the places of the saved ones among them."""
        times = self.setup.times
        grid = time_grid(times, self.dt, edges=self.setup.equation.edges(times))
        spans = zip(grid.ends[:-1], grid.ends[1:], grid.steps, strict=True)
        inside = [np.linspace(start, stop, count, endpoint=False) for start, stop, count in spans]
        fine = np.append(np.concatenate(inside), grid.ends[-1])
        return fine, np.searchsorted(fine, times - 1e-9 * self.dt)

    def _chunks(self, whole: Range) -> list[Range]:
        most = max(64, _NUMBERS // (2 * len(self.m_ops) * len(self._steps[0])))
        return [
            whole._replace(first=whole.first + done, count=min(most, whole.count - done))
            for done in range(0, whole.count, most)
        ]

    def _of_range(self, part: Range) -> tuple[np.ndarray, np.ndarray]:
        times, saved = self._steps
        terms = [matrix for each in self.m_ops for matrix in each.matrices]
        observables = {f"m_ops, term {place}": matrix for place, matrix in enumerate(terms)}
        with warnings.catch_warnings():
            # The same runs were judged before; of means over them, which are not shown, nothing need be told.
            warnings.filterwarnings("ignore", "m_ops, term ")
            result = self.setup.simulate(
                part, times=times, observables={**observables, _VALUES: RunValues()}, dt=self.dt, records=True,
                progress=False,
            )  # fmt: skip
        assert result.records is not None
        written = np.swapaxes(result.records.increments, 1, 2).astype(float)
        means = self._means(np.swapaxes(result.statistics[_VALUES][: part.count], 1, 2).astype(float), times)
        drift = 0.5 * (means[..., 1:] + means[..., :-1]) * np.diff(times)
        if self.heterodyne:
            # QuTiP's second quadrature is that of -iL, ours that of iL; its m_ops are √2 times those of unit noise.
            written[:, 1::2] *= -1
            drift /= np.sqrt(2)
        dW = np.add.reduceat(written - drift, saved[:-1], axis=-1)
        return dW, means[..., saved]

    def _means(self, terms: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Of m_ops (run, column, T), from those of all their terms."""
        columns, first = [], 0
        for each in self.m_ops:
            own = terms[:, first : first + len(each.matrices)]
            first += len(each.matrices)
            columns.append(own[:, 0] if each.factors is None else np.sum(each.factors(times) * own, axis=1))
        return np.stack(columns, axis=1)


class JoinedNoise:
    """That of several runs, one behind the other."""

    def __init__(self, parts: Sequence["Noise | JoinedNoise"]) -> None:
        self.parts = parts

    @cached_property
    def made(self) -> Increments:
        made = [part.made for part in self.parts]
        return Increments(np.concatenate([each.dW for each in made]), np.concatenate([each.currents for each in made]))


@dataclass(frozen=True)
class Quadrature:
    """What one column of a measurement is the mean of, Σ_j g_j(t) M_j.

    matrices: Hermitian, (J, dim, dim). factors: of times (T,), real (J, T); None of a single matrix.
    """

    matrices: np.ndarray
    factors: Callable[[np.ndarray], np.ndarray] | None


def m_ops_of(operators: Sequence[JumpOperator], heterodyne: bool) -> list[Quadrature]:
    """QuTiP's operators of the measurement, L + L† and for heterodyne detection −i(L − L†) beside each."""
    turns = (1.0, -1j) if heterodyne else (1.0,)
    return [_quadrature(operator, turn) for operator in operators for turn in turns]


def _quadrature(operator: JumpOperator, turn: complex) -> Quadrature:
    """cL + (cL)† of L = Σ f_j A_j, c a phase: Re(cf_j) (A_j + A_j†) + Im(cf_j) i(A_j − A_j†)."""
    one, adjoint, values = operator.matrices, np.conj(np.swapaxes(operator.matrices, 1, 2)), operator.factors
    if values is None:
        return Quadrature(turn * one + np.conj(turn) * adjoint, None)

    def factors(times: np.ndarray) -> np.ndarray:
        turned = turn * values(times)
        return np.concatenate([turned.real, turned.imag])

    return Quadrature(np.concatenate([one + adjoint, 1j * (one - adjoint)]), factors)


def resolving_step(setup: Setup) -> float | None:
    r"""The longest step at which sums over steps are integrals of means, None where any is.

    The noise moves ⟨X⟩, X = L + L†, by g dW with |g| at most half the square of X's range of eigenvalues, and the
    trapezoidal rule then errs by g√(dt³/12), which is added to a dW of variance dt; the Hamiltonian turns it at rates
    up to ‖[H, X]‖/‖X‖. Both are kept below a number that leaves the variance of dW right to 1 %.
    """
    equation, rates = setup.equation, [0.0]
    times = np.linspace(setup.times[0], setup.times[-1], 9) if equation.time_dependent else setup.times[:1]
    for t in times:
        parts = equation.watched_parts(float(t))
        rates += _rates(parts)
    return _RESOLVED / max(rates) if max(rates) > 0 else None


def _rates(parts: WatchedParts) -> list[float]:
    found = []
    hamiltonian = np.asarray(parts.hamiltonian)
    for watched in np.asarray(parts.watched):
        current = watched + np.conj(watched.T)
        size = _norm(current)
        if size > 0:
            found += [2 * size**2, _norm(hamiltonian @ current - current @ hamiltonian) / size]
    return found


def _norm(matrix: np.ndarray) -> float:
    if len(matrix) <= _LARGEST_EXACT:
        return float(np.linalg.norm(matrix, 2))
    return float(np.sqrt(np.linalg.norm(matrix, 1) * np.linalg.norm(matrix, np.inf)))
