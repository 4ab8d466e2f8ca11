"""The static choices of a run and its time grid, as programs take them."""

from typing import NamedTuple

import jax
import numpy as np

from stochq.ensemble.conditional import Conditioning
from stochq.ensemble.records import RecordColumn
from stochq.noise import Colouring
from stochq.schemes import Scheme


class Loop(NamedTuple):
    """The static choices of a run: everything here triggers a compilation when it changes.

    most_steps: the most steps between two saved times where gradients must pass backwards through the loop; None leaves
    the number of steps to the grid, so that it triggers no compilation. segment: how many steps, of one interval or of
    several, are then made again at a time from the state before them; None where all states are remembered. block:
    trajectories that draw their own noise. antithetic: whether each has a mirror image, a second trajectory with
    antithetic noise. record: the columns of the record that is summed over each of `bins` intervals in all; none where
    nothing is recorded. clicks: of how many clicks of a trajectory the times are remembered. conditioning: of the
    density matrices that are looked at in place of the trajectories' own states; None where these are. threads: of a
    block of the persistent kernel, a trajectory each; None where steps are made one by one, as they are wherever
    gradients pass.
    """

    scheme: Scheme
    block: int
    uniform: bool
    paired: bool
    most_steps: int | None = None
    segment: int | None = 1
    antithetic: bool = False
    record: tuple[RecordColumn, ...] = ()
    bins: int = 0
    clicks: int = 0
    conditioning: Conditioning | None = None
    threads: int | None = None

    @property
    def columns(self) -> int:
        """States side by side: the images, if any, in the second half."""
        return self.block * (2 if self.antithetic else 1)


class GridArrays(NamedTuple):
    """The time grid on the device: ends (I+1,), steps (I,), lengths (I,); what makes noise of its steps coloured.

    phases: (I+1,), by which states are multiplied where they are looked at; None where nobody can tell. bins: (I,)
    parts of every interval over which records are summed, the first of them the one of `slots` (I,) in the whole run;
    None where there are none. saved: (T-1,), the intervals whose ends are saved; None where all are.
    """

    ends: np.ndarray | jax.Array
    steps: np.ndarray | jax.Array
    lengths: np.ndarray | jax.Array
    colouring: Colouring | None = None
    phases: np.ndarray | jax.Array | None = None
    bins: np.ndarray | jax.Array | None = None
    slots: np.ndarray | jax.Array | None = None
    saved: np.ndarray | jax.Array | None = None

    @property
    def times(self) -> int:
        """Number of saved times."""
        return len(self.ends if self.saved is None else self.saved) + (self.saved is not None)
