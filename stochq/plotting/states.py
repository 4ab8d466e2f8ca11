"""What pictures take from a result: one kept trajectory, or the mean density matrix."""

import numpy as np

from stochq.ensemble.result import EnsembleResult


def densities(result: EnsembleResult, trajectory: int | None) -> np.ndarray:
    """Density matrices over time, (T, dim, dim): of one kept trajectory, or of the ensemble.

    Args:
        result: a run with `keep=` or with `sq.Density()` among its observables.
        trajectory: which of the kept ones; None for the mean, over all trajectories where the run has a density, else
            over the kept ones.

    Raises:
        ValueError: where the run kept neither, or not this trajectory.
    """
    if trajectory is None and result.density is not None:
        return np.asarray(result.density)
    kept = kept_states(result, trajectory)
    matrices = kept if kept.ndim == 4 else np.einsum("kti,ktj->ktij", kept, kept.conj())
    return matrices.mean(axis=0)


def populations_of(result: EnsembleResult, trajectory: int | None) -> np.ndarray:
    """The chances of the levels of the given basis over time, (T, dim); arguments as of `densities`."""
    if trajectory is None and result.density is not None:
        return np.real(np.diagonal(result.density, axis1=1, axis2=2))
    kept = kept_states(result, trajectory)
    chances = np.real(np.diagonal(kept, axis1=2, axis2=3)) if kept.ndim == 4 else np.abs(kept) ** 2
    return chances.mean(axis=0)


def kept_states(result: EnsembleResult, trajectory: int | None) -> np.ndarray:
    """The kept states, (kept, T, dim) or (kept, T, dim, dim): all, or one alone."""
    if result.kept is None:
        raise ValueError(
            "result: expected kept states or a density matrix; this run has neither. Run simulate with keep=n, or with "
            "sq.Density() among the observables."
        )
    kept = np.asarray(result.kept)
    if trajectory is None:
        return kept
    if not 0 <= trajectory < len(kept):
        raise ValueError(f"trajectory: expected one of the {len(kept)} that were kept; got {trajectory!r}.")
    return kept[trajectory : trajectory + 1]


def index_of(times: np.ndarray, time: float | None) -> int:
    """The saved time nearest to `time`, the last for None; ValueError for one outside the run."""
    if time is None:
        return len(times) - 1
    if not times[0] <= time <= times[-1]:
        raise ValueError(f"time: expected one from {times[0]:g} to {times[-1]:g}; got {time!r}.")
    return int(np.abs(times - time).argmin())
