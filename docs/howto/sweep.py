# %% [markdown]
# # Sweep a parameter
#
# One program is compiled for all values. `sq.expectations` is a function of JAX: `jax.vmap` runs it for many values of
# its argument at once, here for 61 Rabi frequencies of an atom that radiates at the rate 1.

# %%
import jax
import numpy as np

import stochq as sq

lowering = np.array([[0.0, 0.0], [1.0, 0.0]])


def excited(rabi):
    equation = sq.models.unravel(sq.systems.levels(0.5 * rabi * (lowering + lowering.T)), [lowering])
    return sq.expectations(equation, np.array([0, 1.0]), [0.0, 20.0], observables={"p": np.array([1.0, 0.0])})["p"][-1]


frequencies = np.linspace(0.1, 3.0, 61)
off = jax.vmap(excited)(frequencies) - frequencies**2 / (1 + 2 * frequencies**2)  # from the atom at rest
print(f"largest distance from the formula: {np.max(np.abs(off)):.1e}")

# %% [markdown]
# ## Sweep an ensemble
#
# A loop over `sq.simulate` compiles once, too: equations of the same shape share their program, whatever their numbers.
# Give `dt`, so that all values have the same number of steps.

# %%
for rabi in (0.5, 1.0, 2.0):
    equation = sq.models.unravel(0.5 * rabi * (lowering + lowering.T), [lowering])
    run = sq.simulate(equation, [0, 1], [0, 20], observables={"p": [1, 0]}, trajectories=500, dt=0.05, seed=1)
    mean, error = run.mean["p"][-1], run.stderr["p"][-1]
    print(f"{rabi}: {mean:.3f} ± {error:.3f}, z = {(mean - rabi**2 / (1 + 2 * rabi**2)) / error:+.1f}")
