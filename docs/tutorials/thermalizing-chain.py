# %% [markdown]
# # A chain that thermalizes
#
# Six spins begin all down. Alone they would return again and again; a small stochastic term in the Schrödinger
# equation lets them forget. Each run remains a pure state for ever, and is still thermal: whoever looks at the
# magnetization of one run finds the thermal value, up to fluctuations.
#
# ## The physics
#
# The spins are an Ising chain in a tilted field,
#
# $$H = -\sum_jZ_jZ_{j+1} - h_x\sum_jX_j - h_z\sum_jZ_j .$$
#
# Objective quantum thermalization (OQT) adds transitions between all energy eigenstates, towards the weights
# $\chi_\mu$ of a thermal ensemble. The mean density matrix is then known in closed form,
#
# $$\rho(t) = e^{-at}\,U_t\rho_0U_t^\dagger + (1-e^{-at})\,\chi ,$$
#
# and here $\chi$ is microcanonical: all eigenstates whose energy is within one standard deviation of the initial energy
# have the same weight.

# %%
import numpy as np

import stochq as sq

sites, rate = 6, 0.3
chain = sq.systems.ising(sites, coupling=1.0, transverse=0.9045, longitudinal=0.809)
psi0 = np.eye(2**sites)[-1]
thermal = sq.microcanonical(chain, psi0)
equation = sq.models.oqt(chain, strength=rate, equilibrium=thermal)

times = np.linspace(0, 12, 61)
watched = {"magnetization": chain.operators["magnetization"]}
result = sq.simulate(equation, psi0, times, observables=watched, trajectories=1000, keep=4, seed=1)
print(result)

# %% [markdown]
# ## The closed form
#
# Built from nothing but NumPy: the Hamiltonian by Kronecker products, its eigenvectors, the microcanonical weights.


# %%
def at_site(matrix, site):
    return np.kron(np.kron(np.eye(2**site), matrix), np.eye(2 ** (sites - site - 1)))


x, z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
H = -sum(at_site(z, j) @ at_site(z, j + 1) for j in range(sites - 1))
H = H - sum(0.9045 * at_site(x, j) + 0.809 * at_site(z, j) for j in range(sites))
magnetization = sum(at_site(z, j) for j in range(sites)) / sites

energies, vectors = np.linalg.eigh(H)
mean = psi0 @ H @ psi0
width = np.sqrt(psi0 @ H @ H @ psi0 - mean**2)
chi = np.where(np.abs(energies - mean) <= width, 1.0, 0.0)
chi = chi / chi.sum()

in_eigenbasis = vectors.T @ magnetization @ vectors
start = vectors.T @ psi0
unitary = []
for t in times:
    psi = np.exp(-1j * energies * t) * start
    unitary.append((psi.conj() @ in_eigenbasis @ psi).real)
thermal_value = chi @ np.diag(in_eigenbasis)
formula = np.exp(-rate * times) * np.array(unitary) + (1 - np.exp(-rate * times)) * thermal_value
z_values = (result.mean["magnetization"][1:] - formula[1:]) / result.stderr["magnetization"][1:]
print(
    f"thermal value {thermal_value:.4f}; largest distance of 60 times: z = {z_values[np.abs(z_values).argmax()]:+.1f}"
)

# %%
result.plot({"magnetization": formula}, residuals=True)

# %% [markdown]
# ## One run
#
# The spins of one run, a site to a row. Order goes within a few times $1/J$, and what remains are fluctuations that
# never end.

# %%
sq.plotting.spins(result, trajectory=0)

# %% [markdown]
# A single run at late times is *one* pure state. How far is its magnetization from the thermal value? The longer the
# chain, the closer: this is typicality. Averaged over late times and the four runs that were kept:

# %%
late = times > 6
values = result.kept_values["magnetization"][:, late]
print(f"four runs, t > 6: {values.mean():+.3f}, spread {values.std():.3f}; thermal value {thermal_value:+.3f}")

# %% [markdown]
# Chains of up to twenty spins and more do without a matrix, and without eigenvectors: [twenty spins](../spins.md).
