"""Full counting statistics of clicks, and the times between them, by the tilted generator.

$$\\mathcal L_z = \\mathcal L + (z-1)\\mathcal J,\\quad \\mathcal J\\rho = \\sum_k c_k\\rho c_k^\\dagger,\\quad
  \\mathrm E z^{N_t} = \\mathrm{Tr}\\,e^{\\mathcal L_zt}\\rho_0$$

(Landi, Kewming, Mitchison and Potts, PRX Quantum 5, 020201 (2024)).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import ArrayLike, OperatorLike, StateLike, Times, check_numbers
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.exact import liouvillian
from stochq.exact.action import ChannelBases, channel_bases, pack, packed_generator, unpack
from stochq.exact.inputs import check_lags, initial_density
from stochq.exact.lines import jumps_of
from stochq.exact.ode import integrate
from stochq.exact.steady import integrated_response, steady_state
from stochq.systems.checks import check_count, check_number, check_times

_DIFFERENTIABLE = "Use differences at two values of the parameter."
# Below this, relative to the largest, an eigenvalue that should not be negative is rounding.
_ROUNDING = 1e-9
# Rates in the steady state below this, relative to the generator's, are rounding.
_DARK = 1e-12


@dataclass(frozen=True)
class Counts:
    """Statistics of the number of clicks since the first of the times.

    times (T,); mean (T,); variance (T,); mandel_q (T,): variance/mean − 1, 0 where nothing can have clicked yet;
    probabilities (T, n+1) of 0 … n clicks where they were asked for, else None.
    """

    times: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    mandel_q: np.ndarray
    probabilities: np.ndarray | None

    def __str__(self) -> str:
        lines = [f"Counts: clicks at {len(self.times)} times in [{self.times[0]:g}, {self.times[-1]:g}]"]
        rows = {"mean": self.mean, "variance": self.variance, "mandel_q": self.mandel_q}
        lines += [f"  {name}: {values[0]:.5g}  →  {values[-1]:.5g}" for name, values in rows.items()]
        if self.probabilities is not None:
            most = self.probabilities.shape[1] - 1
            lines.append(f"  probabilities: of 0 to {most}, in all {np.sum(self.probabilities[-1]):.5g} at the end")
        return "\n".join(lines)

    __repr__ = __str__


class StationaryCounts(NamedTuple):
    """Clicks in the steady state: their rate, and Mandel's Q of their number in a long time."""

    rate: float
    mandel_q: float


def counting(
    equation: Equation,
    psi0_or_rho0: StateLike,
    times: Times,
    *,
    operator: str | OperatorLike,
    most: int | None = None,
) -> Counts:
    r"""Statistics of the number N of clicks of a counter from times[0] on, in double precision.

    $$\frac{d}{dt}\mathrm E N = \mathrm{Tr}\,\mathcal J\rho,\quad
      \frac{d}{dt}\mathrm{Var}\,N = \mathrm{Tr}\,\mathcal J(\rho+2\sigma),\quad
      \dot\sigma = \mathcal L\sigma + \mathcal J\rho - \rho\,\mathrm{Tr}\,\mathcal J\rho,\quad
      \mathcal J\rho = \sum_k c_k\rho c_k^\dagger$$

    These are the derivatives with respect to the counting field of the tilted generator ℒ + (z−1)𝒥 at z = 1, and
    σ = E[(N − EN)ρ] (Landi et al., PRX Quantum 5, 020201 (2024)).

    Args:
        equation: the equation, of whose jumps some are counted.
        psi0_or_rho0: a normalised ket (dim,) or a density matrix (dim, dim) at times[0].
        times: (T,) increasing, the start included.
        operator: the name of a counter among the equation's detectors, whose dark counts count; or the jump operator
            c (dim, dim) that clicks, with its rate and √efficiency in it; or a list of such, counted together.
        most: the largest number of clicks whose probability is wanted; None for no probabilities.

    Returns:
        Mean, variance, Mandel's Q and the probabilities at each time.

    Raises:
        ValueError: for arguments that do not fit, and for operators with more clicks than the equation has jumps
            (looked at up to 16 states).

    >>> import numpy as np
    >>> import stochq as sq
    >>> lower = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> decay = sq.models.unravel(sq.systems.levels([0.0, 0.0]), [lower])
    >>> counts = sq.exact.counting(decay, [1.0, 0.0], [0.0, 1.0], operator=lower, most=1)
    >>> counts.mean.round(4), counts.mandel_q.round(4), counts.probabilities[-1].round(4)
    (array([0.    , 0.6321]), array([ 0.    , -0.6321]), array([0.3679, 0.6321]))
    """
    check_numbers(_DIFFERENTIABLE, equation=equation, psi0_or_rho0=psi0_or_rho0, times=times)
    times = check_times(times)
    equation, jumps = _checked(equation, operator, times)
    rho = initial_density(psi0_or_rho0, equation.dim)
    with jax.enable_x64(True):
        mean, variance = _moments(equation, jumps, rho, times)
        probabilities = None
        if most is not None:
            probabilities = _probabilities(equation, jumps, rho, times, check_count("most", most, 0))
    mandel_q = np.where(mean > 0, variance / np.where(mean > 0, mean, 1.0) - 1, 0.0)
    return Counts(times, mean, variance, mandel_q, probabilities)


def stationary_counting(equation: Equation, *, operator: str | OperatorLike) -> StationaryCounts:
    r"""The rate of clicks in the steady state, and Mandel's Q of their number in a long time.

    $$j = \mathrm{Tr}\,\mathcal J\rho_s,\qquad
      Q = \lim_{t\to\infty}\frac{\mathrm{Var}\,N_t}{\mathrm E N_t}-1
        = \frac2j\,\mathrm{Tr}\,\mathcal J\int_0^\infty e^{\mathcal L\tau}(\mathcal J\rho_s-j\rho_s)\,d\tau$$

    Args:
        equation, operator: as for `counting`.

    Returns:
        The rate j, 1/time, and Q, 0 where nothing clicks.

    Raises:
        ValueError: as `counting`, and as `steady_state` where there is more than one.

    Resonance fluorescence at Ω = γ: Q = −6Ω²γ²/(γ² + 2Ω²)².

    >>> import numpy as np
    >>> import stochq as sq
    >>> lower = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> atom = sq.models.unravel(sq.systems.levels([[0.0, 0.5], [0.5, 0.0]]), [lower])
    >>> rate, mandel_q = sq.exact.stationary_counting(atom, operator=lower)
    >>> round(rate, 6), round(mandel_q, 6)
    (0.333333, -0.666667)
    """
    check_numbers(_DIFFERENTIABLE, equation=equation)
    equation, jumps = _checked(equation, operator)
    steady = steady_state(equation)
    after = _jumped(jumps, steady)
    rate = _rate(equation, jumps, after)
    if rate == 0:
        return StationaryCounts(0.0, 0.0)
    excess = _jumped(jumps, integrated_response(equation, after - rate * steady))
    return StationaryCounts(rate, 2 * float(np.trace(excess).real) / rate)


def waiting_time(
    equation: Equation,
    psi0_or_rho0: StateLike | None,
    lags: ArrayLike,
    *,
    operator: str | OperatorLike,
    time: float = 0.0,
) -> np.ndarray:
    r"""The probability density of the time until the next click of a counter.

    $$w(\tau) = \mathrm{Tr}\,\mathcal J e^{(\mathcal L-\mathcal J)\tau}\rho,\qquad
      \mathcal J\rho = \sum_k c_k\rho c_k^\dagger$$

    Args:
        equation, operator: as for `counting`.
        psi0_or_rho0: the state at which the clock starts, a ket (dim,) or a density matrix (dim, dim); None for
            that after a click in the steady state, 𝒥ρ_s/Tr 𝒥ρ_s: w is then the density of the times between clicks.
        lags: τ (T,), increasing, none negative, in units of time.
        time: when the clock starts, which matters where the equation depends on time.

    Returns:
        w (T,), 1/time. Its integral is below 1 where a click may never come.

    Raises:
        ValueError: as `counting`, and for None where there is no single steady state or nothing clicks in it.

    >>> import numpy as np
    >>> import stochq as sq
    >>> lower = np.array([[0.0, 0.0], [2.0**0.5, 0.0]])
    >>> decay = sq.models.unravel(sq.systems.levels([0.0, 0.0]), [lower])
    >>> sq.exact.waiting_time(decay, [1.0, 0.0], [0.0, 1.0], operator=lower).round(4)
    array([2.    , 0.2707])
    """
    check_numbers(_DIFFERENTIABLE, equation=equation, psi0_or_rho0=psi0_or_rho0, lags=lags)
    check_number("time", time)
    lags = check_lags(lags)
    times = float(time) + (lags if lags[0] == 0 else np.concatenate([[0.0], lags]))
    equation, jumps = _checked(equation, operator, times)
    rho = _after_click(equation, jumps) if psi0_or_rho0 is None else initial_density(psi0_or_rho0, equation.dim)
    rates = np.einsum("kji,kjl->il", jumps.conj(), jumps).T
    with jax.enable_x64(True):
        slope = eqx.Partial(_silent_slope, equation, channel_bases(equation), jumps)
        solved = integrate(slope, pack(rho), times, equation)
        density = np.array([np.sum(rates * unpack(packed)).real for packed, *_ in solved])
    return density[len(times) - len(lags) :]


def _after_click(equation: Equation, jumps: np.ndarray) -> np.ndarray:
    after = _jumped(jumps, steady_state(equation))
    rate = _rate(equation, jumps, after)
    if rate == 0:
        raise ValueError("operator: expected one that clicks in the steady state; its rate is 0. Give psi0_or_rho0.")
    return after / rate


def _rate(equation: Equation, jumps: np.ndarray, after: np.ndarray) -> float:
    """The rate of clicks Tr 𝒥ρ from 𝒥ρ, 0 where it is rounding of a steady state of the generator."""
    rate = float(np.trace(after).real)
    scale = float(equation.hamiltonian.bandwidth / equation.hbar) + float(np.sum(np.abs(jumps) ** 2))
    return rate if rate > _DARK * scale else 0.0


def _checked(equation: Equation, operator: str | OperatorLike, times: Times = (0.0,)) -> tuple[Equation, np.ndarray]:
    """The equation and the counted operators (K, dim, dim), which must be among its jumps at the times."""
    equation = as_equation(equation)
    if equation.colour is not None:
        raise ValueError("equation: expected white noise; coloured noise has no jumps to count.")
    jumps = jumps_of(equation, operator)
    if equation.dim <= liouvillian.LARGEST_DIM:
        for time in np.atleast_1d(times) if equation.time_dependent else (0.0,):
            _check_part(equation, jumps, float(time))
    return equation, jumps


def _check_part(equation: Equation, jumps: np.ndarray, time: float) -> None:
    """ValueError unless what is left of the generator without the jumps takes density matrices to positive ones."""
    dim = equation.dim
    with jax.enable_x64(True):
        matrix = liouvillian.liouvillian(equation, time)

    def generator(rho: np.ndarray) -> np.ndarray:
        return unpack((matrix @ pack(rho).reshape(-1)).reshape(dim, dim))

    whole, counted = _choi(generator, dim), _choi(lambda rho: _jumped(jumps, rho), dim)
    entangled = np.eye(dim).reshape(-1) / np.sqrt(dim)
    off = np.eye(dim * dim) - np.outer(entangled, entangled)
    lowest = np.linalg.eigvalsh(off @ (whole - counted) @ off)[0]
    if lowest < -_ROUNDING * max(float(np.abs(whole).max()), float(np.abs(counted).max())):
        raise ValueError(
            f"operator: expected jump operators of the equation, or such times √efficiency; without their jumps the "
            f"rest of the equation is not positive at t = {time:g} (lowest eigenvalue {lowest:.3g}). Give L as the "
            "equation has it, with its rate."
        )


def _choi(act: Callable[[np.ndarray], np.ndarray], dim: int) -> np.ndarray:
    """Choi's matrix Σ_ij |i⟩⟨j| ⊗ S(|i⟩⟨j|) of a map S given on Hermitian matrices, (dim², dim²)."""
    units = np.eye(dim * dim).reshape(-1, dim, dim)
    images = [act(0.5 * (unit + unit.T) + 0j) + 1j * act(-0.5j * (unit - unit.T)) for unit in units]
    return np.stack(images).reshape([dim] * 4).transpose(0, 2, 1, 3).reshape(dim**2, dim**2)


def _jumped(jumps: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Σ_k c_k ρ c_k†."""
    return np.einsum("kij,jl,kml->im", jumps, rho, jumps.conj(), optimize=True)


def _packed_jump(jumps: jax.Array, packed: jax.Array) -> jax.Array:
    rho = unpack(packed)
    return pack(jnp.einsum("kij,jl,kml->im", jumps, rho, jumps.conj(), optimize=True))


def _silent_slope(
    equation: Equation, bases: ChannelBases, jumps: jax.Array, t: jax.Array, packed: jax.Array
) -> jax.Array:
    """(ℒ − 𝒥)ρ."""
    return packed_generator(equation, bases, t, packed) - _packed_jump(jumps, packed)


def _moments(
    equation: Equation, jumps: np.ndarray, rho: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (T,) of the number of clicks."""
    start = np.concatenate([pack(rho).reshape(-1), np.zeros(rho.size + 2)])
    slope = eqx.Partial(_moments_slope, equation, channel_bases(equation), jumps)
    values = np.stack([y[-2:] for y, *_ in integrate(slope, start, times, equation)])
    return values[:, 0], values[:, 1]


def _moments_slope(equation: Equation, bases: ChannelBases, jumps: jax.Array, t: jax.Array, y: jax.Array) -> jax.Array:
    """d/dt of ρ, σ, mean and variance, in one vector."""
    rho, sigma = y[:-2].reshape(2, equation.dim, equation.dim)
    jumped, correlated = _packed_jump(jumps, rho), _packed_jump(jumps, sigma)
    rate = jnp.trace(jumped)
    slopes = (
        packed_generator(equation, bases, t, rho).reshape(-1),
        (packed_generator(equation, bases, t, sigma) + jumped - rate * rho).reshape(-1),
        jnp.stack([rate, rate + 2 * jnp.trace(correlated)]),
    )
    return jnp.concatenate(slopes)


def _probabilities(equation: Equation, jumps: np.ndarray, rho: np.ndarray, times: np.ndarray, most: int) -> np.ndarray:
    """P(n) (T, most+1): traces of the density matrices that belong to n clicks each."""
    start = np.zeros((most + 1, *rho.shape))
    start[0] = pack(rho)
    slope = eqx.Partial(_resolved_slope, equation, channel_bases(equation), jumps)
    solved = integrate(slope, start, times, equation)
    return np.stack([np.trace(y, axis1=1, axis2=2) for y, *_ in solved])


def _resolved_slope(equation: Equation, bases: ChannelBases, jumps: jax.Array, t: jax.Array, y: jax.Array) -> jax.Array:
    """ρ̇⁽ⁿ⁾ = (ℒ − 𝒥)ρ⁽ⁿ⁾ + 𝒥ρ⁽ⁿ⁻¹⁾, (n, dim, dim)."""
    jumped = jax.vmap(lambda packed: _packed_jump(jumps, packed))(y)
    kept = jax.vmap(lambda packed: packed_generator(equation, bases, t, packed))(y) - jumped
    return kept.at[1:].add(jumped[:-1])
