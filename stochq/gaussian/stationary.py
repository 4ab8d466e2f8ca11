"""Steady covariances: the Lyapunov equation."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from stochq.arrays import is_concrete, nan_unless
from stochq.gaussian.phase_space import Array

# An eigenvalue this close to the imaginary axis, relative to the largest, counts as on it.
_MARGIN = 1e-13


def lyapunov(drift: Array, diffusion: Array) -> Float[Array, "2n 2n"]:
    """V with AV + VAᵀ + B = 0: by Bartels and Stewart (O(n³)), or as a linear system (O(n⁶)) where it is traced.

    Raises:
        ValueError: for an unstable drift, naming the eigenvalue. Traced, it gives NaN.
    """
    if not is_concrete((drift, diffusion)):
        return _traced(drift, diffusion)
    check_stable(np.asarray(drift))
    from scipy.linalg import matrix_balance, solve_continuous_lyapunov

    _, (scale, _) = matrix_balance(drift, permute=False, separate=True)
    balanced = drift * scale[None, :] / scale[:, None]
    noise = diffusion / np.outer(scale, scale)
    covariance = solve_continuous_lyapunov(balanced, -noise)
    # One step of refinement: the residual is solved for as well.
    residual = balanced @ covariance + covariance @ balanced.T + noise
    covariance = covariance - solve_continuous_lyapunov(balanced, residual)
    return 0.5 * (covariance + covariance.T) * np.outer(scale, scale)


def check_stable(drift: np.ndarray) -> None:
    """ValueError for a drift under which something does not decay."""
    spectrum = np.linalg.eigvals(drift)
    worst = spectrum[np.argmax(spectrum.real)]
    if worst.real < -_MARGIN * np.abs(spectrum).max():
        return
    shown = f"{worst.real:.6g}" if worst.imag == 0 else f"{worst.real:.6g} ± {abs(worst.imag):.6g}i"
    raise ValueError(
        f"drift: expected eigenvalues with negative real parts, else there is no steady state; got {shown}. "
        "Add friction, or evolve for a finite time."
    )


def _traced(drift: Array, diffusion: Array) -> Array:
    size = drift.shape[0]
    unit = jnp.eye(size, dtype=drift.dtype)
    matrix = jnp.kron(drift, unit) + jnp.kron(unit, drift)
    covariance = jnp.linalg.solve(matrix, -jnp.reshape(diffusion, (-1,))).reshape(size, size)
    covariance = 0.5 * (covariance + covariance.T)
    # Lyapunov's theorem: without stability the solution is not a covariance, and its Cholesky factor is NaN.
    positive = jnp.all(jnp.isfinite(jnp.linalg.cholesky(covariance)))
    return nan_unless(positive, covariance)
