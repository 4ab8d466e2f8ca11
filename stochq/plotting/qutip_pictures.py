"""Pictures that QuTiP knows how to draw: the Bloch sphere and the Wigner function."""

import warnings
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.plotting.look import BLACK, BLUE, ORANGE, figure, style
from stochq.plotting.states import densities, index_of
from stochq.systems.fock import Oscillator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 121
# Phase space is shown to so many times the radius of a classical oscillator of that energy, and beyond by so much.
_REACH, _BEYOND = 1.5, 2.0


def bloch(
    result: EnsembleResult, *, trajectories: int = 3, density: bool = True, time: float | None = None
) -> "Figure":
    """Paths of a two-level system on the Bloch sphere; inside it that of the mean density matrix.

    Args:
        result: a run of two levels with `keep=`, or with `sq.Density()` among its observables.
        trajectories: how many of the kept ones are drawn, at most.
        density: whether the path of the mean is drawn.
        time: up to which paths are drawn; None for all times.

    Raises:
        ValueError: for more than two levels, a run without states, and a time outside.
        ImportError: without QuTiP.
    """
    drawn = 0 if result.kept is None else min(trajectories, len(result.kept))
    paths = [(densities(result, k), ORANGE) for k in range(drawn)]
    paths += [(densities(result, None), BLUE)] if density or not drawn else []
    if paths[0][0].shape[-1] != 2:
        raise ValueError(
            f"result: the Bloch sphere is that of two levels; got {paths[0][0].shape[-1]}. See populations."
        )
    stop = index_of(result.times, time) + 1
    with style():
        made, ((flat,),) = figure()
        made.delaxes(flat)
        made.set_size_inches(4.5, 4.5)
        axes = made.add_subplot(projection="3d")
        sphere = _qutip("bloch").Bloch(fig=made, axes=axes)
        for matrices, colour in paths:
            points = bloch_vectors(matrices[:stop])
            sphere.add_points(list(points.T), meth="l", colors=[colour], linestyle="-")
            sphere.add_points(list(points[-1]), colors=[colour])
        sphere.font_color = BLACK
        sphere.point_marker = ["o"]
        sphere.render()
    return made


def bloch_vectors(matrices: np.ndarray) -> np.ndarray:
    r"""(⟨σ_x⟩, ⟨σ_y⟩, ⟨σ_z⟩) of density matrices of two levels, (T, 3)."""
    x, y = 2 * matrices[:, 0, 1].real, -2 * matrices[:, 0, 1].imag
    return np.stack([x, y, (matrices[:, 0, 0] - matrices[:, 1, 1]).real], axis=1)


def wigner(
    result: EnsembleResult, oscillator: Oscillator | int, *, time: float | None = None, trajectory: int | None = None
) -> "Figure":
    r"""The Wigner function of an oscillator at one time, over q and p in units of √ħ/mω and √ħmω.

    Args:
        result: a run with `keep=` or with `sq.Density()` among its observables.
        oscillator: the `sq.systems.oscillator` that was simulated; of `sq.systems.kerr` and Hamiltonians given by a
            matrix the number of its levels, which says that they are Fock states.
        time: when; None for the last saved one.
        trajectory: one of the kept ones; None for the mean.

    Raises:
        ValueError: for another system or number of levels, a run without states, a trajectory that was not kept, and a
            time outside.
        ImportError: without QuTiP.
    """
    matrices, index = densities(result, trajectory), index_of(result.times, time)
    _check_fock(oscillator, matrices.shape[-1])
    qutip = _qutip("wigner")
    # Of all times, so that the frames of an animation show the same piece of phase space.
    axis = np.linspace(-1.0, 1.0, _POINTS) * max(map(_reach, matrices[:: max(1, len(matrices) // 50)]))
    values = qutip.wigner(qutip.Qobj(matrices[index]), axis, axis, g=np.sqrt(2))
    largest = np.abs(values).max()
    with style():
        made, ((panel,),) = figure()
        made.set_size_inches(5.0, 4.0)  # a square and its bar of colours
        mesh = panel.pcolormesh(axis, axis, values, cmap="RdBu_r", vmin=-largest, vmax=largest, rasterized=True)
        panel.grid(False)
        panel.set(
            xlabel=r"$q\,\sqrt{m\omega/\hbar}$", ylabel=r"$p/\sqrt{\hbar m\omega}$", aspect="equal",
            title=f"$t$ = {result.times[index]:.4g}",
        )  # fmt: skip
        made.colorbar(mesh, ax=panel, label="$W(q, p)$")
    return made


def _check_fock(oscillator: object, dim: int) -> None:
    levels = oscillator.dim if isinstance(oscillator, Oscillator) else oscillator
    if isinstance(levels, bool) or levels != dim:
        raise ValueError(
            f"oscillator: expected the oscillator that was simulated, or {dim}, which says that its {dim} levels are "
            f"Fock states; got {levels if isinstance(levels, int) else type(levels).__name__}."
        )


def _reach(matrix: np.ndarray) -> float:
    """How far from the origin a state goes in phase space: by its mean number of quanta."""
    number = max(0.0, float(np.real(np.diagonal(matrix)) @ np.arange(len(matrix))))
    return _REACH * np.sqrt(2 * number) + _BEYOND


def _qutip(picture: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import qutip
    except ImportError as error:
        raise ImportError(f'sq.plotting.{picture} draws with QuTiP: pip install "stochq[qutip]".') from error
    return qutip
