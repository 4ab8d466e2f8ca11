# %% [markdown]
# # Fit a rate to data from a CSV
#
# A qubit loses its coherence. A laboratory has measured it by Ramsey's method: prepare $|+\rangle$, wait, ask whether
# the qubit is still in $|+\rangle$; 400 shots for each of 33 times of waiting. How fast does it dephase, and how sure
# is that?
#
# The data are [ramsey.csv](ramsey.csv). They were drawn by a few lines of NumPy with a known truth, so that the answer
# can be judged; a file of your own goes the same way.

# %%
import jax.numpy as jnp
import numpy as np

import stochq as sq

times, shots, plus = np.loadtxt("ramsey.csv", delimiter=",", skiprows=1, unpack=True)
chance = (plus + 0.5) / (shots + 1)  # never 0 nor 1, so that no error is zero
measured = 2 * plus / shots - 1
error = 2 * np.sqrt(chance * (1 - chance) / shots)
print(f"{len(times)} times, up to {times[-1]:g} µs; the first: {measured[0]:+.3f} ± {error[0]:.3f}")

# %% [markdown]
# ## The model
#
# In the rotating frame the qubit turns at the detuning $\delta$, and something dephases it:
# $L_k=\sqrt\gamma\,|k\rangle\langle k|$. What is measured is $\langle\sigma_x\rangle$. The model is a function of its
# parameters. Inside it stand the same calls as ever; numbers become arrays of `jax.numpy`, so that stochq can
# differentiate.


# %%
def coherence(values, times=times):
    """⟨σ_x⟩ of a qubit that begins in |+⟩."""
    turning = jnp.array([[0.5, 0.0], [0.0, -0.5]]) * values["detuning"]
    equation = sq.models.suv(sq.systems.levels(turning), strength=values["dephasing"])
    watched = {"sigma_x": np.array([[0.0, 1.0], [1.0, 0.0]])}
    return sq.expectations(equation, np.array([1, 1]) / np.sqrt(2), times, observables=watched)["sigma_x"]


# %% [markdown]
# ## The fit
#
# The search begins at a guess; a rate cannot be negative.

# %%
guess = {"detuning": 2.8, "dephasing": 1.0}
fit = sq.fit(coherence, (measured, error), guess, bounds={"dephasing": (0, None)})
print(fit)

# %%
fit.plot()

# %% [markdown]
# The p-value says that the model describes the data. If it were tiny, the errors of the parameters would mean nothing.
#
# ## The check
#
# For this model there is a formula, $\langle\sigma_x\rangle=e^{-\gamma t}\cos\delta t$, and SciPy can fit it without
# stochq. Both must find the same minimum, and the truth should be within a few errors.

# %%
from scipy.optimize import curve_fit


def formula(t, detuning, dephasing):
    return np.exp(-dephasing * t) * np.cos(detuning * t)


best, covariance = curve_fit(formula, times, measured, p0=[2.8, 1.0], sigma=error, absolute_sigma=True)
for k, (name, truth) in enumerate({"detuning": 3.0, "dephasing": 0.35}.items()):
    ours, our_error = float(fit.parameters[name]), float(fit.stderr[name])
    print(f"{name}: {ours:.4f} ± {our_error:.4f}, SciPy {best[k]:.4f} ± {np.sqrt(covariance[k, k]):.4f}, ", end="")
    print(f"truth {truth}, z = {(ours - truth) / our_error:+.1f}")

# %% [markdown]
# Where there is no formula nothing changes but the function `coherence`. Records and clicks are fitted by their
# likelihood, [homodyne records from the laboratory](homodyne-records.md); all that a fit can do stands in
# [fitting](../fitting.md).
