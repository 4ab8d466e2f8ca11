"""What a step must resolve: Bohr frequencies, or they alias, and the rates at which jumps happen."""

from typing import NamedTuple

import numpy as np

from stochq.channels import Channel
from stochq.equation import Equation
from stochq.schemes import Frame, Scheme
from stochq.systems.basis import out_of
from stochq.systems.hamiltonian import Hamiltonian

# Up to this dimension the Hamiltonian is diagonalised to see where half a step takes a state.
_LARGEST_PROPAGATED = 128
# Fewer jumps than this in a whole run change nothing that is asked for.
FEWEST_JUMPS = 1e-4
# Radians in a step up to which an explicit one keeps means right to a tenth of their range, as measured (docs/step.md).
FREQUENCY_LIMIT = 0.5


def bandwidth(equation: Equation) -> float:
    """An upper bound on the frequencies, 1/time: those of Bohr; infinite where what depends on time may be faster."""
    return np.inf if equation.time_dependent else _bohr_bandwidth(equation)


def _bohr_bandwidth(equation: Equation) -> float:
    return float(equation.hamiltonian.bandwidth) / float(equation.hbar)


def may_alias(bandwidth: float, h: float) -> bool:
    """Whether some level may make a whole period within h/2, so that h and h/2 agree without being right."""
    return 0.5 * bandwidth * h >= 2 * np.pi


def explicit_limit(equation: Equation, scheme: Scheme) -> float:
    """The longest step that resolves the Hamiltonian where the scheme does not propagate by it exactly."""
    width = _bohr_bandwidth(equation)
    if scheme.propagates_exactly or not np.isfinite(width) or width == 0:
        return np.inf
    return 1 / width


def jump_rate_of(equation: Equation, frame: Frame, scheme: Scheme, times: np.ndarray, means: bool) -> "JumpRate | None":
    """The rate that a step must resolve, of the channels that the scheme does not solve exactly.

    times: at which the run is saved; means: where means of operators are all that is asked for. None where every
    channel is solved exactly.
    """
    total: np.ndarray | None = None
    for index in scheme.unresolved(frame, means):
        channel = equation.channels[index]
        strength = channel.strongest(times)
        loss = _in_given_basis(strength * np.asarray(channel.total_loss()), equation.basis_matrix(channel))
        total = loss if total is None else _added(total, loss)
    return None if total is None else JumpRate(total, float(times[-1] - times[0]))


def _in_given_basis(loss: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
    if columns is None or (loss.ndim == 1 and np.ptp(loss) == 0):
        return loss
    return out_of(np.asarray(columns), np.diag(loss) if loss.ndim == 1 else loss)


def _added(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.ndim == second.ndim:
        return first + second
    diagonal, matrix = (first, second) if first.ndim == 1 else (second, first)
    return matrix + np.diag(diagonal)


class Unresolved(NamedTuple):
    """What a step does not resolve: a rate, or a frequency in radians, 1/time, and how much of it one step may hold."""

    what: str
    size: float
    limit: float

    def excess(self, dt: float) -> float:
        """By how much the step is too long; 1 or less where it is not."""
        return self.size * dt / self.limit


def unresolved(
    equation: Equation, frame: Frame, scheme: Scheme, psi: np.ndarray, times: np.ndarray, dt: float
) -> Unresolved | None:
    """What a given step resolves least of all that it does not, so that means may be off by a tenth of their range.

    psi: the initial state (dim,), or (dim, rank). Upper bounds tell at hardly any cost of most steps that they resolve
    everything. Channels that depend on time count as if they were at their strongest throughout. Of coloured noise
    nothing is told.
    """
    found = [] if scheme.propagates_exactly else [Unresolved("frequency", _finite_bandwidth(equation), FREQUENCY_LIMIT)]
    limits = scheme.step_limits(frame) if equation.colour is None else ()
    for channel, limit in zip(equation.channels, limits, strict=False):
        if limit is None:
            continue
        strength = channel.strongest(times)
        if strength * channel.fastest_bound() * dt <= min(limit):
            continue
        rates = _rates_of(equation, channel, psi, float(times[-1] - times[0]), dt)
        found += [Unresolved("rate", strength * rate, most) for rate, most in zip(rates, limit, strict=True)]
    worst = max(found, key=lambda one: one.excess(dt), default=None)
    return worst if worst is not None and worst.excess(dt) > 1 else None


def _finite_bandwidth(equation: Equation) -> float:
    """0 where a drive sets no bound."""
    width = _bohr_bandwidth(equation)
    return width if np.isfinite(width) else 0.0


def _rates_of(equation: Equation, channel: Channel, psi: np.ndarray, span: float, dt: float) -> tuple[float, float]:
    """The rates of the operator that is stepped coarsest: in the state at the start and half a step of the Hamiltonian
    later, and of its fastest level."""
    columns = equation.basis_matrix(channel)
    propagated = Propagated(equation.hamiltonian, float(equation.hbar), psi)
    jumps = decay = 0.0
    for loss in channel.losses():
        decay = max(decay, float(loss.max() if loss.ndim == 1 else np.linalg.eigvalsh(loss)[-1]))
        rate = JumpRate(_in_given_basis(loss, columns), span)
        jumps = max(jumps, rate.in_state(psi), propagated.rate(rate, 0.5 * dt))
    return jumps, decay


class JumpRate:
    """The rate that a step must resolve: G = ΣL†L averaged over jumps, ⟨G²⟩/⟨G⟩.

    A level that decays fast counts as far as jumps happen there, however seldom it is occupied: a strong decay of a
    level that another one is coupled to would otherwise be taken for a measurement once a step.
    operator: G in the given basis, (dim,) or (dim, dim).
    """

    def __init__(self, operator: np.ndarray, span: float) -> None:
        self.operator = operator
        self.square = operator**2 if operator.ndim == 1 else operator @ operator
        self._negligible = FEWEST_JUMPS / span

    def averaged(self, first: np.ndarray | float, second: np.ndarray | float) -> float:
        """⟨G²⟩/⟨G⟩ from both expectations, the largest of all points; 0 where next to no jumps happen."""
        first, second = np.atleast_1d(first), np.atleast_1d(second)
        happens = first > self._negligible
        return float(np.max(second[happens] / first[happens], initial=0.0))

    def in_state(self, psi: np.ndarray) -> float:
        """The rate in a state (dim,), or (dim, rank)."""
        starts = psi.reshape(len(psi), -1)
        return self.averaged(*(_expectation(operator, starts) for operator in (self.operator, self.square)))


def spectrum_of(hamiltonian: Hamiltonian) -> tuple[np.ndarray, np.ndarray]:
    """Energies (dim,) and the vectors that belong to them as columns (dim, dim)."""
    if hamiltonian.eigenvectors is None:
        return np.real(np.diagonal(np.asarray(hamiltonian.matrix()))), np.eye(hamiltonian.dim)
    return np.asarray(hamiltonian.energies), np.asarray(hamiltonian.eigenvectors)


class Propagated:
    """Where half a step of the Hamiltonian alone takes a state, on the host; None in large dimensions or under a drive.

    Between saved times a state may visit levels that decay fast: its rates there count as well.
    """

    def __init__(self, hamiltonian: Hamiltonian, hbar: float, psi: np.ndarray) -> None:
        self.possible = not hamiltonian.time_dependent and hamiltonian.dim <= _LARGEST_PROPAGATED
        if self.possible:
            energies, self._vectors = spectrum_of(hamiltonian)
            self._frequencies = energies / hbar
            self._components = self._vectors.conj().T @ psi.reshape(len(psi), -1)

    def rate(self, rate: JumpRate, t: float) -> float:
        """The rate after the time t, 0 where it is not known."""
        if not self.possible:
            return 0.0
        psi = self._vectors @ (np.exp(-1j * self._frequencies * t)[:, None] * self._components)
        return rate.in_state(psi)


def _expectation(operator: np.ndarray, psi: np.ndarray) -> float:
    """Tr Oψψ† for ψ (dim, rank)."""
    image = operator[:, None] * psi if operator.ndim == 1 else operator @ psi
    return float(np.vdot(psi, image).real)
