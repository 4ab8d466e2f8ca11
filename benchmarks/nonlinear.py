"""Exact averages that no density matrix knows, in plain numpy: closed equations of two families."""

import numpy as np
from scipy.linalg import expm

# Fourier modes on each side: |u_k| has fallen to rounding long before for the times and rates asked here.
MODES = 80


def watched_qubit(turning: float, decay: float, angle: float, times: np.ndarray) -> dict[str, np.ndarray]:
    r"""E p² of the excited population p and E⟨σ_x⟩² of a decaying qubit whose light is watched, (T,) each.

    $H=\frac{\omega}{2}\sigma_y$ and $L=\sqrt\gamma\,\sigma_-$ keep $\psi=(\cos\varphi,\sin\varphi)$ real, with

    $$d\varphi=\Big(\frac{\omega}{2}+\gamma\sin\varphi\cos^3\varphi+\frac{\gamma}{2}\sin\varphi\cos\varphi\Big)dt
      +\sqrt\gamma\cos^2\varphi\,dW.$$

    Averages follow from the backward equation, which couples few of the modes $e^{2ik\varphi}$.
    """
    # cos φ and sin φ are half modes: every product below is of an even number of them.
    size = 4 * MODES + 1
    up = np.eye(size, k=-1)
    cosine, sine = 0.5 * (up + up.T), (up - up.T) / 2j
    slope = 1j * np.diag(np.arange(size) - 2.0 * MODES)
    square = cosine @ cosine
    drift = 0.5 * turning * np.eye(size) + decay * sine @ cosine @ (square + 0.5 * np.eye(size))
    generator = drift @ slope + 0.5 * decay * square @ square @ slope @ slope
    one = np.eye(size)[2 * MODES]
    functions = {"p squared": square @ square @ one, "x squared": 4 * square @ sine @ sine @ one}
    at = np.exp(1j * angle * (np.arange(size) - 2.0 * MODES))
    even = slice(0, None, 2)
    flows = [expm(t * generator[even, even]) for t in times]
    return {
        name: np.array([(at[even] @ flow @ values[even]).real for flow in flows]) for name, values in functions.items()
    }


def even_thermalization(rate: float, populations: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    r"""E p₁² and E Σp² under OQT with even weights and complex noise, (T,) each.

    Populations are then a Wright-Fisher diffusion, $d\bar p/dt=a(1/d-\bar p)$ and
    $\frac{d}{dt}E p^2=2a(\bar p/d-Ep^2)+\frac{2a}{d}(\bar p-Ep^2)$ with the rate a.
    """
    dim = len(populations)
    # Of (1, p̄, E p²).
    matrix = rate * np.array([[0.0, 0.0, 0.0], [1 / dim, -1.0, 0.0], [0.0, 4 / dim, -2.0 - 2 / dim]])
    start = np.stack([np.ones(dim), populations, populations**2])
    squares = np.array([(expm(t * matrix) @ start)[2] for t in times])
    return {"p squared": squares[:, 0], "sum of squares": squares.sum(axis=1)}
