"""CSL heating of matter: white noise and any spectrum, particles at rest, gases, phonons (`fermi-heating`)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from stochq.arrays import ArrayLike, Number
from stochq.bounds import quadrature
from stochq.bounds.checks import is_positive, positive_lengths
from stochq.bounds.gases import FermiGas, MaxwellGas
from stochq.bounds.spectra import NAMED, Spectrum, check_spectrum, evaluate
from stochq.constants import HBAR, REFERENCE_MASS
from stochq.module import Module

# A share of the last panel of an integral above this is more than the Gaussian form factor leaves of any spectrum
# that does not grow as fast.
LEFT_OVER = 1e-9


class Power(float):
    """Watts, with the error of the quadrature in watts, the power per kilogram, and the ratio to white noise."""

    error: float
    per_mass: float
    ratio: float

    def __new__(cls, value: float, error: float, mass: float, ratio: float) -> "Power":
        self = super().__new__(cls, value)
        self.error, self.per_mass, self.ratio = error, value / mass, ratio
        return self


class Phonons(Module):
    """A solid or liquid whose collective motion takes the energy: longitudinal sound of a speed in m/s.

    >>> Phonons(4760.0).speed
    4760.0
    """

    speed: Number


Matter = MaxwellGas | FermiGas | Phonons
# Arguments by name; of those that are numbers, and of the rest, None stands for the others.
Inputs = dict[str, Any]


def heating_power(
    mass: Number,
    rate: Number,
    length: Number,
    spectrum: Spectrum | None = None,
    *,
    gas: MaxwellGas | FermiGas | None = None,
    phonons: Phonons | None = None,
    total_mass: Number | None = None,
    reference_mass: float = REFERENCE_MASS,
) -> Power | jax.Array:
    r"""Power in watts that collapse gives a particle of `mass`, or a body of `total_mass` made of such particles.

    Adler, Bassi, Carlesso and Vinante (2019), eq. 13, and eq. 15 for white noise, which asks for no occupation:

    $$P=\frac{m^2}{m_0^2(2\pi)^3}\sum_k\mathcal{N}(k)\int d^3q\;\hbar\bar\omega\,e^{-q^2r_C^2}\gamma(\bar\omega),
    \qquad\bar\omega=\frac{\hbar}{2m}(q^2+2\,k\cdot q),\qquad P=\frac34\frac{\hbar^2\lambda M}{m_0^2r_C^2}$$

    Phonons take ω̄ → c|q| in γ, with the energy per transfer unchanged (Adler and Vinante, Phys. Rev. A 97, 052119
    (2018)): creating one of energy ħω has the squared amplitude ħq²/2Mω.

    Args:
        mass: of one constituent, kg.
        rate: λ, 1/s.
        length: r_C, m.
        spectrum: γ(ω)/γ(0) of ω in rad/s; None for white noise.
        gas: the occupation of momenta; None: the particle is at rest.
        phonons: the sound that takes the energy, instead of a gas.
        total_mass: of the body, kg; None for that of one constituent.
        reference_mass: m_0, kg.

    Returns:
        watts, with `.error`, `.per_mass` and `.ratio` to white noise; a JAX scalar where it is traced, which takes
        double precision.

    Raises:
        ValueError: for a number that is not positive, a spectrum that is negative, not 1 at ω = 0, or that grows faster
            than the form factor $e^{-q^2r_C^2}$ falls.

    >>> from stochq.bounds.spectra import Lorentzian
    >>> slow = heating_power(1.66e-27, 1e-8, 1e-7, Lorentzian(3e6))
    >>> slow < heating_power(1.66e-27, 1e-8, 1e-7)
    True
    """
    _check(mass=mass, rate=rate, length=length, total_mass=total_mass, reference_mass=reference_mass)
    if gas is not None and phonons is not None:
        raise ValueError("gas: expected a gas or phonons, not both.")
    with jax.enable_x64(True):
        check_spectrum(spectrum)
        heated = mass if total_mass is None else total_mass
        white = 0.75 * rate * heated * (HBAR / reference_mass / length) ** 2
        matter = gas if phonons is None else phonons
        if spectrum is None:
            return white if isinstance(white, Tracer) else Power(float(white), 0.0, float(heated), 1.0)
        ratio, error = heating_ratio(mass, length, spectrum, matter)
        product = white * ratio
        if isinstance(product, Tracer):
            return product
        return Power(float(product), float(white * error), float(heated), float(ratio))


def heating_ratio(
    mass: Number, length: Number, spectrum: Spectrum, matter: Matter | None = None
) -> tuple[jax.Array, jax.Array]:
    """The heating relative to white noise of the same γ(0).

    Args:
        mass: of one constituent, kg.
        length: r_C, m.
        spectrum: γ(ω)/γ(0) of ω in rad/s.
        matter: a gas or phonons; None for a particle at rest.

    Returns:
        the ratio, and the error of its quadrature (zero where it is traced).

    Raises:
        ValueError: as `heating_power`.
    """
    with jax.enable_x64(True):
        _check_matter(matter)
        given = {"mass": mass, "length": length, "spectrum": spectrum, "matter": matter}
        fine, last = _evaluated(given, quadrature.FINE)
        if isinstance(fine, Tracer):
            return fine, jnp.zeros_like(fine)
        coarse, _ = _evaluated(given, quadrature.COARSE)
        if not float(last) <= LEFT_OVER * max(1.0, abs(float(fine))):
            raise ValueError(
                "spectrum: expected one that does not grow as fast as the form factor e^{-q²r_C²} falls; the heating "
                f"has no finite value. Give it a cut-off below {float(_top(mass, length, matter)):.3g} rad/s."
            )
        return fine, jnp.abs(fine - coarse) + 1e-15 * jnp.abs(fine)


def heating_ratios(mass: float, lengths: np.ndarray, spectrum: Spectrum, matter: Matter | None = None) -> np.ndarray:
    """`heating_ratio` at many lengths r_C in m, without the errors; of the shape of the lengths.

    Raises:
        ValueError: as `heating_power`.
    """
    flat = np.asarray(lengths, dtype=np.float64).ravel()
    if not isinstance(spectrum, tuple(NAMED.values())):
        found = np.array([float(heating_ratio(mass, length, spectrum, matter)[0]) for length in flat])
        return found.reshape(np.shape(lengths))
    _check(mass=mass)
    _check_matter(matter)
    with jax.enable_x64(True):
        check_spectrum(spectrum)
        numbers, rest = _split({"mass": float(mass), "spectrum": spectrum, "matter": matter})
        return np.asarray(_mapped(numbers, rest, jnp.asarray(flat))).reshape(np.shape(lengths))


def heating_gradient(
    mass: float,
    rate: float,
    length: float,
    spectrum: Spectrum | None = None,
    *,
    gas: MaxwellGas | FermiGas | None = None,
    phonons: Phonons | None = None,
) -> dict[str, float | Module]:
    """Derivatives of `heating_power` with respect to "mass", "rate", "length", and the parameters of "spectrum", "gas"
    and "phonons", in watts per their SI unit; those of modules are modules of the same kind.

    The spectrum has to be written with jax.numpy.

    Args: as of `heating_power`. Raises: ValueError as `heating_power`.

    >>> found = heating_gradient(1.66e-27, 1e-8, 1e-7)
    >>> bool(abs(found["rate"] * 1e-8 / heating_power(1.66e-27, 1e-8, 1e-7) - 1) < 1e-12)
    True
    """
    heating_power(mass, rate, length, spectrum, gas=gas, phonons=phonons)
    with jax.enable_x64(True):
        given = {"mass": mass, "rate": rate, "length": length, "spectrum": spectrum, "gas": gas, "phonons": phonons}
        # Compiled for the spectra of this package; another may read what changes from call to call.
        is_known = isinstance(spectrum, (type(None), *NAMED.values()))
        slopes = (_compiled_slopes if is_known else _slopes)(*_split(given))
        return {name: jax.tree.map(float, slope) for name, slope in slopes.items() if slope is not None}


def rate_from_power(
    power_per_mass: float, length: ArrayLike, reference_mass: float = REFERENCE_MASS
) -> float | np.ndarray:
    r"""The collapse rate λ in 1/s at which white noise gives matter so many watts per kilogram (eqs. 15 and 17).

    $$\lambda=\frac{4m_0^2r_C^2}{3\hbar^2}\frac{P}{M}$$

    A body that radiates this much and no less cannot be heated by more: λ(r_C) is then an upper bound.

    Args:
        power_per_mass: W/kg.
        length: r_C in m, a number or (lengths,).
        reference_mass: m_0, kg.

    Returns:
        1/s, of the shape of the length.

    Raises:
        ValueError: for numbers that are not positive.

    >>> f"{rate_from_power(1.0, 1.0):.5e}"
    '3.30586e+14'
    """
    _check(power_per_mass=power_per_mass, reference_mass=reference_mass)
    lengths = positive_lengths(length)
    rates = 4 / 3 * (reference_mass * lengths / HBAR) ** 2 * power_per_mass
    return rates if lengths.ndim else float(rates)


def _split(given: Inputs) -> tuple[Inputs, Inputs]:
    """Numbers, as arrays, and the rest. A zero temperature is of the rest: at it the occupation has no derivative."""
    numbers, rest = eqx.partition(given, lambda leaf: isinstance(leaf, float | np.floating) and leaf != 0.0)
    return jax.tree.map(jnp.asarray, numbers), rest


def _slopes(numbers: Inputs, rest: Inputs) -> Inputs:
    return jax.grad(lambda numbers: heating_power(**eqx.combine(numbers, rest)))(numbers)


_compiled_slopes = eqx.filter_jit(_slopes)


def _evaluated(given: Inputs, order: int) -> tuple[jax.Array, jax.Array]:
    """Compiled for the spectra of this package; others may be any function of arrays, and are called as they are."""
    if isinstance(given["spectrum"], tuple(NAMED.values())):
        return _compiled(*_split(given), order)
    return _ratio(**given, order=order)


@eqx.filter_jit
def _compiled(numbers: Inputs, rest: Inputs, order: int) -> tuple[jax.Array, jax.Array]:
    return _ratio(**eqx.combine(numbers, rest), order=order)


@eqx.filter_jit
def _mapped(numbers: Inputs, rest: Inputs, lengths: jax.Array) -> jax.Array:
    given = eqx.combine(numbers, rest)
    return jax.lax.map(lambda length: _ratio(**given, length=length, order=quadrature.FINE)[0], lengths)


def _check_matter(matter: Matter | None) -> None:
    if isinstance(matter, Phonons):
        _check(speed=matter.speed)
    elif isinstance(matter, MaxwellGas | FermiGas):
        matter.check()
    elif matter is not None:
        raise ValueError(f"gas: expected a MaxwellGas or a FermiGas, or phonons; got {matter!r}.")


def _ratio(
    mass: Number, length: Number, spectrum: Spectrum, matter: Matter | None, order: int
) -> tuple[jax.Array, jax.Array]:
    if isinstance(matter, Phonons):
        return quadrature.linear(lambda v: evaluate(spectrum, v * (matter.speed / length)), order)
    recoil = HBAR / (2 * mass * length) / length

    def reduced(v: jax.Array) -> jax.Array:
        return evaluate(spectrum, v * recoil)

    if matter is None:
        return quadrature.at_rest(reduced, order)
    momenta, weights = matter.momenta(mass, order)
    ratios, last = quadrature.moving(reduced, momenta * length, order)
    return jnp.sum(weights * ratios), last


def _top(mass: Number, length: Number, matter: Matter | None) -> Number:
    """The scale of the frequencies that are asked for."""
    if isinstance(matter, Phonons):
        return matter.speed / length
    return HBAR / (2 * mass * length**2)


UNITS = {
    "mass": "kilograms",
    "total_mass": "kilograms",
    "reference_mass": "kilograms",
    "rate": "1/s",
    "length": "metres",
    "speed": "m/s",
    "power_per_mass": "W/kg",
}


def _check(**numbers: Number | None) -> None:
    for name, value in numbers.items():
        if (value is None and name == "total_mass") or isinstance(value, Tracer):
            continue
        if not is_positive(value):
            raise ValueError(f"{name}: expected a positive number, in {UNITS[name]}; got {value!r}.")
        if name == "length" and value is not None:
            positive_lengths(value)
