"""What users give as an equation, and what belongs to one: parts and observables."""

import warnings
from typing import Any

import jax
import numpy as np

from stochq.arrays import copied_in_programs
from stochq.callers import users_line
from stochq.equation import Equation
from stochq.functions import check_unchanged
from stochq.operators import check_parts, is_foreign, parts_of
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian
from stochq.systems.observables import as_observables


def parts_known(equation: Equation, state: object) -> tuple[int, ...]:
    """The dimensions of the parts of the system, as the Hamiltonian knows them or else the state; none of one part.

    Raises:
        ValueError: where the state is on other parts than the Hamiltonian.
    """
    check_parts("psi0", state, equation.hamiltonian.dims)
    return next((dims for dims in (equation.hamiltonian.dims, parts_of(state)) if len(dims) > 1), ())


def observables_of(equation: Equation, observables: object) -> dict[str, Any]:
    """Observables by name, as `stochq.systems.observables.as_observables` takes them, for an equation."""
    named = as_observables(observables, equation.hamiltonian.operators, equation.hamiltonian.dims)
    return {name: copied_in_programs(value) for name, value in named.items()}


def warn_without_noise(equation: object) -> None:
    """Warn where a Hamiltonian stands for an equation: all its trajectories are the same."""
    if not isinstance(equation, Equation):
        warnings.warn(
            "equation: a Hamiltonian alone has no noise: all trajectories are the same. Name its jump operators, "
            "sq.models.unravel(hamiltonian, [L]), or take sq.exact.evolve, which solves it once.",
            stacklevel=users_line(),
        )


def as_equation(equation: object) -> Equation:
    """An equation as it is; a Hamiltonian or a Hermitian matrix as the equation without channels.

    Raises:
        ValueError: for anything else, and for functions of the time whose numbers have changed since.

    >>> len(as_equation([[0.0, 1.0], [1.0, 0.0]]).channels)
    0
    """
    if isinstance(equation, Equation):
        if equation.time_dependent:
            check_unchanged(equation)
        return copied_in_programs(equation)
    if isinstance(equation, (Hamiltonian, list, tuple, np.ndarray, jax.Array)) or is_foreign(equation):
        hamiltonian = as_hamiltonian(equation, "equation")
        return Equation(hamiltonian, (), hbar=next(iter(hamiltonian.values_of_hbar), 1.0))
    raise ValueError(
        "equation: expected an equation from sq.models, such as sq.models.unravel(hamiltonian, [L]); got "
        f"{type(equation).__name__}."
    )
