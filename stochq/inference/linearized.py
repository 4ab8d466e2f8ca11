"""A prediction and its derivatives, compiled once for each function and shapes of its parameters."""

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.planning import Coarse
from stochq.ensemble.sampling import Sampling, watched
from stochq.ensemble.step_at_hand import StepLeftOpen, WithSteps, coarse_at, steps_at
from stochq.inference.programs import Programs, tracing_predict
from stochq.inference.result import shaped


@final
class Linearized:
    """predict and its Jacobian in forward mode, as parameters are few.

    predicted: shapes and types of what predict returns. sampled: whether it is made of means over trajectories. steps:
    of those means over trajectories whose step was left open, in the order of the calls. predict: with these.
    """

    def __init__(
        self,
        predict: Callable[[Any], Any],
        structure: Any,
        shapes: tuple[tuple[int, ...], ...],
        steps: tuple[float, ...] = (),
    ) -> None:
        self._open, self.steps = predict, steps
        self.predict = WithSteps(predict, steps) if steps else predict
        like = jax.tree_util.tree_unflatten(structure, [np.zeros(shape) for shape in shapes])

        def twice(vector: jax.Array) -> tuple[Any, Any]:
            value = self.predict(shaped(vector, like))
            _check_inexact(value)
            return value, value

        sampling = Sampling()
        size = sum(int(np.prod(shape)) for shape in shapes)
        with watched(sampling), tracing_predict():
            traced = jax.jit(jax.jacfwd(twice, has_aux=True)).trace(jax.ShapeDtypeStruct((size,), np.float64))
        self.sampled = sampling.sampled
        self._lowered, self._compiled = traced.lower(), None
        self.predicted = traced.out_info[1]

    def __call__(self, vector: np.ndarray) -> tuple[Any, Any]:
        """The prediction, and the same with one more axis (P,) at the end of every array: its derivatives."""
        self._compiled = self._compiled or self._lowered.compile()
        jacobian, value = jax.device_get(self._compiled(jnp.asarray(vector)))
        return value, jacobian

    def coarse_at(self, parameters: Any) -> list[Coarse]:
        """Where steps that were left open are certainly too coarse at these parameters."""
        return coarse_at(self._open, self.steps, parameters) if self.steps else []

    def anew_at(self, parameters: Any) -> "Linearized":
        """The same with the steps that were left open found at these parameters."""
        return linearized(self._open, parameters)


def linearized(predict: Callable[[Any], Any], start: Any) -> Linearized:
    """predict at parameters like `start`, from the programs kept where it is among them.

    Steps of means over trajectories that are left open are those found at `start`.
    """
    try:
        return _kept.of(predict, start)
    except StepLeftOpen:
        return _kept.of(predict, start, steps_at(predict, jax.tree.map(jnp.asarray, start)))


_kept = Programs(Linearized)


def _check_inexact(predicted: Any) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(predicted):
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.inexact):
            name = "the prediction" + jax.tree_util.keystr(path)
            raise ValueError(f"predict: expected real or complex numbers; {name} came as {dtype}.")
