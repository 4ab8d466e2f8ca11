"""Conditional density matrices beside trajectories: what the detectors' records tell of each, one step at a time."""

from functools import partial
from itertools import combinations
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.records import RecordColumn, columns_of, rate_of_clicks, recording_of, sum_columns
from stochq.equation import Equation
from stochq.instruments.choose import largest_rate, most_clicks
from stochq.instruments.commuting import commutes, commuting_instrument
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.kraus import kraus_instrument, stacked, unstacked
from stochq.instruments.words import Pairs, not_commuting, unordered, word_powers
from stochq.measurement.line import WatchedParts
from stochq.module import Module
from stochq.noise.phases import unit_phase
from stochq.schemes import Scheme
from stochq.schemes.scheme import Increments
from stochq.systems.grid import Particle

# What is said of the kept states.
GIVEN_RECORDS = "density matrices given the records of all detectors"


@final
class Conditioning(Module):
    r"""The filter that a run makes a step of beside every step of its trajectories.

    $$\rho_c \mapsto \frac{\mathcal R(y)\rho_c}{\mathrm{Tr}\,\mathcal R(y)\rho_c}$$

    with y what the detectors wrote down in the step, and Kraus maps of second order in it; exact ones where all
    operators are diagonal.

    equation: where it depends on time, parts: where it does not. state: at the start, (dim, dim). feedback: what drives
    the trajectories by the same records, and ρ_c with them; None where nothing does. currents, counters: the columns of
    all records, in the order of `WatchedParts`. most_clicks: of a counter in a step. pairs: of currents whose order
    within a step matters. twice: whether a scheme has a run of steps of half the length before that of whole ones.
    """

    equation: Equation | None
    parts: WatchedParts | None
    state: Any
    hbar: Any
    feedback: Any
    currents: tuple[RecordColumn, ...] = eqx.field(static=True)
    counters: tuple[RecordColumn, ...] = eqx.field(static=True)
    most_clicks: int = eqx.field(static=True)
    pairs: Pairs = eqx.field(static=True)
    diagonal: bool = eqx.field(static=True)
    twice: bool = eqx.field(static=True)

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
        whole = Follower(self, self.instrument(t, dt), dt)
        if not self.twice:
            return whole
        return TwoFollowers(Follower(self, self.instrument(t, 0.5 * dt), 0.5 * dt), whole)


class Follower(NamedTuple):
    """A filter bound to a step length; instrument: of all steps where the equation does not depend on time.

    It carries the instrument's state, and what the controller remembers.
    """

    conditioning: Conditioning
    instrument: Instrument
    dt: jax.Array

    def start(self, columns: int) -> tuple[Any, Any]:
        """Of so many trajectories before anything is known of them."""
        own = self.conditioning
        memory = None if own.feedback is None else own.feedback.start(columns, self.dt.dtype)
        return self.instrument.start(own.state, columns), memory

    def step(self, t: jax.Array, known: tuple[Any, Any], increments: Increments) -> tuple[Any, Any]:
        """After a step from time t, given the increments of all channels, (K, columns) each or None."""
        (state, memory), own, phases = known, self.conditioning, {}
        current, clicks = _summed(own.currents, increments), _summed(own.counters, increments)
        if own.feedback is not None:
            outputs = own.feedback.outputs(t, memory, current[0] if own.currents else clicks[0])
            state = _driven(partial(own.feedback.loop.act, outputs, self.dt, own.hbar), state)
            phases = own.feedback.phases(outputs)
            memory = own.feedback.update(t, self.dt, memory, increments)
        return self._advance(t, state, current, clicks, phases), memory

    def _advance(
        self, t: jax.Array, state: Any, current: jax.Array, clicks: jax.Array, phases: dict[Any, jax.Array]
    ) -> Any:
        """The state given what was written down, currents (K, columns) and clicks (C, columns)."""
        own = self.conditioning
        instrument = self.instrument if own.equation is None else own.instrument(t + 0.5 * self.dt, self.dt)
        prepared = instrument.prepare(Written(current[None], clicks[None], np.zeros(1, np.int32)))
        prepared = jax.tree.map(lambda array: array[0], prepared)
        if phases:
            values, *others = prepared
            prepared = values * _phase_factors(own.currents, phases), *others
        after = instrument.step(state, prepared)[0]
        # More clicks than the instrument counts: no number is better than a wrong one.
        beyond = jnp.any(clicks > own.most_clicks, axis=0)
        return jax.tree.map(lambda array: jnp.where(beyond, jnp.nan, array), after) if own.counters else after

    def densities(self, known: tuple[Any, Any]) -> tuple[jax.Array, ...]:
        """ρ_c (dim, dim, columns)."""
        return (self.instrument.density(known[0]),)


class TwoFollowers(NamedTuple):
    """Those of the two runs of an extrapolated scheme, each of its own records."""

    fine: Follower
    coarse: Follower

    def start(self, columns: int) -> Any:
        return self.fine.start(columns), self.coarse.start(columns)

    def step(self, t: jax.Array, known: Any, first: Increments, second: Increments, whole: Increments) -> Any:
        """first, second: of the two steps of the fine run; whole: of the one of the coarse run."""
        fine, coarse = known
        fine = self.fine.step(t + self.fine.dt, self.fine.step(t, fine, first), second)
        return fine, self.coarse.step(t, coarse, whole)

    def densities(self, known: Any) -> tuple[jax.Array, ...]:
        """ρ_c of both, (dim, dim, columns) each."""
        return *self.fine.densities(known[0]), *self.coarse.densities(known[1])


def _driven(act: Any, state: jax.Array) -> jax.Array:
    """UρU† of density matrices as Kraus maps hold them; act: ψ ↦ Uψ of (dim, columns)."""
    rho = unstacked(state)
    for _ in range(2):
        rho = jnp.conj(jnp.swapaxes(jax.vmap(act, 1, 1)(rho), 0, 1))
    return stacked(rho)


def _phase_factors(currents: tuple[RecordColumn, ...], phases: dict[Any, jax.Array]) -> jax.Array:
    """By what the words of a step are multiplied, (powers, columns), where local oscillators are turned."""
    angles = [jnp.angle(phases[source]) if source in phases else None for source, *_ in (c.sources for c in currents)]
    powers = np.array(word_powers(len(currents))).T[:, :, None]
    total = sum(power * angle[None] for power, angle in zip(powers, angles, strict=True) if angle is not None)
    return unit_phase(total)


def _summed(columns: tuple[RecordColumn, ...], increments: Increments) -> jax.Array:
    if columns:
        return sum_columns(columns, increments)
    like = next(one for one in increments if one is not None)
    return jnp.zeros((0, *like.shape[1:]), like.real.dtype)


def conditioning_of(equation: Equation, scheme: Scheme, psi: np.ndarray, times: np.ndarray, dt: float) -> Conditioning:
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
        equation.hbar,
        scheme.feedback,
        currents,
        counters,
        most_clicks(_rate_of_clicks(equation, parts, times), dt),
        tuple(combinations(range(len(currents)), 2)) if _varies(equation) else unordered(parts),
        diagonal=fixed and commutes(parts) and not scheme.feeds_back,
        twice=scheme.doubles_steps,
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
    return rate_of_clicks(equation, times, _largest) if _varies(equation) else largest_rate(parts)


def _largest(loss: np.ndarray) -> float:
    """The largest eigenvalue of a diagonal (dim,) or a matrix (dim, dim)."""
    return float(np.max(loss) if loss.ndim == 1 else np.linalg.norm(loss, 2))


def check_conditional(equation: Equation, scheme: Scheme, times: np.ndarray) -> None:
    """ValueError where no density matrix can be carried beside the trajectories, with the reason."""
    recording_of(equation, scheme, times, True, None, "conditional")
    if len(scheme.weights) > 1:
        raise ValueError(
            f"conditional: expected a scheme of one run; {scheme.name} combines {len(scheme.weights)}, and a record "
            "belongs to one of them. Use sq.schemes.Strang()."
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


def needs_no_step(equation: Equation, scheme: Scheme, times: np.ndarray) -> bool:
    """Whether conditional states are exact in steps of any length, where all that acts is diagonal."""
    return not equation.time_dependent and not scheme.feeds_back and commutes(_parts_at_start(equation, times))
