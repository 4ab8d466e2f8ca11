"""Strang's symmetric composition of the Hamiltonian's exact propagator and the channels' own flows."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Number
from stochq.channels import Channel, Flow
from stochq.channels.flow import StepLimit
from stochq.equation import Equation
from stochq.noise import Budget, StepNoise
from stochq.schemes.frame import Frame
from stochq.schemes.scheme import Increments, MeanMap, Scheme, States, Stepper
from stochq.systems.basis import into, matrix_of, out_of
from stochq.systems.checks import check_flag
from stochq.systems.hamiltonian import DiagonalHamiltonian, Hamiltonian, Propagator, State
from stochq.systems.propagation.windows import planes_of


@final
class Strang(Scheme):
    r"""Palindromic splitting into the Hamiltonian and the channels.

    $$e^{\frac{h}{2}H}e^{\frac{h}{2}C_1}\cdots e^{hC_n}\cdots e^{\frac{h}{2}C_1}e^{\frac{h}{2}H}$$

    Weak order 2. Collapse channels flow exactly (no step error at all without a Hamiltonian), thermalizing ones by
    the sweep over levels (no step error in any mean where the Hamiltonian is diagonal with them), general operators by
    Platen's step, the Hamiltonian by its exact propagator.
    diffusive: collapse and thermalization without a drawn index, of weak order 2 too, through which gradients pass.
    increments: "discrete" draws the outcome of a Kraus map for every operator, by noise of few values with a Gaussian's
    first moments. Averages, E f(ψ) included, keep weak order 2 and cost a fraction; collapse and thermalization, whose
    own flows are as fast, keep Gaussian noise. Single trajectories are not those of the equation, and `simulate` shows
    none.

    >>> import stochq as sq
    >>> sq.schemes.Strang().weak_order
    2
    >>> sq.schemes.Strang(increments="discrete").averages_only
    True
    """

    diffusive: bool = eqx.field(static=True, default=False)
    increments: str = eqx.field(static=True, default="gaussian")

    def __check_init__(self) -> None:
        check_flag("diffusive", self.diffusive)
        if not isinstance(self.increments, str) or self.increments not in ("gaussian", "discrete"):
            raise ValueError(f"increments: expected 'gaussian' or 'discrete'; got {self.increments!r}.")
        if self.discrete and self.diffusive:
            raise ValueError(
                "increments: expected 'gaussian' with diffusive=True, whose steps gradients pass through; "
                "got 'discrete', which draws its values. Give one of the two."
            )

    @property
    def discrete(self) -> bool:
        return self.increments == "discrete"

    @property
    def name(self) -> str:
        if self.discrete:
            return 'Strang(increments="discrete")'
        return "Strang(diffusive=True)" if self.diffusive else "Strang()"

    @property
    def averages_only(self) -> bool:
        return self.discrete

    @property
    def strong_order(self) -> float:
        return 0.5

    @property
    def weak_order(self) -> int:
        return 2

    def requires(self, equation: Equation) -> str:
        for channel in equation.channels:
            if missing := channel.missing_flow(channel.law):
                return f"{missing}. Use sq.schemes.Extrapolated(sq.schemes.EulerMaruyama())."
        if self.discrete and equation.colour is not None:
            return "discrete increments are white, and this noise is coloured. Use sq.schemes.Strang()."
        return ""

    def missing_record(self, channel: Channel) -> str:
        if self.discrete:
            return "discrete increments are drawn for averages only. Use sq.schemes.Strang()"
        return self.flow_of(channel).missing_record

    def smallest_block(self, equation: Equation) -> int:
        return max((self.flow_of(channel).smallest_block for channel in equation.channels), default=1)

    def differentiable(self, equation: Equation) -> bool:
        return all(self.flow_of(channel).is_differentiable for channel in equation.channels)

    def normalises(self, equation: Equation) -> bool:
        return bool(equation.channels) and all(self.flow_of(channel).normalises for channel in equation.channels)

    @property
    def propagates_exactly(self) -> bool:
        return True

    def unresolved(self, frame: Frame, means: bool) -> tuple[int, ...]:
        flows = enumerate(self.flows(frame))
        return tuple(index for index, flow in flows if not (flow.mean_is_exact if means else flow.is_exact))

    def step_limits(self, frame: Frame) -> tuple[StepLimit | None, ...]:
        return tuple(flow.step_limit for flow in self.flows(frame))

    def mean_step(self, frame: Frame) -> float:
        """Where all is exact and written in one basis, the mean density decays element by element and the parts
        commute; only channels that move populations do not commute with each other."""
        one_basis = isinstance(frame.hamiltonian, DiagonalHamiltonian) and all(c is None for c in frame.changes)
        secular = all(channel.is_secular for channel in frame.channels)
        moving = sum(channel.moves_populations for channel in frame.channels)
        commute = one_basis and secular and moving <= 1 and all(flow.mean_is_exact for flow in self.flows(frame))
        return self.mean_limit(frame) if commute else 0.0

    def mean_error(self, frame: Frame, dt: float) -> float | None:
        """Known where the only channel commutes with the Hamiltonian."""
        if frame.hamiltonian.time_dependent or len(frame.channels) != 1 or frame.channels[0].relaxation is None:
            return None
        return self.flows(frame)[0].mean_error(dt)

    def mean_limit(self, frame: Frame) -> float:
        if frame.hamiltonian.time_dependent:
            return 0.0
        return min((flow.mean_limit for flow in self.flows(frame)), default=np.inf)

    def mean_map(self, frame: Frame, dt: float) -> MeanMap | None:
        """Known where every channel's flow is exact in the mean, and over no longer a step than this takes."""
        if self.mean_limit(frame) <= 0:
            return None
        flows, found = self.flows(frame), []
        for index, fraction, reverse in self.sequence(frame):
            flow = flows[index].mean_flow(fraction * dt, reverse)
            if flow is None:
                return None
            found.append((matrix_of(frame.changes[index]), flow))
        half = _unitary(frame, 0.5 * dt)

        def propagated(rho: np.ndarray, steps: int) -> np.ndarray:
            rho = half @ rho @ half.conj().T
            for left in range(steps, 0, -1):
                for change, flow in found:
                    rho = flow(rho) if change is None else _inside(change, flow, rho)
                unitary = half @ half if left > 1 else half
                rho = unitary @ rho @ unitary.conj().T
            return rho

        return propagated

    def flow_of(self, channel: Channel) -> Flow:
        """How a channel makes its step."""
        law = channel.law
        if law.counts:
            return channel.jump_flow()
        if self.discrete:
            return channel.discrete_flow(law)
        return channel.smooth_flow(law) if self.diffusive else channel.flow(law)

    def flows(self, frame: Frame) -> tuple[Flow, ...]:
        """How every channel makes its step."""
        return tuple(self.flow_of(channel) for channel in frame.channels)

    def budget(self, frame: Frame) -> Budget:
        flows = self.flows(frame)
        return sum((flows[index].budget for index, _, _ in self.sequence(frame)), Budget())

    def sequence(self, frame: Frame) -> tuple[tuple[int, float, bool], ...]:
        """The palindrome of channel flows as (channel, fraction of the step, reverse)."""
        return _palindrome(frame, [flow.is_symmetric for flow in self.flows(frame)])

    def prepare(self, frame: Frame, dt: jax.Array) -> Stepper:
        hamiltonian, hbar = frame.hamiltonian, frame.hbar
        merged = not hamiltonian.time_dependent
        full = hamiltonian.propagator(dt, hbar) if merged else None
        # At saved times alone: what it keeps would be as large as states of many spins.
        rarely = Deferred if merged and hamiltonian.is_matrix_free else type(hamiltonian).propagator
        half, back = rarely(hamiltonian, 0.5 * dt, hbar), rarely(hamiltonian, -0.5 * dt, hbar) if merged else None
        flows, sequence = self.flows(frame), self.sequence(frame)
        parts = sorted({(index, fraction) for index, fraction, _ in sequence})
        terms = {(index, fraction): flows[index].terms(fraction * dt) for index, fraction in parts}
        return StrangStepper(frame, flows, sequence, dt, full, half, back, terms)


def _unitary(frame: Frame, t: float) -> np.ndarray:
    """exp(−iHt/ħ) in double precision, (dim, dim)."""
    hamiltonian = frame.hamiltonian
    if hamiltonian.eigenvectors is None:
        return np.diag(np.exp(-1j * t / float(frame.hbar) * np.real(np.diagonal(np.asarray(hamiltonian.matrix())))))
    energies, vectors = np.asarray(hamiltonian.energies), np.asarray(hamiltonian.eigenvectors)
    return (vectors * np.exp(-1j * t / float(frame.hbar) * energies)) @ vectors.conj().T


def _inside(change: np.ndarray, flow: Callable[[np.ndarray], np.ndarray], rho: np.ndarray) -> np.ndarray:
    """A flow of the mean density matrix in its channel's own basis."""
    return into(change, flow(out_of(change, rho)))


@final
class Deferred(Propagator):
    """A propagator that is made where it is called, for what is rarely called."""

    hamiltonian: Hamiltonian
    dt: Number
    hbar: Number

    def __call__(self, t: Number, psi: State) -> State:
        return self.hamiltonian.propagator(self.dt, self.hbar)(t, psi)


def _palindrome(frame: Frame, symmetric: list[bool]) -> tuple[tuple[int, float, bool], ...]:
    count = len(frame.channels)
    if count == 0:
        return ()
    centre = next((i for i in range(count) if frame.changes[i] is not None), None)
    if centre is None:
        centre = next((i for i in range(count) if symmetric[i]), count - 1)
    outer = [index for index in range(count) if index != centre]
    middle = [(centre, 1.0, False)] if symmetric[centre] else [(centre, 0.5, False), (centre, 0.5, True)]
    return (*((i, 0.5, False) for i in outer), *middle, *((i, 0.5, True) for i in reversed(outer)))


@final
class StrangStepper(Stepper):
    """Carries e^{+iH dt/2ħ}ψ, so that the two half steps of H between steps are one; a driven H is not merged.

    Of many spins it is held as its real and its imaginary part, in which they are propagated: a complex state would be
    one more.
    """

    frame: Frame
    flows: tuple[Flow, ...]
    sequence: tuple[tuple[int, float, bool], ...] = eqx.field(static=True)
    dt: jax.Array
    full: Any
    half: Any
    back: Any
    terms: dict[tuple[int, float], Any]

    @property
    def parts(self) -> tuple[Budget, ...]:
        return tuple(self.flows[index].budget for index, _, _ in self.sequence)

    @property
    def _in_planes(self) -> bool:
        return self.full is not None and self.frame.hamiltonian.is_matrix_free

    def _held(self, psi: jax.Array) -> Any:
        return planes_of(psi) if self._in_planes else psi

    def _state(self, held: Any) -> jax.Array:
        return lax.complex(*held) if self._in_planes else held

    def init(self, t: jax.Array, states: States) -> Any:
        return self._held(states[0] if self.back is None else self.back(t, states[0]))

    def extract(self, t: jax.Array, state: Any) -> States:
        psi = self._state(state)
        return (psi if self.back is None else self.half(t, psi),)

    def unmerged(self) -> "StrangStepper":
        """Its state is ψ itself: for what acts between steps."""
        return StrangStepper(self.frame, self.flows, self.sequence, self.dt, None, self.half, None, self.terms)

    def with_phases(self, phases: dict[tuple[int, int], jax.Array]) -> "StrangStepper":
        """Operators, by their (channel, place in it), times factors (columns,), one for each trajectory."""
        terms = dict(self.terms)
        for channel in {channel for channel, _ in phases}:
            count = self.flows[channel].channel.count
            example = next(phase for (place, _), phase in phases.items() if place == channel)
            factors = jnp.stack([phases.get((channel, k), jnp.ones_like(example)) for k in range(count)])[:, None]
            terms |= {key: factors for key in terms if key[0] == channel}
        half = self.half
        return StrangStepper(self.frame, self.flows, self.sequence, self.dt, self.full, half, self.back, terms)

    def step(self, t: jax.Array, state: Any, noise: StepNoise) -> Any:
        return self.step_with_record(t, state, noise)[0]

    def step_with_record(self, t: jax.Array, state: Any, noise: StepNoise) -> tuple[Any, Increments]:
        if self.full is not None:
            psi, increments = self._flows(t, self.full(t, self._state(state)), noise)
            return self._held(psi), increments
        state, increments = self._flows(t, self.half(t, state), noise)
        return self.half(t + 0.5 * self.dt, state), increments

    def _flows(self, t: jax.Array, psi: jax.Array, noise: StepNoise) -> tuple[jax.Array, Increments]:
        middle = t + 0.5 * self.dt
        parts: list[list[jax.Array]] = [[] for _ in self.flows]
        for index, fraction, reverse in self.sequence:
            flow, terms = self.flows[index], self.terms[index, fraction]
            own, noise = noise.split(flow.budget)
            inside, record = flow.step(
                middle, fraction * self.dt, self.frame.to_channel(index, psi), own, terms, reverse
            )
            psi = self.frame.from_channel(index, inside)
            parts[index] += [] if record is None else [record]
        return psi, tuple(sum(each[1:], each[0]) if each else None for each in parts)
