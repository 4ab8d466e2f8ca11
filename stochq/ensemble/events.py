"""Functions of the state that jump, such as histograms and indicators, and first passages: gradients of their means, or
a refusal."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from stochq.arrays import ArrayLike, Number, Observable, as_real, is_concrete
from stochq.ensemble.observables import Readout
from stochq.ensemble.statistics import Statistic, as_operator, value_on
from stochq.module import Module
from stochq.schemes import Frame
from stochq.systems.linear import level_sum, populations

_MOVES = "The state itself would move with it, and so would where the function jumps."


@final
class FirstPassage(Statistic):
    """The chance that a function of the state has exceeded a level at one of the saved times so far, (T,).

    Among the observables of `sq.simulate` it comes back as `result.statistics[name]`, the fraction of trajectories; of
    `sq.expectations` with gradient="likelihood-ratio", as the mean over trajectories. What happens between saved times
    is not seen: save at the end of every step to see it. Give dt where a run has steps: the bias of a first passage is
    not estimated.

    Args:
        operator: a function of one state with a real value, or a Hermitian operator (dim,) or (dim, dim).
        level: what has to be exceeded.

    >>> import stochq as sq
    >>> equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=5.0)
    >>> passed = {"passed": sq.FirstPassage([0.0, 1.0], 0.9)}
    >>> run = sq.simulate(equation, [0.6, 0.8], [0, 1, 4], observables=passed, trajectories=1000, dt=1.0)
    >>> bool(abs(run.statistics["passed"][-1] - 0.64 / 0.9) < 0.1)
    True
    """

    operator: Any
    level: Number

    def __init__(self, operator: Observable, level: Number) -> None:
        self.operator, self.level = as_operator(operator), as_real(level, "level")
        if not is_concrete(self.level) or np.shape(self.level) != () or not np.isfinite(self.level):
            raise ValueError(f"level: expected a finite real number; got {level!r}.")

    def value(self, psi: jax.Array) -> jax.Array:
        """The function's value on one state, ψ (dim,) or ρ (dim, dim)."""
        return value_on(self.operator, psi)

    def block(self, data: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        values = jax.vmap(jax.vmap(self.value, in_axes=-1, out_axes=-1))(data)
        passed = lax.cummax((values > self.level).astype(weights.dtype), axis=0)
        return jnp.sum(weights), jnp.sum(passed * weights[None], axis=-1)

    def finish(self, total: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return total[1] / np.maximum(total[0], 1.0)


@final
class Scored(Module):
    """What is read of states whose |ψ|² is 1 with the score as its derivative, for a gradient by likelihood ratios: n
    observables and the score, (n + 1, trajectories).

    levels: of those observables whose first passage is asked for, by their places.
    """

    read: Readout
    levels: Mapping[int, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return self.read.names

    def __call__(self, psi: jax.Array) -> jax.Array:
        likelihood = level_sum(populations(psi))
        score = likelihood - lax.stop_gradient(likelihood)
        return jnp.concatenate([self.read(lax.stop_gradient(psi)), score])

    def along_paths(self, seen: jax.Array) -> jax.Array:
        """What is summed over trajectories, (T, 3n, trajectories), from what was read at all times, (T, n + 1,
        trajectories): n values f, f times their scores, and these, which stop at a passage, as f does."""
        score, values, scores = seen[:, -1], [], []
        for place in range(seen.shape[1] - 1):
            value, own = lax.stop_gradient(seen[:, place]), score
            if place in self.levels:
                above = value > self.levels[place]
                value = lax.cummax(above.astype(value.dtype), axis=0)
                at_passage = jnp.take_along_axis(score, jnp.argmax(above, axis=0)[None], axis=0)
                own = jnp.where(value > 0, at_passage, score)
            values.append(value)
            scores.append(own)
        value, own = jnp.stack(values, axis=1), jnp.stack(scores, axis=1)
        return jnp.concatenate([value, value * own, own], axis=1)


def mean_with_score(sums: jax.Array, trajectories: int) -> jax.Array:
    r"""Means (T, n) from sums (T, 3n) as of `Scored`. The mean is the baseline, that of all other trajectories:

    $$\partial\,\mathrm E f\approx\frac1N\sum_n\Big(f_n-\frac1{N-1}\sum_{m\ne n}f_m\Big)s_n$$
    """
    values, products, scores = jnp.split(sums, 3, axis=1)
    mean = values / trajectories
    return mean + (products - lax.stop_gradient(mean) * scores) / (trajectories - 1)


def functions_of_passages(observables: Mapping[str, Any]) -> tuple[dict[str, Observable], dict[str, Any]]:
    """The observables with functions in place of first passages, and the levels of those by name."""
    if not isinstance(observables, Mapping):
        raise ValueError(f"observables: expected a mapping {{name: operator}}; got {type(observables).__name__}.")
    passages = {name: value for name, value in observables.items() if isinstance(value, FirstPassage)}
    functions = {name: value.value for name, value in passages.items()}
    return {**observables, **functions}, {name: value.level for name, value in passages.items()}


def check_step_of_passages(names: Iterable[str], dt: float | None) -> None:
    """ValueError for first passages in a run whose step is to be found."""
    name = next(iter(names), None)
    if name is not None and dt is None:
        raise ValueError(f"dt: expected a number with the first passage {name!r}, whose bias is not estimated.")


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
    for channel in frame.channels:
        if channel.missing_density:
            raise ValueError(
                "gradient: 'likelihood-ratio' needs steps of which the probability density is known, with the state "
                f"held; {channel.missing_density}. Take gradient='pathwise' and smooth functions."
            )
    held = tuple(channel.held() for channel in frame.channels)
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
