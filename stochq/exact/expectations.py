"""The master equation's means as a differentiable function of everything in the equation."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Observable, StateLike, Times, is_concrete
from stochq.equation import Equation
from stochq.equation_input import as_equation, observables_of, parts_known
from stochq.exact import liouvillian, traced
from stochq.exact.inputs import LARGEST_DIM, initial_density, intervals
from stochq.exact.readout import is_quadratic
from stochq.forks import check_not_forked
from stochq.function_checks import check_state_function
from stochq.operators import as_array
from stochq.real_parts import by_observable, real_rows
from stochq.systems.checks import check_finite, check_times, shape_of
from stochq.systems.observables import LinearObservable

Method = Literal["auto", "closed-form", "liouvillian", "ode"]
# Above this dimension integration is faster than the exponential of the generator, unless that is very stiff.
_LARGEST_EXPONENTIAL = 8
# Exponentials of that dimension that are no more work than integrating.
_MOST_EXPONENTIALS = 64


def expectations(
    equation: Equation,
    psi0_or_rho0: StateLike,
    times: Times,
    *,
    observables: Mapping[str, Observable] | Sequence[str],
    method: Method = "auto",
) -> dict[str, jax.Array]:
    r"""Exact means as a JAX function: for `jax.grad`, `jacfwd`, `vmap` and `jit`, and compiled once for all values.

    $$\langle O\rangle_t = \mathrm{Tr}\,O\,e^{\mathcal L(t-t_0)}\rho_0$$

    Build the equation, the state or the observables from traced parameters inside the function that JAX transforms:
    rates, strengths, the Hamiltonian, equilibrium weights, masses, lengths. Both modes of differentiation work; forward
    mode costs about two runs and one more for each parameter. It is in double precision for numbers, and inside
    `jax.enable_x64(True)`, which `sq.fit` enters; in single precision where JAX traces it outside.

    Args:
        equation: with white noise.
        psi0_or_rho0: a ket (dim,) or a density matrix (dim, dim).
        times: (T,) increasing, the start included; numbers.
        observables: {name: (dim,) diagonal | (dim, dim) matrix | callable(psi) -> number, quadratic in ψ}. A traced
            matrix counts as Hermitian.
        method: "auto" takes the first that applies of
            "closed-form"  channels that are diagonal, or transitions, in the basis of the energies;
            "liouvillian"  the exponential of the generator, dim <= 16, no time dependence;
            "ode"          an adaptive Runge-Kutta method of order 8, kinetic energies by Fourier transforms; relative
                           error some 1e-8.

    Returns:
        {name: (T,)} in the order of observables.

    Raises:
        ValueError: for arguments that do not fit, traced times, observables that are not linear in the density matrix,
            and coloured noise. Where the integration does not end the means are NaN.

    Derivatives with respect to a Hamiltonian are those of levels that stay degenerate where they are.

    >>> import jax
    >>> import stochq as sq
    >>> def left(strength):
    ...     qubit = sq.models.suv([[0.0, 1.0], [1.0, 0.0]], strength=strength)
    ...     return sq.exact.expectations(qubit, [1.0, 0.0], [0.0, 1.0], observables={"p": [1.0, 0.0]})["p"][-1]
    >>> with jax.enable_x64(True):
    ...     round(float(left(0.5)), 6), round(float(jax.grad(left)(0.5)), 6)
    (0.388451, 0.170754)
    """
    check_not_forked()
    if not is_concrete(times):
        raise ValueError(
            "times: expected numbers; got traced ones. Scale the equation's energies and rates instead of the time."
        )
    times = check_times(times)
    equation = as_equation(equation)
    if equation.colour is not None:
        raise ValueError("equation: expected white noise; coloured noise has no master equation. Use sq.expectations.")
    parts_known(equation, psi0_or_rho0)
    psi0_or_rho0 = as_array("psi0", psi0_or_rho0)
    observables = observables_of(equation, observables)
    _check_observables(observables, equation.dim)
    numbers = is_concrete((equation, psi0_or_rho0, dict(observables), jnp.zeros(())))
    with jax.enable_x64(bool(numbers) or jax.config.jax_enable_x64):
        rows = {name: _row(name, row, equation.dim) for name, row in real_rows(observables, equation.dim).items()}
        grid = traced.as_times(times, intervals(times), equation.edges(times))
        chosen = _choose(equation, grid, method)
        values = traced.means(equation, _density(psi0_or_rho0, equation.dim), tuple(rows.values()), grid, chosen)
        if numbers and not np.all(np.isfinite(values)):
            raise RuntimeError(
                "The master equation could not be integrated: its rates or energies are too large for the time, or a "
                "drive is not finite. sq.exact.evolve takes as many steps as it needs."
            )
        return by_observable(dict(zip(rows, values.T, strict=True)), observables)


def is_linear(observables: Mapping[str, Observable], dim: int) -> bool:
    """Whether means of all observables are those of operators, known from the density matrix alone."""
    return all(not callable(row) or _is_quadratic(row, dim) for row in real_rows(observables, dim).values())


def _check_observables(observables: Any, dim: int) -> None:
    if not isinstance(observables, Mapping) or not observables:
        raise ValueError(f"observables: expected {{name: operator}}, at least one; got {type(observables).__name__}.")
    for name, value in observables.items():
        label = f"observables[{name!r}]"
        if callable(value):
            check_state_function(label, value, dim)
        elif shape_of(label, value) not in ((dim,), (dim, dim)):
            raise ValueError(
                f"{label}: expected shape ({dim},) or ({dim}, {dim}) or a callable; got {np.shape(value)}."
            )
        else:
            check_finite(label, value)


def _row(name: str, row: Any, dim: int) -> Any:
    if callable(row):
        if not _is_quadratic(row, dim):
            raise ValueError(
                f"observables[{name!r}]: expected an operator, or a function quadratic in ψ, ⟨ψ|O|ψ⟩, that holds "
                "numbers; the mean of another is not known from the density matrix. Give a matrix, or use "
                "sq.expectations with trajectories."
            )
        return row
    return np.asarray(row) if is_concrete(row) else row


def _is_quadratic(row: Any, dim: int) -> bool:
    if isinstance(row, LinearObservable):
        return True
    try:
        return _known_quadratic(row, dim)
    except TypeError:
        return is_quadratic(row, dim)


_known_quadratic = lru_cache(maxsize=256)(lambda row, dim: is_quadratic(row, dim))


def _density(state: Any, dim: int) -> Array:
    """The density matrix (dim, dim) of a ket or of a density matrix."""
    if is_concrete(state):
        return initial_density(state, dim)
    if state.shape == (dim,):
        return jnp.outer(state, state.conj())
    if state.shape != (dim, dim):
        raise ValueError(f"psi0: expected shape ({dim},), or a density matrix ({dim}, {dim}); got {state.shape}.")
    return 0.5 * (state + state.conj().T)


def _choose(equation: Equation, times: traced.Times, method: str) -> str:
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}; got {method!r}.")
    if equation.dim > LARGEST_DIM:
        raise ValueError(f"equation: expected at most {LARGEST_DIM} basis states; got {equation.dim}.")
    small = equation.dim <= liouvillian.LARGEST_DIM and not equation.time_dependent
    obstacles = {
        "closed-form": "" if traced.common_basis(equation) else "the terms are not diagonal in one basis",
        "liouvillian": "" if small else f"it is for at most {liouvillian.LARGEST_DIM} states and no time dependence",
    }
    if method == "auto":
        work = len(times.lengths) * equation.dim**6
        small = small and equation.dim <= _LARGEST_EXPONENTIAL
        cheap = work <= _MOST_EXPONENTIALS * _LARGEST_EXPONENTIAL**6
        return "closed-form" if not obstacles["closed-form"] else "liouvillian" if small and cheap else "ode"
    if obstacle := obstacles.get(method):
        raise ValueError(f'method: {method!r} does not apply, {obstacle}. Use method="auto".')
    return method
