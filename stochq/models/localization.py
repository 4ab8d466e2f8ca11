"""Localization in space: CSL on a grid and on a lattice, QMUPL, Diósi and Penrose."""

from collections.abc import Callable
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, as_real, copied, is_concrete, square_root, stacked
from stochq.channels import DenseOperators, Features, Kernel
from stochq.equation import Equation
from stochq.laws import NoiseLaw
from stochq.models.checks import positive, rate
from stochq.noise import Coloured
from stochq.systems.checks import check_finite
from stochq.systems.fock import Oscillator
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian

# The grid must resolve the kernel's momentum kicks and the box must be wide enough that its images do not matter.
_POINTS_PER_LENGTH = 1.0
_LENGTHS_PER_BOX = 12.0


def _axis_distances(particle: Particle) -> Array:
    """Shortest periodic distances from the first point along one axis, in the order of the FFT."""
    index = np.arange(particle.points)
    return np.minimum(index, particle.points - index) * (particle.length / particle.points)


def _check_resolution(particle: Particle, length: Number, name: str) -> None:
    """ValueError for a length, or a box, that does not fit; one that is traced is not looked at."""
    if not is_concrete((particle.length, length)):
        return
    spacing = float(particle.length) / particle.points
    if spacing > length / _POINTS_PER_LENGTH:
        raise ValueError(
            f"{name}: expected at least the grid's spacing {spacing:.3g}, so that momentum kicks of ħ/{name} fit the "
            f"grid; got {length:.3g}. Take more points: at least {int(np.ceil(float(particle.length) / length))}."
        )
    if length * _LENGTHS_PER_BOX > float(particle.length):
        raise ValueError(
            f"{name}: expected at most 1/{_LENGTHS_PER_BOX:g} of the box ({float(particle.length):.3g}), so that "
            f"periodic images do not act; got {length:.3g}. Lengthen the box, or use sq.models.qmupl, its limit."
        )


def hbar_of(system: Particle | Oscillator, hbar: Number | None) -> Number:
    """The system's ħ, which an argument may repeat."""
    if hbar is None:
        return copied(system.hbar)
    repeated: Number = as_real(hbar, "hbar")
    if is_concrete((repeated, system.hbar)) and not np.array_equal(repeated, system.hbar):
        raise ValueError(f"hbar: expected that of the system, {system.hbar}; got {hbar}. Give it to the system.")
    return repeated


def require_particle(system: Hamiltonian, model: str, argument: str = "particle") -> None:
    """ValueError for a system that is no particle on a grid."""
    if not isinstance(system, Particle):
        raise ValueError(f"{argument}: {model} expects sq.systems.particle(...); got {type(system).__name__}.")


def csl(
    particle: Particle,
    *,
    rate: Number,
    length: Number,
    reference_mass: Number = 1.0,
    hbar: Number | None = None,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""Mass-proportional continuous spontaneous localization of one particle (`fermi-heating` §II).

    $$\kappa(x-y) = \lambda\,(m/m_0)^2\,e^{-(x-y)^2/4r_C^2}, \qquad
      \dot E = \lambda(m/m_0)^2\frac{\hbar^2}{4mr_C^2}\ \text{per dimension}$$

    rate: λ; length: r_C; reference_mass: m0; hbar: None takes the particle's. colour: with noise="unitary", a process
    of `sq.noise` with S(0) = 1; the noise then has γ(ω) = γ S(ω) (`fermi-heating` eq. 2). So in the other models.

    Raises:
        ValueError: for a grid too coarse for r_C, a box too small for it, or non-positive parameters.

    >>> import stochq as sq
    >>> sq.models.csl(sq.systems.particle(64, 16.0, 1.0, None), rate=0.5, length=1.0).channels[0].noises
    64
    """
    require_particle(particle, "csl")
    length = positive("length", length)
    _check_resolution(particle, length, "length")
    distances = _axis_distances(particle)
    periodic_images = distances[:, None] + (particle.length * np.arange(-2, 3))[None, :]
    exponent = -(periodic_images**2) / (4 * length**2)
    xp = np if is_concrete(exponent) else jnp
    axis = xp.exp(exponent).sum(axis=1)
    profile = axis
    for _ in range(particle.dimensions - 1):
        profile = xp.multiply.outer(profile, axis)
    scaled = _rate(rate) * (copied(particle.mass) / positive("reference_mass", reference_mass)) ** 2
    return Equation(
        particle, (Kernel(profile / profile.reshape(-1)[0], scaled),), noise, hbar_of(particle, hbar), colour
    )


def _rate(value: Number) -> Number:
    return rate("rate", value)


def csl_lattice(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    occupations: ArrayLike,
    positions: ArrayLike,
    rate: Number,
    length: Number,
    masses: ArrayLike = 1.0,
    reference_mass: Number = 1.0,
    hbar: Number = 1.0,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""CSL of particles on lattice sites, diagonal in the occupation basis.

    $$\kappa_{ab} = \lambda\sum_{jl}\frac{m_jm_l}{m_0^2}\,n^{(a)}_jn^{(b)}_l\,e^{-(x_j-x_l)^2/4r_C^2}$$

    occupations: n (dim, sites) of every basis state; positions: (sites,) or (sites, dimensions); masses: one number
    or (sites,). n nucleons within r_C amplify as n².

    Raises:
        ValueError: for shapes that do not match or negative rates.

    >>> import stochq as sq
    >>> hop = sq.systems.levels([[0.0, 1.0], [1.0, 0.0]])
    >>> equation = sq.models.csl_lattice(hop, occupations=[[1, 0], [0, 1]], positions=[0.0, 50.0], rate=2.0, length=1.0)
    >>> float(equation.channels[0].decoherence()[0, 1])
    2.0
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    check_finite("occupations", occupations)
    check_finite("positions", positions)
    counts, points = as_real(occupations, "occupations"), as_real(positions, "positions")
    if counts.ndim != 2 or points.ndim not in (1, 2):
        raise ValueError(f"occupations: expected shape (dim, sites), one site for each position; got {counts.shape}.")
    points = points[:, None] if points.ndim == 1 else points
    if counts.shape != (hamiltonian.dim, len(points)):
        raise ValueError(
            f"occupations: expected shape (dim, sites) = ({hamiltonian.dim}, {len(points)}); got {counts.shape}."
        )
    squared = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=-1)
    root = _factor(-squared / (4 * positive("length", length) ** 2))
    check_finite("masses", masses)
    if np.shape(masses) not in ((), (len(points),)):
        raise ValueError(f"masses: expected a number or shape ({len(points)},), one per site; got {np.shape(masses)}.")
    weights = as_real(masses, "masses") / positive("reference_mass", reference_mass) * np.ones(len(points))
    return Equation(hamiltonian, (Features(root.T @ (counts * weights[None, :]).T, _rate(rate)),), noise, hbar, colour)


def _factor(exponent: Array) -> Array:
    """R (sites, sites) with RRᵀ = exp(exponent), a positive kernel."""
    if not is_concrete(exponent):
        # Eigenvectors of sites that are far apart have no derivatives; any factor of the kernel gives the same law.
        least = 16 * len(exponent) * jnp.finfo(exponent.dtype).eps
        return jnp.linalg.cholesky(jnp.exp(exponent) + least * np.eye(len(exponent)))
    values, vectors = np.linalg.eigh(np.exp(exponent))
    return vectors * np.sqrt(np.maximum(values, 0.0))


def qmupl(
    system: Particle | Oscillator,
    *,
    rate: Number,
    hbar: Number | None = None,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""Quantum mechanics with universal position localization: CSL for separations far below r_C.

    $$L = \sqrt\Lambda\,x, \qquad \Lambda = \lambda(m/m_0)^2/2r_C^2, \qquad \Gamma(\Delta) = \tfrac12\Lambda\Delta^2$$

    system: a particle on a grid (one operator per dimension) or an oscillator. rate: Λ.

    Raises:
        ValueError: for a negative rate or a system without a position.

    >>> import stochq as sq
    >>> sq.models.qmupl(sq.systems.particle(64, 16.0, 1.0, None), rate=0.5).channels[0].noises
    1
    """
    if isinstance(system, Oscillator):
        position = system.operators["position"].real
        channel = DenseOperators((square_root(_rate(rate)) * position)[None])
        return Equation(system, (channel,), noise, hbar_of(system, hbar), colour)
    require_particle(system, "qmupl", "system")
    return Equation(system, (Features(stacked(system.coordinates), _rate(rate)),), noise, hbar_of(system, hbar), colour)


def diosi_penrose(
    particle: Particle,
    *,
    gravity: Number,
    length: Number,
    hbar: Number | None = None,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""Gravity-related decoherence of Diósi and Penrose with Gaussian smearing R0.

    $$\Gamma(\Delta) = \frac{Gm^2}{\hbar}\Big[\frac{1}{\sqrt\pi R_0} - \frac{\mathrm{erf}(\Delta/2R_0)}{\Delta}\Big]$$

    gravity: G; length: R0. The long-ranged kernel is made periodic by removing what the box cannot hold, a constant
    and small negative Fourier components; ValueError when that would change Γ by more than 1 %.

    >>> import stochq as sq
    >>> sq.models.diosi_penrose(sq.systems.particle(64, 32.0, 1.0, None), gravity=1.0, length=1.0).dim
    64
    """
    require_particle(particle, "diosi_penrose")
    length = positive("length", length)
    _check_resolution(particle, length, "length")
    steps = np.indices(particle.shape)
    index = np.minimum(steps, particle.points - steps)
    # The derivative of a root is infinite at no distance.
    distance = np.sqrt((index**2).sum(axis=0)) * (particle.length / particle.points)
    peak = 1 / (np.sqrt(np.pi) * length)
    at_rest = index.sum(axis=0) == 0
    xp, erf = _numpy_and_erf(is_concrete((distance, length)))
    profile = xp.where(at_rest, peak, erf(distance / (2 * length)) / xp.where(at_rest, 1.0, distance))
    profile = _positive_part(profile)
    hbar = hbar_of(particle, hbar)
    scaled = rate("gravity", gravity) * particle.mass**2 / hbar
    return Equation(particle, (Kernel(profile, scaled),), noise, hbar, colour)


def _numpy_and_erf(concrete: bool) -> tuple[ModuleType, Callable[[Array], Array]]:
    if not concrete:
        return jnp, jax.scipy.special.erf
    from scipy.special import erf  # half a second to import, needed here alone

    return np, erf


def _positive_part(profile: Array) -> Array:
    """The nearest kernel without negative Fourier components and, Γ being blind to it, without a constant."""
    xp = np if is_concrete(profile) else jnp
    constant = np.zeros(profile.shape)
    constant.flat[0] = 1.0
    spectrum = xp.where(constant, 0.0, xp.fft.fftn(profile).real)
    nearest = xp.fft.ifftn(xp.maximum(spectrum, 0.0)).real
    if not is_concrete(profile):
        return nearest
    wanted, got = profile.flat[0] - profile, nearest.flat[0] - nearest
    change = np.abs(got - wanted).max() / wanted.max()
    if change > 0.01:
        raise ValueError(f"length: the periodic box changes the decoherence rate by {change:.1%}. Lengthen the box.")
    return nearest
