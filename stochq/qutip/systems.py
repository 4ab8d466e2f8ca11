"""QuTiP's H, sc_ops, c_ops, states and tlist as what stochq's models take."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qutip import Qobj, QobjEvo

from stochq.callers import users_line
from stochq.channels import Channel, TimeDependentOperator
from stochq.qutip.pieces import time_functions_of
from stochq.qutip.time_dependence import Sum, as_sum
from stochq.qutip.words import in_qutips_words
from stochq.real_parts import is_hermitian
from stochq.systems.checks import check_times
from stochq.systems.driven import driven
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian

# Times at which an operator is looked at.
_LOOKED_AT = 17
# Norms that differ from one by less are rounding, by more no state.
_EXACT, _CUT_SHORT = 1e-6, 1e-2


def times_of(tlist: Any) -> np.ndarray:
    """The times (T,), at least two, increasing; they may begin anywhere.

    Raises:
        ValueError: for others. QuTiP returns the state at the start for one time alone.
    """
    with in_qutips_words():
        return check_times(tlist)


def operator_of(name: str, operator: object, args: Mapping[str, object] | None, times: np.ndarray) -> QobjEvo:
    """An operator in any of QuTiP's formats: a `Qobj`, a `QobjEvo`, a function of the time or a list.

    Raises:
        ValueError: for what QuTiP cannot make an operator of.
    """
    made = evolving(name, operator, args, times)
    if made.issuper:
        raise ValueError(f"{name}: expected an operator; got a superoperator. Only the H of mcsolve may be one.")
    if not made.isoper:
        raise ValueError(f"{name}: expected an operator; got a {made.type}.")
    return made


def evolving(name: str, operator: object, args: Mapping[str, object] | None, times: np.ndarray) -> QobjEvo:
    """An operator or a superoperator in any of QuTiP's formats.

    Raises:
        ValueError: for what QuTiP cannot make one of.
    """
    if args is not None and not isinstance(args, Mapping):
        raise ValueError(f"args: expected a dictionary or None; got {type(args).__name__}.")
    if not _has_a_format(operator):
        got = "a list without one" if isinstance(operator, (list, tuple)) else type(operator).__name__
        raise ValueError(
            f"{name}: expected a Qobj, a QobjEvo, a function of the time or a list such as [H0, [H1, f]]; got {got}."
        )
    try:
        return QobjEvo(operator, args=dict(args or {}), tlist=times)  # pyright: ignore[reportArgumentType]
    except Exception as error:
        raise ValueError(
            f"{name}: expected a Qobj, a QobjEvo, a function of the time or a list such as [H0, [H1, f]]; QuTiP says: "
            f"{error}"
        ) from error


def _has_a_format(operator: object) -> bool:
    """Whether QuTiP can make something of it: of an empty list it makes a fault of the process (5.3.1)."""
    if not isinstance(operator, (list, tuple)):
        return isinstance(operator, (Qobj, QobjEvo)) or callable(operator)
    firsts = [entry[0] if isinstance(entry, (list, tuple)) and entry else entry for entry in operator]
    return bool(firsts) and all(isinstance(first, (Qobj, QobjEvo)) or callable(first) for first in firsts[:1])


def hamiltonian_of(H: object, args: Mapping[str, object] | None, times: np.ndarray) -> Hamiltonian:
    """QuTiP's H as a system.

    Raises:
        ValueError: for an H that is not Hermitian.
    """
    made = operator_of("H", H, args, times)
    if not made.isconstant:
        return _driven(made, float(times[0]), float(times[-1]))
    with in_qutips_words():
        return as_hamiltonian(made(float(times[0])))


def _driven(H: QobjEvo, start: float, stop: float) -> Hamiltonian:
    """A sum of constant Hermitian operators with real factors, what QuTiP's sum is of where it is Hermitian."""
    total = as_sum("H", H, start, stop)
    _check_hermitian(total, start, stop)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    static = np.zeros(H.shape, complex)
    for place, operator in enumerate(total.operators):
        if total.constant[place]:
            static += 0.5 * (operator + operator.dag()).full()
            continue
        matrix = operator.full()
        adjoint = matrix.conj().T
        for part, weight in ((0.5 * (matrix + adjoint), 1.0), (0.5j * (matrix - adjoint), -1.0j)):
            _add(parts, part, weight * np.eye(len(total.operators))[place])
    weights = np.array([weight for _, weight in parts])

    def factors(t: float) -> np.ndarray:
        # Re(f)X + Im(f)Y of fA + (fA)†, where A = X − iY with X and Y Hermitian.
        return (weights @ total.factors(t)).real

    functions = time_functions_of("H", factors, start, stop, total.knots)
    terms = [(part, function) for (part, _), function in zip(parts, functions, strict=True)]
    with in_qutips_words():
        return driven(as_hamiltonian(Qobj(static, dims=H.dims)), terms)


def _add(parts: list[tuple[np.ndarray, np.ndarray]], part: np.ndarray, weight: np.ndarray) -> None:
    """To a list of matrices with weights of factors, in which each matrix stands once."""
    if not np.any(part):
        return
    for place, (known, weights) in enumerate(parts):
        if np.array_equal(known, part):
            parts[place] = known, weights + weight
            return
    parts.append((part, weight))


def _check_hermitian(total: Sum, start: float, stop: float) -> None:
    matrices = np.array([operator.full() for operator in total.operators])
    for t in np.linspace(start, stop, _LOOKED_AT):
        matrix = np.tensordot(total.factors(float(t)), matrices, axes=1)
        if not is_hermitian(matrix):
            raise ValueError(
                f"H: expected a Hermitian operator at all times; that at t = {t:g} is not. Give a term with a complex "
                "coefficient its Hermitian conjugate beside it, [[A, f], [A.dag(), conj_f]]."
            )


@dataclass(frozen=True)
class JumpOperator:
    """One of sc_ops or c_ops.

    given: what `sq.models.unravel` takes. matrices: (J, dim, dim). factors: of times (T,), the values (J, T) complex by
    which they are summed; None of one that does not depend on time.
    """

    given: Qobj | Channel
    matrices: np.ndarray
    factors: Callable[[np.ndarray], np.ndarray] | None

    @property
    def constant(self) -> Qobj:
        """One that does not depend on time."""
        assert isinstance(self.given, Qobj)
        return self.given


def jump_operators_of(
    name: str, operators: object, args: Mapping[str, object] | None, times: np.ndarray
) -> list[JumpOperator]:
    """QuTiP's sc_ops or c_ops, one or a list.

    name: of the argument. Raises: ValueError for what is no operator.
    """
    listed = list(operators) if isinstance(operators, Sequence) else [operators]
    return [_jump_operator(f"{name}[{place}]", one, args, times) for place, one in enumerate(listed)]


def _jump_operator(name: str, operator: object, args: Mapping[str, object] | None, times: np.ndarray) -> JumpOperator:
    made = operator_of(name, operator, args, times)
    start, stop = float(times[0]), float(times[-1])
    if made.isconstant:
        constant = made(start)
        return JumpOperator(constant, constant.full()[None], None)
    total = as_sum(name, made, start, stop)
    matrices = np.array([one.full() for one in total.operators])
    is_real = not np.any(total.at(np.linspace(start, stop, _LOOKED_AT)).imag)

    def factors(t: float) -> np.ndarray:
        return total.factors(t).real if is_real else total.factors(t)

    functions = time_functions_of(name, factors, start, stop, total.knots)
    channel = TimeDependentOperator(list(zip(matrices, functions, strict=True)))
    return JumpOperator(channel, matrices, total.at)


def constant_ones(name: str, operators: Sequence[JumpOperator], instead: str) -> list[Qobj]:
    """Operators none of which may depend on time.

    name: of the argument. instead: what to do, a sentence. Raises: ValueError for one that does.
    """
    found: list[Qobj] = []
    for place, operator in enumerate(operators):
        if isinstance(operator.given, Channel):
            raise ValueError(
                f"{name}[{place}]: expected an operator that does not depend on time; got one that does. {instead}"
            )
        found.append(operator.given)
    return found


def state_of(name: str, state: object) -> Qobj:
    """QuTiP's initial ket or density matrix; ValueError for anything else.

    name: of the argument.
    """
    if not isinstance(state, Qobj) or not (state.isket or state.isoper):
        kind = state.type if isinstance(state, Qobj) else type(state).__name__
        raise ValueError(f"{name}: expected a ket or a density matrix, a Qobj; got {kind}.")
    return _normalized(name, state)


def _normalized(name: str, state: Qobj) -> Qobj:
    """A state that a basis cut short leaves almost normalised, with a warning; any other as it is."""
    size = float(np.linalg.norm(state.full())) if state.isket else float(state.tr().real)
    if not _EXACT < abs(size - 1) < _CUT_SHORT:
        return state
    what, told = ("norm", f"{name}.unit()") if state.isket else ("trace", f"{name} / {name}.tr()")
    warnings.warn(
        f"{name}: expected a normalised state; got one with the {what} {size:.7g}, as of a basis that is cut short. It "
        f"is divided by it, and expectation values are those of {told}.",
        stacklevel=users_line(),
    )
    return state / size


def ket_of(psi0: object) -> Qobj:
    """QuTiP's initial ket; ValueError for anything else."""
    if not isinstance(psi0, Qobj) or not psi0.isket:
        kind = psi0.type if isinstance(psi0, Qobj) else type(psi0).__name__
        raise ValueError(f"psi0: expected a ket, a Qobj; got {kind}. smesolve takes density matrices.")
    return _normalized("psi0", psi0)
