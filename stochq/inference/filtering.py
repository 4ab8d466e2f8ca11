"""What is known of a system given a record of it: conditional states and the likelihood of the record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, OperatorLike, StateLike, check_numbers, is_concrete
from stochq.compiling import compiled
from stochq.ensemble.result import MEGABYTE, EnsembleResult
from stochq.equation import Equation
from stochq.equation_input import observables_of, parts_known
from stochq.inference.observed import as_monitored
from stochq.inference.operators import operator_rows
from stochq.inference.reading import Reading, reading
from stochq.inference.summary import summary
from stochq.instruments.choose import Method, check_method
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.sweep import sweep
from stochq.measurement import Record
from stochq.qutip_objects import as_operators
from stochq.real_parts import by_observable
from stochq.systems.checks import check_flag

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from qutip import Qobj


@dataclass(frozen=True)
class Filtered:
    """States conditioned on records.

    Attributes:
        times: (T,), those of the record.
        mean: {name: (record, T)} conditional means ⟨O⟩ = Tr(Oρ_c), before and after every interval.
        purity: Tr ρ_c² (record, T).
        log_likelihood: (record,), relative to Wiener noise.
        discarded: (record,) the weight that states of limited rank have cut off in all, a share of 1 each time.
        density: ρ_c (record, T, dim, dim), or None.
        variance: {name: (record, T)} conditional variances ⟨O²⟩ − ⟨O⟩²; where O is not Hermitian those of both parts,
            as one complex number.
        dims: of the parts of a composite system, where an object of QuTiP told them.
    """

    times: np.ndarray
    mean: dict[str, np.ndarray]
    purity: np.ndarray
    log_likelihood: np.ndarray
    discarded: np.ndarray
    density: np.ndarray | None = field(default=None, repr=False)
    variance: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    dims: tuple[int, ...] = field(default=(), repr=False)

    def to_qutip(self) -> "list[list[Qobj]]":
        """ρ given each record at each time as `qutip.Qobj`, `to_qutip()[record][time]`, with the dims of the equation.

        Raises:
            ValueError: where density=True was not asked for.
        """
        if self.density is None:
            raise ValueError("density: expected density matrices; filter with density=True.")
        return as_operators(self.density, self.dims)

    def plot(
        self, *observables: str, record: int = 0, truth: EnsembleResult | None = None, spread: bool = False
    ) -> "Figure":
        """A panel for each observable: its mean given a record up to each time.

        Args:
            observables: names; all where none are given.
            record: which.
            truth: the simulation that wrote the record, whose trajectory is drawn beside it where it was kept.
            spread: whether a band shows ± the standard deviation of a measurement's outcomes, √`variance`; the mean
                itself has no error but those of the model.

        Raises:
            ValueError: for a name or a record that there is none of, and a trajectory that was not kept.
        """
        from stochq.inference.conditional_picture import draw_conditional

        kind = "given the record so far"
        return draw_conditional(kind, self.times, self.mean, self.variance, observables, record, truth, spread)

    def __str__(self) -> str:
        known = f", log-likelihood {np.sum(self.log_likelihood):.5g} in all"
        lines = summary("Filtered", self.times, {**self.mean, "purity": self.purity}, known)
        if np.any(self.discarded):
            lines.append(f"  discarded: up to {np.max(self.discarded):.2g} of the weight")
        if self.density is not None:
            lines.append(f"  density: {self.density.shape}, {self.density.nbytes / MEGABYTE:.1f} MiB")
        return "\n".join(lines)

    __repr__ = __str__


def filter(
    equation: Equation,
    state: StateLike,
    record: Record,
    *,
    observables: Mapping[str, OperatorLike] | Sequence[str] | None = None,
    method: Method = "auto",
    density: bool = False,
    rank: int | None = None,
    halvings: int = 0,
) -> Filtered:
    r"""The conditional state given everything that was written down up to each time.

    $$d\rho_c = \mathcal L\rho_c\,dt + \sum_k\big(c_k\rho_c + \rho_cc_k^\dagger
      - \langle c_k+c_k^\dagger\rangle\rho_c\big)\big(dY_k - \langle c_k+c_k^\dagger\rangle dt\big)$$

    over bins of finite width, where the record between their ends is not known: "exact" averages over it (Guilmin,
    Rouchon and Tilloy, arXiv 2505.20382). Every step is a completely positive map, whatever the width.

    Args:
        equation: from `sq.models.monitored`, or one whose operators have records of their own.
        state: at the first time, a ket (dim,) or a density matrix (dim, dim).
        record: simulated or measured, of all detectors or some; what the others write is lost.
        observables: {name: operator (dim, dim) or diagonal (dim,)}; None for purity and likelihood alone.
        method: "exact" for up to 8 levels and bins in which the state does not become known for certain, which is
            told; "kraus" for any number, of second order in the bins' width; "commuting" where all operators are
            diagonal, exact; "auto" the first that fits. A warning says where bins are too wide for "kraus". What
            depends on time is taken in the middle of each bin, which is of second order too, and warned of likewise.
        density: whether the density matrices are returned.
        rank: of the conditional states, for dimensions whose square is too much; None for whole ones. Kraus maps make
            them, and `discarded` says what they miss.
        halvings: how often Kraus maps halve the bins inside, averaging over what the record did between their ends:
            each makes the error of their width four times smaller and takes four times the work for one current, eight
            for two, and the states are mixed. For at most two currents and no counters.

    Returns:
        Means, purity, the log-likelihood of each record and, on request, density matrices.

    Raises:
        ValueError: for an equation without records, a record of other detectors or with NaN, a state or an observable
            of another dimension, a method that does not fit, and a record that the equation cannot write.

    >>> import numpy as np, stochq as sq
    >>> watched = sq.measurement.homodyne([1.0, -1.0], efficiency=0.5)
    >>> equation = sq.models.monitored(np.zeros((2, 2)), {"z": watched})
    >>> record = sq.inference.Record([0.0, 0.1, 0.2], [0.3, -0.1], ["z"])
    >>> found = sq.inference.filter(equation, np.eye(2) / 2, record, observables={"z": [1.0, -1.0]})
    >>> bool(abs(found.mean["z"][0, -1] - np.tanh(2 * np.sqrt(0.5) * 0.2)) < 1e-12)
    True
    """
    instead = "Filter with numbers, outside grad, vmap and jit; sq.inference.log_likelihood has derivatives."
    check_numbers(instead, equation=equation, state=state)
    equation, density = as_monitored(equation), check_flag("density", density)
    dims = parts_known(equation, state)
    observables = None if observables is None else observables_of(equation, observables)
    rows = {} if observables is None else operator_rows(observables, equation.dim)
    found = reading(equation, state, record, method, rank=rank, halvings=halvings)
    operators = np.stack([*rows.values(), np.eye(equation.dim, dtype=complex)])[: len(rows)]
    both = np.concatenate([operators, operators @ operators])
    kept = 1 + len(both) + density * equation.dim**2
    log_likelihood, readings, first, discarded = found.in_blocks(_filtered, both, density, kept=kept)
    check_possible(log_likelihood)
    full = [np.concatenate([before[:, None], after], axis=1) for before, after in zip(first, readings, strict=True)]
    moments = np.moveaxis(full[0], 2, 0)
    spread = np.maximum(moments[len(rows) :] - np.square(moments[: len(rows)]), 0.0)
    mean, variance = (
        by_observable(dict(zip(rows, values, strict=True)), observables or {})
        for values in (moments[: len(rows)], spread)
    )
    states = full[2] if density else None
    return Filtered(record.times, mean, full[1], log_likelihood, discarded, states, variance, dims)


def log_likelihood(
    equation: Equation,
    state: StateLike,
    record: Record,
    *,
    per_record: bool = False,
    method: Method = "auto",
    halvings: int = 0,
) -> Any:
    r"""ln p(record) relative to Wiener noise, a JAX function of everything in the equation and of the state.

    $$\ell(\theta) = \sum_{\text{records}}\ln\frac{p_\theta(Y)}{p_W(Y)},\qquad
      \frac{p_\theta(Y)}{p_W(Y)} = \mathrm{Tr}\,\tilde\rho_T$$

    in double precision, summed as logarithms of the steps' weights. Of counted clicks it is the
    logarithm of their chance. Derivatives with respect to parameters cost about three calls, however many there are;
    put a computation that takes them inside `with jax.enable_x64(True):`.

    Args:
        equation, state, record, method, halvings: as of `filter`; equation and state may hold numbers that JAX traces.
            A `sq.gaussian.Monitored` with a `sq.gaussian.State` is followed in phase space, exactly at any width.
        per_record: whether the records are returned one by one, (record,), and not their sum.

    Returns:
        A number, or (record,); minus infinity where the equation cannot write the record, or a bin of it has a chance
        that cannot be told from rounding. It is not a number at parameters, while JAX traces them, for which the bins
        are too wide for the series of "exact".

    Raises:
        ValueError: as of `filter`, and for traced numbers in single precision.

    >>> import numpy as np, stochq as sq
    >>> watched = sq.measurement.homodyne([1.0, -1.0])
    >>> equation = sq.models.monitored(np.zeros((2, 2)), {"z": watched})
    >>> record = sq.inference.Record([0.0, 0.5], [0.3], ["z"])
    >>> value = log_likelihood(equation, [1.0, 0.0], record)
    >>> bool(abs(value - (2 * 0.3 - 2 * 0.5)) < 1e-12)
    True
    """
    per_record = check_flag("per_record", per_record)
    if not isinstance(equation, Equation) and (linear := _as_linear(equation)) is not None:
        check_method(method)
        if method != "auto":
            raise ValueError(
                f"method: expected 'auto' for a linear system in phase space, which is exact; got {method!r}."
            )
        if halvings:
            raise ValueError(
                f"halvings: expected 0 for a linear system in phase space, which is exact; got {halvings}."
            )
        return linear.log_likelihood(state, record, per_record=per_record)
    concrete = is_concrete((equation, state))
    if not concrete and jnp.zeros(()).dtype != np.float64:
        raise ValueError(
            "log_likelihood: expected double precision where JAX traces its arguments; differences of logarithms need "
            "it. Put the whole computation inside `with jax.enable_x64(True):`."
        )
    if concrete:
        # Inside a program of the user's, too, these are numbers.
        with jax.ensure_compile_time_eval():
            (values,) = reading(equation, state, record, method, halvings=halvings).in_blocks(_likelihood)
    else:
        found = reading(equation, state, record, method, halvings=halvings)
        with jax.enable_x64(True):
            values = traced_likelihood(found)
    return values if per_record else values.sum(keepdims=False)


def _as_linear(equation: Any) -> Any:
    """A linear system in phase space as it is; None for anything else."""
    from stochq.gaussian import Monitored

    return equation if isinstance(equation, Monitored) else None


@eqx.filter_jit
def traced_likelihood(found: Reading) -> jax.Array:
    """The log-likelihoods (record,) where JAX traces the equation or the record; in double precision."""
    written = found.observed.written
    instrument = found.instrument
    start = instrument.start(found.initial, written.current.shape[-1])
    return sweep(instrument, start, written).log_likelihood + found.observed.correction


@compiled
def _likelihood(instrument: Instrument, state: Array, written: Written) -> tuple[jax.Array]:
    start = instrument.start(state, written.current.shape[-1])
    return (sweep(instrument, start, written).log_likelihood,)


@compiled
def _filtered(instrument: Instrument, state: Array, operators: Array, density: bool, written: Written) -> Any:
    """Log-likelihoods (R,), readings after the bins, (R, T, ...), and before the first, (R, ...), discarded weight."""

    def read(state: Any) -> tuple[jax.Array, ...]:
        kept = (instrument.density(state),) if density else ()
        return instrument.expect(state, operators), instrument.purity(state), *kept

    start = instrument.start(state, written.current.shape[-1])
    swept = sweep(instrument, start, written, read)
    readings = tuple(jnp.moveaxis(array, -1, 0) for array in swept.readings)
    first = tuple(jnp.moveaxis(array, -1, 0) for array in read(start))
    return swept.log_likelihood, readings, first, instrument.discarded(swept.state)


def check_possible(log_likelihood: np.ndarray) -> None:
    """ValueError for a record that the equation cannot write."""
    bad = np.flatnonzero(~np.isfinite(log_likelihood))
    if len(bad):
        raise ValueError(
            f"record: expected what the equation can write down; record {bad[0]} has a bin whose chance is zero, or "
            f"too small to be told from rounding, {len(bad)} such records in all. A click needs something to be lost, "
            "a dark count a rate of dark counts, and many clicks in one bin rates that make them likely."
        )
