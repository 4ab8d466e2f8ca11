"""Steady states of master equations."""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import check_numbers
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.exact import liouvillian
from stochq.exact.action import channel_bases, pack, packed_generator, unpack
from stochq.exact.parts import ExactPart, exact_parts, why_not_splittable
from stochq.exact.readout import Readout
from stochq.exact.secular import Secular

# Rates below this fraction of the largest one count as zero.
_ZERO = 1e-10
_RESIDUAL = 1e-10
# Numbers below this share of the largest are zero but for rounding.
_OBSERVABLE_RTOL = 1e-6
_RESTART, _CYCLES = 80, 25
# Two solutions that differ by more than this are two steady states.
_DISTINCT = 1e-5

Action = Callable[[np.ndarray], np.ndarray]


def steady_state(equation: Equation) -> np.ndarray:
    r"""The density matrix (dim, dim), complex128, in the given basis, that no longer changes: $\mathcal L(\rho) = 0$.

    Where all terms are diagonal in one basis the answer is a formula or a rate equation (OQT: χ); up to 16 states
    the null space of the generator; above, its action is inverted by GMRES, preconditioned by Pauli's master
    equation, at O(dim³) per iteration.

    Raises:
        ValueError: when there is more than one steady state, as for pure dephasing, or when the equation depends on
            time.
        RuntimeError: when the iteration does not converge.

    >>> import stochq as sq
    >>> qubit = sq.systems.levels([-0.5, 0.5])
    >>> x_basis = [[0.5**0.5, 0.5**0.5], [0.5**0.5, -(0.5**0.5)]]
    >>> sui = sq.models.sui(qubit, reduction=0.7, thermalization=0.4, equilibrium=[0.25, 0.75], basis=x_basis)
    >>> sq.exact.steady_state(sui).real.diagonal().round(6)
    array([0.409091, 0.590909])
    """
    check_numbers("Use differences of sq.exact.steady_state at two values of the parameter.", equation=equation)
    equation = as_equation(equation)
    if equation.time_dependent:
        raise ValueError(
            "equation: expected a Hamiltonian and channels that do not depend on time; a driven system never settles."
        )
    parts = [] if why_not_splittable(equation) else exact_parts(equation)
    if equation.colour is not None:
        raise ValueError(
            "equation: expected white noise; coloured noise has no master equation, and a random potential heats "
            "without end. Use sq.simulate for long times."
        )
    with jax.enable_x64(True):
        if len(parts) == 1:
            rho = _of_part(parts[0], equation.dim)
        elif equation.dim <= liouvillian.LARGEST_DIM:
            rho = _null_vector(equation)
        else:
            rho = _iterated(equation)
    return rho.astype(np.complex128)


def _degenerate(count: str, cause: str) -> ValueError:
    return ValueError(
        f"equation: expected one steady state; there are {count}, because {cause}. "
        "Use sq.exact.evolve to a long time: where a state ends depends on where it starts."
    )


def _of_part(part: ExactPart, dim: int) -> np.ndarray:
    """The steady state of a single part: populations of its rate equation, no coherences."""
    decay = np.zeros((dim, dim)) if part.decay is None else part.decay
    frequencies = np.zeros(dim) if part.frequencies is None else part.frequencies
    rates = np.hypot(decay, frequencies[:, None] - frequencies[None, :])
    matrix = np.zeros((dim, dim)) if part.populations is None else part.populations.matrix()
    scale = max(float(rates.max()), float(np.abs(matrix).max()), 1e-300)
    _, values, rows = np.linalg.svd(matrix)
    conserved = int(np.sum(values <= _ZERO * scale))
    coherences = int(np.sum(rates <= _ZERO * scale)) - int(np.sum(np.diagonal(rates) <= _ZERO * scale))
    if conserved > 1:
        others = f", and {coherences} coherences do not decay" if coherences else ""
        raise _degenerate(
            f"{conserved + coherences} independent ones",
            f"{conserved} populations of the basis in which all terms are diagonal are conserved{others}",
        )
    if coherences:
        raise _degenerate(f"{1 + coherences} independent ones", f"{coherences} coherences neither oscillate nor decay")
    weights = rows[-1] / rows[-1].sum()
    return part.basis.from_basis(np.diag(np.maximum(weights, 0.0)).astype(complex))


def _null_vector(equation: Equation) -> np.ndarray:
    matrix = liouvillian.liouvillian(equation)
    _, values, rows = np.linalg.svd(matrix)
    count = int(np.sum(values <= _ZERO * max(values[0], 1e-300)))
    if count > 1:
        raise _degenerate(f"{count} independent ones", f"the generator has {count} vanishing singular values")
    rho = unpack(rows[-1].reshape(equation.dim, equation.dim))
    return rho / np.trace(rho).real


def _iterated(equation: Equation) -> np.ndarray:
    """The solution of L(ρ) + s ρ_pin Tr ρ = s ρ_pin, whose trace is 1, from two starts that must agree."""
    dim = equation.dim
    pinned = _Pinned(equation)
    rng = np.random.default_rng(7)
    amplitudes = rng.normal(size=(dim, 2)) + 1j * rng.normal(size=(dim, 2))
    other = amplitudes @ amplitudes.conj().T
    starts = (np.eye(dim) / dim, other / np.trace(other).real)
    first, second = (pinned.solve(pinned.pin, pack(start)) for start in starts)
    if np.abs(first - second).max() > _DISTINCT * np.abs(first).max():
        raise _degenerate("at least two", f"two starts end in different states{_differing(equation, first, second)}")
    rho = unpack(first)
    return rho / np.trace(rho).real


def integrated_response(equation: Equation, change: np.ndarray) -> np.ndarray:
    """∫₀^∞ e^{ℒτ}(X) dτ, (dim, dim), of a Hermitian X without a trace, for an equation with one steady state."""
    right = -pack(change)
    with jax.enable_x64(True):
        if equation.dim > liouvillian.LARGEST_DIM:
            scale = float(np.abs(right).max()) or 1.0
            return scale * unpack(_Pinned(equation).solve(right / scale, right / scale))
        traces = np.eye(equation.dim).reshape(1, -1)
        matrix = np.concatenate([liouvillian.liouvillian(equation), traces])
        solution, *_ = np.linalg.lstsq(matrix, np.append(right, 0.0), rcond=None)
    return unpack(solution.reshape(right.shape))


class _Pinned:
    """L(ρ) + s ρ_pin Tr ρ on packed matrices, which has an inverse where L has one steady state."""

    def __init__(self, equation: Equation) -> None:
        self._equation, self._bases = equation, channel_bases(equation)
        self._secular = Secular(equation)
        self.pin = np.eye(equation.dim) * (self._secular.scale / equation.dim)
        self._precondition = self._secular.inverse(self.pin)

    def solve(self, right: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The packed matrix that is taken to `right`."""
        vector = _gmres(self._act, self._approximate, right.reshape(-1), start, self._secular.scale)
        return vector.reshape(right.shape)

    def _act(self, vector: np.ndarray) -> np.ndarray:
        packed = vector.reshape(self.pin.shape)
        after = np.asarray(_act(self._equation, self._bases, jnp.asarray(packed)))
        return (after + self.pin * np.trace(packed)).reshape(-1)

    def _approximate(self, vector: np.ndarray) -> np.ndarray:
        return pack(self._precondition(unpack(vector.reshape(self.pin.shape)))).reshape(-1)


def _differing(equation: Equation, first: np.ndarray, second: np.ndarray) -> str:
    """The system's observable in which two packed states differ most."""
    readout = Readout(equation.hamiltonian.operators, equation.dim)
    if not readout.names:
        return ""
    before, after = readout(unpack(first)), readout(unpack(second))
    # Not of what is zero but for rounding, which differs by all of itself.
    sizes = np.abs(before) + np.abs(after)
    most = int(np.argmax(np.abs(before - after) / (sizes + _OBSERVABLE_RTOL * sizes.max() + np.finfo(float).tiny)))
    return f", with {readout.names[most]} = {before[most]:.4g} and {after[most]:.4g} for example"


@eqx.filter_jit
def _act(equation: Equation, bases: tuple, packed: jax.Array) -> jax.Array:
    return packed_generator(equation, bases, jnp.zeros(()), packed)


def _gmres(act: Action, approximate: Action, right: np.ndarray, start: np.ndarray, scale: float) -> np.ndarray:
    from scipy.sparse.linalg import LinearOperator, gmres

    size, operator = right.size, cast(Any, LinearOperator)
    solution, _ = gmres(
        operator((size, size), matvec=act, dtype=np.float64),
        right,
        x0=np.real(start).reshape(-1),
        rtol=1e-13,
        atol=0.0,
        restart=_RESTART,
        maxiter=_CYCLES,
        M=operator((size, size), matvec=approximate, dtype=np.float64),
    )
    residual = float(np.abs(act(solution) - right).max()) / scale
    if not residual <= _RESIDUAL:
        raise RuntimeError(
            f"The steady state was not found: after {_RESTART * _CYCLES} iterations the residual is {residual:.1e} of "
            "the largest rate. Use sq.exact.evolve to a long time."
        )
    return solution
