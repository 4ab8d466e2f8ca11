"""Conditional density matrices beside trajectories: what the detectors' records tell of each, one step at a time."""

from itertools import combinations
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.records import RecordColumn, columns_of, recording_of, sum_columns
from stochq.equation import Equation
from stochq.instruments.choose import largest_rate, most_clicks
from stochq.instruments.commuting import commutes, commuting_instrument
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.kraus import kraus_instrument
from stochq.instruments.words import Pairs, not_commuting, unordered
from stochq.measurement.line import WatchedParts
from stochq.module import Module
from stochq.schemes import Scheme
from stochq.systems.grid import Particle

# What is said of the kept states.
GIVEN_RECORDS = "density matrices given the records of all detectors"


@final
class Conditioning(Module):
    r"""The filter that a run makes a step of beside every step of its trajectories.

    $$\rho_c \mapsto \frac{\mathcal R(y)\rho_c}{\mathrm{Tr}\,\mathcal R(y)\rho_c}$$

    with y what the detectors wrote down in the step, and Kraus maps of second order in it; exact ones where all
    operators are diagonal.

    equation: where it depends on time, parts: where it does not. state: at the start, (dim, dim). currents, counters:
    the columns of all records, in the order of `WatchedParts`. most_clicks: of a counter in a step. pairs: of currents
    whose order within a step matters. twice: whether the same records are read in steps of twice the length as well,
    as pilots do, from which the steps' error is seen.
    """

    equation: Equation | None
    parts: WatchedParts | None
    state: Any
    currents: tuple[RecordColumn, ...] = eqx.field(static=True)
    counters: tuple[RecordColumn, ...] = eqx.field(static=True)
    most_clicks: int = eqx.field(static=True)
    pairs: Pairs = eqx.field(static=True)
    diagonal: bool = eqx.field(static=True)
    twice: bool = eqx.field(static=True, default=False)

    def instrument(self, t: jax.Array, dt: jax.Array) -> Instrument:
        """Of a step around time t."""
        parts = self.parts
        if parts is None:
            assert self.equation is not None
            parts = self.equation.watched_parts(t)
        if self.diagonal:
            return commuting_instrument(parts, dt[None])
        return kraus_instrument(parts, dt[None], pure=False, most_clicks=self.most_clicks, pairs=self.pairs)

    def follow(self, t: jax.Array, dt: jax.Array) -> "Follower | TwoFollowers":
        """What makes steps of this length; t: of the first of them, whose operators are not looked at later."""
        one = Follower(self, self.instrument(t, dt), dt)
        return TwoFollowers(one, Follower(self, self.instrument(t, 2 * dt), 2 * dt)) if self.twice else one


class Follower(NamedTuple):
    """A filter bound to a step length; instrument: of all steps where the equation does not depend on time."""

    conditioning: Conditioning
    instrument: Instrument
    dt: jax.Array

    def start(self, columns: int) -> Any:
        """The state of so many trajectories before anything is known of them."""
        return self.instrument.start(self.conditioning.state, columns)

    def step(self, t: jax.Array, known: Any, increments: tuple[jax.Array | None, ...]) -> Any:
        """The state after a step from time t, given the increments of all channels, (K, columns) each or None."""
        return self.advance(t, known, self.read(increments))

    def read(self, increments: tuple[jax.Array | None, ...]) -> "Reading":
        """What the detectors wrote down."""
        own = self.conditioning
        return Reading(_summed(own.currents, increments), _summed(own.counters, increments))

    def advance(self, t: jax.Array, known: Any, reading: "Reading") -> Any:
        """As `step`."""
        own = self.conditioning
        instrument = self.instrument if own.equation is None else own.instrument(t + 0.5 * self.dt, self.dt)
        prepared = instrument.prepare(Written(reading.current[None], reading.clicks[None], np.zeros(1, np.int32)))
        after = instrument.step(known, jax.tree.map(lambda array: array[0], prepared))[0]
        # More clicks than the instrument counts: no number is better than a wrong one.
        beyond = jnp.any(reading.clicks > own.most_clicks, axis=0)
        return jax.tree.map(lambda array: jnp.where(beyond, jnp.nan, array), after) if own.counters else after

    def densities(self, known: Any) -> tuple[jax.Array, ...]:
        """ρ_c (dim, dim, columns)."""
        return (self.instrument.density(known),)


class Reading(NamedTuple):
    """What was written down in a step: current (K, columns), clicks (C, columns)."""

    current: jax.Array
    clicks: jax.Array


class TwoFollowers(NamedTuple):
    """One of steps and one of twice their length, on the same records; of an even number of steps."""

    fine: Follower
    coarse: Follower

    def start(self, columns: int) -> Any:
        own = self.fine.conditioning
        empty = [jnp.zeros((len(kind), columns), self.fine.dt.dtype) for kind in (own.currents, own.counters)]
        return self.fine.start(columns), self.coarse.start(columns), Reading(*empty), jnp.zeros((), bool)

    def step(self, t: jax.Array, known: Any, increments: tuple[jax.Array | None, ...]) -> Any:
        fine, coarse, before, is_second = known
        reading = self.fine.read(increments)
        both = jax.tree.map(jnp.add, before, reading)
        later = self.coarse.advance(t - self.fine.dt, coarse, both)
        coarse = jax.tree.map(lambda new, old: jnp.where(is_second, new, old), later, coarse)
        before = jax.tree.map(lambda array: jnp.where(is_second, 0, array), both)
        return self.fine.advance(t, fine, reading), coarse, before, ~is_second

    def densities(self, known: Any) -> tuple[jax.Array, ...]:
        """ρ_c of both, (dim, dim, columns) each."""
        return *self.fine.densities(known[0]), *self.coarse.densities(known[1])


def _summed(columns: tuple[RecordColumn, ...], increments: tuple[jax.Array | None, ...]) -> jax.Array:
    if columns:
        return sum_columns(columns, increments)
    like = next(one for one in increments if one is not None)
    return jnp.zeros((0, *like.shape[1:]), like.real.dtype)


def conditioning_of(equation: Equation, psi: np.ndarray, times: np.ndarray, dt: float) -> Conditioning:
    """The filter of all records of an equation whose records were found to exist.

    psi: as of `Task`. times: (I+1,) between which steps are made. dt: the longest of them.
    """
    starts = psi.reshape(len(psi), -1)
    columns = [column for line in equation.lines for column in columns_of(line, equation.record_kind(line))]
    currents = tuple(column for column in columns if column.part != "N")
    counters = tuple(column for column in columns if column.part == "N")
    equation = _prepared(equation)
    parts, fixed = _parts_at_start(equation, times), not equation.time_dependent
    return Conditioning(
        None if fixed else equation,
        parts if fixed else None,
        starts @ starts.conj().T,
        currents,
        counters,
        most_clicks(_rate_of_clicks(equation, parts, times), dt),
        tuple(combinations(range(len(currents)), 2)) if _varies(equation) else unordered(parts),
        diagonal=fixed and commutes(parts),
    )


def _prepared(equation: Equation) -> Equation:
    """The equation less a constant energy, which takes digits from the gaps in single precision, as from a run's frame;
    its channels as matrices where a compiled run puts them together anew at each time."""
    channels = equation.channels
    if equation.time_dependent and not equation.detectors:
        channels = [channel.written_out(equation.basis_matrix(channel)) for channel in channels]
    return Equation(
        equation.hamiltonian.centred(), channels, None, equation.hbar, detectors=equation.detectors,
        lines=equation.lines,
    )  # fmt: skip


def _parts_at_start(equation: Equation, times: np.ndarray) -> WatchedParts:
    """The equation's operators at the first of these times, which are those of all times unless it `_varies`."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, equation.watched_parts(float(times[0])))


def _varies(equation: Equation) -> bool:
    """Whether what is watched depends on time: operators at a few times may be zero, or commute, and at others not."""
    return any(channel.time_dependent for channel in equation.channels)


def _rate_of_clicks(equation: Equation, parts: WatchedParts, times: np.ndarray) -> float:
    """At most, in any state at any time of a run."""
    if not _varies(equation):
        return largest_rate(parts)
    counted = [channel for channel in equation.channels if channel.law.counts]
    return sum(channel.strongest(times) * _largest(channel.total_loss()) for channel in counted)


def _largest(loss: np.ndarray) -> float:
    """The largest eigenvalue of a diagonal (dim,) or a matrix (dim, dim)."""
    return float(np.max(loss) if loss.ndim == 1 else np.linalg.norm(loss, 2))


def check_conditional(equation: Equation, scheme: Scheme, times: np.ndarray, tolerance: float | None) -> None:
    """ValueError where no density matrix can be carried beside the trajectories, with the reason."""
    recording_of(equation, scheme, times, True, None, "conditional")
    if len(scheme.weights) > 1:
        raise ValueError(
            f"conditional: expected a scheme of one run; {scheme.name} combines {len(scheme.weights)}, and a record "
            "belongs to one of them. Use sq.schemes.Strang()."
        )
    if scheme.feeds_back:
        raise ValueError(
            "conditional: expected False with feedback=, whose controller changes the Hamiltonian of every trajectory "
            "in its own way. Feedback without delay is sq.models.markovian_feedback(equation, {name: F})."
        )
    if tolerance is not None:
        raise ValueError(
            "tolerance: expected None with conditional=True: what the step costs functions of the conditional state "
            f"has no bound yet; got {tolerance!r}. Give trajectories, and dt or leave it to a pilot."
        )
    if isinstance(equation.hamiltonian, Particle):
        raise ValueError(
            "conditional: expected a system of few levels; a particle on a grid has density matrices of "
            f"{equation.dim} x {equation.dim} for each trajectory. Write it in a basis of its lowest levels."
        )


def is_ordered(equation: Equation, times: np.ndarray) -> bool:
    """Whether what detectors wrote down in a step tells all but what is of second order in it.

    Elsewhere the order in which things happened within a step matters, and is unknown.
    """
    parts = _parts_at_start(equation, times)
    seen = np.concatenate([parts.watched, parts.counted], axis=-3)
    return len(seen) < 2 if _varies(equation) else not not_commuting(seen)
