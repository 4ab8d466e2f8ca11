"""Two parties, one of which evolves stochastically: the setting of the no-signalling test."""

import numpy as np

from stochq.arrays import OperatorLike
from stochq.channels import Channel, Columns, DenseOperators, Features
from stochq.equation import Equation, as_equation
from stochq.operators import as_array
from stochq.systems.basis import out_of
from stochq.systems.checks import check_count, check_finite, shape_of
from stochq.systems.levels import as_hamiltonian, levels

# Transitions on A alone are dim_a² dense matrices on A⊗B: a test case, not a production path.
LARGEST_DIM = 64


def bipartite(equation: Equation, other: object) -> Equation:
    r"""The equation on A with a second party B beside it.

    $$L_k\otimes\mathbb 1_B, \qquad H_A\otimes\mathbb 1+\mathbb 1\otimes H_B$$

    other: H_B, a system, a Hermitian matrix (dim_b, dim_b) or energies (dim_b,), or the number dim_b for
    H_B = 0. States are ψ_{μσ} in the order of `numpy.kron`.

    Raises:
        ValueError: when the joint dimension exceeds 64.

    >>> import stochq as sq
    >>> alice = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    >>> bipartite(alice, 3).dim
    6
    """
    equation, hamiltonian_b = as_equation(equation), _second_hamiltonian(other)
    dim_a, dim_b = equation.dim, hamiltonian_b.shape[0]
    if dim_a * dim_b > LARGEST_DIM:
        raise ValueError(f"other: expected a joint dimension of at most {LARGEST_DIM}; got {dim_a} x {dim_b}.")
    joint = np.kron(np.asarray(equation.hamiltonian.matrix()), np.eye(dim_b)) + np.kron(np.eye(dim_a), hamiltonian_b)
    channels = tuple(_extended(equation, channel, dim_b).with_law(channel.law) for channel in equation.channels)
    return Equation(levels(joint), channels, None, equation.hbar, equation.colour)


def _second_hamiltonian(other: object) -> np.ndarray:
    if isinstance(other, (int, np.integer)):
        dim = check_count("other", other, 1, most=LARGEST_DIM)
        return np.zeros((dim, dim))
    return np.asarray(as_hamiltonian(other, "other").matrix())


def _extended(equation: Equation, channel: Channel, dim_b: int) -> Channel:
    basis = equation.basis_matrix(channel)
    features = channel.features()
    if features is not None:
        columns = None if basis is None else Columns(np.kron(np.asarray(basis), np.eye(dim_b)))
        return Features(np.kron(features, np.ones(dim_b)), basis=columns)
    operators = np.asarray(channel.operators())
    if basis is not None:
        operators = out_of(np.asarray(basis), operators)
    return DenseOperators(np.kron(operators, np.eye(dim_b)))


def partial_trace(density: OperatorLike, dim_a: int) -> np.ndarray:
    """Tr_A ρ of density matrices (..., dim, dim), leaving B, (..., dim_b, dim_b).

    Raises:
        ValueError: for arrays that are not square, and a dimension of A that does not divide theirs.

    >>> partial_trace(np.eye(6) / 6, dim_a=2).shape
    (3, 3)
    """
    density, dim_a = as_array("density", density), check_count("dim_a", dim_a, 1)
    shape = shape_of("density", density)
    if len(shape) < 2 or shape[-1] != shape[-2] or not shape[-1]:
        raise ValueError(f"density: expected matrices (..., dim, dim); got shape {shape}.")
    check_finite("density", density)
    density = np.asarray(density)
    if density.shape[-1] % dim_a:
        raise ValueError(f"dim_a: expected a divisor of the dimension {density.shape[-1]}; got {dim_a}.")
    dim_b = density.shape[-1] // dim_a
    split = density.reshape(*density.shape[:-2], dim_a, dim_b, dim_a, dim_b)
    return np.einsum("...abac->...bc", split)
