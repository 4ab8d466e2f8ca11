"""The stochastic Schrödinger equation written out with dense matrices in plain numpy, one trajectory at a time."""

import numpy as np


def drift(jumps, psi, law="real"):
    """Σ_k (⟨L_k†⟩L_k − ½L_k†L_k − ½|⟨L_k⟩|²)ψ; for unitary noise −½ΣL_k²ψ."""
    total = np.zeros_like(psi)
    for jump in jumps:
        if law == "unitary":
            total -= 0.5 * jump @ jump @ psi
            continue
        mean = psi.conj() @ jump @ psi
        total += np.conj(mean) * (jump @ psi) - 0.5 * jump.conj().T @ jump @ psi - 0.5 * abs(mean) ** 2 * psi
    return total


def diffusion(jumps, psi, law="real"):
    """The vectors that multiply dW_k, (K, dim): (L_k − ⟨L_k⟩)ψ, or −iL_kψ for unitary noise."""
    if law == "unitary":
        return np.stack([-1j * jump @ psi for jump in jumps])
    return np.stack([jump @ psi - (psi.conj() @ jump @ psi) * psi for jump in jumps])


def euler_step(matrix, jumps, psi, increments, dt, law="real", hbar=1.0):
    """One normalised Euler-Maruyama step with the Wiener increments (K,)."""
    change = (-1j / hbar * matrix @ psi + drift(jumps, psi, law)) * dt + increments @ diffusion(jumps, psi, law)
    return (psi + change) / np.linalg.norm(psi + change)
