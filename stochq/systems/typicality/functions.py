"""Functions of a Hamiltonian applied to states, by polynomials on the band of its energies."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Num

from stochq.arrays import Array, Number
from stochq.module import Module
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.propagation.loops import behind_loop
from stochq.systems.propagation.windows import Planes, planes_of

# Bounds on the energies are widened by this fraction: outside its band a polynomial grows exponentially.
BAND_MARGIN = 1e-3
# Polynomials of a higher degree are refused.
MOST_DEGREE = 2**14
# Kaiser's parameter, for oscillations of the square of a step below 0.005. Then the square goes from 0.1 to 0.9 over
# the angle _EDGE / degree, and is 1/2 at _SHIFT / degree inside of the step.
_KAISER, _EDGE, _SHIFT = 5.0, 4.57, 1.24
# Coefficients are padded to a multiple of this, so that neighbouring degrees share a compiled program.
_PADDING = 64

# Coefficients and what they are multiplied by.
Series = Sequence[tuple[Array, Number]]


class Polynomial(Module):
    r"""A real polynomial of a Hamiltonian, applied to states by Clenshaw's recurrence.

    $$p(H)\psi = \sum_{k=0}^{n} c_k\,T_k(x)\psi, \qquad x = \frac{H - \text{centre}}{\text{half width}}$$

    It applies H n times and holds three states (dim,) beside what H needs; all columns share the coefficients.

    Args:
        coefficients: c_k, zeros beyond the degree.
        degree: n.
        centre, half_width: of the band of energies.
        error: largest deviation from the function that is meant, on the band.
    """

    coefficients: Array
    degree: Number
    centre: Number
    half_width: Number
    error: Number

    def __call__(self, hamiltonian: Hamiltonian, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        return lax.complex(*self.on_planes(hamiltonian, planes_of(psi)))

    def on_planes(self, hamiltonian: Hamiltonian, planes: Planes) -> Planes:
        """The same of a state held as two real arrays."""
        return combined(hamiltonian, self, [([(self.coefficients, 1.0)], planes)], self.degree)

    def to_power(self, power: int, rtol: float) -> "Polynomial":
        """p^n on the same band, without the coefficients that sum to less than rtol of its largest value."""
        series = np.polynomial.chebyshev.chebpow(np.asarray(self.coefficients)[: int(self.degree) + 1], power)
        tail = np.cumsum(np.abs(series)[::-1])[::-1]
        kept = max(int(np.sum(tail > rtol * self.largest**power)), 1)
        left_out = float(tail[kept]) if kept < len(tail) else 0.0
        return _padded(series[:kept], float(self.centre), float(self.half_width), left_out)

    def of_energies(self, energies: np.ndarray) -> np.ndarray:
        """p(E) for numbers E, in double precision."""
        x = (np.asarray(energies) - np.asarray(self.centre)) / np.asarray(self.half_width)
        return np.polynomial.chebyshev.chebval(x, np.asarray(self.coefficients))

    @property
    def largest(self) -> float:
        """An upper bound on |p| on the band, 2 % above it at most.

        From points at angles δ apart, between which |p| grows by no more than 1/cos(nδ/2) (H. Ehlich and K. Zeller,
        Math. Z. 86, 41 (1964)).
        """
        angles = np.linspace(0, np.pi, 8 * int(self.degree) + 9)
        values = self.of_energies(np.asarray(self.centre) + np.asarray(self.half_width) * np.cos(angles))
        return float(np.abs(values).max()) / np.cos(np.pi / 16)

    def __repr__(self) -> str:
        low, high = self.centre - self.half_width, self.centre + self.half_width
        return (
            f"Polynomial(degree={int(self.degree)}, error={float(self.error):.2g}, "
            f"energies from {float(low):.6g} to {float(high):.6g})"
        )


def combined(
    hamiltonian: Hamiltonian, band: Polynomial, parts: Sequence[tuple[Series, Planes]], degree: Number
) -> Planes:
    r"""Σ_j p_j(H)ψ_j of several states in the time of one, as Clenshaw sums it:

    $$b_k = \sum_j c_{jk}\psi_j + 2x\,b_{k+1} - b_{k+2}, \qquad \sum_j p_j\psi_j = b_0 - x\,b_1$$

    band: a polynomial with the centre and the half width of all. parts: series and states as two real
    arrays (dim, *columns). A series is
    of coefficients (n,), n > degree + 1, with factors, numbers or (1, *columns). degree: the highest.
    """
    states = [planes for _, planes in parts]
    real = states[0][0].dtype
    series = [[(jnp.asarray(c, real), jnp.asarray(f, real)) for c, f in pairs] for pairs, _ in parts]
    centre, half_width = jnp.asarray(band.centre, real), jnp.asarray(band.half_width, real)

    def weights(k: Number) -> list[Any]:
        return [sum(c[k] * f for c, f in pairs) for pairs in series]

    def start(k: Number) -> Planes:
        real, imag = (sum(w * planes[i] for w, planes in zip(weights(k), states, strict=True)) for i in range(2))
        return jnp.asarray(real), jnp.asarray(imag)

    def term(k: Array, first: Planes, second: Planes) -> Planes:
        total = jax.tree.map(jnp.subtract, start(k), second)
        return hamiltonian.added_to(total, jnp.where(k == 0, 1.0, 2.0).astype(real) / half_width, centre, first)

    def two_terms(index: jax.Array, carry: tuple[Planes, Planes]) -> tuple[Planes, Planes]:
        # Each takes the place of the last but one: one at a time they would be copied. Beyond the degree all is zero.
        first, second = carry
        k = 2 * (pairs - index) - 1
        second = term(k, first, second)
        return term(k - 1, second, first), second

    pairs = (degree + 1) // 2
    # Zeros made of what is known last: XLA would keep those of a constant as long as the program runs. The last term is
    # one of the loop: behind it XLA would work it out once for everything that is made of the sum.
    last = 0 * weights(0)[-1]
    zeros = jax.tree.map(lambda plane: last * plane, states[-1])
    return behind_loop(degree, lax.fori_loop(0, pairs, two_terms, (start(2 * pairs), zeros))[0])


def polynomial_of(
    function: Callable[[np.ndarray], np.ndarray], band: tuple[float, float], error: float, width: float = np.inf
) -> Polynomial:
    """The Chebyshev polynomial of the lowest degree whose truncated coefficients sum to at most `error`.

    Args:
        function: of energies (n,), smooth on the band.
        band: lowest and highest energy.
        error: largest deviation on the band.
        width: energies over which the function changes, where that is far less than the band: points twice as close
            are needed to see it at all.

    Raises:
        ValueError: if the degree would pass MOST_DEGREE.

    >>> polynomial_of(np.exp, (-1.0, 1.0), 1e-6)
    Polynomial(degree=7, error=1e-06, energies from -1.001 to 1.001)
    """
    centre, half_width = _widened(band)
    points = max(32, 2 ** int(np.ceil(np.log2(2 * np.pi * half_width / width + 1))))
    while points <= 2 * MOST_DEGREE:
        angles = np.pi * (np.arange(points) + 0.5) / points
        coefficients = _cosine_coefficients(function(centre + half_width * np.cos(angles)))
        tail = np.cumsum(np.abs(coefficients)[::-1])[::-1]
        degree = int(np.argmax(tail <= error)) - 1 if tail[-1] <= error else points
        # The last quarter is zero to rounding where the points are dense enough, and aliases nothing.
        if degree < 3 * points // 4:
            return _padded(coefficients[: max(degree, 0) + 1], centre, half_width, error)
        points *= 2
    raise ValueError(
        f"beta, psi0: expected weights that a polynomial of degree {MOST_DEGREE} resolves to {error:.2g}. "
        "Take a state with a wider spread of energies, or a smaller |beta|."
    )


def step_polynomial(low: float, high: float, band: tuple[float, float], edge: float) -> Polynomial:
    r"""A polynomial whose square is 1 between two energies and 0 outside, with smooth edges.

    $$c_k = d_k\,\frac{2}{\pi k}\,(\sin k\theta_1 - \sin k\theta_2), \qquad \cos\theta = x,$$

    where Kaiser's factors d_k damp the oscillations of a step that is cut off. Jackson's kernel keeps the polynomial
    itself positive and takes a third more terms for the same edges; here the square is the weight.

    Args:
        low, high: energies at which the weight is 1/2.
        band: lowest and highest energy.
        edge: energies over which the weight goes from 0.1 to 0.9.

    Raises:
        ValueError: if the degree would pass MOST_DEGREE.
    """
    centre, half_width = _widened(band)
    angles = np.arccos(np.clip((np.array([low, high]) - centre) / half_width, -1, 1))
    # Edges are sharper near the ends of the band, where the same angle is less energy.
    steepest = half_width * float(np.sin(angles).max())
    degree = max(int(np.ceil(_EDGE * steepest / edge)), 1) if edge > 0 else MOST_DEGREE + 1
    if degree > MOST_DEGREE:
        raise ValueError(
            f"edge: expected edges that a polynomial of degree {MOST_DEGREE} resolves, of at least "
            f"{_EDGE * steepest / MOST_DEGREE:.3g} in energy; got {edge:.3g}. Take a state with a wider spread of "
            "energies, or wider edges."
        )
    first, last = np.clip(angles + np.array([1, -1]) * _SHIFT / degree, 0, np.pi)
    k = np.arange(1, degree + 1)
    steps = 2 / (np.pi * k) * (np.sin(k * first) - np.sin(k * last))
    damping = np.i0(_KAISER * np.sqrt(1 - (k / (degree + 1)) ** 2)) / np.i0(_KAISER)
    return _padded(np.concatenate([[(first - last) / np.pi], steps * damping]), centre, half_width, 0.0)


def _widened(band: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(energy) for energy in band)
    half_width = (high - low) / 2 * (1 + BAND_MARGIN)
    return (low + high) / 2, half_width if half_width > 0 else 1.0


def _cosine_coefficients(values: np.ndarray) -> np.ndarray:
    """Chebyshev coefficients (n,) of a function from its values (n,) at the roots of T_n: a cosine transform."""
    points = len(values)
    transformed = np.fft.fft(np.concatenate([values, values[::-1]]))[:points]
    coefficients = (np.exp(-0.5j * np.pi * np.arange(points) / points) * transformed).real / points
    coefficients[0] /= 2
    return coefficients


def _padded(coefficients: np.ndarray, centre: float, half_width: float, error: float) -> Polynomial:
    degree = len(coefficients) - 1
    zeros = np.zeros(-(degree + 2) % _PADDING + 1)
    return Polynomial(
        np.concatenate([coefficients, zeros]), np.asarray(degree), *map(np.asarray, (centre, half_width, error))
    )
