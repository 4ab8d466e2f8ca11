"""The initial state: checked, or normalised on request."""

import numpy as np

from stochq.arrays import ArrayLike

NORM_TOLERANCE = 1e-6


def normalize(psi: ArrayLike) -> np.ndarray:
    """ψ/|ψ| as complex128, (dim,).

    >>> normalize([3.0, 4.0]).real.round(12).tolist()
    [0.6, 0.8]
    """
    psi = np.asarray(psi, dtype=np.complex128)
    norm = np.linalg.norm(psi)
    if not (np.isfinite(norm) and norm > 0):
        raise ValueError(f"psi: expected a finite, non-zero vector; its norm is {norm}.")
    return psi / norm


def check_state(psi0: ArrayLike, dim: int) -> np.ndarray:
    """psi0 as complex128 (dim,), finite and normalised; ValueError otherwise."""
    psi = np.asarray(psi0)
    if psi.shape != (dim,):
        raise ValueError(f"psi0: expected shape ({dim},), one ket of the equation's dimension; got {psi.shape}.")
    psi = psi.astype(np.complex128)
    if not np.all(np.isfinite(psi)):
        raise ValueError(f"psi0: expected finite amplitudes; entry {int(np.argmin(np.isfinite(psi)))} is not.")
    norm = float(np.linalg.norm(psi))
    if abs(norm - 1) > NORM_TOLERANCE:
        raise ValueError(
            f"psi0: expected a normalised state, |psi0| = 1 within {NORM_TOLERANCE:g}; got |psi0| = {norm:.6g}. "
            "Divide it by its norm: sq.normalize(psi0)."
        )
    return psi / norm
