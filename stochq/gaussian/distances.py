"""Fidelity, excitations and pictures of Gaussian states."""

import numpy as np
from jaxtyping import Float

from stochq.arrays import ArrayLike, as_real
from stochq.gaussian.entropy import matched
from stochq.gaussian.phase_space import Array, Real, aligned, array_namespace, quadratic, symplectic_form
from stochq.gaussian.state import State


def fidelity(a: State, b: State, hbar: Real = 1.0) -> Float[Array, "*batch"]:
    r"""Uhlenbeck's fidelity $F=(\mathrm{Tr}\sqrt{\sqrt\rho_a\rho_b\sqrt\rho_a})^2$ of Gaussian states of any modes.

    $$F=\frac{2\,e^{-\frac12d^T(V_a+V_b)^{-1}d}}{\sqrt{\Delta+\Lambda}-\sqrt\Lambda},\quad
      \Delta=\det(V_a+V_b),\ \Lambda=(\det V_a-1)(\det V_b-1),\ d=\bar x_a-\bar x_b$$

    for one mode, with V in units where the vacuum has 1 (`collapse-entropy` eq. 19, garbled there); for more by the
    symplectic eigenvalues of the auxiliary matrix of Banchi, Braunstein and Pirandola (PRL 115, 260501). These are
    not differentiable.

    Args:
        a: one state or many, on leading axes.
        b: the same; one without leading axes goes with all of the others.
        hbar: ħ, in the units of the covariances.

    Returns:
        numbers from 0 to 1 (...).

    >>> from stochq.gaussian import thermal
    >>> round(float(fidelity(thermal(0.005), thermal(0.51))), 5)
    0.71649
    """
    a, b = matched(a, b)
    numbers = array_namespace(a, b, hbar)
    first, second = a.covariance * 2 / hbar, b.covariance * 2 / hbar
    total = first + second
    overlap = numbers.exp(-0.5 * quadratic(numbers.linalg.inv(a.covariance + b.covariance), a.mean - b.mean))
    if a.modes == 1:
        delta = numbers.linalg.det(total)
        excess = (numbers.linalg.det(first) - 1) * (numbers.linalg.det(second) - 1)
        excess = numbers.maximum(excess, 0.0)
        # 2/(√(Δ+Λ) − √Λ), without the difference.
        return 2 * overlap * (numbers.sqrt(delta + excess) + numbers.sqrt(excess)) / delta
    return overlap * _many_modes(first, second, total)


def _many_modes(first: Array, second: Array, total: Array) -> Array:
    numbers = array_namespace(total)
    form = aligned(symplectic_form(total.shape[-1] // 2), total)
    auxiliary = numbers.linalg.inv(total) @ (form + second @ form @ first)
    # Eigenvalues ±iw, one w per mode, at least 1; their products with the form need no symmetric square root.
    values = numbers.linalg.eigvals(auxiliary @ numbers.swapaxes(form, -1, -2) @ form)
    widths = numbers.sort(numbers.abs(values.imag), axis=-1)[..., ::2]
    roots = widths + numbers.sqrt(numbers.maximum(widths**2 - 1, 0.0))
    return numbers.prod(roots, axis=-1) * 2 ** widths.shape[-1] / numbers.sqrt(numbers.linalg.det(total))


def mean_excitations(
    state: State, *, mass: ArrayLike = 1.0, frequency: ArrayLike = 1.0, hbar: Real = 1.0
) -> Float[Array, "*batch n"]:
    r"""Mean excitations of each mode, $\langle a^\dagger a\rangle=\big(m\omega\langle q^2\rangle+
    \langle p^2\rangle/m\omega\big)/2\hbar-\frac12$.

    Args:
        state: one state or many, on leading axes.
        mass: m, of all modes or per mode (n,).
        frequency: ω in radians per time, of all modes or per mode (n,).
        hbar: ħ, in the units of all others.

    >>> from stochq.gaussian import thermal
    >>> mean_excitations(thermal([1.0, 3.0])).tolist()
    [1.0, 3.0]
    """
    numbers = array_namespace(state, mass, frequency, hbar)
    scale = numbers.broadcast_to(as_real(mass) * as_real(frequency), (state.modes,))
    scale = scale.reshape((1,) * (state.mean.ndim - 1) + scale.shape)
    second = numbers.diagonal(state.covariance, axis1=-2, axis2=-1) + state.mean**2
    return (scale * second[..., : state.modes] + second[..., state.modes :] / scale) / (2 * hbar) - 0.5


def wigner(state: State, positions: ArrayLike, momenta: ArrayLike) -> Float[Array, "*batch q p"]:
    """The Wigner function of one mode on a grid.

    Args:
        state: one state or many, on leading axes.
        positions: (Q,).
        momenta: (P,).

    Returns:
        densities per position and momentum (..., Q, P).

    Raises:
        ValueError: for a state of more than one mode.

    >>> from stochq.gaussian import vacuum
    >>> bool(abs(wigner(vacuum(), [0.0], [0.0])[0, 0] - 1 / np.pi) < 1e-12)
    True
    """
    if state.modes != 1:
        raise ValueError(f"state: expected one mode, whose Wigner function is a picture; got {state.modes}.")
    numbers = array_namespace(state, positions, momenta)
    positions, momenta = as_real(positions), as_real(momenta)
    grid = numbers.stack(numbers.meshgrid(positions, momenta, indexing="ij"), axis=-1)
    leading = state.mean.ndim - 1
    distance = grid.reshape((1,) * leading + grid.shape) - state.mean[..., None, None, :]
    inverse = numbers.linalg.inv(state.covariance)[..., None, None, :, :]
    norm = 2 * np.pi * numbers.sqrt(numbers.linalg.det(state.covariance))
    return numbers.exp(-0.5 * quadratic(inverse, distance)) / norm[..., None, None]
