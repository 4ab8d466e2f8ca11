"""QuTiP's H, sc_ops, c_ops, states and tlist as what stochq's models take."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qutip import Qobj, QobjEvo

from stochq.channels import Channel
from stochq.operators import as_operator
from stochq.qutip.words import in_qutips_words
from stochq.systems.checks import check_times
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian


def times_of(tlist: Any) -> np.ndarray:
    """The times (T,), at least two, increasing; they may begin anywhere.

    Raises:
        ValueError: for others. QuTiP returns the state at the start for one time alone.
    """
    with in_qutips_words():
        return check_times(tlist)


def operator_of(name: str, operator: object, args: Mapping[str, Any] | None, times: np.ndarray) -> QobjEvo:
    """An operator in any of QuTiP's formats: a `Qobj`, a `QobjEvo`, a function of the time or a list.

    Raises:
        ValueError: for what QuTiP cannot make an operator of.
    """
    try:
        made = QobjEvo(operator, args=dict(args or {}), tlist=times)  # pyright: ignore[reportArgumentType]
    except Exception as error:
        raise ValueError(
            f"{name}: expected a Qobj, a QobjEvo, a function of the time or a list such as [H0, [H1, f]]; QuTiP says: "
            f"{error}"
        ) from error
    if made.issuper:
        raise ValueError(f"{name}: expected an operator; got a superoperator. mcsolve takes liouvillian(H, c_ops).")
    if not made.isoper:
        raise ValueError(f"{name}: expected an operator; got a {made.type}.")
    return made


def hamiltonian_of(H: object, args: Mapping[str, Any] | None, times: np.ndarray) -> Hamiltonian:
    """QuTiP's H as a system.

    Raises:
        ValueError: for an H that is not Hermitian.
    """
    made = operator_of("H", H, args, times)
    with in_qutips_words():
        if made.isconstant:
            return as_hamiltonian(made(float(times[0])))
    raise ValueError("H: expected an operator that does not depend on time; got a QobjEvo.")


def jump_operators_of(
    name: str, operators: object, args: Mapping[str, Any] | None, times: np.ndarray
) -> list[Qobj | Channel]:
    """QuTiP's sc_ops or c_ops, one or a list, as what `sq.models.unravel` takes.

    name: of the argument. Raises: ValueError for what is no operator.
    """
    listed = list(operators) if isinstance(operators, Sequence) else [operators]
    return [_jump_operator(f"{name}[{place}]", one, args, times) for place, one in enumerate(listed)]


def _jump_operator(name: str, operator: object, args: Mapping[str, Any] | None, times: np.ndarray) -> Qobj | Channel:
    made = operator_of(name, operator, args, times)
    if made.isconstant:
        return made(float(times[0]))
    raise ValueError(f"{name}: expected an operator that does not depend on time; got a QobjEvo.")


def matrices_of(name: str, operators: list[Qobj | Channel]) -> list[np.ndarray]:
    """Operators that do not depend on time as matrices (dim, dim)."""
    return [np.asarray(as_operator(f"{name}[{place}]", one)) for place, one in enumerate(operators)]


def ket_of(psi0: object) -> Qobj:
    """QuTiP's initial ket; ValueError for anything else."""
    if not isinstance(psi0, Qobj) or not psi0.isket:
        kind = psi0.type if isinstance(psi0, Qobj) else type(psi0).__name__
        raise ValueError(f"psi0: expected a ket, a Qobj; got {kind}. smesolve takes density matrices.")
    return psi0
