"""Linear dynamics of Gaussian states, and the channels it is the sum of."""

from functools import partial
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from stochq.arrays import ArrayLike, Times, as_real, is_concrete
from stochq.gaussian import entropy as entropies
from stochq.gaussian.balance import DetailedBalance, balance_of
from stochq.gaussian.checks import (
    TOLERANCE,
    check_number,
    check_semi_definite,
    check_square,
    check_symmetric,
)
from stochq.gaussian.crossing import warn_if_unphysical
from stochq.gaussian.phase_space import Array, Real, array_namespace, symplectic_form
from stochq.gaussian.propagation import distinct, propagate
from stochq.gaussian.state import State
from stochq.gaussian.stationary import lyapunov
from stochq.module import Module
from stochq.systems.checks import check_times


class Dissipation(Module):
    """One named source of drift and noise, such as a bath: what `Dynamics` adds up.

    Args:
        name: of the channel.
        drift: its part of A (2n, 2n), as in `Dynamics`.
        diffusion: its part of B (2n, 2n), as in `Dynamics`.

    >>> Dissipation("bath", [[-0.1, 0], [0, -0.1]], [[0.3, 0], [0, 0.3]]).name
    'bath'
    """

    name: str = eqx.field(static=True)
    drift: Float[Array, "2n 2n"] = eqx.field(converter=partial(as_real, name="drift"))
    diffusion: Float[Array, "2n 2n"] = eqx.field(converter=partial(as_real, name="diffusion"))

    def __check_init__(self) -> None:
        _check_pair(self.drift, self.diffusion)


class Dynamics(Module):
    r"""Drift and diffusion of Gaussian states (the Fokker-Planck equation of `brownian-balance` eq. 1).

    $$\frac{d\bar x}{dt}=A\bar x,\qquad \frac{dV}{dt}=AV+VA^T+B$$

    Dynamics add, and so do `Dissipation`s, whose names are kept in `channels`.

    Args:
        drift: A (2n, 2n) in the order (q1..qn, p1..pn), rates.
        diffusion: B (2n, 2n), twice the diffusion coefficients: covariance per time.
        hbar: ħ, in the units of the covariance; 0 for classical noise.
        channels: named parts of drift and diffusion.

    Raises:
        ValueError: for shapes that do not match or a diffusion that is not symmetric and positive semi-definite.

    >>> damped = unitary([[1.0, 0.0], [0.0, 1.0]]) + thermal_bath("bath", rate=0.2, occupation=1.0)
    >>> damped.steady_state().covariance.diagonal().round(12).tolist()
    [1.5, 1.5]
    """

    drift: Float[Array, "2n 2n"] = eqx.field(converter=partial(as_real, name="drift"))
    diffusion: Float[Array, "2n 2n"] = eqx.field(converter=partial(as_real, name="diffusion"))
    hbar: Real = eqx.field(converter=partial(as_real, name="hbar"), default=1.0)
    channels: tuple[Dissipation, ...] = ()

    def __check_init__(self) -> None:
        _check_pair(self.drift, self.diffusion)
        check_number("hbar", self.hbar, least=0.0)

    @property
    def modes(self) -> int:
        """The number of modes n."""
        return self.drift.shape[-1] // 2

    def __add__(self, other: "Dynamics | Dissipation") -> "Dynamics":
        more = (other,) if isinstance(other, Dissipation) else other.channels
        if isinstance(other, Dynamics) and is_concrete((self.hbar, other.hbar)) and self.hbar != other.hbar:
            raise ValueError(f"hbar: expected the same in both dynamics; got {self.hbar:g} and {other.hbar:g}.")
        if np.shape(other.drift) != np.shape(self.drift):
            raise ValueError(
                f"drift: expected the shapes of both to match; got {np.shape(self.drift)} and {np.shape(other.drift)}."
            )
        drift, diffusion = self.drift + other.drift, self.diffusion + other.diffusion
        return Dynamics(drift, diffusion, self.hbar, (*self.channels, *more))

    def evolve(self, state: State, times: Times) -> State:
        r"""The states at `times` (T,), the first of which is the time of `state`, by exact exponentials.

        $$V(t)=e^{At}V_0e^{A^Tt}+\int_0^te^{As}Be^{A^Ts}ds$$

        Args:
            state: one state or many, on leading axes.
            times: (T,), increasing.

        Returns:
            a State with a leading time axis: mean (T, ..., 2n), covariance (T, ..., 2n, 2n).

        Numbers are computed in double precision. Under jit, vmap and grad the caller's precision holds: put these
        inside `with jax.enable_x64(True):`. Dynamics that are not completely positive run, with an
        `UnphysicalStateWarning` that says when the state breaks the uncertainty principle.

        Raises:
            ValueError: for times that do not increase, a state of other modes or below the uncertainty bound.

        >>> csl = Dynamics([[0, 1], [-1, 0]], [[0, 0], [0, 0.2]])
        >>> start = State([0, 0], [[0.505, 0], [0, 0.505]])
        >>> csl.evolve(start, [0.0, np.pi]).covariance[-1].diagonal().round(6).tolist()
        [0.819159, 0.819159]
        """
        self._check_state(state)
        instants = check_times(times) if is_concrete(times) else jnp.asarray(times)
        if is_concrete(self.hbar):
            state.check_physical(self.hbar)
        lengths, which = distinct(instants)
        arguments = (self.drift, self.diffusion, lengths, which, state.mean, state.covariance)
        if not is_concrete(arguments):
            return State(*propagate(*arguments))
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            moments = State(*map(np.asarray, propagate(*arguments)))
        if not self.is_completely_positive():
            warn_if_unphysical(self.drift, self.diffusion, self.hbar, moments, np.asarray(instants))
        return moments

    def steady_state(self) -> State:
        """The state that does not change, AV + VAᵀ = −B (Lyapunov), with zero mean.

        Under vmap and grad a drift without steady state gives NaN.

        Raises:
            ValueError: for a drift with an eigenvalue whose real part is not negative, naming it.

        >>> Dynamics([[0, 1], [-1, -0.4]], [[0, 0], [0, 1.0]]).steady_state().covariance.diagonal().round(12).tolist()
        [1.25, 1.25]
        """
        covariance = lyapunov(self.drift, self.diffusion)
        return State(array_namespace(covariance).zeros(self.drift.shape[:1]), covariance)

    def entropy_production(
        self, state: State, entropy: Literal["wigner", "wehrl", "von_neumann"] = "wigner"
    ) -> Float[Array, "*batch"]:
        r"""The rate Π of entropy production (`brownian-balance` eq. 4).

        $$\Pi=2\int\frac{J^I\cdot(B^I)^{-1}J^I}{W}dx
             =2\,\mathrm{Tr}\big[(B^I)^+MVM^T\big]+2(A^I\bar x)\cdot(B^I)^+A^I\bar x,
          \quad M=A^I+\tfrac12B^IV^{-1}$$

        I marks the parts that time reversal leaves alone. Infinite where an irreversible drift acts without noise.

        Args:
            state: one state or many, on leading axes.
            entropy: "wigner"; "wehrl", the same for the Q function (appendix C); or "von_neumann", Spohn's
                −dS(ρ‖ρ_S)/dt. That is infinite, with its sign, where a pure steady state ("ultracold catastrophe") or
                a pure state is left, and NaN for states below the uncertainty bound.

        Returns:
            a rate for every state.
        """
        self._check_state(state)
        if entropy == "wigner":
            return entropies.production(self.drift, self.diffusion, state)
        if entropy == "wehrl":
            smooth = self.husimi()
            return entropies.production(smooth.drift, smooth.diffusion, entropies.husimi(state, self.hbar))
        if entropy == "von_neumann":
            return entropies.spohn_production(self.drift, self.diffusion, state, self.steady_state(), self.hbar)
        raise ValueError(f"entropy: expected 'wigner', 'wehrl' or 'von_neumann'; got {entropy!r}.")

    def entropy_flux(self, state: State) -> Float[Array, "*batch"]:
        r"""The rate of entropy flow into the environment, $\Phi=\Pi-dS/dt$ (`brownian-balance` eq. 3)."""
        return self.entropy_production(state) - self.entropy_rate(state)

    def entropy_rate(self, state: State) -> Float[Array, "*batch"]:
        r"""The rate at which the Wigner entropy grows, $dS/dt=\mathrm{Tr}A+\frac12\mathrm{Tr}(V^{-1}B)$."""
        self._check_state(state)
        return entropies.rate(self.drift, self.diffusion, state)

    def entropy_production_by_channel(self, state: State) -> dict[str, Float[Array, "*batch"]]:
        """Π of every named channel, by its own drift and noise.

        The sum exceeds `entropy_production` where several act on the same coordinates, as two baths of different
        temperature do: these produce entropy even where, added up, they look like one bath.
        """
        self._check_state(state)
        return {part.name: entropies.production(part.drift, part.diffusion, state) for part in self.channels}

    def relative_entropy_decay(self, state: State, target: State) -> Float[Array, "*batch"]:
        """−dK(W‖W_target)/dt, the entropy production of `collapse-entropy` (eq. 15, which lost its minus).

        It equals Π for the steady state as target, if that obeys detailed balance.
        """
        self._check_state(state)
        return entropies.relative_decay(self.drift, self.diffusion, state, target)

    def heat_currents(self, state: State, hamiltonian: ArrayLike) -> dict[str, Float[Array, "*batch"]]:
        """Power that every named channel puts into the energy ½xᵀGx; hamiltonian: G (2n, 2n)."""
        self._check_state(state)
        matrix = as_real(hamiltonian)
        return {part.name: entropies.power(part.drift, part.diffusion, state, matrix) for part in self.channels}

    def is_completely_positive(self) -> bool | jax.Array:
        r"""Whether $B-\frac{i\hbar}2(A\Omega+\Omega A^T)\ge0$, up to rounding."""
        numbers = array_namespace(self.drift, self.diffusion, self.hbar)
        form = symplectic_form(self.modes)
        matrix = self.diffusion - 0.5j * self.hbar * (self.drift @ form + form @ self.drift.T)
        spectrum = numbers.linalg.eigvalsh(matrix)
        holds = spectrum[0] >= -TOLERANCE * numbers.abs(spectrum).max()
        return bool(holds) if is_concrete(holds) else holds

    def detailed_balance(self) -> DetailedBalance:
        """Micro-reversibility of the steady state in its two parts (`brownian-balance` eq. 2); truthy if both hold."""
        return balance_of(self.drift, self.diffusion, self.steady_state().covariance)

    def husimi(self) -> "Dynamics":
        """The dynamics of the Q function: W smeared with the vacuum of ω = m = 1 (`brownian-balance` appendix C).

        Its hbar is 0: the uncertainty bound of W does not apply to Q functions.
        """
        return Dynamics(self.drift, entropies.husimi_diffusion(self.drift, self.diffusion, self.hbar), 0.0)

    def _check_state(self, state: State) -> None:
        if state.modes != self.modes:
            raise ValueError(f"state: expected {self.modes} modes, as the dynamics has; got {state.modes}.")


def unitary(hamiltonian: ArrayLike, hbar: Real = 1.0) -> Dynamics:
    """The dynamics of H = ½ xᵀGx alone, A = ΩG.

    Args:
        hamiltonian: G (2n, 2n), symmetric, in the order (q1..qn, p1..pn).
        hbar: ħ, in the units of the covariance.

    >>> unitary([[4.0, 0.0], [0.0, 1.0]]).drift.tolist()
    [[0.0, 1.0], [-4.0, 0.0]]
    """
    matrix = as_real(hamiltonian)
    check_square("hamiltonian", matrix)
    check_symmetric("hamiltonian", matrix)
    return Dynamics(symplectic_form(matrix.shape[-1] // 2) @ matrix, 0.0 * matrix, hbar)


def thermal_bath(
    name: str, *, rate: Real, occupation: Real, mode: int = 0, modes: int = 1, hbar: Real = 1.0
) -> Dissipation:
    """A bath that damps one of n modes: A = −γ/2, B = ħγ(n̄ + ½) on its q and p, in units of ω = m = 1.

    Args:
        name: of the bath.
        rate: γ, of the energy.
        occupation: n̄, to which it damps.
        mode: which, from 0.
        modes: n.
        hbar: ħ, in the units of the covariance.

    Raises:
        ValueError: for a rate or occupation below 0.

    >>> thermal_bath("cold", rate=0.2, occupation=0.0).diffusion.tolist()
    [[0.1, 0.0], [0.0, 0.1]]
    """
    check_number("rate", rate, least=0.0)
    check_number("occupation", occupation, least=0.0)
    if not 0 <= mode < modes:
        raise ValueError(f"mode: expected one of 0..{modes - 1}; got {mode}.")
    unit = np.zeros(modes)
    unit[mode] = 1.0
    where = np.diag(np.tile(unit, 2))
    return Dissipation(name, -0.5 * rate * where, hbar * rate * (occupation + 0.5) * where)


def _check_pair(drift: Array, diffusion: Array) -> None:
    check_square("drift", drift)
    check_square("diffusion", diffusion)
    if np.shape(drift) != np.shape(diffusion):
        raise ValueError(f"diffusion: expected the drift's shape {np.shape(drift)}; got {np.shape(diffusion)}.")
    check_symmetric("diffusion", diffusion)
    check_semi_definite("diffusion", diffusion)
