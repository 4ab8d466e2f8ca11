# %% [markdown]
# # Draw trajectories on the Bloch sphere
#
# `keep=` returns single trajectories, `sq.Density()` the mean. An atom that is partly excited radiates into a
# heterodyne detector, and falls on a way of its own in each run.

# %%
import numpy as np

import stochq as sq

lowering = np.array([[0.0, 0.0], [1.0, 0.0]])  # from the upper state (1, 0) to the lower one (0, 1)
equation = sq.models.monitored(np.zeros((2, 2)), {"light": sq.measurement.heterodyne(lowering)})
times = np.linspace(0, 2, 101)
watched = {"rho": sq.Density(), "z": np.array([1.0, -1.0])}
result = sq.simulate(equation, [0.8, 0.6], times, observables=watched, trajectories=1000, keep=3, dt=0.02, seed=1)

formula = 1.28 * np.exp(-times) - 1
z = (result.mean["z"] - formula)[1:] / result.stderr["z"][1:]
print(f"largest distance from 1.28 exp(-t) - 1: z = {z[np.abs(z).argmax()]:+.1f}")
sq.plotting.bloch(result)

# %% [markdown]
# `sq.plotting.animate(sq.plotting.bloch, result)` makes a film of it; the other [pictures](../pictures.md) take the
# same results.
