# %% [markdown]
# # Write means into a CSV
#
# `save` writes what the name's ending says: `.csv` a tidy table, one row for each time and observable; `.nc`
# everything, to be loaded again.

# %%
import csv

import numpy as np

import stochq as sq

equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.5)
times, sigma_x = np.linspace(0, 4, 9), np.array([[0, 1], [1, 0]])
state = np.array([1, 1]) / np.sqrt(2)
result = sq.simulate(equation, state, times, observables={"x": sigma_x}, trajectories=1000, seed=1)
result.save("means.csv")

with open("means.csv", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
print(*rows[0], sep=", ")
mean, error, t = (float(rows[4][name]) for name in ("mean", "stderr", "time"))
formula = np.exp(-0.5 * t) * np.cos(t)
print(f"t = {t}: {mean:.4f} ± {error:.4f}, formula {formula:.4f}, z = {(mean - formula) / error:+.1f}")

# %% [markdown]
# `result.to_dataframe()` is the same as a table of pandas. How other programs read `.nc` files stands in
# [reading files elsewhere](../files.md).
