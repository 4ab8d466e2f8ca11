"""A controller and what it controls."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, OperatorLike, check_names
from stochq.equation import Equation
from stochq.feedback.controller import Controller
from stochq.function_checks import TRACING_ERRORS, shapes_of
from stochq.held import held_numbers
from stochq.measurement import Homodyne, Line
from stochq.module import Module
from stochq.systems.hamiltonian import DiagonalHamiltonian
from stochq.systems.levels import as_hamiltonian
from stochq.systems.linear import apply_matrix


class Control(Module):
    """A Hermitian operator by its eigenvalues (dim,) and eigenvectors (dim, dim), None where the given basis is one.

    sudden: whether it acts at once, not for a whole step.
    """

    energies: Array
    vectors: Array | None
    sudden: bool = eqx.field(static=True, default=False)

    def rotate(self, angle: jax.Array, psi: jax.Array) -> jax.Array:
        """exp(−iθF)ψ, (dim, columns), with an angle (columns,) for each trajectory."""
        inside = psi if self.vectors is None else apply_matrix(self.vectors.conj().T, psi)
        turned = self.energies[:, None] * angle[None, :]
        inside = jax.lax.complex(jnp.cos(turned), -jnp.sin(turned)) * inside
        return inside if self.vectors is None else apply_matrix(self.vectors, inside)

    def seen_from(self, columns: Array | None) -> "Control":
        """The same operator in the basis of these columns, None for the given one."""
        if columns is None:
            return self
        own = np.eye(len(self.energies)) if self.vectors is None else self.vectors
        return Control(self.energies, columns.conj().T @ own, self.sudden)


@final
class Loop(Module):
    r"""A feedback loop: the records of a trajectory reach a controller, which drives that same trajectory.

    $$H(t) = H_0 + \sum_j u_j(t)\,F_j + \sum_{j,n} v_{jn}\,G_j\,\delta(t-t_n)$$

    For `sq.simulate(..., feedback=loop)`. Each control acts for a whole step, exactly, by exp(−iu_jF_jdt/ħ), each kick
    at once at the beginning t_n of a step, by exp(−iv_jG_j/ħ): of weak order 1 in dt, since the controller answers one
    step late.

    Args:
        controller: a `Controller`.
        controls: {name: F_j}, Hermitian matrices (dim, dim) or real diagonals (dim,); u_jF_j is an energy.
        kicks: {name: G_j}, likewise; v_jG_j is an action, an angle where ħ = 1.

    Raises:
        ValueError: for something else than a controller, and operators that are not Hermitian.

    >>> import stochq as sq
    >>> push = sq.feedback.Proportional("x", "push", gain=-0.5)
    >>> list(sq.feedback.Loop(push, {"push": [[0.0, 1.0], [1.0, 0.0]]}).controls)
    ['push']
    """

    controller: Controller
    controls: dict[str, Control]
    _held: Hashable = eqx.field(static=True)

    def __init__(
        self,
        controller: Controller,
        controls: Mapping[str, OperatorLike] | None = None,
        kicks: Mapping[str, OperatorLike] | None = None,
    ) -> None:
        if not isinstance(controller, Controller):
            raise ValueError(
                "controller: expected an instance of a class derived from sq.feedback.Controller; got "
                f"{type(controller).__name__}."
            )
        self.controller = jax.tree.map(lambda x: np.asarray(x) if isinstance(x, (int, float)) else x, controller)
        steady, sudden = _controls("controls", controls, False), _controls("kicks", kicks, True)
        if both := sorted(steady.keys() & sudden.keys()):
            raise ValueError(f"kicks: expected names other than the controls'; {both[0]!r} is both. Rename one.")
        self.controls = steady | sudden
        self._held = _read_by(controller)

    def check_unchanged(self) -> None:
        """ValueError where what the controller's methods read from outside is not what it was when this was made."""
        if _read_by(self.controller) != self._held:
            raise ValueError(
                "feedback: expected a controller that stays the same; a global variable that its methods read has "
                "changed since the loop was made. Make it a field of the controller, or the loop anew."
            )

    def act(self, outputs: Mapping[str, jax.Array], dt: jax.Array, hbar: Number, psi: jax.Array) -> jax.Array:
        """ψ after kicks and then after its controls for a step, (dim, columns); several of them half and half, in a
        palindrome."""
        found = [(control, outputs[name]) for name, control in self.controls.items() if name in outputs]
        for sudden, size in ((True, 1 / hbar), (False, dt / hbar)):
            acting = [(control, value * size) for control, value in found if control.sudden == sudden]
            outer, last = acting[:-1], acting[-1:]
            halves = [(control, 0.5 * angle) for control, angle in outer]
            for control, angle in (*halves, *last, *reversed(halves)):
                psi = control.rotate(angle, psi)
        return psi

    def seen_from(self, columns: Array | None) -> "Loop":
        """The same in the basis of these columns, None for the given one."""
        controls = {name: control.seen_from(columns) for name, control in self.controls.items()}
        return eqx.tree_at(lambda loop: loop.controls, self, controls)


def _read_by(controller: Controller) -> Hashable:
    """What the methods read beside the controller's fields: of the same class other global numbers compile anew."""
    return tuple(held_numbers(getattr(type(controller), name)) for name in ("init", "update", "output"))


def _controls(name: str, operators: Mapping[str, OperatorLike] | None, sudden: bool) -> dict[str, Control]:
    operators = {} if operators is None else operators
    if not isinstance(operators, Mapping):
        raise ValueError(f"{name}: expected {{name: operator}}; got {type(operators).__name__}.")
    check_names(name, operators)
    return {key: _control(f"{name}[{key!r}]", operator, sudden) for key, operator in operators.items()}


def _control(name: str, operator: OperatorLike, sudden: bool) -> Control:
    hamiltonian = as_hamiltonian(operator, name)
    if isinstance(hamiltonian, DiagonalHamiltonian):
        return Control(hamiltonian.diagonal, None, sudden)
    return Control(hamiltonian.energies, hamiltonian.eigenvectors, sudden)


def check_loop(loop: Loop, equation: Equation) -> None:
    """ValueError for a controller that returns what the equation has not, or changes what it remembers."""
    for name, control in loop.controls.items():
        argument = "kicks" if control.sudden else "controls"
        if len(control.energies) != equation.dim:
            raise ValueError(
                f"{argument}[{name!r}]: expected an operator of dimension {equation.dim}, that of the equation; got "
                f"{len(control.energies)}."
            )
        if any(name == line.name for line in equation.lines):
            raise ValueError(f"{argument}: expected names other than the records'; {name!r} is both. Rename one.")
    record = {line.name: example(is_complex(equation, line)) for line in equation.lines}
    if not record:
        raise ValueError("feedback: expected an equation with records, such as one of sq.models.monitored.")
    for line in equation.lines:
        if line.name in loop.controller.currents and counts_clicks(equation, line):
            raise ValueError(
                f"record: expected that of a homodyne detector; {line.name!r} counts clicks, whose number in a step "
                "goes with dt. Write a sq.feedback.Controller that divides it by dt for a control, or takes it as it "
                "is for a kick."
            )
    time = jax.ShapeDtypeStruct((), jnp.result_type(float))
    memory = _shapes("init", loop.controller.init)
    outputs = _shapes("output", loop.controller.output, memory, time)
    _check_outputs(loop, equation, outputs)
    updated = _shapes("update", loop.controller.update, memory, record, time, time)
    before, after = (jax.tree.map(lambda leaf: leaf.shape, tree) for tree in (memory, updated))
    if jax.tree.structure(memory) != jax.tree.structure(updated) or before != after:
        raise ValueError(
            f"controller: expected update to return what init does, arrays of shapes {before}; got {after}."
        )
    for old, new in zip(jax.tree.leaves(memory), jax.tree.leaves(updated), strict=True):
        if jnp.issubdtype(new.dtype, jnp.complexfloating) and not jnp.issubdtype(old.dtype, jnp.complexfloating):
            raise ValueError(
                "controller: expected update to return real numbers where init does; got complex ones. Begin with "
                "jnp.zeros((), complex) to remember them, or take jnp.real(...) of what is read."
            )


def _shapes(method: str, function: Any, *arguments: Any) -> Any:
    try:
        return shapes_of(lambda *values: jax.tree.map(jnp.asarray, function(*values)), *arguments)
    except TRACING_ERRORS as error:
        raise ValueError(
            f"controller: expected {method} to be a function that JAX can compile; got one that needs numbers "
            "beforehand, as NumPy, math and `if` do. Write it with jax.numpy: jnp.where(x < 0, a, b) for `if x < 0`."
        ) from error
    except KeyError as error:
        known = _listed(arguments[1]) if method == "update" else "none"
        raise ValueError(
            f"controller: expected {method} to read records among {known}; it asks for {error}."
        ) from error


def _check_outputs(loop: Loop, equation: Equation, outputs: Any) -> None:
    homodyne = [line for line in equation.lines if _is_homodyne(equation, line)]
    detectors = [line.name for line in homodyne if _takes_phases(equation, line)]
    fixed = [line.name for line in homodyne if line.name not in detectors]
    known = f"controls: {_listed(loop.controls)}; phases: {_listed(detectors)}"
    if not isinstance(outputs, Mapping):
        raise ValueError(f"controller: expected output to return {{name: number}}; got {type(outputs).__name__}.")
    for name, value in outputs.items():
        if name in fixed:
            raise ValueError(
                f"controller: expected phases of detectors that can turn; {name!r} watches a real diagonal operator at "
                "phase 0, whose steps are exact for that phase alone. Make it with homodyne(L, phase=lambda t: 0 * t)."
            )
        if name not in loop.controls and name not in detectors:
            raise ValueError(f"controller: expected output to name what there is ({known}); got {name!r}.")
        if value.shape != () or jnp.issubdtype(value.dtype, jnp.complexfloating):
            raise ValueError(
                f"controller: expected output to return one real number for {name!r}; got shape {value.shape} of "
                f"{value.dtype}."
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _is_homodyne(equation: Equation, line: Line) -> bool:
    return line.detector >= 0 and isinstance(equation.detectors[line.detector], Homodyne)


def _takes_phases(equation: Equation, line: Line) -> bool:
    ((channel, _),) = line.sources
    law = equation.channels[channel].law
    return equation.channels[channel].flow(law).takes_phases


def is_complex(equation: Equation, line: Line) -> bool:
    """Whether a record is complex, as that of heterodyne detection."""
    return not equation.channels[line.sources[0][0]].law.has_square


def counts_clicks(equation: Equation, line: Line) -> bool:
    """Whether a record is of clicks, their number in each step."""
    return equation.record_kind(line) == "counting"


def example(complex_values: bool) -> jax.ShapeDtypeStruct:
    """What a controller is given of one record."""
    return jax.ShapeDtypeStruct((), jnp.result_type(complex if complex_values else float))
