"""Results made of given values, for fits whose answers are known."""

from dataclasses import replace

import numpy as np

import stochq as sq


def ensemble(values):
    """A result as `simulate` returns it, from values (trajectories, observables, times)."""
    names = ("a", "b")[: values.shape[1]]
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    shapes = {name: np.array([1.0, 0.0]) for name in names}
    result = sq.simulate(equation, [0.6, 0.8], np.arange(values.shape[2]), observables=shapes, trajectories=4, dt=1.0)
    mean, variance = values.mean(axis=0), values.var(axis=0, ddof=1)
    points = [(name, time) for name in names for time in range(1, values.shape[2])]
    return replace(
        result,
        mean=dict(zip(names, mean, strict=True)),
        variance=dict(zip(names, variance, strict=True)),
        stderr=dict(zip(names, np.sqrt(variance / len(values)), strict=True)),
        covariance=np.cov(values[:, :, 1:].reshape(len(values), -1).T),
        covariance_points=points,
        trajectories=len(values),
    )
