"""Quantum Brownian motion in all its variants."""

from typing import Literal

import numpy as np

from stochq.arrays import is_concrete
from stochq.gaussian.checks import check_one_number
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.phase_space import Real, array_namespace, built


def brownian(
    mass: Real,
    frequency: Real,
    friction: Real,
    beta: Real,
    cross_diffusion: Real = 0.0,
    position_diffusion: Real | Literal["minimal"] = "minimal",
    squeezing: Real = 0.0,
    hbar: Real = 1.0,
    position_friction: Real = 0.0,
) -> Dynamics:
    r"""Quantum Brownian motion of an oscillator, or of a free particle for frequency 0 (`brownian-balance` eqs. 7-10).

    $$A=\begin{pmatrix}\alpha-\xi&1/m\\-m\omega^2&-(\alpha+\eta)\end{pmatrix},\quad
      B=2\begin{pmatrix}D_{qq}&D_{qp}\\D_{qp}&D_{pp}\end{pmatrix},\quad D_{pp}=\frac{m\eta}\beta,\quad
      D_{qq}=\frac{\hbar^2(\eta+\xi)^2/16+D_{qp}^2}{D_{pp}}$$

    Args:
        mass: m.
        frequency: ω in radians per time; 0 for a free particle.
        friction: η, a rate.
        beta: inverse temperature, one over energy.
        cross_diffusion: D_qp, action per time.
        position_diffusion: D_qq, length² per time; 0 for Caldeira and Leggett's equation, which is not completely
            positive; "minimal" for the least that is, as above: ħ²ηβ/16m + βD_qp²/ηm without ξ.
        squeezing: α of the Hamiltonian (α/2){q, p}, a rate.
        hbar: ħ, in the units of all others.
        position_friction: ξ, a rate.

    Raises:
        ValueError: for a mass, friction or beta that is not positive, a frequency below 0, or a D_qq below 0 or below
            D_qp²/D_pp.

    >>> brownian(1.0, 1.0, 0.3, 2.0).steady_state().covariance.round(12).tolist()
    [[0.63625, -0.0375], [-0.0375, 0.625]]
    """
    for name, value in {"mass": mass, "friction": friction, "beta": beta}.items():
        check_one_number(name, value, least=0.0, open_end=True)
    for name, value in {"frequency": frequency, "position_friction": position_friction, "hbar": hbar}.items():
        check_one_number(name, value, least=0.0)
    check_one_number("cross_diffusion", cross_diffusion, least=-np.inf)
    check_one_number("squeezing", squeezing, least=-np.inf)
    momentum_diffusion = mass * friction / beta
    if isinstance(position_diffusion, str):
        damping = friction + position_friction
        position_diffusion = _minimal(position_diffusion, momentum_diffusion, damping, cross_diffusion, hbar)
    _check_diffusion(position_diffusion, cross_diffusion, momentum_diffusion)
    drift = [[squeezing - position_friction, 1 / mass], [-mass * frequency**2, -(squeezing + friction)]]
    diffusion = [
        [2 * position_diffusion, 2 * cross_diffusion],
        [2 * cross_diffusion, 2 * momentum_diffusion],
    ]
    return Dynamics(built(drift), built(diffusion), hbar)


def balancing_squeezing(mass: Real, frequency: Real, friction: Real, beta: Real, hbar: Real = 1.0) -> Real:
    r"""The squeezing that restores detailed balance of the minimal equation (`brownian-balance` eq. 18).

    $$\alpha_{DB}=-\eta\,\frac{D_{qq}m^2\omega^2}{D_{pp}+D_{qq}m^2\omega^2}$$

    Args: as of `brownian`. Returns: α, a rate.

    >>> round(balancing_squeezing(1.0, 1.0, 0.3, 2.0), 12)
    -0.06
    """
    momentum_diffusion = mass * friction / beta
    anomalous = _minimal("minimal", momentum_diffusion, friction, 0.0, hbar) * (mass * frequency) ** 2
    return -friction * anomalous / (momentum_diffusion + anomalous)


def balancing_position_friction(mass: Real, frequency: Real, friction: Real, beta: Real, hbar: Real = 1.0) -> Real:
    r"""The friction ξ in position that restores detailed balance of the minimal equation, at equipartition.

    $$\xi=\eta\,\frac{m^2\omega^2D_{qq}(\xi)}{D_{pp}}=\eta\,\frac{1-2u-\sqrt{1-4u}}{2u},\qquad
      u=(\beta\hbar\omega)^2/16$$

    Derived here from eqs. 2 and 20; `brownian-balance` says that it must be tuned, without the value. It exists for
    βħω ≤ 2 only: beyond, the classical thermal state is below the uncertainty bound.

    Args: as of `brownian`. Returns: ξ, a rate.

    Raises:
        ValueError: for βħω above 2.

    >>> round(float(balancing_position_friction(1.0, 1.0, 0.3, 1.0)), 9)
    0.021539031
    """
    quantum = beta * hbar * frequency
    if is_concrete(quantum) and np.any(np.asarray(quantum) > 2):
        raise ValueError(
            f"beta: expected βħω ≤ 2, else no friction in position restores balance; got {float(quantum):.6g}. "
            "Use balancing_squeezing."
        )
    u = quantum**2 / 16
    root = array_namespace(u).sqrt(1 - 4 * u)
    # (1 − 2u − √(1 − 4u))/2u without the difference: 2u/(1 − 2u + √(1 − 4u)).
    return friction * 2 * u / (1 - 2 * u + root)


def _minimal(word: str, momentum_diffusion: Real, damping: Real, cross_diffusion: Real, hbar: Real) -> Real:
    if word != "minimal":
        raise ValueError(f"position_diffusion: expected a number or 'minimal'; got {word!r}.")
    return ((hbar * damping) ** 2 / 16 + cross_diffusion**2) / momentum_diffusion


def _check_diffusion(position: Real, cross: Real, momentum: Real) -> None:
    check_one_number("position_diffusion", position, least=0.0)
    if not is_concrete((position, cross, momentum)):
        return
    least = cross**2 / momentum
    if position < least * (1 - 1e-12):
        raise ValueError(
            f"position_diffusion: expected at least D_qp²/D_pp = {least:.6g}, else the diffusion is not positive; "
            f"got {position:.6g}. Use 'minimal' or a smaller cross_diffusion."
        )
