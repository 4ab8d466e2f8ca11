"""Single Pauli strings on states: what fits no window of neighbouring sites."""

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number
from stochq.systems.propagation.windows import Planes, kron

# A string of Pauli matrices: sites and letters, sites ascending.
String = tuple[tuple[int, str], ...]

PAULI = {
    "I": np.eye(2),
    "X": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "Y": np.array([[0.0, -1j], [1j, 0.0]]),
    "Z": np.array([[1.0, 0.0], [0.0, -1.0]]),
}


def string_matrix(string: String, first: int, count: int) -> np.ndarray:
    """The string as a matrix (2^count, 2^count) on the sites from `first` on, real where it has no Y."""
    letters = {site: letter for site, letter in string}
    return np.asarray(kron([PAULI[letters.get(site, "I")] for site in range(first, first + count)]))


def is_diagonal(string: String) -> bool:
    """Whether the string is one of Z alone."""
    return all(letter == "Z" for _, letter in string)


def apply_string(string: String, x: jax.Array) -> jax.Array:
    """A string without the factor i of each of its Y, on a real array (dim, *columns)."""
    shape, left, flipped = [], x.shape[0], []
    factor = np.ones((1,) * (2 * len(string) + 2))
    for place, (site, letter) in enumerate(reversed(string)):
        axis = 2 * place + 1
        outer = left >> (site + 1)
        shape += [outer, 2]
        left = 1 << site
        flipped += [axis] if letter in "XY" else []
        if letter in "YZ":
            # (Yψ)_0 = −iψ_1 and (Yψ)_1 = iψ_0.
            sign = np.array([-1.0, 1.0]) if letter == "Y" else np.array([1.0, -1.0])
            factor = factor * sign.reshape((2,) + (1,) * (factor.ndim - 1 - axis))
    grouped = x.reshape(*shape, left, -1)
    return (jnp.flip(grouped, flipped) * jnp.asarray(factor, x.dtype)).reshape(x.shape)


def apply_to_planes(string: String, planes: Planes) -> Planes:
    """A string on a state held as two real arrays."""
    real, imag = (apply_string(string, plane) for plane in planes)
    for _ in range(sum(letter == "Y" for _, letter in string)):
        real, imag = -imag, real
    return real, imag


def rotate(string: String, angle: Number, planes: Planes) -> Planes:
    """exp(-i θ P) ψ = cos θ ψ - i sin θ P ψ."""
    (real, imag), (image_real, image_imag) = planes, apply_to_planes(string, planes)
    cosine, sine = (f(angle).astype(real.dtype) for f in (jnp.cos, jnp.sin))
    return cosine * real + sine * image_imag, cosine * imag - sine * image_real
