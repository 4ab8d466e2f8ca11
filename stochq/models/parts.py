"""Equations of the parts of a composite system, put beside each other."""

from collections.abc import Mapping
from functools import reduce
from operator import add

import numpy as np

from stochq.arrays import OperatorLike, is_concrete
from stochq.channels import Channel
from stochq.equation import Equation, same_numbers
from stochq.equation_input import as_equation
from stochq.systems.composite import Composite
from stochq.systems.hamiltonian import Hamiltonian


def composite(joint: Composite, equations: Mapping[str | int, Equation | Hamiltonian | OperatorLike]) -> Equation:
    r"""The equations of some parts on the states of the whole, which may be entangled.

    $$d\rho = -\tfrac i\hbar[H,\rho]\,dt + \sum_p\mathcal D_p(\rho)\,dt,\qquad
      \mathcal D_p:\ L_k \to 1\otimes\cdots\otimes L_k\otimes\cdots\otimes1$$

    H is that of the whole, the coupling included. Channels keep the flows that they have on the part alone: collapse
    is exact in law, thermalization exact in the mean. "Energy basis" means that of the part without the coupling.

    Args:
        joint: parts beside each other, from `sq.systems.tensor`.
        equations: by the name of the part or its number, each made from the very system that is this part; parts
            without one have no noise. Others are added: `composite(...) + sq.models.unravel(joint, [L])`.

    Returns:
        An equation on the joint states, with the records of all parts' operators in the order of `equations`.

    Raises:
        ValueError: for a part that there is none of, an equation on another Hamiltonian, several of ħ, detectors,
            coloured noise beside other noise, and channels that do not exist on a part.

    >>> import stochq as sq
    >>> alice, bob = sq.systems.levels([0.0, 1.0]), sq.systems.levels([0.0, 0.0, 0.0])
    >>> joint = sq.systems.tensor(alice=alice, bob=bob)
    >>> equation = sq.models.composite(joint, {"alice": sq.models.suv(alice, strength=1.0)})
    >>> equation.dim, len(equation.channels)
    (6, 1)
    """
    if not isinstance(joint, Composite):
        raise ValueError(
            f"joint: expected a system from sq.systems.tensor(a=..., b=...); got {type(joint).__name__}. To drive the "
            "whole, put the channels of this equation on it: sq.Equation(driven, equation.channels, "
            "hbar=equation.hbar)."
        )
    if not isinstance(equations, Mapping) or not equations:
        raise ValueError(
            f"equations: expected them by their parts, such as {{{joint.names[0]!r}: sq.models.suv(...)}}; got "
            f"{'none' if isinstance(equations, Mapping) else type(equations).__name__}."
        )
    on_parts: dict[int, Equation] = {}
    for part, given in equations.items():
        axis = joint.index("equations", part)
        if axis in on_parts:
            raise ValueError(f"equations: expected one for each part; got two for {joint.names[axis]}. Add them up.")
        on_parts[axis] = _checked(joint, axis, given)
    _check_together(joint, list(on_parts.values()))
    return reduce(add, (_on_part(joint, axis, equation) for axis, equation in on_parts.items()))


def _checked(joint: Composite, axis: int, given: object) -> Equation:
    name = joint.names[axis]
    argument = f"equations[{name!r}]"
    try:
        equation = as_equation(given)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from error
    if not same_numbers(equation.hamiltonian, joint.parts[axis]):
        raise ValueError(
            f"{argument}: expected an equation on the Hamiltonian of this part; got another one, of dimension "
            f"{equation.dim}. Make it from the system that sq.systems.tensor was given; a model with a term of its own "
            "in H, such as sq.models.brownian, is a part as sq.systems.tensor(..., name=equation.hamiltonian)."
        )
    if equation.detectors:
        raise ValueError(
            f"{argument}: expected an equation without detectors; got {len(equation.detectors)}. Give "
            f"sq.models.monitored(joint, ...) operators of the whole, joint.embed(L, {name!r}).matrix()."
        )
    for channel in equation.channels:
        if problem := channel.unsupported_on_part():
            raise ValueError(f"{argument}: {problem}.")
    return equation


def _check_together(joint: Composite, equations: list[Equation]) -> None:
    values = [*(equation.hbar for equation in equations), *joint.values_of_hbar]
    if is_concrete(values) and np.ptp(np.asarray(values, float)) > 0:
        raise ValueError(
            f"equations: expected one hbar for all, the systems included; got "
            f"{', '.join(f'{float(one):g}' for one in values)}. Give the models hbar= as the systems have it."
        )
    noisy = [equation for equation in equations if equation.channels]
    if len(noisy) > 1 and any(equation.colour is not None for equation in noisy):
        raise ValueError("equations: expected coloured noise on one part alone; got other noise beside it.")


def _on_part(joint: Composite, axis: int, equation: Equation) -> Equation:
    channels = [_channel_on_part(joint, axis, equation, channel) for channel in equation.channels]
    return equation.with_channels(joint, channels)


def _channel_on_part(joint: Composite, axis: int, equation: Equation, channel: Channel) -> Channel:
    return channel.on_part(joint.axis(axis), equation.basis_matrix(channel)).with_law(channel.law)
