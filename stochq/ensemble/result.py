"""What a run returns: means with their standard errors, and all that is needed to judge, save and continue them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from stochq.ensemble.failures import told
from stochq.ensemble.merging import merged
from stochq.ensemble.physical_states import in_words
from stochq.ensemble.plot_options import PlotOptions, TrajectoryOptions
from stochq.ensemble.precision_check import in_words as precision_in_words
from stochq.ensemble.statistics import Statistic
from stochq.ensemble.tails import FEW_SAMPLES, LIGHT_KURTOSIS, STILL, tails_of, worth_in_gaussian_values
from stochq.ensemble.tree import Parts
from stochq.measurement import Clicks, ClicksByName, Record
from stochq.qutip_objects import QutipStates, as_kets, as_operators
from stochq.real_parts import in_rows, row_names

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas
    import xarray

    from stochq.exact import ExactResult

MEGABYTE = 2**20


@dataclass(frozen=True)
class EnsembleResult:
    """Ensemble means of a run and their uncertainties.

    times (T,); mean, stderr, variance, bias: {name: (T,)}, bias is an estimate of the time-step error or None. They
    are complex for operators that are not Hermitian and for functions with complex values: the real part of stderr is
    the standard error of the real part, the imaginary part that of the imaginary part; variance and bias likewise;
    trajectories: how many entered the means; one alone has neither standard errors nor variances, which are NaN;
    failed: how many became non-finite and were left out; failed_trajectories: the first of them, at most 16, by (seed,
    number), which `simulate(..., first=number, trajectories=1)` replays; kept: whole
    states (trajectory, time, dim) or None; density (T, dim, dim) or None; histograms {name: (edges, counts)};
    skewness, kurtosis {name: (T,)}: of the independent values that the means are made of, kurtosis in excess of a
    Gaussian's, which is zero; a standard error from N values is known to about √((kurtosis + 2)/4N) of itself;
    statistics {name: result} of others that were asked for, summaries {name: (statistic, summary)} what they are made
    of, by which they merge (files do not hold them); parts: summaries of ranges of trajectories, from which merged
    means are made to the last bit like those of one run;
    covariance (P, P): of single-trajectory values at covariance_points [(name, time index), ...], where the parts of a
    complex observable "a" are called "Re a" and "Im a"; ranges: the
    (seed, start, stop) of trajectories inside; fingerprint {part of the problem: hash}, equal in runs that may be
    merged; info: how the run was made, or what is true of both that were merged. antithetic: whether the trajectories
    came in pairs with opposite noise; stderr then comes from the means over pairs, and the covariance is twice theirs.
    records: what the detectors wrote down, a `sq.measurement.Record` of all trajectories in their order (failed ones
    are NaN), `records[name]` (trajectory, interval), or None. The kept states are those of one who loses nothing: where
    a detector's efficiency is below 1, or an operator is unread, they know more than the records tell. Of a run with
    conditional=True they are density matrices given the records, (trajectory, time, dim, dim).
    clicks {name: `sq.measurement.Clicks`}: the times of all clicks of a counter, where records are asked for; uniform
    over the step in which they are counted where steps are made. kept_values {name: (trajectory, time)}: of the
    observables on the kept states. kept_rows (trajectory,): the row of records and clicks that each kept state belongs
    to, ascending; the first ones unless runs were merged. exact {name: (T,)}: the exact means in the file that the
    result was read from, which `plot` shows.
    """

    times: np.ndarray
    mean: dict[str, np.ndarray]
    stderr: dict[str, np.ndarray]
    variance: dict[str, np.ndarray]
    trajectories: int
    failed: int
    seed: int
    scheme: str
    dt: float
    precision: str
    fingerprint: dict[str, str]
    ranges: list[tuple[int, int, int]]
    bias: dict[str, np.ndarray | None] = field(default_factory=dict)
    covariance: np.ndarray | None = None
    covariance_points: list[tuple[str, int]] = field(default_factory=list)
    kept: Any = None
    density: Any = None
    histograms: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    summaries: dict[str, tuple[Statistic, Any]] = field(default_factory=dict, repr=False)
    parts: Parts = field(default=(), repr=False)
    skewness: dict[str, np.ndarray] = field(default_factory=dict)
    kurtosis: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    antithetic: bool = False
    records: Record | None = None
    clicks: dict[str, Clicks] = field(default_factory=dict)
    kept_values: dict[str, np.ndarray] = field(default_factory=dict)
    kept_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    exact: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    failed_trajectories: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = min(map(len, self.kept_values.values()), default=0) if self.kept is None else len(self.kept)
        if len(self.kept_rows) != count:
            object.__setattr__(self, "kept_rows", np.arange(count))
        object.__setattr__(self, "clicks", ClicksByName(self.clicks, _why_no_clicks(self)))

    @property
    def samples(self) -> int:
        """How many independent values the means are made of: trajectories, or pairs of them."""
        return self.trajectories // 2 if self.antithetic else self.trajectories

    def in_real_rows(self) -> "EnsembleResult":
        """The same with each complex observable "a" as two real ones, "Re a" and "Im a"."""
        if not any(map(np.iscomplexobj, self.mean.values())):
            return self
        bias: dict[str, np.ndarray | None] = {}
        for name, value in self.bias.items():
            rows = row_names(name, np.iscomplexobj(self.mean[name]))
            bias |= dict.fromkeys(rows) if value is None else in_rows({name: value})
        return replace(
            self,
            mean=in_rows(self.mean),
            stderr=in_rows(self.stderr),
            variance=in_rows(self.variance),
            skewness=in_rows(self.skewness),
            kurtosis=in_rows(self.kurtosis),
            bias=bias,
        )

    def effective_samples(self, row: str) -> np.ndarray:
        r"""How many Gaussian values would tell the standard error as well as these do, (T,) integers.

        $$N_{\rm eff} = \frac{N}{1 + \tfrac12\max(\kappa - 3, 0)}$$

        The sample variance of N values of excess kurtosis κ has the relative variance (κ + 2)/N, that of Gaussian ones
        2/N. A κ up to 3 is let pass. row: the name of a real observable, or "Re a", "Im a".
        """
        kurtosis = in_rows(self.kurtosis).get(row, np.zeros(len(self.times)))
        return worth_in_gaussian_values(self.samples, kurtosis)

    def unseen(self, row: str, width: float = 0.0) -> np.ndarray:
        r"""The error by rare events of which none was seen, (T,); zero where enough values tell it, and at the start.

        $$\sqrt{3}\,W/N,\qquad W = \max_t\,s(t)\sqrt{\kappa(t) + 6}$$

        N values without an event do not exclude, at 95 %, that its probability is 3/N. W is how far it goes: the
        distance between two values that make up the standard deviation s and the excess kurtosis κ, or `width` where
        the row does not fluctuate at any time.
        """
        spread = np.asarray(self.stderr[row]) * np.sqrt(self.samples)
        kurtosis = in_rows(self.kurtosis).get(row, np.zeros(len(self.times)))
        seen = float(np.max(spread * np.sqrt(np.maximum(kurtosis, -2.0) + 6), initial=0.0))
        few = (kurtosis > LIGHT_KURTOSIS) & (self.effective_samples(row) < FEW_SAMPLES)
        farthest = np.where(few | (seen <= STILL * width), max(seen, width), seen)
        still = (spread <= STILL * farthest) & (np.arange(len(spread)) > 0)
        return np.where(still | few, np.sqrt(3) * farthest / self.samples, 0.0)

    def tails(self) -> list[str]:
        """A line for each observable whose standard errors heavy tails make uncertain."""
        return [f"  {tail}" for tail in tails_of(self)]

    def merge(self, other: "EnsembleResult") -> "EnsembleResult":
        """Both ensembles as one; the same equation, times and step, and no trajectory in both.

        Records, clicks and kept states come in the order of `ranges`. Runs of ranges of one seed that begin and end at
        multiples of a block (`parts[0].block`) give the very numbers of one run over them all, in any order
        of merging; others to rounding, as do results in the units of a configuration with [units].

        Its info is what both have in common and their seconds together. It counts as a run that came to its end.

        Raises:
            ValueError: when the runs differ in anything but seed and trajectories, or share trajectories.
        """
        return merged(self, other)

    def to_xarray(self) -> "xarray.DataTree":
        """The result as a tree of xarray's datasets: "means", "errors", "variances" and "biases" by observable, "exact"
        where the file had them, "states", "histograms" and "covariance" where they are there.

        Every variable has its unit and a long name, every axis its coordinate; complex numbers are complex.
        `result.to_xarray()["means"].to_dataset().to_dataframe()` is a table of the means.
        """
        from stochq.io import Curves, to_tree

        return to_tree(self, Curves(self.exact))

    def to_qutip(self) -> QutipStates:
        """Kept states, the mean density matrix and those of parts as `qutip.Qobj`, with the dims of the Hamiltonian or
        the state that the run was given; one part where neither knew of parts.

        Raises:
            ValueError: for a run without states.
        """
        reduced = {
            name: as_operators(*found)
            for name, (statistic, _) in self.summaries.items()
            if (found := statistic.as_density(self.statistics[name])) is not None
        }
        if self.kept is None and self.density is None and not reduced:
            raise ValueError(
                "result: expected states, of a run with keep=, or with sq.Density() or sq.Reduced(part) among its "
                "observables; it has none."
            )
        dims = tuple(self.info.get("dims", ()))
        kept, density = (
            np.zeros((0, 0, 1)) if each is None else np.asarray(each) for each in (self.kept, self.density)
        )
        states = as_kets(kept, dims) if kept.ndim == 3 else as_operators(kept, dims)
        return QutipStates(states, as_operators(density, dims), reduced)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A tidy table of the means: one row for each time and observable, with the columns time, observable, mean,
        stderr, variance and bias (NaN where it was not estimated).

        A complex observable "a" is two, "Re a" and "Im a", each with its own error.
        """
        from stochq.io import to_table

        return to_table(self)

    def save(self, path: str | Path) -> Path:
        """Write to a netCDF file, which `sq.load(path)` reads back; or, where the name ends in .csv, the table of
        `to_dataframe`. Only an earlier file of the same kind is replaced.

        Raises:
            ValueError: for a name with another ending.
            FileExistsError: if another kind of file stands there.
            OSError: if it cannot be written.
        """
        from stochq.io import save

        return save(self, path)

    def plot(
        self,
        exact: "ExactResult | Mapping[str, np.ndarray] | str | None" = None,
        *names: str,
        **options: Unpack[PlotOptions],
    ) -> "matplotlib.figure.Figure":
        """A figure of every observable, or of those named: mean, error band, kept trajectories and, if given or saved
        beside the result, the exact curve, which may come before the names; {} for none. options: as of
        `stochq.plotting.plot_result`."""
        from stochq.plotting import plot_result

        if isinstance(exact, str):
            exact, names = None, (exact, *names)
        if names and "names" in options:
            raise ValueError(f"names: expected them once; got {', '.join(names)} and names=.")
        if names:
            options["names"] = names
        return plot_result(self, self.exact if exact is None else exact, **options)

    def plot_trajectory(self, trajectory: int = 0, **options: Unpack[TrajectoryOptions]) -> "matplotlib.figure.Figure":
        """A picture of one kept trajectory, with its clicks and what its record tells of it, as
        `stochq.plotting.plot_trajectory` describes."""
        from stochq.plotting import plot_trajectory

        return plot_trajectory(self, trajectory, **options)

    def __str__(self) -> str:
        step = f"dt = {self.dt:g}" if self.dt else "no time step"
        lines = [
            f"EnsembleResult: {self.trajectories} trajectories, {len(self.times)} times in "
            f"[{self.times[0]:g}, {self.times[-1]:g}], {self.scheme}, {step}, {self.precision} precision"
        ]
        if self.failed:
            which = told(self.failed_trajectories, self.failed) if self.failed_trajectories else "not known which"
            lines.append(f"  failed (left out): {self.failed}: {which}")
        if self.samples == 1:
            lines.append("  one alone has no standard errors")
        real = self.in_real_rows()
        for row, mean in real.mean.items():
            error = real.stderr[row]
            lines.append(f"  {row}: {mean[0]:.5g} ± {error[0]:.1g}  →  {mean[-1]:.5g} ± {error[-1]:.1g}")
        lines += self.tails()
        lines += [f"  {line}" for line in in_words(self.info)]
        if "precision_check" in self.info:
            lines.append(f"  {precision_in_words(self.info['precision_check'])}")
        arrays = (("kept", self.kept), ("density", self.density), ("covariance", self.covariance))
        for name, array in arrays:
            if array is not None:
                lines.append(f"  {name}: {array.shape}, {array.nbytes / MEGABYTE:.1f} MiB")
        if "kept" in self.info:
            lines.append(f"  kept: {self.info['kept']}")
        lines += [f"  {name}: in statistics[{name!r}]" for name in self.statistics]
        if self.records is not None:
            lines.append(f"  {self.records!r}, {self.records.increments.nbytes / MEGABYTE:.1f} MiB")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from stochq.plotting.notebook import as_html

        return as_html(self, self.plot if self.mean else None)


def _why_no_clicks(result: EnsembleResult) -> str:
    """Why a result has no times of clicks, were there counters."""
    if result.records is None:
        return "no times of clicks were kept, as records were not asked for; simulate with records=True"
    return "this run has no counters"
