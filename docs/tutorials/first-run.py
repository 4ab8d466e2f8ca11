# %% [markdown]
# # A first run
#
# A spin points partly up and partly down, and something measures which. This page simulates it, draws what happens, and
# checks it against formulas. It takes some seconds, and needs no more than Python and NumPy to be read.
#
# ## The physics
#
# The spin has two levels with the energies 0 and $\hbar\omega$ (here and below $\hbar=1$). It starts in
#
# $$|\psi(0)\rangle = 0.6\,|{\uparrow}\rangle + 0.8\,|{\downarrow}\rangle .$$
#
# A measurement that goes on all the time, at the rate $\gamma$, turns the Schrödinger equation into a stochastic one.
# Its noise drives every single run towards one of the two outcomes. Averaged over many runs the coherence decays,
#
# $$\langle\sigma_x\rangle(t) = 0.96\,e^{-\gamma t}\cos\omega t,$$
#
# while the mean population stays at $0.36$ for ever: a run ends with the spin up with just that probability, which is
# Born's rule.
#
# ## The run
#
# Three things are needed: a system, an equation, and a state to begin with.

# %%
import numpy as np

import stochq as sq

omega, gamma = 4.0, 0.5
spin = sq.systems.levels([0.0, omega])
equation = sq.models.suv(spin, strength=gamma)
psi0 = [0.6, 0.8]

# %% [markdown]
# What is watched are operators: a diagonal one is given by its diagonal, any other one by its matrix. `keep=6` returns
# the wave functions of six runs beside the means over all of them.

# %%
times = np.linspace(0, 4, 81)
watched = {"up": [1, 0], "sigma_x": [[0, 1], [1, 0]]}
result = sq.simulate(equation, psi0, times, observables=watched, trajectories=2000, keep=6, seed=3)
print(result)

# %% [markdown]
# No time step was given. stochq has taken the longest one whose error is small beside the statistical one, and says so
# above. Each mean comes with its standard error. `result.mean["up"]` and `result.stderr["up"]` are plain NumPy arrays,
# one number for each time.
#
# ## The check
#
# The same equation without noise, for the mean of all runs, is the *master equation*. stochq solves it too. In the
# picture thin lines are single runs: each of them decides, and no two in the same way. The mean of all knows nothing
# of that. The lower panels show by how many standard errors it is off the exact curve.

# %%
exact = sq.exact.evolve(equation, psi0, times, observables=watched)
result.plot(exact, residuals=True)

# %%
comparison = sq.compare(result, exact)
print(f"p = {comparison.p_value:.2f}: so often a correct ensemble is this far off, or farther")

# %% [markdown]
# One should not believe a program that agrees with itself. Here is the formula from the top of the page, with nothing
# of stochq in it. z is the distance in standard errors.

# %%
formula = 0.96 * np.exp(-gamma * times) * np.cos(omega * times)
for k in (10, 20, 40, 80):
    mean, error = result.mean["sigma_x"][k], result.stderr["sigma_x"][k]
    print(
        f"t = {times[k]:.1f}: simulated {mean:+.4f}, formula {formula[k]:+.4f}, z = {(mean - formula[k]) / error:+.1f}"
    )

# %% [markdown]
# ## Born's rule
#
# Let 500 runs go on until they have decided. About 180 of them should end with the spin up, with a standard deviation
# of $\sqrt{500\times0.36\times0.64}=10.7$.

# %%
long = sq.simulate(equation, psi0, [0, 20], observables={"up": [1, 0]}, trajectories=500, keep=500, dt=0.1, seed=2)
chance_up = np.abs(long.kept[:, -1, 0]) ** 2
ended_up = np.sum(chance_up > 0.5)
z = (ended_up - 180) / np.sqrt(500 * 0.36 * 0.64)
print(f"{ended_up} of 500 runs ended with the spin up: z = {z:+.1f}")
print(f"not yet decided, to 1 %: {np.sum(np.abs(chance_up - 0.5) < 0.49)}")

# %% [markdown]
# Every z lies within what chance allows, some ±3. From here: a qubit that a real detector watches, [on the Bloch
# sphere](bloch-sphere.md); or [how accuracy is judged](../accuracy.md), which says what stands behind the errors.
