# %% [markdown]
# # Collapse in a double slit
#
# A particle leaves two slits at once, spreads, and interferes with itself. If something localizes it on the way, by
# however little, the fringes fade: on average. What does a single particle do? This page shows one as a film.
#
# ## The physics
#
# Across the beam the particle is free, $H=p^2/2m$. It begins as two packets of width $\sigma$, at $x=\pm a$.
# Localization in the limit of short distances (the model QMUPL) has the one operator $L=\sqrt\Lambda\,x$. In units of
# $\hbar=m=1$ it makes of the density $P_0(x,t)$ without it a convolution with a Gaussian of variance $\Lambda t^3/3$:
# kicks at all earlier times, each of which has grown into a displacement since. A Fourier component of the pattern
# shrinks accordingly,
#
# $$\langle\cos qx\rangle = e^{-\Lambda q^2t^3/6}\,\langle\cos qx\rangle_0 .$$
#
# The fringes at time $T$ have nearly the wave number $q=2a/T$.

# %%
import numpy as np

import stochq as sq

a, sigma, T = 3.0, 0.5, 4.0
q = 2 * a / T
particle = sq.systems.particle(128, 40.0, 1.0)
x = particle.coordinates[0]
slits = particle.gaussian(-a, sigma) + particle.gaussian(a, sigma)
slits = slits / np.linalg.norm(slits)
times = np.linspace(0, T, 41)
run = {"observables": {"fringes": np.cos(q * x)}, "trajectories": 300, "keep": 300, "dt": 0.04}

# %% [markdown]
# ## Two strengths
#
# A weak and a stronger localization. 300 particles each; every wave function is kept.

# %%
weak = sq.simulate(sq.models.qmupl(particle, rate=0.01), slits, times, seed=1, **run)
strong = sq.simulate(sq.models.qmupl(particle, rate=0.15), slits, times, seed=2, **run)

# %% [markdown]
# The pattern without localization follows from how packets spread, $\sigma^2\to\sigma^2(1+it/2\sigma^2)$.


# %%
def free(t):
    """The density at the points of the grid, without localization."""
    spread = 4 * sigma**2 * (1 + 0.5j * t / sigma**2)
    density = np.abs(np.exp(-((x - a) ** 2) / spread) + np.exp(-((x + a) ** 2) / spread)) ** 2
    return density / density.sum() / particle.spacing


def blurred(t, rate):
    """The same with it: a convolution with a Gaussian."""
    wave_numbers = 2 * np.pi * np.fft.fftfreq(len(x), particle.spacing)
    return np.fft.ifft(np.fft.fft(free(t)) * np.exp(-rate * wave_numbers**2 * t**3 / 6)).real


with sq.plotting.style():
    figure, panels = sq.plotting.figure(2)
    for (axes,), result, rate in zip(panels, (weak, strong), (0.01, 0.15), strict=True):
        seen = np.mean(np.abs(result.kept[:, -1]) ** 2, axis=0) / particle.spacing
        axes.plot(x, free(T), color=sq.plotting.SKY, linestyle=":", label="no localization")
        axes.plot(x, seen, color=sq.plotting.BLUE, label="mean of 300 particles")
        axes.plot(x, blurred(T, rate), color=sq.plotting.BLACK, linestyle="--", label="formula")
        axes.set(xlim=(-15, 15), xlabel="place $x$", ylabel="density", title=rf"$\Lambda = {rate:g}$")
    sq.plotting.draw_legend(figure, panels)
figure

# %%
for result, rate in ((weak, 0.01), (strong, 0.15)):
    formula = np.exp(-rate * q**2 * T**3 / 6) * np.sum(np.cos(q * x) * free(T)) * particle.spacing
    mean, error = result.mean["fringes"][-1], result.stderr["fringes"][-1]
    print(f"rate {rate}: contrast {mean:.3f} ± {error:.3f}, formula {formula:.3f}, z = {(mean - formula) / error:+.1f}")

# %% [markdown]
# ## One particle
#
# The density of the first particle under the stronger localization. It starts from both slits. Before the packets have
# met one of them is gone: the particle has come from *one* slit, and nothing is left that could interfere with it. It
# spreads, but no farther than localization lets it.

# %%
sq.plotting.animate(sq.plotting.position, strong, particle, trajectory=0, times=times[::2], seconds=4)

# %% [markdown]
# The same particle over all times; and below it the mean of all 300 particles under the weak localization, in which the
# fringes grow.

# %%
figure = sq.plotting.position(strong, particle, trajectory=0)
figure.axes[0].set_ylim(-14, 14)
figure

# %%
figure = sq.plotting.position(weak, particle)
figure.axes[0].set_ylim(-14, 14)
figure

# %% [markdown]
# Which slit it is, is decided by chance, with even odds: half-way, where one packet is left, the mean place of a
# particle is as often left as right.

# %%
places = np.sum(np.abs(strong.kept[:, 20]) ** 2 * x, axis=1)
left = np.sum(places < 0)
print(f"half-way {left} of 300 are on the left: z = {(left - 150) / np.sqrt(75):+.1f}")

# %% [markdown]
# Collapse with a range, as CSL and GRW have it, takes the place of QMUPL by `sq.models.csl` and `sq.models.grw`; all
# models stand in [models and conventions](../models.md).
