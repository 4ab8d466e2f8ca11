# %% [markdown]
# # Couple two systems
#
# `sq.systems.tensor` puts systems beside each other. Two qubits exchange an excitation,
# $g(\sigma_+\sigma_-+\text{h.c.})$, which the second one loses at the rate $\kappa$. For $\kappa>4g$ it leaks away
# without coming back.

# %%
import numpy as np

import stochq as sq

g, kappa = 0.5, 4.0
lower = np.array([[0.0, 1.0], [0.0, 0.0]])  # from (0, 1) to (1, 0)
exchange = [(g, {"left": lower.T, "right": lower}), (g, {"left": lower, "right": lower.T})]
pair = sq.systems.tensor(left=[0.0, 1.0], right=[0.0, 1.0], coupling=exchange)
equation = sq.models.unravel(pair, [pair.embed(np.sqrt(kappa) * lower, "right")])
times, excited = np.linspace(0, 4, 21), pair.embed(np.diag([0.0, 1.0]), "left")
psi0 = pair.product(left=[0, 1], right=[1, 0])
result = sq.simulate(equation, psi0, times, observables={"left": excited}, trajectories=1000, seed=1)

s = np.sqrt((kappa / 4) ** 2 - g**2)
formula = np.exp(-kappa * times / 2) * (np.cosh(s * times) + kappa / (4 * s) * np.sinh(s * times)) ** 2
z = (result.mean["left"] - formula)[1:] / result.stderr["left"][1:]
print(f"largest distance of 20 times from the formula: z = {z[np.abs(z).argmax()]:+.1f}")

# %% [markdown]
# Parts that are not coupled, entropies and reduced states stand in [composite systems](../composite.md).
