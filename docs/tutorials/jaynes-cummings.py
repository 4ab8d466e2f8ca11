# %% [markdown]
# # An atom and a cavity
#
# An excited atom sits in an empty cavity. The excitation goes back and forth between the two, the vacuum Rabi
# oscillation, until a photon leaks out and a detector clicks. On the way atom and cavity are entangled, and how much
# is a question that only single runs can answer: it is not linear in the density matrix.
#
# ## The physics
#
# On resonance the Jaynes-Cummings Hamiltonian is
#
# $$H = \omega a^\dagger a + \omega|e\rangle\langle e| + g\,(a\,\sigma_+ + a^\dagger\sigma_-),$$
#
# the cavity leaks at the rate $\kappa$ and the atom radiates at the rate $\gamma$ into other directions. As long as
# nothing has clicked the state is $c_e|e,0\rangle+c_g|g,1\rangle$ with
#
# $$\dot c_e = -\tfrac\gamma2c_e - igc_g,\qquad \dot c_g = -\tfrac\kappa2c_g-igc_e ,$$
#
# whose solution is
#
# $$c_e = e^{-(\kappa+\gamma)t/4}\Big[\cos\Omega t + \tfrac{\kappa-\gamma}{4\Omega}\sin\Omega t\Big],\quad
#   c_g = -\tfrac{ig}\Omega e^{-(\kappa+\gamma)t/4}\sin\Omega t,$$
#
# with $\Omega^2 = g^2-\big(\tfrac{\kappa-\gamma}4\big)^2$.
#
# After the click the state is $|g,0\rangle$ and remains so.

# %%
import numpy as np

import stochq as sq

omega, g, kappa, gamma = 5.0, 1.0, 0.4, 0.1
a = np.diag(np.sqrt(np.arange(1.0, 3.0)), 1)
lower = np.array([[0.0, 1.0], [0.0, 0.0]])  # from (0, 1), the excited state, to (1, 0)

joint = sq.systems.tensor(
    cavity=np.diag(omega * np.arange(3.0)),
    atom=np.diag([0.0, omega]),
    coupling=[(g, {"cavity": a, "atom": lower.T}), (g, {"cavity": a.T, "atom": lower})],
)
psi0 = joint.product(cavity=[1, 0, 0], atom=[0, 1])
leaks = [joint.embed(np.sqrt(kappa) * a, "cavity"), joint.embed(np.sqrt(gamma) * lower, "atom")]

# %% [markdown]
# With `noise="jump"` the two leaks are watched by photon counters. Between clicks such a run needs no time step. The
# entropy of the atom in the state of a single run says how much it is entangled with the cavity.

# %%
equation = sq.models.unravel(joint, leaks, noise="jump")
times = np.linspace(0, 10, 201)
watched = {
    "excited": joint.embed(np.diag([0.0, 1.0]), "atom"),
    "entropy": sq.Entropy(joint.part("atom")),
}
result = sq.simulate(equation, psi0, times, observables=watched, trajectories=2000, keep=4, seed=1)
print(result)

# %% [markdown]
# The result itself warns where a standard error is not to be trusted: at the very start a handful of runs have
# clicked, and the error is that of those few.
#
# ## The check
#
# The mean chance of finding the atom excited is $|c_e|^2$. Nothing has clicked until $t$ with the probability
# $p=|c_e|^2+|c_g|^2$, and until then the entropy is that of the two probabilities $|c_e|^2/p$ and $|c_g|^2/p$. So even
# its mean is known in closed form.

# %%
Omega = np.sqrt(g**2 - ((kappa - gamma) / 4) ** 2)
damped = np.exp(-(kappa + gamma) * times / 4)
excited = (damped * (np.cos(Omega * times) + (kappa - gamma) / (4 * Omega) * np.sin(Omega * times))) ** 2
photon = (damped * g / Omega * np.sin(Omega * times)) ** 2
p = excited + photon
shares = np.clip(np.stack([excited, photon]) / p, 1e-300, 1)
formula = {"excited": excited, "entropy": -p * np.sum(shares * np.log(shares), axis=0)}
for name, values in formula.items():
    z = (result.mean[name][1:] - values[1:]) / result.stderr[name][1:]
    print(f"{name}: largest distance of 200 times: z = {z[np.abs(z).argmax()]:+.1f}")
result.plot(formula)

# %% [markdown]
# Thin lines are single runs. They all follow the same curve until they click, each at its own time, and are then over.
# In the mean it looks like a slow decay.
#
# ## When it clicks
#
# The clicks say when. Their times have the density $-\dot p=\kappa|c_g|^2+\gamma|c_e|^2$: a photon can leave the
# cavity only while it is there, so that the clicks come in waves.

# %%
run = sq.simulate(equation, psi0, [0, 10], observables={}, trajectories=4000, records=True, seed=2)
moments = np.array([own[0] for clicks in zip(*run.clicks.values(), strict=True) for own in clicks if len(own)])
edges = np.linspace(0, 10, 41)
counts = np.histogram(moments, edges)[0]
expected = 4000 * -np.diff(np.interp(edges, times, p))
chi2 = np.sum((counts - expected) ** 2 / expected)
print(f"{len(moments)} clicks in 4000 runs; chi² = {chi2:.0f} in 40 bins")

with sq.plotting.style():
    figure, ((axes,),) = sq.plotting.figure()
    axes.stairs(counts, edges, fill=True, color=sq.plotting.SKY, label="clicks of 4000 runs")
    density = 4000 * 0.25 * (kappa * photon + gamma * excited)
    axes.plot(times, density, color=sq.plotting.BLACK, linestyle="--", label="formula")
    axes.set(xlabel="time of the click", ylabel="clicks in a bin")
    axes.legend()
figure

# %% [markdown]
# Systems of more parts, and what they cost, stand in [composite systems](../composite.md).
