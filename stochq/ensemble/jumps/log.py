"""The times of clicks, from the device to the result."""

from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.ensemble.statistics import Statistic
from stochq.measurement.clicks import Clicks

# The name of the statistic that holds them.
CLICKS = "times of clicks"


class ClickRows(NamedTuple):
    """Clicks, one in each place of the arrays: the trajectory, the interval, the time since that began, the record.

    trajectories: among how many. failed: those whose state became no number.
    """

    trajectory: np.ndarray
    interval: np.ndarray
    offset: np.ndarray
    record: np.ndarray
    trajectories: int
    failed: np.ndarray


@final
class ClickLog(Statistic):
    """The times of all clicks of the records `names`, one of NaN for a trajectory that failed.

    times: (T,), at which the intervals begin and end.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    times: Any
    needs: ClassVar[str] = "clicks"

    @property
    def large(self) -> bool:
        return True

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.where((weights > 0)[None, None], data, jnp.nan)

    def on_host(self, summary: Any) -> list[ClickRows]:
        log = np.moveaxis(np.asarray(summary), -1, 1)
        trajectory, place = np.nonzero(log[2] >= 0)
        interval, offset, record = log[:, trajectory, place]
        failed = np.flatnonzero(np.isnan(log[2, :, 0]))
        return [ClickRows(trajectory, interval.astype(np.int32), offset, record.astype(np.int32), log.shape[1], failed)]

    def merge(self, total: list[ClickRows], summary: list[ClickRows]) -> list[ClickRows]:
        return total + summary

    def finish(self, total: list[ClickRows]) -> dict[str, Clicks]:
        count = sum(rows.trajectories for rows in total)
        first = np.cumsum([0, *(rows.trajectories for rows in total)])
        trajectory, failed = (
            np.concatenate([getattr(rows, field) + start for rows, start in zip(total, first[:-1], strict=True)])
            for field in ("trajectory", "failed")
        )
        interval, offset, record = (
            np.concatenate([getattr(rows, field) for rows in total]) for field in ("interval", "offset", "record")
        )
        time = np.asarray(self.times, float)[interval] + offset
        found = {}
        for place, name in enumerate(self.names):
            own = np.append(trajectory[record == place], failed)
            marked = np.append(time[record == place], np.full(len(failed), np.nan))
            # Those of one step are in no order.
            order = np.lexsort((marked, own))
            found[name] = Clicks(own[order], marked[order], count)
        return found
