"""A line that tells how a fit goes."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from stochq.ensemble import progress as ensemble_progress
from stochq.inference.coordinates import Coordinates
from stochq.inference.minimize import Show

# More parameters than these do not fit a line.
_SHOWN = 6


@contextmanager
def shown(names: tuple[str, ...], coordinates: Coordinates, progress: bool | None) -> Iterator[Show]:
    """A function that shows the number of a step, the misfit and the parameters, where `ensemble.progress` does."""
    with ensemble_progress.shown(progress) as display:
        display.phase("compiling")

        def show(step: int, loss: float, vector: np.ndarray) -> None:
            values = zip(names[:_SHOWN], coordinates.bounded(vector), strict=False)
            text = ", ".join(f"{name} = {value:.5g}" for name, value in values)
            display.phase(f"step {step}: misfit {loss:.6g}, {text}")

        yield show
