# %% [markdown]
# # Read out a qubit, with a histogram of outcomes
#
# A homodyne detector measures $\sigma_z$ at the rate $k$. What it has written down until $T$, added up, is the outcome
# $Q$. It has two peaks at $\pm2\sqrt k\,T$ of variance $T$, with the weights of Born's rule.

# %%
from math import erfc

import numpy as np

import stochq as sq

k, T = 1.0, 3.0
equation = sq.models.monitored(np.diag([0.0, 1.0]), {"Q": sq.measurement.homodyne([np.sqrt(k), -np.sqrt(k)])})
run = sq.simulate(equation, [0.6, 0.8], [0, T], observables={}, trajectories=4000, records=True, seed=1)
outcomes = T * run.records["Q"][:, 0]  # the mean current over the interval, times its length
expected = 0.36 + 0.28 * erfc(np.sqrt(2 * k * T)) / 2  # Born's rule, and a few that are beyond the middle
z = (np.mean(outcomes > 0) - expected) / np.sqrt(expected * (1 - expected) / 4000)
print(f"{np.mean(outcomes > 0):.3f} read as up, formula {expected:.3f}, z = {z:+.1f}")

# %%
with sq.plotting.style():
    figure, ((axes,),) = sq.plotting.figure()
    axes.hist(outcomes, bins=80, color=sq.plotting.SKY)
    axes.set(xlabel="outcome $Q$", ylabel="runs")
figure

# %% [markdown]
# Records over time, detectors that lose light, and clicks stand in [watching a quantum system](../measurement.md).
