"""What is known of a system in the past, given the record before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, OperatorLike, StateLike, check_numbers
from stochq.compiling import compiled
from stochq.ensemble.result import MEGABYTE, EnsembleResult
from stochq.equation import Equation
from stochq.equation_input import observables_of, parts_known
from stochq.inference.filtering import check_possible
from stochq.inference.observed import as_monitored
from stochq.inference.operators import operator_rows
from stochq.inference.reading import reading
from stochq.inference.summary import summary
from stochq.instruments.choose import Method
from stochq.instruments.instrument import Instrument, Written
from stochq.measurement import Record
from stochq.qutip_objects import as_operators

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from qutip import Qobj

# Eigenvalues of an observable that are closer than this fraction of the largest are one outcome.
_SAME_OUTCOME = 1e-10
# Records that one call of the device follows: states and effects of all their bins are in memory.
_RECORDS = 64


@dataclass(frozen=True)
class Smoothed:
    """States and effects given whole records.

    Attributes:
        times: (T,), those of the record.
        mean: {name: (record, T)} means of what a measurement of the observable at that time gave.
        density: ρ (record, T, dim, dim), conditioned on the record before; of trace 1.
        effect: E (record, T, dim, dim), of the record after, Tr(Eρ) = 1.
        variance: {name: (record, T)} of what a measurement of the observable at that time gave.
        dims: of the parts of a composite system, where an object of QuTiP told them.
    """

    times: np.ndarray
    mean: dict[str, np.ndarray]
    density: np.ndarray = field(repr=False)
    effect: np.ndarray = field(repr=False)
    variance: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    dims: tuple[int, ...] = field(default=(), repr=False)

    def to_qutip(self) -> "list[list[Qobj]]":
        """ρ given each record at each time as `qutip.Qobj`, `to_qutip()[record][time]`, with the equation's dims."""
        return as_operators(self.density, self.dims)

    def plot(
        self, *observables: str, record: int = 0, truth: EnsembleResult | None = None, spread: bool = False
    ) -> "Figure":
        """A panel for each observable: its mean given the whole record.

        Args:
            observables, record, truth, spread: as of `Filtered.plot`.

        Raises:
            ValueError: for a name or a record that there is none of, and a trajectory that was not kept.
        """
        from stochq.inference.conditional_picture import draw_conditional

        kind = "given the whole record"
        return draw_conditional(kind, self.times, self.mean, self.variance, observables, record, truth, spread)

    def __str__(self) -> str:
        size = (self.density.nbytes + self.effect.nbytes) / MEGABYTE
        lines = summary("Smoothed", self.times, self.mean)
        return "\n".join([*lines, f"  density, effect: {self.density.shape} each, {size:.1f} MiB"])

    __repr__ = __str__


def smooth(
    equation: Equation,
    state: StateLike,
    record: Record,
    *,
    observables: Mapping[str, OperatorLike] | Sequence[str],
    method: Method = "auto",
    halvings: int = 0,
) -> Smoothed:
    r"""What a measurement at each time gave, given the record before and after it (past quantum states).

    $$p_m(t) = \frac{\mathrm{Tr}(\Pi_m\rho_t\Pi_mE_t)}{\sum_n\mathrm{Tr}(\Pi_n\rho_t\Pi_nE_t)},\qquad
      \langle O\rangle_t = \sum_mo_mp_m(t)$$

    for an observable O = Σ o_mΠ_m (Gammelmark, Julsgaard and Mølmer, PRL 111, 160401 (2013)). ρ is the state of
    `filter` and E the effect of what was written down later: the same maps in the other direction, from E = 1 at the
    end.

    Args:
        equation, state, record: as of `filter`.
        observables: {name: Hermitian operator (dim, dim) or real diagonal (dim,)}.
        method: "exact", "kraus" or "auto", as of `filter`.
        halvings: as of `filter`.

    Returns:
        Means, states and effects at the record's times.

    Raises:
        ValueError: as of `filter`, and for operators that are not Hermitian.

    >>> import numpy as np, stochq as sq
    >>> equation = sq.models.monitored(np.zeros((2, 2)), {"z": sq.measurement.homodyne([1.0, -1.0])})
    >>> record = sq.inference.Record([0.0, 0.5, 1.0], [0.3, 0.9], ["z"])
    >>> found = sq.inference.smooth(equation, np.sqrt([0.5, 0.5]), record, observables={"z": [1.0, -1.0]})
    >>> bool(np.allclose(found.mean["z"], np.tanh(2 * 1.2)))  # nothing moves it: the record's end tells of all times
    True
    """
    check_numbers("Smooth with numbers, outside grad, vmap and jit.", equation=equation, state=state)
    equation = as_monitored(equation)
    dims = parts_known(equation, state)
    observables = observables_of(equation, observables)
    rows = operator_rows(observables, equation.dim)
    if list(rows) != list(observables):
        wrong = next(name for name in observables if name not in rows)
        raise ValueError(f"observables[{wrong!r}]: expected a Hermitian operator, which can be measured; it is not.")
    found = reading(equation, state, record, method, linear=True, halvings=halvings)
    total, density, effect = found.in_blocks(_smoothed, kept=2 * equation.dim**2, most=_RECORDS)
    check_possible(total)
    effect = effect / np.einsum("rtij,rtji->rt", effect, density).real[..., None, None]
    moments = {name: _past_moments(row, density, effect) for name, row in rows.items()}
    mean, variance = ({name: both[place] for name, both in moments.items()} for place in (0, 1))
    return Smoothed(record.times, mean, density, effect, variance, dims)


@compiled
def _smoothed(instrument: Instrument, state: Array, written: Written) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-likelihoods (R,), states and effects (R, T, dim, dim) at all times."""
    prepared = instrument.prepare(written)
    start = instrument.start(state, written.current.shape[-1])

    def forward(state: Any, one: Any) -> tuple[Any, tuple[Any, jax.Array]]:
        after, weight = instrument.step(state, one)
        return after, (after, weight)

    def backward(effect: Any, one: Any) -> tuple[Any, Any]:
        before = _dual(instrument, effect, one)
        size = jnp.trace(instrument.density(before)).real
        before = before / size.reshape(*(1,) * (before.ndim - 1), -1)
        return before, before

    _, (states, weights) = lax.scan(forward, start, prepared)
    end = instrument.start(jnp.eye(instrument.dim) / instrument.dim, written.current.shape[-1])
    _, effects = lax.scan(backward, end, prepared, reverse=True)

    def matrices(arrays: list[jax.Array]) -> jax.Array:
        return jnp.moveaxis(jax.vmap(instrument.density)(jnp.concatenate(arrays)), -1, 0)

    total = jnp.sum(jnp.log(weights), axis=0)
    return total, matrices([start[None], states]), matrices([effects, end[None]])


def _dual(instrument: Instrument, effect: jax.Array, prepared: Any) -> jax.Array:
    """The adjoint of the bin's map on real arrays, by the derivative of Tr(Eρ̃') with respect to ρ."""

    def value(state: jax.Array) -> jax.Array:
        after = instrument.linear(state, prepared)
        return jnp.sum(effect * after)

    return jax.grad(value)(effect)


def _past_moments(operator: np.ndarray, density: np.ndarray, effect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ o_m p_m and Σ o_m² p_m less its square, (record, T) each."""
    outcomes, vectors = np.linalg.eigh(operator)
    same = np.abs(outcomes[:, None] - outcomes[None]) <= _SAME_OUTCOME * max(np.abs(outcomes).max(), 1e-300)
    rho, late = (np.einsum("ia,rtij,jb->rtab", vectors.conj(), each, vectors) for each in (density, effect))
    shares = (rho * np.swapaxes(late, -1, -2)).real * same
    chances = shares.sum(axis=-1) / shares.sum(axis=(-1, -2))[..., None]
    mean = chances @ outcomes
    return mean, np.maximum(chances @ outcomes**2 - mean**2, 0.0)
