# %% [markdown]
# # Homodyne records from the laboratory
#
# A laboratory drives an atom and watches the light that it sends out with a homodyne detector. What it has are
# currents: noise, at first sight. This page reads them from a file, finds the parameters of the atom, and then the
# state of the atom during each single record.
#
# The data are [homodyne.csv](homodyne.csv), 60 records of 6 µs in bins of 0.1 µs. They were made by plain NumPy with a
# known truth; a file of your own goes the same way.

# %%
import jax.numpy as jnp
import numpy as np

import stochq as sq

table = np.loadtxt("homodyne.csv", delimiter=",", skiprows=1)
times = np.concatenate([[0.0], table[:, 0]])  # the ends of the bins, the start included
record = sq.inference.Record.from_current(times, {"current": table[:, 1:].T})
print(record)

# %% [markdown]
# ## A model of the experiment
#
# A laser drives the atom at the Rabi frequency $\Omega$, it radiates at the rate $\gamma$, and of its light a detector
# of efficiency $\eta$ sees the quadrature of $-i\sigma_-$:
#
# $$H = \tfrac\Omega2\sigma_x,\qquad L=\sqrt\gamma\,\sigma_-,\qquad
#   I = \sqrt{\eta\gamma}\,\langle-i\sigma_-+i\sigma_+\rangle + \text{noise of unit strength}.$$

# %%
lowering = np.array([[0.0, 0.0], [1.0, 0.0]])  # from the excited state (1, 0) to the ground state (0, 1)
sigma_x = lowering + lowering.T
ground = np.array([0.0, 1.0])


def atom(values):
    """The equation of the atom and its detector."""
    emitted = jnp.sqrt(values["decay"]) * lowering
    detector = sq.measurement.homodyne(emitted, phase=np.pi / 2, efficiency=values["efficiency"])
    return sq.models.monitored(0.5 * values["rabi"] * sigma_x, {"current": detector})


# %% [markdown]
# ## Before anything is fitted
#
# The mean of all records needs no model. From the optical Bloch equations it should come to rest at
#
# $$\bar I = \sqrt{\eta\gamma}\;\frac{2\Omega\gamma}{\gamma^2+2\Omega^2},$$
#
# up to the sign that the phase of the detector defines.

# %%
truth = {"rabi": 2.5, "decay": 1.0, "efficiency": 0.6}
late = record.increments[:, 40:, 0].sum(axis=1) / (times[-1] - times[40])
rest = 2 * truth["rabi"] * truth["decay"] / (truth["decay"] ** 2 + 2 * truth["rabi"] ** 2)
rest = np.sqrt(truth["efficiency"] * truth["decay"]) * rest
stderr = late.std() / np.sqrt(len(late))
print(f"mean current after 4 µs: {late.mean():+.3f} ± {stderr:.3f}, formula ±{rest:.3f}, ", end="")
print(f"z = {(abs(late.mean()) - rest) / stderr:+.1f}")

# %% [markdown]
# ## The fit
#
# What is maximised is the likelihood of the records, sample by sample. It knows more than their mean: above all that
# the atom's state follows the record.

# %%
start = {"rabi": 2.0, "decay": 0.7, "efficiency": 0.5}
bounds = {"decay": (0, None), "efficiency": (0, 1)}
fit = sq.fit(lambda values: (atom(values), ground), record, start, bounds=bounds)
print(fit)
for name, value in truth.items():
    z = (float(fit.parameters[name]) - value) / float(fit.stderr[name])
    print(f"{name}: z = {z:+.1f} from the truth, {value}")

# %%
fit.plot()

# %% [markdown]
# ## The state during one record
#
# With these parameters each record tells the state, bin by bin. The detector misses two fifths of the light, so that
# the state stays mixed: its purity is below 1.

# %%
best = atom({name: float(value) for name, value in fit.parameters.items()})
known = sq.inference.filter(best, ground, record, observables={"excited": np.array([1.0, 0.0])})
print(f"mean purity at the end: {known.purity[:, -1].mean():.3f}")
known.plot("excited", record=0)

# %% [markdown]
# Averaged over the records these conditional probabilities follow the Bloch equations, which start here in the ground
# state, $z=-1$, at rest at $z=-\gamma^2/(\gamma^2+2\Omega^2)$:

# %%
at_rest = known.mean["excited"][:, 40:].mean(axis=1)
formula = 0.5 * (1 - truth["decay"] ** 2 / (truth["decay"] ** 2 + 2 * truth["rabi"] ** 2))
stderr = at_rest.std() / np.sqrt(len(at_rest))
print(f"excited after 4 µs: {at_rest.mean():.3f} ± {stderr:.3f}, formula {formula:.3f}, ", end="")
print(f"z = {(at_rest.mean() - formula) / stderr:+.1f}")

# %% [markdown]
# Records too long to be filtered, parameters that drift, and what an experiment could tell at best stand in
# [fitting](../fitting.md).
