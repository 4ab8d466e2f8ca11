"""Pictures at one time after another."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from stochq.arrays import Times
from stochq.ensemble.result import EnsembleResult

if TYPE_CHECKING:
    from matplotlib.animation import ArtistAnimation
    from matplotlib.figure import Figure

_DPI = 100


def animate(
    draw: "Callable[..., Figure]",
    result: EnsembleResult,
    *arguments: object,
    times: Times | None = None,
    seconds: float = 5.0,
    **options: object,
) -> "ArtistAnimation":
    """Any of the pictures that take a `time`, at one time after another.

    `animation.save("wigner.gif", writer="pillow")` writes it, also as .mp4 where ffmpeg is; `animation.to_jshtml()` is
    HTML for a page, and a notebook shows it by `IPython.display.HTML(animation.to_jshtml())`.

    Args:
        draw: `sq.plotting.wigner`, `position`, `populations`, `spins` or `bloch`.
        result: what it draws.
        arguments: the others of the picture, such as the system.
        times: of the frames; None for every saved time.
        seconds: how long it takes.
        options: passed to the picture, such as `trajectory=0`.

    Raises:
        ValueError: for a picture that is no function, without a frame, for a time that is not positive, and what the
            picture refuses.

    >>> import stochq as sq
    >>> equation = sq.models.suv(sq.systems.levels([[0.0, 1.0], [1.0, 0.0]]), strength=0.5)
    >>> result = sq.simulate(equation, [1, 0], [0, 1], observables={}, trajectories=2, keep=1, dt=0.5)
    >>> film = sq.plotting.animate(sq.plotting.populations, result, trajectory=0)
    >>> "<img" in film.to_jshtml()
    True
    """
    from matplotlib.animation import ArtistAnimation
    from matplotlib.figure import Figure

    if not callable(draw):
        raise ValueError(f"draw: expected a picture, such as sq.plotting.populations; got {draw!r}.")
    moments = np.asarray(result.times if times is None else times, dtype=float)
    if moments.ndim != 1 or len(moments) == 0:
        raise ValueError(f"times: expected the times of at least one frame, (frames,); got shape {moments.shape}.")
    if not seconds > 0:
        raise ValueError(f"seconds: expected a positive number; got {seconds!r}.")
    pictures = [_pixels(draw(result, *arguments, time=float(moment), **options)) for moment in moments]
    height, width = pictures[0].shape[:2]
    screen = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = screen.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    frames = [[axes.imshow(picture, aspect="auto", animated=True)] for picture in pictures]
    return ArtistAnimation(screen, frames, interval=1000 * seconds / len(frames))


def _pixels(picture: "Figure") -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture.set_dpi(_DPI)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()
