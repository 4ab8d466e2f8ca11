# %% [markdown]
# # Coming from QuTiP
#
# You know `ssesolve`, and want many more trajectories, or the error of what you average. Bring your `Qobj`s: wherever
# stochq takes an operator or a state it takes QuTiP's. In this tutorial the same decay is computed with QuTiP, on the
# left, and with stochq, on the right, and both are held against a formula.
#
# ## The same problem
#
# A cavity holds three photons and loses them at the rate $\kappa$; the light that comes out is watched by homodyne
# detection. The mean number of photons is $3e^{-\kappa t}$, whatever the detector sees.

# %%
import numpy as np
import qutip

import stochq as sq

kappa = 0.5
a = qutip.destroy(6)
number = a.dag() * a
psi0 = qutip.basis(6, 3)
times = np.linspace(0, 4, 21)
formula = 3 * np.exp(-kappa * times)

# %% column="QuTiP"
run = qutip.ssesolve(
    2.0 * number,
    psi0,
    times,
    sc_ops=[np.sqrt(kappa) * a],
    e_ops={"n": number},
    ntraj=20,
    seeds=1,
    options={"dt": 0.01, "progress_bar": ""},
)
n = np.asarray(run.e_data["n"])
print(f"n(4) = {n[-1]:.3f}, formula {formula[-1]:.3f}")

# %% column="stochq"
equation = sq.models.unravel(
    2.0 * number,
    [np.sqrt(kappa) * a],
)
result = sq.simulate(
    equation,
    psi0,
    times,
    observables={"n": number},
    trajectories=2000,
    keep=20,
    seed=1,
)
mean, error = result.mean["n"], result.stderr["n"]
print(f"n(4) = {mean[-1]:.3f} ± {error[-1]:.3f}")

# %% [markdown]
# Three things are different. The equation is an object of its own, so that it can be simulated, solved exactly, or
# fitted. The mean has an error. And no time step is asked for: `result.dt` is the longest one whose bias stays below a
# tenth of that error.

# %%
z = (mean[1:] - formula[1:]) / error[1:]
print(f"stochq: largest distance from the formula of 20 times: z = {z[np.abs(z).argmax()]:+.1f}")
with sq.plotting.style():
    figure, ((axes,),) = sq.plotting.figure()
    axes.plot(times, n, color=sq.plotting.VERMILION, linestyle=":", label="QuTiP, 20 trajectories")
    axes.fill_between(times, mean - 2 * error, mean + 2 * error, color=sq.plotting.SKY, alpha=0.5)
    axes.plot(times, mean, color=sq.plotting.BLUE, label="stochq, 2000 trajectories, ±2 errors")
    axes.plot(times, formula, color=sq.plotting.BLACK, linestyle="--", label=r"$3e^{-\kappa t}$")
    axes.set(xlabel="time", ylabel="photons")
    axes.legend()
figure

# %% [markdown]
# ## One import changed
#
# There is a door for programs that are written already: `stochq.qutip` has `ssesolve`, `smesolve` and `mcsolve` with
# QuTiP's arguments and results. Below stands the call from above, word for word, but for the import and the number of
# trajectories. The result has what QuTiP's has, and beside it standard errors, `stderr_expect`. Leave `dt` out of the
# options, and it is chosen.

# %%
from stochq.qutip import ssesolve

same = ssesolve(
    2.0 * number,
    psi0,
    times,
    sc_ops=[np.sqrt(kappa) * a],
    e_ops={"n": number},
    ntraj=500,
    seeds=1,
    options={"dt": 0.01, "progress_bar": ""},
)
z = (same.expect[0][1:] - formula[1:]) / same.stderr_expect[0][1:]
print(f"largest distance from the formula of 20 times: z = {z[np.abs(z).argmax()]:+.1f}")

# %% [markdown]
# ## States, and back
#
# What comes back is yours again: `to_qutip()` gives states as `Qobj`s with the dims that went in.

# %% column="QuTiP"
exact = qutip.mesolve(
    2.0 * number,
    psi0,
    times,
    c_ops=[np.sqrt(kappa) * a],
    e_ops=[number],
)
print(f"n(4) = {exact.expect[0][-1]:.4f}")

# %% column="stochq"
master = sq.exact.evolve(
    equation,
    psi0,
    times,
    observables={"n": number},
)
print(f"n(4) = {master.expect['n'][-1]:.4f}")
print(f"compared: p = {sq.compare(result, master).p_value:.2f}")

# %%
psi = result.to_qutip().kept[0][10]
print(f"one trajectory at t = 2: {type(psi).__name__}, dims {psi.dims}, n = {qutip.expect(number, psi):.3f}")

# %% [markdown]
# And QuTiP draws it: its Wigner function, by `sq.plotting.wigner`. Where that is negative, in blue, no classical field
# does the same.

# %%
sq.plotting.wigner(result, 6, time=2.0, trajectory=0)

# %% [markdown]
# Detectors with their records, drives, and a table from QuTiP's words to those of stochq stand in
# [coming from QuTiP, in detail](../qutip.md).
