"""Exact averages of nonlinear functionals: Kolmogorov's backward equation in polynomials of the state.

u(t, ψ) = E f(ψ_t | ψ_0 = ψ) solves ∂u/∂t = 𝓛u with the generator 𝓛 of the stochastic Schrödinger equation. On states of
norm one the polynomials of one even degree hold all those of lower even degree, so that u is expanded in monomials of
one degree: in ψ and ψ*, or, where the equation keeps real states real, in ψ alone, which reaches further. 𝓛 raises
the degree by four; what leaves the space is projected back by least squares over random states.
"""

import itertools
from math import factorial

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import expm_multiply

# Random states for each monomial.
OVERSAMPLING = 4


def _exponents(variables, degree):
    """All ways of giving `degree` factors to the variables, (number, variables)."""
    chosen = itertools.combinations_with_replacement(range(variables), degree)
    return np.array([np.bincount(each, minlength=variables) for each in chosen])


def _coefficients(matrix, jumps, psi, law):
    """The drift (dim, points) of the equation and one such array for each real Wiener process."""
    drift, noises = -1j * (matrix @ psi), []
    for jump in jumps:
        image = jump @ psi
        mean = np.sum(psi.conj() * image, axis=0)
        drift = drift + mean.conj() * image - 0.5 * (jump.conj().T @ image) - 0.5 * abs(mean) ** 2 * psi
        noise = image - mean * psi
        noises += [noise] if law == "real" else [np.sqrt(0.5) * noise, 1j * np.sqrt(0.5) * noise]
    return drift, noises


class Backward:
    """The generator on polynomials of degree 2·`order`, as a matrix, with dense matrices of the equation."""

    def __init__(self, matrix, jumps, order, law="real", real=False):
        self.real, dim = real, len(matrix)
        half = _exponents(dim, 2 * order if real else order)
        pairs = half if real else [np.concatenate(pair) for pair in itertools.product(half, half)]
        self.powers = np.array(pairs)
        self.scale = np.array([1 / np.sqrt(np.prod([float(factorial(k)) for k in row])) for row in self.powers])
        parts = np.random.default_rng(1).normal(size=(2, dim, OVERSAMPLING * len(self.powers)))
        psi = parts[0] + (0 if real else 1j * parts[1])
        self.psi = psi / np.linalg.norm(psi, axis=0)
        values = self._monomials(self.psi)
        self.orthogonal, self.triangular = np.linalg.qr(values)
        drift, noises = _coefficients(matrix, jumps, self.psi, law)
        assert not real or all(np.allclose(x.imag, 0) for x in (drift, *noises))
        # Itô's formula: a monomial Πz^p changes by Σ p dz/z + ½[(Σ p dz/z)² − Σ p (dz/z)²] of itself.
        change = self._sum(drift / self.psi)
        for noise in noises:
            change = change + 0.5 * (self._sum(noise / self.psi) ** 2 - self._sum((noise / self.psi) ** 2))
        self.generator = self._fit(values * change)

    def _fit(self, values):
        """Coefficients, by least squares, of the polynomials with these values at the random states."""
        return linalg.solve_triangular(self.triangular, self.orthogonal.conj().T @ values)

    def _variables(self, psi):
        return psi if self.real else np.concatenate([psi, psi.conj()])

    def _sum(self, relative):
        """Σ p x over the variables of every monomial, (points, monomials)."""
        return self._variables(relative).T @ self.powers.T

    def _monomials(self, psi):
        variables = self._variables(psi).T.astype(complex)
        powers = np.arange(self.powers.max() + 1)
        table = variables[:, :, None] ** powers
        values = np.ones((len(variables), len(self.powers)), complex)
        for index in range(variables.shape[1]):
            values *= table[:, index, self.powers[:, index]]
        return values * self.scale

    def average(self, function, psi0, time):
        """E function(ψ_time) from ψ_0; function: (dim, points) -> (points,), a polynomial of at most this degree."""
        start = self._fit(function(self.psi))
        return (self._monomials(psi0[:, None]) @ expm_multiply(time * self.generator, start)).real[0]
