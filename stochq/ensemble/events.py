"""Functions of the state that jump, such as histograms and indicators: gradients of their means, or a refusal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from stochq.arrays import ArrayLike, Observable, is_concrete
from stochq.ensemble.observables import Readout
from stochq.module import Module
from stochq.schemes import Frame
from stochq.systems.linear import level_sum, populations

_MOVES = "The state itself would move with it, and so would where the function jumps."


@final
class Scored(Module):
    """What is summed over trajectories for a gradient by likelihood ratios, of states whose |ψ|² is 1 with the score as
    its derivative: (2n + 1, trajectories) for n observables f, namely f, f times the score, and the score."""

    read: Readout

    @property
    def names(self) -> tuple[str, ...]:
        return self.read.names

    def __call__(self, psi: jax.Array) -> jax.Array:
        likelihood = level_sum(populations(psi))
        score = likelihood - lax.stop_gradient(likelihood)
        values = self.read(lax.stop_gradient(psi))
        return jnp.concatenate([values, lax.stop_gradient(values) * score, score])


def mean_with_score(sums: jax.Array, trajectories: int) -> jax.Array:
    r"""Means (T, n) from sums (T, 2n + 1) as of `Scored`. The mean is the baseline, that of all other trajectories:

    $$\partial\,\mathrm E f\approx\frac1N\sum_n\Big(f_n-\frac1{N-1}\sum_{m\ne n}f_m\Big)s_n$$
    """
    count = sums.shape[1] // 2
    mean = sums[:, :count] / trajectories
    scored = sums[:, count : 2 * count] - lax.stop_gradient(mean) * sums[:, 2 * count :]
    return mean + scored / (trajectories - 1)


def held_frame(frame: Frame, psi: Any, trajectories: int) -> Frame:
    """The frame with steps that hold the states while the rates vary; ValueError where there are none."""
    if trajectories < 2:
        raise ValueError(f"trajectories: expected at least 2 with gradient='likelihood-ratio'; got {trajectories}.")
    for name, part in {"hamiltonian": (frame.hamiltonian, frame.columns, frame.changes), "psi0": psi}.items():
        if not is_concrete(part):
            raise ValueError(
                f"gradient: 'likelihood-ratio' follows the rates of collapse alone; got a traced {name}. {_MOVES} "
                "Take gradient='pathwise' and smooth functions."
            )
    held = tuple(channel.held() for channel in frame.channels)
    if any(other is None for other in held):
        raise ValueError(
            "gradient: 'likelihood-ratio' needs steps of which the probability density is known, as those of "
            "sq.models.suv have it; another model's do not. Take gradient='pathwise' and smooth functions."
        )
    return eqx.tree_at(lambda one: one.channels, frame, held)


@dataclass(frozen=True)
class Stepwise:
    """A function of the state that is constant but for jumps: where a gradient would pass, it raises ValueError."""

    name: str
    function: Callable[[jax.Array], ArrayLike]

    def __call__(self, psi: jax.Array) -> ArrayLike:
        return self.function(_without_gradient(self.name, psi))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _without_gradient(name: str, psi: jax.Array) -> jax.Array:
    return psi


@_without_gradient.defjvp
def _refuse(name: str, primals: tuple, tangents: tuple) -> Any:
    raise ValueError(
        f"observables[{name!r}]: expected a function that changes smoothly with the state; got one that is constant "
        "but for jumps, whose gradient along a path is 0 whatever that of its mean. Take gradient='likelihood-ratio', "
        "or a smooth function in its place, such as jax.nn.sigmoid((p - level)/width)."
    )


def refusing_jumps(observables: Mapping[str, Observable], dim: int) -> dict[str, Observable]:
    """The observables, those that are constant but for jumps as `Stepwise`."""
    return {
        name: Stepwise(name, value) if callable(value) and _is_stepwise(value, dim) else value
        for name, value in observables.items()
    }


def _is_stepwise(function: Callable[..., Any], dim: int) -> bool:
    """Whether no derivative with respect to the state reaches the value of a function that depends on the state."""
    state = jax.ShapeDtypeStruct((dim,), jnp.result_type(np.complex64))
    if not jnp.issubdtype(jax.eval_shape(lambda psi: jnp.asarray(function(psi)), state).dtype, jnp.inexact):
        return True
    change = jax.make_jaxpr(lambda psi, tangent: jax.jvp(lambda x: jnp.asarray(function(x)), (psi,), (tangent,))[1])
    return not _reaches(change(state, state).jaxpr, 1) and _reaches(jax.make_jaxpr(function)(state).jaxpr, 0)


def _reaches(program: core.Jaxpr, argument: int) -> bool:
    """Whether the result of a program depends on one of its arguments."""
    reached = {program.invars[argument]}
    for equation in program.eqns:
        if any(not isinstance(atom, core.Literal) and atom in reached for atom in equation.invars):
            reached.update(equation.outvars)
    return any(not isinstance(atom, core.Literal) and atom in reached for atom in program.outvars)
