"""Spontaneous unitarity violation by noise with a memory."""

import numpy as np

from stochq.arrays import Number, OperatorLike, is_concrete
from stochq.channels.families.reduction import StratonovichCollapse
from stochq.equation import Equation
from stochq.models.checks import positive, rate, unitary_basis
from stochq.noise import Coloured, SphericalBrownian
from stochq.systems.basis import ProductBasis
from stochq.systems.checks import as_number, check_flag
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian


def coloured_suv(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    drift: Number,
    coupling: Number,
    colour: Coloured | SphericalBrownian | None,
    variance: float | None = None,
    basis: OperatorLike | str | ProductBasis | None = None,
    single: bool = False,
    hbar: Number = 1.0,
) -> Equation:
    r"""Reduction by noise of finite correlation time (arXiv:2306.05849, arXiv:2405.01077).

    $$\dot\psi = -\tfrac i\hbar H\psi + \sum_k\big[Jp_k + G\xi_k(t)\big](P_k - p_k)\psi,\qquad
      \mathrm E\,\xi_k(t)\xi_k(0) = \sigma^2e^{-|t|/\tau}$$

    drift: J and coupling: G, inverse times. colour: `sq.noise.OrnsteinUhlenbeck(τ)`, any other process of `sq.noise`
    scaled to the variance σ² (default 1), or `sq.noise.SphericalBrownian(τ)`, whose σ² is 1/3; None is white noise of
    strength g = G. basis: columns |k⟩, None for the given basis. single: two levels driven by one process instead of
    one each, u̇ = J tanh u + Gξ for u = artanh(p_0 − p_1).

    In the white limit g² = 2G²σ²τ; Born's rule needs J = 2g² (single: J = g²), and is lost at finite τ or another J.
    No master equation belongs to this equation.

    Raises:
        ValueError: for a negative drift, a variance that does not fit, or single with more than two levels.

    >>> import stochq as sq
    >>> noise = sq.noise.OrnsteinUhlenbeck(0.1)
    >>> coloured_suv(sq.systems.levels([0.0, 0.0]), drift=1.0, coupling=2.0, colour=noise).noise
    'real'
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    dim = hamiltonian.dim
    if check_flag("single", single) and dim != 2:
        raise ValueError(f"single: expected two levels, whose populations one process can exchange; got {dim} levels.")
    matrix = np.array([[0.5, -0.5]]) if single else np.eye(dim)
    strength = rate("coupling", coupling) * _normalization(colour, variance)
    channel = StratonovichCollapse(rate("drift", drift), strength, matrix, unitary_basis(basis, hamiltonian))
    return Equation(hamiltonian, (channel,), "real", positive("hbar", hbar), colour)


def _normalization(colour: Coloured | SphericalBrownian | None, variance: float | None) -> float:
    """What multiplies the process as the engine makes it, so that its variance is σ²."""
    if isinstance(colour, Coloured):
        wanted = float(positive("variance", 1.0 if variance is None else variance))
        return float(np.sqrt(wanted / colour.correlation(0.0)))
    if variance is not None and not (colour is not None and np.isclose(variance, 1 / 3)):
        owner = "white noise, which has none" if colour is None else "SphericalBrownian, whose variance is 1/3"
        raise ValueError(f"variance: expected None with {owner}; got {variance}. Scale the coupling instead.")
    return 1.0


def white_strength(coupling: Number, *, variance: Number, correlation_time: Number) -> Number:
    r"""The strength of white noise to which coloured noise tends as its memory shortens, $g^2 = 2G^2\sigma^2\tau$.

    >>> white_strength(2.0, variance=0.5, correlation_time=0.25)
    1.0
    """
    coupling, variance = as_number("coupling", coupling), rate("variance", variance)
    strength = 2 * coupling**2 * variance * rate("correlation_time", correlation_time)
    if not is_concrete(strength):
        return strength
    if not np.isfinite(strength):
        raise ValueError(f"coupling: expected one whose square is finite; got {coupling}.")
    return float(strength)
