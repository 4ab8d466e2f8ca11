"""A line on the terminal that tells how a fit goes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from stochq.inference.coordinates import Coordinates
from stochq.inference.minimize import Show, quiet

# More parameters than these do not fit a line.
_SHOWN = 6


@contextmanager
def shown(names: tuple[str, ...], coordinates: Coordinates, progress: bool | None) -> Iterator[Show]:
    """A function that shows the number of a step, the misfit and the parameters; quiet off a terminal."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield quiet
        return
    from rich.console import Console

    with Console(stderr=True, force_terminal=progress).status("compiling") as status:

        def show(step: int, loss: float, vector: np.ndarray) -> None:
            values = zip(names[:_SHOWN], coordinates.bounded(vector), strict=False)
            text = ", ".join(f"{name} = {value:.5g}" for name, value in values)
            status.update(f"step {step}: misfit {loss:.6g}, {text}")

        yield show
