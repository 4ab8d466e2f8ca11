"""An ensemble against the exact answer."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from stochq.arrays import UNIT, rounding
from stochq.compare.hotelling import CERTAINLY_OFF, Verdict, hotelling
from stochq.compare.rare import chosen_points, left_out, told
from stochq.ensemble.result import EnsembleResult
from stochq.exact.result import ExactResult
from stochq.real_parts import by_observable, in_rows, row_names

# Values that do not fluctuate count as wrong when they are off by this many times the expected rounding error.
_BEYOND_ROUNDING = 10.0
# With a purity this close to one all trajectories are in one state.
_PURE = 1e-9
_ROWS = 5
_WIDTH = 110


@dataclass(frozen=True)
class Comparison:
    """How far ensemble means are from the exact ones, in units of their error. Prints as a table.

    z {name: (T,)}: per point, in which errors allow for rare events of which none was seen; 0 where nothing fluctuates
    and both agree, infinite where nothing fluctuates and they do not, complex for complex observables, with each part
    in units of its own error; chi2, dof: all points together with the covariance between times and observables, on dof
    independent directions; p_value: how often a correct ensemble is as far off or farther; p_values {name: p}: the same
    for each observable by itself; not_compared: observables of the ensemble without an exact value.
    """

    z: dict[str, np.ndarray]
    chi2: float
    dof: int
    p_value: float
    p_values: dict[str, float]
    not_compared: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return "\n".join((*self.lines, *self._conclusion()))

    def _conclusion(self) -> list[str]:
        each = ", ".join(f"{name} {p:.2g}" for name, p in self.p_values.items())
        if self.dof == 0:
            return ["Nothing that was compared fluctuates enough to be tested: no chi2, and p = 1 says nothing."]
        lines = [
            f"chi2 = {self.chi2:.1f} on {self.dof} degrees of freedom (covariance between points included): "
            f"p = {self.p_value:.3g}",
            f"A correct ensemble is this far off or farther in {_share(self.p_value)}.",
            *textwrap.wrap(f"p by observable: {each}.", _WIDTH, subsequent_indent="  "),
        ]
        return lines + ([f"Without an exact value: {', '.join(self.not_compared)}."] if self.not_compared else [])


def compare(ensemble: EnsembleResult, exact: ExactResult) -> Comparison:
    r"""Judge an ensemble by the master equation.

    $$z = \frac{m - e}{\sqrt{s^2 + f^2}},\qquad
      \chi^2 = \Delta^{\mathsf T}\Big(\frac{C}{N} + \mathrm{diag}(f^2)\Big)^{-1}\Delta$$

    m ± s are the ensemble's means, e the exact values, Δ their differences, C the covariance of single trajectories
    between times and observables, f the rounding errors (relative to the observable 1e-6 in single precision, more
    after thousands of steps). Directions in which C is too small to be known from N trajectories are left out, and the
    p-value is that of Hotelling's T², right for small N as well; under heavy tails N is what
    `EnsembleResult.effective_samples` says. Times at which an event is so rare that few trajectories or none have seen
    it are left out, and told, unless they are off by over ten times the error with `EnsembleResult.unseen`. The
    time-step bias is printed but not allowed for: where the last column is not well below 1, a small p-value may be its
    work.

    Raises: ValueError if the times differ, no observable is in both, or the ensemble has no covariance.

    >>> import stochq as sq
    >>> equation, x = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0), [[0.0, 1.0], [1.0, 0.0]]
    >>> ensemble = sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"x": x}, trajectories=2000, dt=0.5)
    >>> sq.compare(ensemble, sq.exact.evolve(equation, [0.6, 0.8], [0, 1], observables={"x": x})).p_value > 1e-3
    True
    """
    if isinstance(ensemble, ExactResult) or isinstance(exact, EnsembleResult):
        raise ValueError(
            "ensemble, exact: expected sq.compare(result of sq.simulate, result of sq.exact.evolve), in this order; "
            f"got {type(ensemble).__name__} and {type(exact).__name__}."
        )
    names = _common(ensemble, exact)
    if ensemble.covariance is None:
        raise ValueError("ensemble: expected one with the covariance between times; it has none. Simulate it again.")
    rows = {name: row_names(name, np.iscomplexobj(ensemble.mean[name])) for name in names}
    missing = tuple(name for name in ensemble.mean if name not in names)
    ensemble, exact = ensemble.in_real_rows(), replace(exact, expect=_exact_rows(ensemble, exact, names))
    widths = {} if _stays_pure(exact) else exact.ranges
    rounding = {
        row: _rounding(ensemble, exact, parts, exact.sizes.get(name, 0.0), widths.get(name, 0.0))
        for name, parts in rows.items()
        for row in parts
    }
    z = {row: _scores(ensemble, exact, row, rounding[row]) for row in exact.expect}
    verdict = _verdict(ensemble, exact, list(z), rounding, z)
    p_values = {name: _verdict(ensemble, exact, rows[name], rounding, z).p_value for name in names}
    lines = (*_table(ensemble, exact, z), *ensemble.tails(), *_left_out(ensemble, list(z), rounding))
    return Comparison(by_observable(z, names), verdict.chi2, verdict.dof, verdict.p_value, p_values, missing, lines)


def _common(ensemble: EnsembleResult, exact: ExactResult) -> list[str]:
    times, others = np.asarray(ensemble.times), np.asarray(exact.times)
    if times.shape != others.shape or not np.allclose(times, others, rtol=1e-12, atol=1e-12 * np.abs(times).max()):
        raise ValueError(
            f"exact: expected the times of the ensemble, {len(times)} in [{times[0]:g}, {times[-1]:g}]; got "
            f"{len(others)} in [{others[0]:g}, {others[-1]:g}]. Give both the same array."
        )
    names = [name for name in ensemble.mean if name in exact.expect]
    if not names:
        raise ValueError(
            f"exact: expected an observable of the ensemble ({', '.join(ensemble.mean)}); "
            f"got {', '.join(exact.expect) or 'none'}. Give both the same observables."
        )
    return names


def _exact_rows(ensemble: EnsembleResult, exact: ExactResult, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The exact values of the ensemble's real rows."""
    expect: dict[str, np.ndarray] = {}
    for name in names:
        value = np.asarray(exact.expect[name])
        if np.iscomplexobj(value) and not np.iscomplexobj(ensemble.mean[name]):
            raise ValueError(
                f"exact: expected real values of {name!r}, as the ensemble has; got complex ones. Give both the same "
                "observables."
            )
        expect[name] = value.astype(complex) if np.iscomplexobj(ensemble.mean[name]) else value
    return in_rows(expect)


class _Rounding(NamedTuple):
    """Rounding errors of one observable: of the means, the same in all trajectories, and from one to another; width:
    how far it may move where it does not fluctuate at any time."""

    common: float
    scatter: float
    width: float


def _stays_pure(exact: ExactResult) -> bool:
    """Whether all trajectories are in one state, so that no event can have been missed; False where it is not known."""
    if exact.density is None:
        return False
    return bool(np.einsum("tij,tji->t", exact.density, exact.density).real.min() > 1 - _PURE)


def _rounding(
    ensemble: EnsembleResult, exact: ExactResult, rows: Sequence[str], largest: float, width: float
) -> _Rounding:
    """Common errors grow with the number of steps, scatter with its root; the exact values have errors too.

    rows: of one observable: both parts of a complex one are rounded with its modulus. largest: element of its operator,
    with which a value that vanishes exactly is rounded in the reference.
    """
    spreads = [ensemble.stderr[row] * np.sqrt(ensemble.trajectories) for row in rows]
    values = [*spreads, *(source[row] for source in (ensemble.mean, exact.expect) for row in rows)]
    size = max(np.finfo(float).tiny, *(float(np.abs(value).max()) for value in values))
    steps = float(ensemble.info.get("steps", 0))
    common = rounding(ensemble.precision, steps) + exact.error
    in_reference = largest * (rounding("double", 0.0) + exact.error)
    scatter = size * UNIT[ensemble.precision] * (16 + 4 * np.sqrt(steps))
    return _Rounding(size * common + in_reference, scatter, width)


def _still(ensemble: EnsembleResult, name: str, rounding: _Rounding) -> np.ndarray:
    """Where single trajectories do not differ by more than rounding, (T,)."""
    return ensemble.stderr[name] * np.sqrt(ensemble.trajectories) <= rounding.scatter


def _scores(ensemble: EnsembleResult, exact: ExactResult, name: str, rounding: _Rounding) -> np.ndarray:
    difference = np.asarray(ensemble.mean[name]) - exact.expect[name]
    unseen = ensemble.unseen(name, rounding.width)
    floor = np.hypot(rounding.common, unseen)
    z = difference / np.hypot(ensemble.stderr[name], floor)
    agreeing = np.where(unseen > rounding.common, z, 0.0)
    agrees = np.abs(difference) <= _BEYOND_ROUNDING * floor
    settled = np.where(agrees, agreeing, np.copysign(np.inf, difference))
    return np.where(_still(ensemble, name, rounding), settled, z)


def _verdict(
    ensemble: EnsembleResult,
    exact: ExactResult,
    names: Sequence[str],
    rounding: Mapping[str, _Rounding],
    z: Mapping[str, np.ndarray],
) -> Verdict:
    """The test of all fluctuating points of some observables together."""
    if any(np.isinf(z[name]).any() for name in names):
        return Verdict(np.inf, sum(int(np.isinf(z[name]).sum()) for name in names), 0.0)
    points, effective = _fluctuating(ensemble, names, rounding)
    if not points:
        return Verdict(0.0, 0, 1.0)
    chosen = chosen_points(effective)
    off = [z[name][index] for _, name, index in (points[place] for place in chosen.left_out)]
    if np.max(np.abs(off), initial=0.0) > CERTAINLY_OFF:
        return Verdict(np.inf, int(np.sum(np.abs(off) > CERTAINLY_OFF)), 0.0)
    points = [points[place] for place in chosen.places]
    rows = [row for row, _, _ in points]
    assert ensemble.covariance is not None
    return hotelling(
        np.array([ensemble.mean[name][index] - exact.expect[name][index] for _, name, index in points]),
        np.asarray(ensemble.covariance)[np.ix_(rows, rows)] * (ensemble.samples / ensemble.trajectories),
        np.array([rounding[name].common for _, name, _ in points]),
        ensemble.samples,
        16 * UNIT[ensemble.precision],
        chosen.effective,
    )


def _fluctuating(
    ensemble: EnsembleResult, names: Sequence[str], rounding: Mapping[str, _Rounding]
) -> tuple[list[tuple[int, str, int]], np.ndarray]:
    """The points (row of the covariance, name, time index) at which trajectories differ, and N_eff at each."""
    still = {name: _still(ensemble, name, rounding[name]) for name in names}
    points = [
        (row, name, index)
        for row, (name, index) in enumerate(ensemble.covariance_points)
        if name in still and not still[name][index]
    ]
    worth = {name: ensemble.effective_samples(name) for name in names}
    return points, np.array([worth[name][index] for _, name, index in points], dtype=int)


def _left_out(ensemble: EnsembleResult, names: Sequence[str], rounding: Mapping[str, _Rounding]) -> list[str]:
    """Which points are not tested for want of trajectories in which something happened."""
    points, effective = _fluctuating(ensemble, names, rounding)
    if not points:
        return []
    places = [(name, index) for _, name, index in points]
    left = left_out(places, effective, chosen_points(effective), ensemble.covariance_points)
    return ["  " + line for line in told(left, ensemble.times)]


def _share(p: float) -> str:
    if p == 0:
        return "no run at all"
    return f"{p:.0%} of runs" if p >= 0.1 else f"one run in {1 / p:.3g}"


def _table(ensemble: EnsembleResult, exact: ExactResult, z: Mapping[str, np.ndarray]) -> list[str]:
    """Each observable at a handful of times, as aligned plain text."""
    count = len(exact.times)
    chosen = np.unique(np.linspace(0, count - 1, min(_ROWS, count)).round().astype(int))
    rows = [("observable", "t", "ensemble ± stderr", "exact", "z (with rounding)", "bias/stderr (not in z)")]
    for name, scores in z.items():
        for index in chosen:
            mean = f"{ensemble.mean[name][index]: .6g} ± {ensemble.stderr[name][index]:.1e}"
            row = (name if index == chosen[0] else "", f"{exact.times[index]:.5g}", mean)
            bias = _largest_bias(ensemble, name) if index == chosen[0] else ""
            rows.append((*row, f"{exact.expect[name][index]: .6g}", f"{scores[index]:+.2f}", bias))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * sum(widths, 2 * len(widths) - 2), *lines[1:]]


def _largest_bias(ensemble: EnsembleResult, name: str) -> str:
    """The largest estimated time-step bias in units of the standard error."""
    bias = ensemble.bias.get(name)
    errors = ensemble.stderr[name]
    fluctuating = errors > 1e-3 * errors.max()
    if bias is not None and not np.any(bias):
        return "0"
    if bias is None or not fluctuating.any():
        return "not known"
    return f"{np.abs(bias[fluctuating] / errors[fluctuating]).max():.2g}"
