"""An ensemble against the exact answer."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stochq.compare.deviations import Deviations
from stochq.compare.precision import rounding_errors
from stochq.compare.report import table
from stochq.ensemble.result import EnsembleResult
from stochq.exact.result import ExactResult
from stochq.real_parts import by_observable, in_rows, row_names

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

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from stochq.plotting.notebook import as_html

        return as_html("\n".join((*self._conclusion(), "", *self.lines)))

    def _conclusion(self) -> list[str]:
        by_name = ", ".join(f"{name} {p:.2g}" for name, p in self.p_values.items())
        if self.dof == 0:
            return ["Nothing that was compared fluctuates enough to be tested: no chi2, and p = 1 says nothing."]
        lines = [
            f"chi2 = {self.chi2:.1f} on {self.dof} degrees of freedom (covariance between points included): "
            f"p = {self.p_value:.3g}",
            f"A correct ensemble is this far off or farther in {_share(self.p_value)}.",
            *textwrap.wrap(f"p by observable: {by_name}.", _WIDTH, subsequent_indent="  "),
        ]
        return lines + ([f"Without an exact value: {', '.join(self.not_compared)}."] if self.not_compared else [])


def compare(ensemble: EnsembleResult, exact: ExactResult) -> Comparison:
    r"""Judge an ensemble by the master equation.

    $$z = \frac{m - e}{\sqrt{s^2 + f^2}},\qquad
      \chi^2 = \Delta^{\mathsf T}\Big(\frac{C}{N} + \mathrm{diag}(f^2)\Big)^{-1}\Delta$$

    m ± s are the ensemble's means, e the exact values, Δ their differences, C the covariance of single trajectories
    between times and observables, f the rounding errors (relative to the observable 1e-6 in single precision, more
    after thousands of steps). Where the exact values are estimates by random vectors, `ExactResult.stderr`, their
    covariance is added: one estimate is off in the same direction at all times. Directions in which C is too small to
    be known from N trajectories are left out, and the p-value is that of Hotelling's T², right for small N as well;
    under heavy tails N is what `EnsembleResult.effective_samples` says. Times at which an event is so rare that few
    trajectories or none have seen it are left out, and told, unless they are off by over ten times the error with
    `EnsembleResult.unseen`. The time-step bias is printed but not allowed for: where the last column is not well below
    1, a small p-value may be its work.

    Raises:
        ValueError: if the times differ, no observable is in both, or the ensemble has no covariance.

    >>> import stochq as sq
    >>> equation, x = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0), [[0.0, 1.0], [1.0, 0.0]]
    >>> ensemble = sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"x": x}, trajectories=2000, dt=0.5)
    >>> sq.compare(ensemble, sq.exact.evolve(equation, [0.6, 0.8], [0, 1], observables={"x": x})).p_value > 1e-3
    True
    """
    swapped = isinstance(ensemble, ExactResult) or isinstance(exact, EnsembleResult)
    if swapped or not (hasattr(ensemble, "times") and hasattr(exact, "times")):
        raise ValueError(
            "ensemble, exact: expected sq.compare(result of sq.simulate, result of sq.exact.evolve), in this order; "
            f"got {type(ensemble).__name__} and {type(exact).__name__}."
        )
    names = _common(ensemble, exact)
    if ensemble.samples < 2:
        raise ValueError(
            f"ensemble: expected one of two trajectories or pairs at least, whose spread tells the error; got "
            f"{ensemble.samples}. Simulate more."
        )
    if ensemble.covariance is None:
        raise ValueError("ensemble: expected one with the covariance between times; it has none. Simulate it again.")
    rows = {name: row_names(name, np.iscomplexobj(ensemble.mean[name])) for name in names}
    missing = tuple(name for name in ensemble.mean if name not in names)
    ensemble, exact = ensemble.in_real_rows(), replace(exact, expect=_exact_rows(ensemble, exact, names))
    deviations = Deviations(ensemble, exact.expect, rounding_errors(ensemble, exact, rows), exact.deviations)
    verdict = deviations.verdict(list(exact.expect))
    p_values = {name: deviations.verdict(rows[name]).p_value for name in names}
    lines = (*table(deviations), *ensemble.tails(), *deviations.left_out())
    z = by_observable(deviations.z, names)
    return Comparison(z, verdict.chi2, verdict.dof, verdict.p_value, p_values, missing, lines)


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


def _share(p: float) -> str:
    if p == 0:
        return "no run at all"
    return f"{p:.0%} of runs" if p >= 0.1 else f"one run in {1 / p:.3g}"
