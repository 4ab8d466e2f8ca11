"""Localization by sudden hits: GRW, and CSL with dissipation."""

import numpy as np

from stochq.arrays import Number, copied, is_concrete
from stochq.channels import Columns, Kicks
from stochq.equation import Equation
from stochq.laws import NoiseLaw
from stochq.models.checks import positive
from stochq.models.checks import rate as checked_rate
from stochq.models.localization import csl, hbar_of, require_particle
from stochq.systems.grid import Particle

# A kick's distribution must be wider than the spacing of the grid of momenta by this factor.
_SPACINGS_PER_KICK = 1.0


def grw(
    particle: Particle, *, rate: Number, length: float, reference_mass: Number = 1.0, hbar: Number | None = None
) -> Equation:
    r"""Ghirardi, Rimini and Weber's hits: the jumps of the master equation that CSL diffuses under.

    $$L_z = \sqrt\lambda\,\frac{m}{m_0}(\pi r_C^2)^{-1/4}e^{-(x-z)^2/2r_C^2}, \qquad
      \int dz\,L_z(x)L_z(y) = \lambda\Big(\frac m{m_0}\Big)^2e^{-(x-y)^2/4r_C^2}$$

    (Ghirardi, Rimini and Weber 1986, eq. 2.11, with α = 1/r_C².) Hits come at the rate λ(m/m₀)² whatever the state is,
    each centred on a point z of the grid with the density ‖L_zψ‖². It is `csl(..., noise="jump")`, whose rate grows
    with the square of the mass; that of a body of N distinguishable particles, each hit for itself, is Nλ instead.

    With `records=True` a run counts the hits: the counter "L0", "L1", … is z at the point of that number of the grid,
    in one dimension `particle.coordinates[0]`. Time and place of all hits of trajectory n are
    `[(t, x) for x, own in zip(particle.coordinates[0], run.clicks.values()) for t in own[n]]`, and
    `run.plot_trajectory(places=particle.coordinates[0])` draws them.

    Args:
        particle: sq.systems.particle(...), in any number of dimensions.
        rate: λ, 1/time, of hits of a particle of the mass m₀; this one, of the mass m, is hit at λ(m/m₀)².
        length: r_C, the width of a hit.
        reference_mass: m₀, of a nucleon in most of the literature.
        hbar: None takes the particle's.

    Raises:
        ValueError: as `csl` does.

    >>> import stochq as sq
    >>> particle = sq.systems.particle(64, 16.0, 1.0, None)
    >>> sq.models.grw(particle, rate=0.5, length=1.0).noise
    'jump'
    """
    require_particle(particle, "grw")
    return csl(particle, rate=rate, length=length, reference_mass=reference_mass, hbar=hbar, noise="jump")


def dissipative_csl(
    particle: Particle,
    *,
    rate: Number,
    length: Number,
    dissipation: Number,
    reference_mass: Number = 1.0,
    hbar: Number | None = None,
    noise: NoiseLaw = "jump",
) -> Equation:
    r"""CSL whose noise is damped, of one particle in one dimension (Smirne and Bassi 2015).

    $$L_Q = e^{iQx/\hbar}\sqrt{w(Q|P)}, \qquad
      w(Q|P) = \lambda\Big(\frac m{m_0}\Big)^2\frac{r_C}{\sqrt\pi\hbar}\,
      e^{-\frac{r_C^2}{\hbar^2}[(1+k)Q+2kP]^2}$$

    With Λ = λ(m/m₀)², kicks come at the rate Λ/(1+k) whatever the state is. ⟨P⟩ decays at 2kΛ/(1+k)², ⟨P²⟩ relaxes at
    4kΛ/(1+k)³ to ħ²/(8kr_C²), a temperature; k = 0 is CSL. The generator is completely positive. Kicks that would leave
    the grid of momenta are left out, and the others take their place: the momenta of the state must stay inside.

    Args:
        particle: sq.systems.particle(...) in one dimension.
        rate: λ, 1/time, of a particle of the mass m₀.
        length: r_C.
        dissipation: k, without a unit.
        reference_mass: m₀, as of `csl`.
        hbar: None takes the particle's.
        noise: the law; "jump" costs far less than the 2N − 1 operators of the others.

    Raises:
        ValueError: for more dimensions, a box that is too small to resolve a kick, or numbers out of range.

    >>> import stochq as sq
    >>> particle = sq.systems.particle(64, 16.0, 1.0, None)
    >>> equation = sq.models.dissipative_csl(particle, rate=0.5, length=1.0, dissipation=0.25)
    >>> equation.channels[0].total_loss().round(6)[:2].tolist()
    [0.4, 0.4]
    """
    require_particle(particle, "dissipative_csl")
    if particle.dimensions != 1:
        raise ValueError(f"particle: expected one in one dimension; got {particle.dimensions}.")
    length, k = positive("length", length), checked_rate("dissipation", dissipation)
    action = hbar_of(particle, hbar)
    scaled = checked_rate("rate", rate) * (copied(particle.mass) / positive("reference_mass", reference_mass)) ** 2
    if not is_concrete((scaled, action, length, k, particle.length)):
        raise ValueError("rate: expected numbers, of which the rates of kicks are made once; got a traced value.")
    length, k, scaled, action = float(length), float(k), float(scaled), float(action)
    momenta, vectors = _momenta(particle, action)
    spacing = 2 * np.pi * action / float(particle.length)
    width = action / (length * (1 + k))
    if spacing * _SPACINGS_PER_KICK > width:
        raise ValueError(
            f"length: expected a box that resolves kicks of {width:.3g}; its momenta are {spacing:.3g} apart. Lengthen "
            f"the box to at least {2 * np.pi * length * (1 + k):.3g}."
        )
    kicks = momenta[:, None] - momenta[None, :]
    weights = np.exp(-(((1 + k) * kicks + 2 * k * momenta[None, :]) ** 2) / (action / length) ** 2)
    rates = scaled / (1 + k) * weights / weights.sum(axis=0)
    return Equation(particle, (Kicks(rates, Columns(vectors)),), noise, action)


def _momenta(particle: Particle, hbar: float) -> tuple[np.ndarray, np.ndarray]:
    """The momenta of the grid, ascending, and their waves as columns (points, points)."""
    points = particle.points
    numbers = np.arange(points) - points // 2
    waves = np.exp(2j * np.pi * np.outer(np.arange(points) - points / 2, numbers) / points) / np.sqrt(points)
    return 2 * np.pi * hbar / float(particle.length) * numbers, waves
