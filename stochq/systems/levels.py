"""A few levels given by a vector of energies or a matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import numpy as np

from stochq.arrays import Array, ArrayLike, OperatorLike, is_concrete
from stochq.operators import Bands, as_operator, bands_of, holds_function, is_foreign, parts_of
from stochq.systems.banded import Banded, check_hermitian_bands
from stochq.systems.checks import check_diagonal, check_hermitian, shape_of
from stochq.systems.hamiltonian import Dense, Diagonal, Hamiltonian
from stochq.systems.observables import Catalogue

# Populations are named one by one up to this many levels.
NAMED_POPULATIONS = 64


@dataclass(frozen=True)
class LevelCatalogue(Catalogue):
    """Populations |k><k| of the basis states; parts: their dimensions, where they are known."""

    dim: int
    parts: tuple[int, ...] = ()

    @property
    def dims(self) -> tuple[int, ...]:
        return self.parts

    def operators(self) -> dict[str, Callable[[], Array]]:
        if self.dim > NAMED_POPULATIONS:
            return {}
        return {f"population_{k}": partial(self._population, k) for k in range(self.dim)}

    def _population(self, k: int) -> np.ndarray:
        return (np.arange(self.dim) == k).astype(np.float64)


def levels(matrix: OperatorLike) -> Diagonal | Dense | Banded:
    """Hamiltonian of a few levels, from its energies or its matrix.

    $$H = \\sum_k E_k |k\\rangle\\langle k| \\quad\\text{or}\\quad H = \\sum_{jk} H_{jk} |j\\rangle\\langle k|.$$

    matrix: energies (dim,), or a Hermitian matrix (dim, dim), in energy units; a diagonal matrix is recognised. Sparse
    ones, of SciPy, JAX, QuTiP or dynamiqs, keep few diagonals as such, and a `Qobj` its `dims`.
    Observables: "population_k" (up to 64 levels) and "energy".

    Raises:
        ValueError: if the energies are not real and finite or the matrix is not Hermitian.

    >>> qubit = levels([[0.5, 0.2], [0.2, -0.5]])
    >>> qubit.dim, list(qubit.operators)
    (2, ['population_0', 'population_1', 'energy'])
    """
    return _levels("matrix", matrix)


def _levels(name: str, matrix: OperatorLike) -> Diagonal | Dense | Banded:
    parts = parts_of(matrix)
    if bands := bands_of(name, matrix):
        return _of_bands(name, bands, LevelCatalogue(bands.shape[0], parts))
    return _of_array(name, as_operator(name, matrix), parts)


def _of_array(name: str, matrix: ArrayLike, parts: tuple[int, ...]) -> Diagonal | Dense:
    if len(shape_of(name, matrix)) == 1:
        check_diagonal(name, matrix)
        return Diagonal(matrix, LevelCatalogue(np.shape(matrix)[0]))
    check_hermitian(name, matrix)
    catalogue = LevelCatalogue(np.shape(matrix)[0], parts)
    if is_concrete(matrix):
        diagonal = np.diagonal(np.asarray(matrix))
        if np.array_equal(np.asarray(matrix), np.diag(diagonal)):
            return Diagonal(np.real(diagonal), catalogue)
    return Dense(matrix, catalogue)


def _of_bands(name: str, bands: Bands, catalogue: LevelCatalogue) -> Diagonal | Banded:
    check_hermitian_bands(name, *bands)
    if bands.offsets == (0,):
        return Diagonal(bands.bands[0].real, catalogue)
    return Banded(*bands, catalogue)


def as_hamiltonian(hamiltonian: object, name: str = "hamiltonian") -> Hamiltonian:
    """A system as it is; a Hermitian matrix (dim, dim), of another library as well, or energies (dim,) as `levels`
    takes them.

    Raises:
        ValueError: for anything else.

    >>> as_hamiltonian([[0.0, 1.0], [1.0, 0.0]]).dim
    2
    """
    if isinstance(hamiltonian, Hamiltonian):
        return hamiltonian
    if isinstance(hamiltonian, (list, tuple)) and any(map(holds_function, hamiltonian)):
        raise ValueError(
            f"{name}: expected a matrix; got a list with functions of the time. Write sq.systems.driven(H0, [(H1, "
            "lambda t: jnp.cos(t))])."
        )
    if isinstance(hamiltonian, (list, tuple, np.ndarray, jax.Array)) or is_foreign(hamiltonian):
        return _levels(name, cast(OperatorLike, hamiltonian))
    raise ValueError(
        f"{name}: expected a system such as sq.systems.ising(...), a Hermitian matrix (dim, dim) or energies "
        f"(dim,); got {type(hamiltonian).__name__}."
    )
