"""Statistics that keep what every trajectory was, not its moments alone: QuTiP's runs."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.statistics import Statistic


class _EveryRun(Statistic):
    """What is seen of every trajectory, in their order; NaN of those that failed. Abstract."""

    @property
    def large(self) -> bool:
        return True

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.where(weights > 0, data, jnp.nan)

    def on_host(self, summary: Any) -> list[np.ndarray]:
        return [np.moveaxis(np.asarray(summary), -1, 0)]

    def merge(self, total: list[np.ndarray], summary: list[np.ndarray]) -> list[np.ndarray]:
        return total + summary

    def finish(self, total: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(total)


class RunValues(_EveryRun):
    """The values of observables, (trajectory, time, observable), in the order of a readout."""

    needs: ClassVar[str] = "values"


class RunStates(_EveryRun):
    """The states, (trajectory, time, dim), or density matrices (trajectory, time, dim, dim)."""

    needs: ClassVar[str] = "states"
