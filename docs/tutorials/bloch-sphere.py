# %% [markdown]
# # A qubit watched, on the Bloch sphere
#
# A qubit turns under a drive, and a detector asks it all the time whether it is up or down. The state of one run moves
# on the surface of the Bloch sphere, by chance; the mean of all runs sinks into the sphere. This page draws both,
# reads the detector, and watches so hard that the qubit stops.
#
# ## The equation
#
# The drive is $H=\tfrac\Omega2\sigma_x$, the detector measures $L=\sqrt{k}\,\sigma_z$ and writes down a current,
#
# $$I\,dt = 2\sqrt k\,\langle\sigma_z\rangle\,dt + dW .$$
#
# The same noise $dW$ acts back on the state. Of the mean Bloch vector the turning and the loss of coherence remain,
# $\dot y=-\Omega z-2k\,y$ and $\dot z=\Omega y$, and from $z(0)=1$
#
# $$\langle\sigma_z\rangle = e^{-kt}\Big[\cos\nu t + \frac k\nu\sin\nu t\Big],\qquad \nu=\sqrt{\Omega^2-k^2}.$$

# %%
import numpy as np

import stochq as sq

sigma_x, sigma_z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, -1.0])
omega, k = 2.0, 0.2
times = np.linspace(0, 6, 121)


def watched_qubit(strength):
    """A driven qubit and its detector."""
    detector = sq.measurement.homodyne(np.sqrt(strength) * sigma_z)
    return sq.models.monitored(0.5 * omega * sigma_x, {"current": detector})


run = {"observables": {"z": sigma_z, "rho": sq.Density()}, "trajectories": 1000, "records": True, "keep": 3}
weak = sq.simulate(watched_qubit(k), [1, 0], times, dt=0.01, seed=1, **run)
print(weak)

# %% [markdown]
# ## The sphere
#
# In orange two single runs, in blue the mean of all thousand. The runs stay on the surface: whoever reads the
# detector knows the state. The mean belongs to somebody who does not, and spirals towards the centre.

# %%
sq.plotting.bloch(weak, trajectories=2)

# %% [markdown]
# Against the formula above:

# %%
nu = np.sqrt(omega**2 - k**2)
formula = np.exp(-k * times) * (np.cos(nu * times) + k / nu * np.sin(nu * times))
z = (weak.mean["z"][1:] - formula[1:]) / weak.stderr["z"][1:]
print(f"largest distance of 120 times: z = {z[np.abs(z).argmax()]:+.1f}")
rho = np.asarray(weak.density)
purity = np.trace(rho @ rho, axis1=1, axis2=2).real
print(f"purity of the mean: {purity[0]:.3f} at the start, {purity[-1]:.3f} at the end; that of each run is 1")

# %% [markdown]
# ## The detector
#
# `records=True` keeps what the detector wrote, one mean current for each interval between saved times. It is nearly
# all noise, as in a laboratory. And yet it tells the state: `sq.inference.filter` looks at nothing but the record, and
# finds the trajectory from which that came.

# %%
known = sq.inference.filter(watched_qubit(k), [1, 0], weak.records, observables={"z": sigma_z})
weak.plot_trajectory(0, filtered=known)

# %% [markdown]
# The mean of the records is known, too. Over the first quarter of a turn the charge $Q=\int_0^T I\,dt$ has the mean
# $2\sqrt k\int_0^T\langle\sigma_z\rangle\,dt$.

# %%
charge = weak.records["current"][:, :15].sum(axis=1) * (times[1] - times[0])
expected = 2 * np.sqrt(k) * np.trapezoid(formula[:16], times[:16])
z = (charge.mean() - expected) / (charge.std() / np.sqrt(len(charge)))
print(f"mean charge {charge.mean():.3f}, formula {expected:.3f}, z = {z:+.1f}")

# %% [markdown]
# ## Watched too closely
#
# For $k>\Omega$ the frequency $\nu$ is imaginary: the mean does not oscillate any more, it creeps. A single run
# shows what happens instead. It sits at one pole, and jumps now and then to the other, at the rate $\Omega^2/4k$ each
# way: the quantum Zeno effect.

# %%
strong = sq.simulate(watched_qubit(10.0), [1, 0], times, dt=0.01, seed=2, **run)
kappa = np.sqrt(10.0**2 - omega**2)
formula = np.exp(-10 * times) * (np.cosh(kappa * times) + 10 / kappa * np.sinh(kappa * times))
z = (strong.mean["z"][1:] - formula[1:]) / strong.stderr["z"][1:]
print(f"largest distance of 120 times: z = {z[np.abs(z).argmax()]:+.1f}")
strong.plot({"z": formula}, "z")

# %% [markdown]
# The detectors that there are, inefficient ones among them, stand in [watching a quantum system](../measurement.md).
