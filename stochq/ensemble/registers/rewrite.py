"""A traced program, equation by equation: evaluated where it can be, else rewritten as arithmetic on entries."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np
from jax.extend import core

from stochq.arrays import is_concrete
from stochq.ensemble.registers.arithmetic import operation
from stochq.ensemble.registers.entries import Operand, Unsupported, entries, is_known, of_entries
from stochq.ensemble.registers.structure import PARTS, STRUCTURE, Params

# The identity, whatever it tells compilers.
_IDENTITIES = frozenset({
    "copy", "copy_p", "marked_backwards", "optimization_barrier", "stop_gradient", "xla_metadata_value",
})  # fmt: skip
# Calls of another program, which is one of these parameters.
_CALLS = frozenset({
    "checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit", "remat", "remat2",
})  # fmt: skip
_PROGRAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def rewrite(program: core.ClosedJaxpr, *arguments: Operand) -> list[Operand]:
    """The results of a traced program: known, fixed or of entries, as its arguments are; `Unsupported` where it cannot.

    What depends on known and fixed arrays alone is evaluated at once, with JAX, whatever it is.
    """
    return _run(program.jaxpr, [_constant(array) for array in program.consts], arguments)


def _constant(array: Operand) -> Operand:
    """Numbers that stand in a program are known, traced ones are those of the surrounding program."""
    return np.asarray(array) if is_concrete(array) else array


def _run(jaxpr: core.Jaxpr, constants: Sequence[Operand], arguments: Sequence[Operand]) -> list[Operand]:
    values: dict[core.Var, Operand] = {}

    def read(atom: core.Var | core.Literal) -> Operand:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, core.Literal) else values[atom]

    values.update(zip(jaxpr.constvars, constants, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))
    for equation in jaxpr.eqns:
        results = _results(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _results(equation: core.JaxprEqn, operands: list[Operand]) -> list[Operand]:
    primitive, params = equation.primitive, equation.params
    name = primitive.name
    if name in _IDENTITIES:
        return operands
    if name in _CALLS:
        return _called(params, operands)
    if all(is_known(operand) for operand in operands):
        with jax.ensure_compile_time_eval(), _on_host():
            return [np.asarray(result) for result in _evaluated(primitive, params, operands)]
    if all(is_known(operand) or isinstance(operand, jax.Array) for operand in operands):
        return _evaluated(primitive, params, operands)
    if name == "scan":
        return _scan(params, operands)
    operands = [entries(operand) if isinstance(operand, jax.Array) else operand for operand in operands]
    if name in PARTS:
        return [*PARTS[name](params, *operands)]
    if name in STRUCTURE:
        return [STRUCTURE[name](params, *operands)]
    return [of_entries(operation(primitive, params), *operands)]


def _on_host() -> AbstractContextManager[Any]:
    """For single operations, each of which a GPU takes a tenth of a second to compile."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:
        # JAX_PLATFORMS names no processor.
        return nullcontext()


def _evaluated(primitive: core.Primitive, params: Params, operands: list[Operand]) -> list[Operand]:
    results = primitive.bind(*operands, **params)
    return list(results) if primitive.multiple_results else [results]


def _called(params: Params, operands: list[Operand]) -> list[Operand]:
    inner = next(params[name] for name in _PROGRAMS if name in params)
    return rewrite(inner, *operands) if hasattr(inner, "consts") else _run(inner, (), operands)


def _scan(params: Params, operands: list[Operand]) -> list[Operand]:
    """A loop over rows, whose index and length are known, written out."""
    constants, carried = _counts(params)
    fixed, carry, rows = (
        operands[:constants],
        operands[constants : constants + carried],
        operands[constants + carried :],
    )
    order, seen = range(params["length"]), []
    for index in reversed(order) if params["reverse"] else order:
        results = rewrite(params["jaxpr"], *fixed, *carry, *(_row(array, index) for array in rows))
        carry = results[:carried]
        seen.append(results[carried:])
    if not seen:
        raise Unsupported("a loop without rows")
    ordered = seen[::-1] if params["reverse"] else seen
    return carry + [_stacked(column) for column in zip(*ordered, strict=True)]


def _counts(params: Params) -> tuple[int, int]:
    """How many operands of a loop are constants, and how many it carries; the names are those of jax 0.10 or 0.11."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    constants, carried, _ = (len(part) for part in params["ft_in"].unpack())
    return constants, carried


def _row(array: Operand, index: int) -> Operand:
    """A row as an array, also where it is a single entry."""
    return array[index] if isinstance(array, jax.Array) else array[index, ...]


def _stacked(rows: tuple[Operand, ...]) -> np.ndarray:
    if all(is_known(row) for row in rows):
        return np.stack(rows)
    return np.stack([entries(row) for row in rows])
