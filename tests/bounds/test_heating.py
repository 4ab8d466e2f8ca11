"""Heating powers against direct integrals of eq. 13, sampled momenta, closed forms and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

import stochq as sq
from stochq.bounds import quadrature
from stochq.constants import BOLTZMANN, HBAR, REFERENCE_MASS
from tests.judging import judge_mean

MASS, RATE, LENGTH = REFERENCE_MASS, 1e-8, 1e-7
RECOIL = HBAR / (2 * MASS * LENGTH**2)


def lorentzian(v, x):
    """Of the energy in units of the recoil, cut off at 1/x."""
    return 1 / (1 + (x * v) ** 2)


def direct(kappa, spectrum):
    """Eq. 13 for one momentum, by nested quadrature over |q| and the angle, relative to white noise."""

    def inner(u):
        points = [-u / (2 * kappa)] if kappa and u < 2 * kappa else None
        energy = lambda mu: u * u + 2 * kappa * u * mu  # noqa: E731
        found, _ = integrate.quad(lambda mu: energy(mu) * spectrum(energy(mu)), -1, 1, points=points, epsabs=1e-13)
        return u * u * np.exp(-u * u) * found

    points = [2 * kappa] if 0 < 2 * kappa < 7 else None
    total, _ = integrate.quad(inner, 0, 7, epsabs=1e-12, epsrel=1e-10, limit=200, points=points)
    return total * 4 / (3 * np.sqrt(np.pi))


def moving(kappa, spectrum):
    with jax.enable_x64(True):
        values, _ = quadrature.moving(spectrum, jnp.asarray([kappa]), quadrature.FINE)
        return float(values[0])


@pytest.mark.parametrize(("x", "ratio"), [(0.1, 0.927850), (1.0, 0.253966), (10.0, 0.00842529)])
def test_a_particle_at_rest_under_a_lorentzian(x, ratio):
    power = sq.bounds.heating_power(MASS, RATE, LENGTH, sq.bounds.Lorentzian(RECOIL / x))
    assert power.ratio == pytest.approx(ratio, rel=6e-7, abs=0)
    assert power / sq.bounds.heating_power(MASS, RATE, LENGTH) == pytest.approx(ratio, rel=6e-7, abs=0)
    exact, _ = integrate.quad(lambda v: v**1.5 * np.exp(-v) * lorentzian(v, x), 0, 60, epsabs=1e-14, limit=200)
    assert abs(power.ratio - exact * 4 / (3 * np.sqrt(np.pi))) < 1e-9


@pytest.mark.parametrize("x", [1e-3, 1.0, 40.0, 1e6])
def test_a_particle_at_rest_under_an_exponential(x):
    power = sq.bounds.heating_power(MASS, RATE, LENGTH, sq.bounds.Exponential(RECOIL / x))
    assert power.ratio == pytest.approx((1 + x) ** -2.5, rel=1e-7, abs=0)
    white = sq.bounds.heating_power(MASS, RATE, LENGTH)
    assert abs(power - white * (1 + x) ** -2.5) <= power.error


def test_white_noise_is_the_closed_form_and_counts_the_whole_body():
    power = sq.bounds.heating_power(MASS, RATE, LENGTH, total_mass=3.0)
    assert power == pytest.approx(0.75 * HBAR**2 * RATE * 3.0 / (MASS * LENGTH) ** 2, rel=1e-14, abs=0)
    assert power.per_mass == pytest.approx(power / 3.0, rel=1e-9, abs=0) and power.error == 0.0
    assert sq.bounds.rate_from_power(power.per_mass, LENGTH) == pytest.approx(RATE, rel=1e-14, abs=0)
    assert sq.bounds.rate_from_power(1.0, 1.0) == pytest.approx(3.30586e14, rel=2e-6, abs=0)


@pytest.mark.parametrize("kappa", [0.02, 0.4, 3.0, 7.9, 9.0, 30.0])
@pytest.mark.parametrize("x", [0.3, 5.0])
def test_a_moving_particle_against_eq_13(kappa, x):
    assert moving(kappa, lambda v: lorentzian(v, x)) == pytest.approx(
        direct(kappa, lambda v: lorentzian(v, x)), rel=2e-7, abs=0
    )


@pytest.mark.parametrize("kappa", [1e5, 1e9])
@pytest.mark.parametrize("reach", [0.1, 1.0, 100.0])
def test_a_fast_particle_sees_the_doppler_shift_alone(kappa, reach):
    x = reach / kappa
    limit, _ = integrate.quad(lambda u: u**4 * np.exp(-u * u) * lorentzian(2 * kappa * u, x), 0, 8, epsabs=0, limit=300)
    assert moving(kappa, lambda v: lorentzian(v, x)) == pytest.approx(limit * 8 / (3 * np.sqrt(np.pi)), rel=1e-8, abs=0)


@pytest.mark.parametrize("kappa", [1e-6, 1e-3, 0.5, 7.999, 8.001, 1e3, 1e8, 1e12])
def test_no_momentum_matters_to_white_noise(kappa):
    assert moving(kappa, jnp.ones_like) == pytest.approx(1.0, abs=1e-13)


def sampled(momenta, x, rng):
    """E[v s(v)]/E[v] over sampled momenta (particles, 3) and transfers, and its standard error."""
    transfers = rng.normal(0, np.sqrt(0.5), size=momenta.shape)
    v = np.sum(transfers**2, axis=1) + 2 * np.sum(transfers * momenta, axis=1)
    values = v * lorentzian(v, x) / 1.5
    return values.mean(), values.std() / np.sqrt(len(values))


COUNT = 100_000


def fermi_momenta(degree, rng):
    """Momenta in units of k_F of an ideal Fermi gas at a temperature in units of T_F, by rejection."""
    from scipy.optimize import brentq

    def filling(potential):
        occupied = lambda y: y * y / (np.exp(np.minimum((y * y - potential) / degree, 700)) + 1)  # noqa: E731
        return integrate.quad(occupied, 0, np.sqrt(max(potential, 0) + 40 * degree), limit=300)[0] - 1 / 3

    potential = brentq(filling, -30 * degree - 3, 2.0)
    top = np.sqrt(max(potential, 0) + 40 * degree)
    sizes = top * rng.random(40 * COUNT // 4) ** (1 / 3)
    kept = sizes[rng.random(sizes.size) < 1 / (np.exp(np.minimum((sizes**2 - potential) / degree, 700)) + 1)][:COUNT]
    return isotropic(kept, rng)


def isotropic(sizes, rng):
    directions = rng.normal(size=(len(sizes), 3))
    return directions * (sizes / np.linalg.norm(directions, axis=1))[:, None]


@pytest.mark.parametrize(("temperature", "x"), [(2e-8, 1.0), (1e-6, 0.2)])
def test_a_maxwell_gas_against_sampled_momenta(temperature, x):
    rng = np.random.default_rng(11)
    width = np.sqrt(MASS * BOLTZMANN * temperature) * LENGTH / HBAR
    value, error = sampled(rng.normal(0, width, size=(COUNT, 3)), x, rng)
    spectrum, gas = sq.bounds.Lorentzian(RECOIL / x), sq.bounds.MaxwellGas(temperature)
    judge_mean(value, error, sq.bounds.heating_power(MASS, RATE, LENGTH, spectrum, gas=gas).ratio, "Maxwell")


@pytest.mark.parametrize("degree", [0.0, 0.15])
def test_a_fermi_gas_against_sampled_momenta(degree):
    rng = np.random.default_rng(13)
    reduced, x = 1.3, 0.7
    density = (reduced / LENGTH) ** 3 / (3 * np.pi**2)
    temperature = degree * (HBAR * reduced / LENGTH) ** 2 / (2 * MASS) / BOLTZMANN
    unit = fermi_momenta(degree, rng) if degree else isotropic(rng.random(COUNT) ** (1 / 3), rng)
    value, error = sampled(reduced * unit, x, rng)
    spectrum, gas = sq.bounds.Lorentzian(RECOIL / x), sq.bounds.FermiGas(density, temperature)
    judge_mean(value, error, sq.bounds.heating_power(MASS, RATE, LENGTH, spectrum, gas=gas).ratio, "Fermi")


def test_a_fermi_gas_goes_from_degenerate_to_maxwell():
    spectrum = sq.bounds.Lorentzian(RECOIL)
    density = 1e20
    fermi = (HBAR * np.cbrt(3 * np.pi**2 * density)) ** 2 / (2 * MASS * BOLTZMANN)
    ratio = lambda gas: sq.bounds.heating_power(MASS, RATE, LENGTH, spectrum, gas=gas).ratio  # noqa: E731
    cold = ratio(sq.bounds.FermiGas(density))
    # Sommerfeld: the first correction goes as the square of the temperature.
    first, second = (ratio(sq.bounds.FermiGas(density, t * fermi)) - cold for t in (0.01, 0.02))
    assert second / first == pytest.approx(4.0, rel=0.02, abs=0)
    hot = 300 * fermi
    assert ratio(sq.bounds.FermiGas(density, hot)) == pytest.approx(ratio(sq.bounds.MaxwellGas(hot)), rel=1e-3, abs=0)


@pytest.mark.parametrize("speed", [500.0, 5e3])
def test_phonons(speed):
    spectrum = sq.bounds.GaussianCutoff(2e10)
    exact, _ = integrate.quad(
        lambda w: w**4 * np.exp(-w * w - (speed / LENGTH * w / 2e10) ** 2 / 2), 0, 9, epsabs=1e-15
    )
    power = sq.bounds.heating_power(MASS, RATE, LENGTH, spectrum, phonons=sq.bounds.Phonons(speed))
    assert power.ratio == pytest.approx(exact * 8 / (3 * np.sqrt(np.pi)), rel=1e-8, abs=0)


def test_a_spectrum_of_plain_numpy_is_as_good():
    mine = sq.bounds.heating_power(MASS, RATE, LENGTH, lambda w: np.exp(-np.asarray(w) / RECOIL))
    assert mine.ratio == pytest.approx(2**-2.5, rel=1e-10, abs=0)


def shifted(module, name, step):
    import dataclasses

    return dataclasses.replace(module, **{name: getattr(module, name) * (1 + step)})


@pytest.mark.parametrize(
    "matter",
    [
        {},
        {"gas": sq.bounds.MaxwellGas(1e-7)},
        {"gas": sq.bounds.FermiGas(1e20, 2e-7)},
        {"phonons": sq.bounds.Phonons(20.0)},
    ],
)
def test_derivatives_against_differences(matter):
    given = {"mass": MASS, "rate": RATE, "length": LENGTH, "spectrum": sq.bounds.Lorentzian(0.7 * RECOIL), **matter}
    step = 1e-4
    slopes = sq.bounds.heating_gradient(**given)
    power = float(sq.bounds.heating_power(**given))
    for name in ("mass", "rate", "length"):
        up, down = (sq.bounds.heating_power(**given | {name: given[name] * (1 + sign * step)}) for sign in (1, -1))
        assert slopes[name] * given[name] / power == pytest.approx((up - down) / (2 * step * power), rel=1e-5, abs=1e-7)
    for part in ("spectrum", *matter):
        for name in ("cutoff", "temperature", "density", "speed"):
            value = getattr(given[part], name, None)
            if not value:
                continue
            up, down = (sq.bounds.heating_power(**given | {part: shifted(given[part], name, s)}) for s in (step, -step))
            slope = getattr(slopes[part], name) * value / power
            assert slope == pytest.approx((up - down) / (2 * step * power), rel=1e-5, abs=1e-7), name


def test_the_error_is_no_smaller_than_the_error():
    # A spectrum with structure that the panels do not resolve.
    spectrum = lambda w: 0.5 * (1 + jnp.cos(40 * w / RECOIL))  # noqa: E731
    power = sq.bounds.heating_power(MASS, RATE, LENGTH, spectrum)
    # ∫ v^{3/2} e^{-v} cos 40v dv is a Gamma function over a complex power.
    exact = 0.5 * (1 + ((1 - 40j) ** -2.5).real)
    assert abs(power.ratio - exact) * power / power.ratio <= 3 * power.error + 1e-12 * power


def test_a_spectrum_whose_cut_off_changes_between_gradients():
    """The power is proportional to the rate, whatever the function reads from outside at the moment."""
    cut_off = 3e6

    def spectrum(omega):
        return 1 / (1 + (omega / cut_off) ** 2)

    for frequency in (3e6, 3e5):
        cut_off = frequency
        power = sq.bounds.heating_power(1.66e-27, 1e-8, 1e-7, spectrum)
        slope = sq.bounds.heating_gradient(1.66e-27, 1e-8, 1e-7, spectrum)["rate"]
        assert 1e-8 * slope / power == pytest.approx(1.0, rel=1e-12)
