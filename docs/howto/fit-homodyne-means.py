# %% [markdown]
# # Fit to a CSV of homodyne means
#
# [homodyne-means.csv](homodyne-means.csv) has the mean current of a homodyne detector, a time, a mean and a standard
# error in each row. It comes from an atom with the Rabi frequency 2.5 that radiates at the rate 1, seen by a detector
# of efficiency 0.6. The current is $\sqrt\gamma\,\langle-i\sigma_-+i\sigma_+\rangle$ times $\sqrt\eta$.

# %%
import jax.numpy as jnp
import numpy as np

import stochq as sq

times, mean, error = np.loadtxt("homodyne-means.csv", delimiter=",", skiprows=1, unpack=True)
lowering = np.array([[0.0, 0.0], [1.0, 0.0]])


def current(values, times=times):
    drive = 0.5 * values["rabi"] * (lowering + lowering.T)
    atom = sq.models.unravel(drive, [jnp.sqrt(values["decay"]) * lowering])
    means = sq.expectations(atom, np.array([0, 1.0]), times, observables={"q": 1j * (lowering.T - lowering)})
    return jnp.sqrt(0.6 * values["decay"]) * means["q"]


fit = sq.fit(current, (mean, error), {"rabi": 2.0, "decay": 0.7})
print(fit)

# %% [markdown]
# Against the truth, and drawn:

# %%
for name, truth in {"rabi": 2.5, "decay": 1.0}.items():
    print(f"{name}: z = {(float(fit.parameters[name]) - truth) / float(fit.stderr[name]):+.1f}")
fit.plot()

# %% [markdown]
# Where single records are there, and not only their mean, their likelihood knows more:
# [homodyne records from the laboratory](../tutorials/homodyne-records.md).
