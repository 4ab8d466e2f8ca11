"""What an exact calculation returns."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stochq.qutip_objects import as_operators
from stochq.real_parts import row_names

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas
    from qutip import Qobj

MEGABYTE = 2**20


@dataclass(frozen=True)
class ExactResult:
    """The solution of the master equation.

    times (T,); expect {name: (T,) float64}, complex128 for complex observables; density (T, dim, dim) in the given
    basis, None where all times together would take 512 MiB or more; method: "closed-form", "liouvillian", "split",
    "ode" or "typicality"; error: estimate of the largest
    error of an element of any density matrix; steps: how many steps were taken; left_out: observables that have no
    value on a density matrix, because they are not quadratic in ψ; seconds: time spent; sizes: the largest element of
    each operator, which rounding of its expectation goes with; ranges: bounds on the range of its expectation in all
    states; deviations: where method is "typicality", what each of R random vectors adds to the error of `expect`,
    {name: (T, R)}, errors of one estimate that all times share; `stderr` are the standard errors that follow; dims: of
    the parts of a composite system, where an object of QuTiP told them.

    >>> import stochq as sq
    >>> equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=2.0)
    >>> sq.exact.evolve(equation, [0.6, 0.8], [0.0, 1.0], observables={"x": [[0, 1], [1, 0]]}).expect["x"].round(4)
    array([0.96 , 0.1299])
    """

    times: np.ndarray
    expect: dict[str, np.ndarray]
    density: np.ndarray | None
    method: str
    error: float
    seconds: float
    steps: int = 0
    left_out: tuple[str, ...] = field(default=())
    sizes: dict[str, float] = field(default_factory=dict)
    ranges: dict[str, float] = field(default_factory=dict)
    deviations: dict[str, np.ndarray] = field(default_factory=dict)
    dims: tuple[int, ...] = ()

    @property
    def stderr(self) -> dict[str, np.ndarray]:
        """Standard errors {name: (T,)} of `expect`: zero but where traces are over random vectors."""
        errors = {row: np.linalg.norm(each, axis=1) for row, each in self.deviations.items()}
        rows = {name: row_names(name, np.iscomplexobj(values)) for name, values in self.expect.items()}
        none = np.zeros(len(self.times))
        return {name: np.linalg.norm([errors.get(row, none) for row in parts], axis=0) for name, parts in rows.items()}

    def to_qutip(self) -> "list[Qobj]":
        """The density matrix at each time as `qutip.Qobj`, with the dims of the Hamiltonian or the state that `evolve`
        was given.

        Raises:
            ValueError: where the density matrices were too large to keep.
        """
        if self.density is None:
            raise ValueError("result: expected density matrices; they were too large to be kept. Give fewer times.")
        return as_operators(self.density, self.dims)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A tidy table: one row for each time and observable, with the columns time, observable, mean and stderr, as
        that of a run has them. A complex observable "a" is two, "Re a" and "Im a"."""
        from stochq.io import exact_table

        return exact_table(self)

    def plot(self, *names: str) -> "matplotlib.figure.Figure":
        """A figure of every observable, or of those named: its mean over time.

        Args:
            names: of the observables; none for all.

        Raises:
            ValueError: for a name that the result does not hold.
        """
        from stochq.plotting import plot_exact

        return plot_exact(self, names or None)

    def __str__(self) -> str:
        steps = f", {self.steps} steps" if self.steps else ""
        lines = [
            f"ExactResult: {len(self.times)} times in [{self.times[0]:g}, {self.times[-1]:g}], {self.method}{steps}, "
            f"error about {self.error:.1g}, {self.seconds:.2g} s"
        ]
        errors = {name: f" ± {values[-1]:.2g}" if values.any() else "" for name, values in self.stderr.items()}
        lines += [f"  {name}: {v[0]:.6g}  →  {v[-1]:.6g}{errors[name]}" for name, v in self.expect.items()]
        if self.density is not None:
            lines.append(f"  density: {self.density.shape}, {self.density.nbytes / MEGABYTE:.1f} MiB")
        if self.left_out:
            lines.append(f"  no value on a density matrix: {', '.join(self.left_out)}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from stochq.plotting.notebook import as_html

        return as_html(self, self.plot if self.expect else None)
