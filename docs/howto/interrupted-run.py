# %% [markdown]
# # Go on after an interruption
#
# `checkpoint=` writes down what is done. Run the same call again, after Ctrl-C, a crash, or the end of the time on a
# cluster: it goes on where it ended, to the same numbers to the last bit. A larger number of trajectories extends it.

# %%
import numpy as np

import stochq as sq

equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
options = {"observables": {"p": [1.0, 0.0], "x": [[0, 1], [1, 0]]}, "dt": 0.25, "seed": 3}
begun = sq.simulate(equation, [0.6, 0.8], [0, 1], trajectories=4096, checkpoint="run.checkpoint", **options)
longer = sq.simulate(equation, [0.6, 0.8], [0, 1], trajectories=8192, checkpoint="run.checkpoint", **options)
at_once = sq.simulate(equation, [0.6, 0.8], [0, 1], trajectories=8192, **options)
print(f"{begun.trajectories} and then {longer.trajectories} trajectories")
print("the same to the last bit:", np.array_equal(longer.mean["x"], at_once.mean["x"]))
z = (longer.mean["x"][-1] - 0.96 * np.exp(-1) * np.cos(1)) / longer.stderr["x"][-1]
print(f"against the formula: z = {z:+.1f}")

# %% [markdown]
# On the command line it is `stochq run CONFIG.toml --resume`. What is promised, and what a kill loses, stands in
# [interrupted runs](../interrupted.md).
