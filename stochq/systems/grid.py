"""A particle on a periodic grid in one to three dimensions."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex

from stochq.arrays import Array, ArrayLike, Number, as_complex, as_matrix, as_real, is_concrete
from stochq.systems.checks import check_count, check_finite, check_number, shape_of
from stochq.systems.eigen import eigh
from stochq.systems.fourier import Spectral, filtered, kinetic_matrix, wave_numbers
from stochq.systems.hamiltonian import Dense, Hamiltonian, Matrix, Propagator, State, lowest
from stochq.systems.linear import phases, scale
from stochq.systems.margins import Margin, grid_margins
from stochq.systems.observables import LazyMapping
from stochq.systems.packets import gaussian_packet
from stochq.systems.potentials import Potential

# Up to here in total the propagator is one dense matrix; above, two Fourier transforms are cheaper.
DENSE_POINTS = 128
# Dense matrices and their eigenvectors are made on request up to here.
LARGEST_DENSE = 4096
# Points in all: a state of more takes a gigabyte.
LARGEST_GRID = 2**26
# Share of the box, on each side, and of the largest momentum that count as its edge.
EDGE = 0.05
ALIAS = 0.9
AXES = ("", "_y", "_z")


class Particle(Hamiltonian):
    """H = p^2 / 2m + V(x) on a periodic grid; made by `particle`, which checks its arguments.

    States (dim,) are psi at the points in row-major order, normalised to sum |psi|^2 = 1 (not times the spacing).
    """

    potential: Array
    kinetic: Array
    mass: Number
    length: Number
    hbar: Number
    dense: Dense | None
    points: int = eqx.field(static=True)
    dimensions: int = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each dimension."""
        return (self.points,) * self.dimensions

    @property
    def dim(self) -> int:
        return self.points**self.dimensions

    @property
    def spacing(self) -> Number:
        """Distance of neighbouring points."""
        return self.length / self.points

    @property
    def coordinates(self) -> tuple[Array, ...]:
        """Coordinates of the points, (dim,) per dimension, from -length/2 to length/2 - spacing."""
        return grid_coordinates(self.points, self.dimensions, self.length)

    @property
    def energies(self) -> Array:
        """Eigenvalues (dim,), ascending; computed on each request above 128 points."""
        return eigh(self._elements())[0] if self.dense is None else self.dense.energies

    @property
    def eigenvectors(self) -> Array | None:
        """Eigenvectors (dim, dim); computed on each request above 128 points."""
        return eigh(self._elements())[1] if self.dense is None else self.dense.eigenvectors

    @property
    def bandwidth(self) -> Number:
        """The ranges of the kinetic and the potential energy added up."""
        return self.kinetic.max() - self.kinetic.min() + self.potential.max() - self.potential.min()

    def _elements(self) -> Array:
        if self.dim > LARGEST_DENSE:
            raise ValueError(
                f"points: expected at most {LARGEST_DENSE} points in all for a dense matrix or eigenvectors; "
                f"got {self.dim}. Use apply and propagate, which never build them."
            )
        return _total_energy(self.points, self.dimensions, self.kinetic, self.potential)

    @property
    def operators(self) -> Mapping[str, Any]:
        """Position (arrays), momentum and energy (callables psi -> float), one set per dimension."""
        makers = {}
        for axis in range(self.dimensions):
            name = AXES[axis]
            makers[f"position{name}"] = partial(self._position, axis, 1)
            makers[f"position{name}_squared"] = partial(self._position, axis, 2)
            makers[f"momentum{name}"] = partial(self._momentum, axis, 1)
            makers[f"momentum{name}_squared"] = partial(self._momentum, axis, 2)
        makers["kinetic"] = lambda: Spectral(self.kinetic, None)
        makers["energy"] = lambda: Spectral(self.kinetic, self.potential)
        return LazyMapping(makers)

    def _position(self, axis: int, power: int) -> Array:
        return self.coordinates[axis] ** power

    def _momentum(self, axis: int, power: int) -> Spectral:
        integers = wave_numbers(self.points, self.dimensions)[axis]
        if power == 1 and self.points % 2 == 0:
            # The fastest wave runs both ways: it has no direction, or real states would have a momentum.
            integers = np.where(np.abs(integers) == self.points // 2, 0, integers)
        return Spectral((2 * np.pi * self.hbar / self.length * integers) ** power, None)

    def with_eigenvectors(self, vectors: ArrayLike) -> "Particle":
        dense = Dense(self._elements(), None, (self.energies, as_matrix(vectors)))
        return eqx.tree_at(lambda system: system.dense, self, dense, is_leaf=lambda leaf: leaf is None)

    def matrix(self, t: Number = 0.0) -> Array:
        return as_complex(self._elements())

    def apply(self, t: Number, psi: State) -> State:
        if self.dense is not None:
            return self.dense.apply(t, psi)
        return filtered(self.kinetic, psi) + scale(self.potential, psi)

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        """The step exp(-i H dt / hbar): exact up to 128 points in all, above split into potential and kinetic parts.

        The split step exp(-i V dt/2) exp(-i T dt) exp(-i V dt/2) is unitary, of strong and weak order 2 in dt.
        """
        if self.dense is not None:
            return self.dense.propagator(dt, hbar)
        kinetic = phases(self.kinetic, dt / hbar)
        return _SplitPropagator(phases(self.potential, dt / (2 * hbar)), kinetic)

    @property
    def centre(self) -> Number:
        return lowest(self.kinetic) + lowest(self.potential)

    def centred(self) -> "Particle":
        kinetic, potential = lowest(self.kinetic), lowest(self.potential)
        dense = None if self.dense is None else self.dense.less(kinetic + potential)
        return eqx.tree_at(
            lambda system: (system.kinetic, system.potential, system.dense),
            self,
            (self.kinetic - kinetic, self.potential - potential, dense),
            is_leaf=lambda x: x is None,
        )

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        if self.dense is not None:
            return self.dense.commutator(t, rho)
        rows = tuple(range(self.dimensions))
        columns = tuple(range(self.dimensions, 2 * self.dimensions))
        # A column belongs to a bra, whose wave runs the other way.
        tensor = jnp.fft.ifftn(jnp.fft.fftn(rho.reshape(self.shape * 2), axes=rows), axes=columns)
        kinetic = jnp.asarray(self.kinetic).reshape(-1)
        tensor = tensor * (kinetic[:, None] - kinetic[None, :]).reshape(self.shape * 2)
        tensor = jnp.fft.fftn(jnp.fft.ifftn(tensor, axes=rows), axes=columns)
        potential = jnp.asarray(self.potential)
        return tensor.reshape(rho.shape) + (potential[:, None] - potential[None, :]) * rho

    def gaussian(
        self,
        position: Number | Sequence[Number],
        width: Number | Sequence[Number],
        momentum: Number | Sequence[Number] = 0.0,
    ) -> Complex[Array, " dim"]:
        """Gaussian wave packet, normalised to sum |psi|^2 = 1.

        $$\\psi(x) \\propto \\exp\\left[-\\frac{(x-x_0)^2}{4\\sigma^2} + \\frac{i p_0 x}{\\hbar}\\right]$$

        position: x_0; width: sigma, the standard deviation of the position; momentum: p_0; one number for all
        dimensions or one each.

        Raises:
            ValueError: if more than 1e-5 of the packet lies outside the box, where it would wrap around, or above the
                largest momentum pi hbar / spacing, where it would be aliased.

        >>> from stochq.systems import particle
        >>> psi = particle(64, length=20.0, mass=1.0, potential="free").gaussian(position=1.0, width=1.0)
        >>> round(float((abs(psi) ** 2).sum()), 12)
        1.0
        """
        return gaussian_packet(
            self.coordinates,
            self.points,
            self.length,
            self.hbar,
            position,
            width,
            momentum,
        )

    @property
    def values_of_hbar(self) -> tuple[Number, ...]:
        return (self.hbar,)

    @property
    def margins(self) -> Mapping[str, Margin]:
        return grid_margins(self.edge_weight, self.alias_weight)

    def edge_weight(self, psi: State) -> jax.Array:
        """Probability within the outermost 5 % of the box on either side, where a state is about to wrap around."""
        margin = max(1, round(EDGE * self.points))
        near = [(i < margin) | (i >= self.points - margin) for i in np.indices(self.shape)]
        return jnp.sum(jnp.abs(psi) ** 2 * np.any(near, axis=0).ravel().astype(np.float32))

    def alias_weight(self, psi: State) -> jax.Array:
        """Probability of a momentum in the top tenth of the range along some dimension, about to be aliased."""
        high = [np.abs(n) > ALIAS * self.points / 2 for n in wave_numbers(self.points, self.dimensions)]
        return Spectral(np.any(high, axis=0).astype(np.float32), None)(psi)


class _SplitPropagator(Propagator):
    """Half a step of the potential, a step of the kinetic energy, half a step of the potential."""

    half_potential: Array
    kinetic: Array

    def __call__(self, t: Number, psi: State) -> State:
        return scale(self.half_potential, filtered(self.kinetic, scale(self.half_potential, psi)))


def grid_coordinates(points: int, dimensions: int, length: Number) -> tuple[Array, ...]:
    """Flattened coordinates (dim,) per dimension of the points (i - points/2) * length / points."""
    indices = np.indices((points,) * dimensions).reshape(dimensions, -1)
    return tuple((index - points / 2) * (length / points) for index in indices)


def _total_energy(points: int, dimensions: int, kinetic: Array, potential: Array) -> Array:
    matrix = kinetic_matrix(kinetic, points, dimensions)
    return matrix + (np.diag(potential) if is_concrete((matrix, potential)) else jnp.diag(potential))


def particle(
    points: int, length: Number, mass: Number, potential: object = None, dimensions: int = 1, hbar: Number = 1.0
) -> Particle:
    """Particle on a periodic grid.

    $$H = \\frac{\\hat p^2}{2m} + V(\\hat x),\\qquad x_i = \\left(i - \\tfrac{N}{2}\\right)\\frac{L}{N},\\qquad
      k_n = \\frac{2\\pi n}{L}$$

    points: N per dimension; length: L of the box per dimension; mass: m; dimensions: 1, 2 or 3. potential: None or
    "free", an array over the grid (points,) * dimensions, a function V(x[, y, z]) of flattened coordinates (dim,), or
    `harmonic(...)`, `double_well(...)`. Energies are in units of hbar^2 / (mass length^2); in single precision take
    units in which these are of order one.
    Observables: "position", "position_squared" (arrays), "momentum", "momentum_squared", "kinetic", "energy"
    (callables psi -> float), and "position_y", "position_y_squared" and so on in more dimensions.

    Raises:
        ValueError: if a size is not positive or the potential is not real, finite and of the grid's shape.

    >>> from stochq.systems import harmonic, particle
    >>> particle(64, length=16.0, mass=1.0, potential=harmonic(1.0)).energies[:3].round(6).tolist()
    [0.5, 1.5, 2.5]
    """
    dimensions = check_count("dimensions", dimensions, 1, most=3)
    points = check_count("points", points, 2, most=int(LARGEST_GRID ** (1 / dimensions)))
    for name, value in (("length", length), ("mass", mass), ("hbar", hbar)):
        check_number(name, value, positive=True)
    length, mass, hbar = as_real(length), as_real(mass), as_real(hbar)
    energies = _potential(potential, points, dimensions, length, mass)
    integers = wave_numbers(points, dimensions)
    squares: Any = sum(n.astype(np.float64) ** 2 for n in integers)
    kinetic = (2 * np.pi * hbar / length) ** 2 / (2 * mass) * squares
    if is_concrete(kinetic) and not np.all(np.isfinite(kinetic)):
        raise ValueError(
            f"length, mass, hbar: expected kinetic energies that are finite; got {length}, {mass}, {hbar}."
        )
    small = points**dimensions <= DENSE_POINTS
    dense = Dense(_total_energy(points, dimensions, kinetic, energies)) if small else None
    return Particle(energies, kinetic, mass, length, hbar, dense, points, dimensions)


def _evaluated(potential: Callable, mass: Number, coordinates: Sequence[Array]) -> Any:
    """The values of a potential at the points."""
    if isinstance(potential, Potential):
        return potential(mass, *coordinates)
    try:
        return potential(*coordinates)
    except (TypeError, AttributeError, ArithmeticError, LookupError) as error:
        raise ValueError(
            f"potential: expected a function of {len(coordinates)} arrays of coordinates; got one that raises "
            f"{type(error).__name__}. Write it with numpy: np.cos(x) for math.cos(x)."
        ) from error


def _potential(potential: object, points: int, dimensions: int, length: Number, mass: Number) -> Array:
    """Potential energy (dim,) at each point."""
    dim, shape = points**dimensions, (points,) * dimensions
    if potential is None or (isinstance(potential, str) and potential == "free"):
        return np.zeros(dim)
    if isinstance(potential, str):
        raise ValueError(
            f'potential: expected "free", an array, a function or sq.systems.harmonic(...); got {potential!r}.'
        )
    values: Any = potential
    if callable(potential):
        coordinates = grid_coordinates(points, dimensions, length)
        values = _evaluated(potential, mass, coordinates)
    if shape_of("potential", values) not in ((), (dim,), shape):
        raise ValueError(f"potential: expected shape {shape} or ({dim},); got {np.shape(values)}.")
    check_finite("potential", values)
    if is_concrete(values) and np.any(np.imag(values)):
        raise ValueError("potential: expected real energies; got complex ones. Take the real part.")
    values = as_real(np.real(values) if is_concrete(values) else values)
    xp = np if is_concrete(values) else jnp
    return xp.broadcast_to(values.reshape(-1), (dim,)) + xp.zeros(dim)
