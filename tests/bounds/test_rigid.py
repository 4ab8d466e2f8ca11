"""Rigid bodies against sums over pairs of points; radiation against Larmor; memory against correlations in time."""

import numpy as np
import pytest
from scipy import integrate, special

import stochq as sq
from stochq.bounds.memory import remembered
from stochq.constants import ELEMENTARY_CHARGE, HBAR, LIGHT_SPEED, REFERENCE_MASS, VACUUM_PERMITTIVITY


def curvature(x, width):
    """-∂² of e^{-x²/4w²}: what a pair of points at a distance x along the motion contributes to η."""
    return (1 / (2 * width**2) - x**2 / (4 * width**4)) * np.exp(-(x**2) / (4 * width**2))


@pytest.mark.parametrize("width", [0.15, 0.7, 3.0, 200.0])
def test_a_sphere_is_the_sum_over_its_pairs(width):
    # The distribution of the distance of two points in a ball of radius 1; x² is s²/3 on average over directions.
    pairs = lambda s: 3 * s**2 - 9 * s**3 / 4 + 3 * s**5 / 16  # noqa: E731
    along = lambda s: (1 / (2 * width**2) - s**2 / (12 * width**4)) * np.exp(-(s**2) / (4 * width**2))  # noqa: E731
    exact, _ = integrate.quad(lambda s: pairs(s) * along(s), 0, 2, epsabs=0, epsrel=1e-11, limit=300)
    assert float(sq.bounds.Sphere(1.0, 1.0).structure(width)) == pytest.approx(exact, rel=1e-8, abs=0)


@pytest.mark.parametrize(("x", "value"), [(0.1, 0.24875374), (1.0, 0.1554575), (5.0, 0.002208)])
def test_spheres_of_the_reference(x, value):
    assert float(sq.bounds.Sphere(1.0, x).structure(1.0)) / 2 == pytest.approx(value, rel=1e-6, abs=0)


def test_the_series_of_the_sphere_meets_its_closed_form():
    below, above = sq.bounds.Sphere(1.0, 1.0).structure(np.array([1 + 1e-9, 1 - 1e-9]))
    assert below == pytest.approx(above, rel=1e-8, abs=0)


@pytest.mark.parametrize("width", [0.2, 1.0, 40.0])
def test_a_cuboid_is_the_sum_over_its_pairs(width):
    sides = (0.5, 1.7, 3.0)

    def averaged(function, side):
        # The distance of two points of a stretch has a triangular distribution.
        return integrate.quad(lambda s: 2 * (side - s) / side**2 * function(s), 0, side, epsabs=0, epsrel=1e-11)[0]

    kernel = lambda s: np.exp(-(s**2) / (4 * width**2))  # noqa: E731
    exact = averaged(lambda s: curvature(s, width), sides[0]) * averaged(kernel, sides[1]) * averaged(kernel, sides[2])
    assert float(sq.bounds.Cuboid(1.0, sides).structure(width)) == pytest.approx(exact, rel=1e-9, abs=0)


def test_a_small_body_is_a_point_and_diffuses_as_its_energy_grows():
    body, rate, length = sq.bounds.Sphere(REFERENCE_MASS, 1e-12), 1e-8, 1e-7
    diffusion = float(sq.bounds.momentum_diffusion(body, rate, length))
    # d⟨p²⟩/dt = 2 D in each direction, and P is three of them over 2m.
    assert 3 * diffusion / body.mass == pytest.approx(sq.bounds.heating_power(body.mass, rate, length), rel=1e-9, abs=0)
    assert float(sq.bounds.force_noise(body, rate, length)) == pytest.approx(4 * diffusion, rel=1e-9, abs=0)


def test_a_shaken_charge_radiates_as_larmor_says():
    rate, length, energy = 1e-10, 1e-7, 2e-15
    # Momentum diffuses by 3λħ²(m/m0)²/2r_C²: the two-sided density of the acceleration, summed over directions.
    acceleration = 3 * rate * HBAR**2 / (2 * REFERENCE_MASS**2 * length**2)
    larmor = ELEMENTARY_CHARGE**2 / (6 * np.pi * VACUUM_PERMITTIVITY * LIGHT_SPEED**3)
    power_per_frequency = larmor * 2 * acceleration / (2 * np.pi)
    assert float(sq.bounds.emission_rate(energy, rate, length)) == pytest.approx(
        power_per_frequency / (HBAR * energy), rel=1e-9, abs=0
    )
    assert float(sq.bounds.emission_rate(energy, rate, length, 9.0)) == pytest.approx(
        9 * power_per_frequency / HBAR / energy, rel=1e-9, abs=0
    )


def test_an_atom_is_neutral_at_long_waves_and_bare_at_short_ones():
    charges = sq.bounds.atomic_charge(np.geomspace(1e-19, 1e-11, 200), 54)
    assert np.all(np.diff(charges) > 0) and charges[0] < 1e-3 and charges[-1] == pytest.approx(54, rel=1e-3, abs=0)


@pytest.mark.parametrize("power", [0, 1])
@pytest.mark.parametrize("tau", [0.01, 0.7, 30.0])
def test_memory_is_the_double_integral_over_the_correlation(power, tau):
    time = 2.0
    # h₁ = ((t-a)(t-b))^p e^{-|a-b|/τ}/2τ integrated over both times, twice the triangle b < a.
    kernel = lambda b, a: ((time - a) * (time - b)) ** power * np.exp(-(a - b) / tau) / tau  # noqa: E731
    both, _ = integrate.dblquad(kernel, 0, time, 0, lambda a: a, epsabs=1e-10)
    white = time ** (2 * power + 1) / (2 * power + 1)
    assert remembered(sq.bounds.Lorentzian(1 / tau), time, power) == pytest.approx(both / white, rel=2e-4, abs=0)


@pytest.mark.parametrize("width", [0.003, 0.01, 0.05, 0.4, 0.999, 1.0, 5.0, 100.0])
def test_two_places_of_a_disk_in_wave_numbers(width):
    def integrand(y):
        return special.j1(y) ** 2 / y * np.exp(-((y * width) ** 2)) * (1 - special.j0(2 * y))

    edges = np.linspace(0, 7 / width, 60 + int(3.5 / width))
    pairs = zip(edges[:-1], edges[1:], strict=True)
    exact = 8 * width**2 * sum(integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-12)[0] for low, high in pairs)
    disk = sq.bounds.VisibleDisk(name="disk", radius=1e-5, surface_density=7e-7, time=0.01)
    nucleons = np.pi * 1e-10 * 7e-7 / REFERENCE_MASS
    assert float(disk.effect(np.array([1e-5 * width]))[0]) == pytest.approx(nucleons**2 * exact, rel=1e-11, abs=0)
