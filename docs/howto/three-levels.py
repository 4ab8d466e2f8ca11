# %% [markdown]
# # Simulate a system of your own
#
# Any Hermitian matrix is a Hamiltonian, and any matrices are jump operators. Here is a ladder of three levels,
# $|2\rangle\to|1\rangle\to|0\rangle$, that decays step by step. The square root of each rate stands inside its
# operator.

# %%
import numpy as np

import stochq as sq

slow, fast = 0.5, 2.0
first = np.sqrt(slow) * np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0]])  # |1⟩⟨2|
second = np.sqrt(fast) * np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])  # |0⟩⟨1|
equation = sq.models.unravel(sq.systems.levels([0.0, 1.0, 2.5]), [first, second])
times = np.linspace(0, 6, 31)
watched = {f"level {k}": np.eye(3)[k] for k in range(3)}
result = sq.simulate(equation, [0, 0, 1], times, observables=watched, trajectories=1000, seed=1)

middle = slow / (fast - slow) * (np.exp(-slow * times) - np.exp(-fast * times))  # the rate equations
z = (result.mean["level 1"] - middle)[1:] / result.stderr["level 1"][1:]
print(f"largest distance from the rate equations: z = {z[np.abs(z).argmax()]:+.1f}")
result.plot({"level 1": middle})

# %% [markdown]
# Structure that makes a Hamiltonian or its noise cheaper is declared by [a class of your own](../extending.md).
