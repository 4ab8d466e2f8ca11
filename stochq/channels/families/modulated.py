"""Jump operators whose strength depends on time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Coefficient, Number
from stochq.channels.channel import Channel
from stochq.channels.flow import Flow
from stochq.laws import Law
from stochq.noise import Budget, StepNoise
from stochq.systems.influences import Influence, largest_of
from stochq.systems.part_axis import PartAxis
from stochq.systems.time_functions import TimeFunction, time_function

# Under real noise the phase of an operator says what is measured.
_INSTEAD = "Write sq.channels.TimeDependentOperator([(L, envelope)]) for complex ones, or jnp.abs(...)."

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


@final
class Modulated(Channel):
    r"""The operators of another family times an envelope, $L_k(t) = f(t)L_k$: all its rates times f(t)².

    The noise has no preferred sign, so that f² dt is the time that passes for the other family while dt passes:

    $$\mathcal D(t) = f(t)^2\,\mathcal D$$

    Its flows are those of the other family over f² dt, f taken in the middle of the step: of weak order 2 and at the
    same cost. Steps that are left open resolve an envelope down to some thousandth of the run, samples however close
    they are; of what is shorter, and of a given dt that leaps over a pulse, a warning tells, as for a drive.

    Args:
        channel: the family without the envelope, with its basis and its law of the noise.
        envelope: f, a real function of the time t, without a unit, written with `jax.numpy` or from
            `sq.systems.sampled` or `sq.systems.piecewise`. Define it once: a new function is compiled anew.
            `TimeDependentOperator` takes complex ones.

    Raises:
        ValueError: where the envelope is no real function of t that JAX can compile, or the channel has none.

    >>> import jax.numpy as jnp
    >>> import stochq as sq
    >>> decay = sq.channels.DenseOperators([[[0.0, 1.0], [0.0, 0.0]]])
    >>> pulsed = sq.channels.Modulated(decay, lambda t: jnp.exp(-(t**2)))
    >>> equation = sq.Equation(sq.systems.levels([0.0, 1.0]), [pulsed])
    >>> sq.exact.evolve(equation, [0.0, 1.0], [0.0, 1.0], observables={"p": [0.0, 1.0]}).expect["p"].round(4)
    array([1.    , 0.5498])
    """

    channel: Channel
    envelope: TimeFunction

    def __init__(self, channel: object, envelope: Coefficient | TimeFunction) -> None:
        if not isinstance(channel, Channel):
            raise ValueError(
                f"channel: expected one such as sq.channels.Projectors(rates); got {type(channel).__name__}."
            )
        if problem := channel.unsupported_envelope():
            raise ValueError(f"channel: {problem}.")
        self.channel = channel
        self.envelope = time_function("envelope", envelope, instead=_INSTEAD)
        self.basis, self.law = channel.basis, channel.law

    @property
    def dim(self) -> int:
        return self.channel.dim

    @property
    def count(self) -> int:
        return self.channel.count

    @property
    def time_dependent(self) -> bool:
        return True

    @property
    def time_functions(self) -> Mapping[str, TimeFunction]:
        inner = {f"channel: {name}": function for name, function in self.channel.time_functions.items()}
        return {"envelope": self.envelope} | inner

    @property
    def influences(self) -> tuple[Influence, ...]:
        alone = Influence("", largest_of(self.channel.total_loss()), jnp.ones_like, np.zeros(0), False)
        return tuple(map(self._under_envelope, self.channel.influences or (alone,)))

    def _under_envelope(self, inner: Influence) -> Influence:
        """Jumps of another influence, times f²."""
        envelope, value = jax.vmap(self.envelope), inner.value
        name = f"envelope, channel: {inner.name}" if inner.name else "envelope"
        knots = np.concatenate([self.envelope.knots, inner.knots])
        return inner._replace(name=name, value=lambda t: jnp.square(envelope(t)) * value(t), knots=knots)

    @property
    def moves_populations(self) -> bool:
        return self.channel.moves_populations

    def operators(self) -> np.ndarray:
        raise ValueError(
            "channels: expected operators that do not depend on time; Modulated has an envelope. Those without it are "
            "`modulated.channel.operators()`."
        )

    def operators_at(self, t: Number) -> jax.Array:
        return self.envelope(t) * jnp.asarray(self.channel.operators_at(t))

    def written_out(self, columns: Array | None) -> Channel:
        return Modulated(self.channel.written_out(columns), self.envelope)

    def unsupported_on_part(self) -> str:
        return self.channel.unsupported_on_part()

    def on_part(self, axis: PartAxis, columns: Array | None) -> Channel:
        return Modulated(self.channel.on_part(axis, columns), self.envelope)

    def elapsed(self, t: jax.Array, dt: jax.Array) -> jax.Array:
        """f(t)² dt, the time that passes for the channel without the envelope, in the precision of dt."""
        passed = jnp.square(self.envelope(t).astype(dt.dtype)) * dt
        # Where the envelope vanishes a step's √dt would have an infinite gradient.
        return jnp.maximum(passed, jnp.finfo(dt.dtype).tiny)

    def strongest(self, times: np.ndarray) -> float:
        return self.envelope.largest_square("envelope", times) * self.channel.strongest(times)

    def total_loss(self) -> np.ndarray:
        """Without the envelope, for which `strongest` makes up."""
        return self.channel.total_loss()

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        return self.elapsed(t, jnp.ones((), rho.real.dtype)) * self.channel.dissipator(t, rho)

    def budget(self, law: Law) -> Budget:
        return self.channel.budget(law)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        return self.elapsed(t, jnp.ones((), psi.real.dtype)) * self.channel.drift(t, psi, law)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        return self.channel.diffuse(t, psi, noise, self.elapsed(t, dt), law)

    def flow(self, law: Law) -> Flow:
        return self._over_elapsed_time(self.channel.flow(law))

    def smooth_flow(self, law: Law) -> Flow:
        return self._over_elapsed_time(self.channel.smooth_flow(law))

    def discrete_flow(self, law: Law) -> Flow:
        return self._over_elapsed_time(self.channel.discrete_flow(law))

    def jumps(self) -> "Jumps":
        """Without the envelope."""
        return self.channel.jumps()

    def jump_flow(self) -> Flow:
        return self._over_elapsed_time(self.channel.jump_flow())

    def _over_elapsed_time(self, flow: Flow) -> Flow:
        from stochq.channels.flows.modulated import ModulatedFlow

        return ModulatedFlow(self, flow.law, flow)

    def missing_flow(self, law: Law) -> str:
        return self.channel.missing_flow(law)

    def unsupported(self, law: Law) -> str:
        return self.channel.unsupported(law)

    def unsupported_colour(self, law: Law) -> str:
        return "the integrals of coloured noise over a step are drawn for operators that do not depend on time"
