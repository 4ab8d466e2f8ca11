"""What is refused, and what is warned of."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

ATOM = 1.66e-27
SPHERE = sq.bounds.Sphere(1e-10, 15e-6)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    ("place", "name", "unit"), [(0, "mass", "kilograms"), (1, "rate", "1/s"), (2, "length", "metres")]
)
def test_numbers_of_heating_are_positive(value, place, name, unit):
    given = [ATOM, 1e-8, 1e-7]
    given[place] = value
    with pytest.raises(ValueError, match=f"{name}: expected a positive number, in {unit}; got {value}"):
        sq.bounds.heating_power(*given)


@pytest.mark.parametrize(
    ("matter", "message"),
    [
        ({"gas": sq.bounds.MaxwellGas(0.0)}, "temperature: expected a positive number, in kelvin; got 0.0"),
        ({"gas": sq.bounds.FermiGas(-1.0)}, "density: expected a positive number"),
        ({"gas": sq.bounds.FermiGas(1e20, -1.0)}, "temperature: expected kelvin, not negative; got -1.0"),
        ({"phonons": sq.bounds.Phonons(-5.0)}, "speed: expected a positive number, in m/s; got -5.0"),
        ({"gas": sq.bounds.MaxwellGas(1.0), "phonons": sq.bounds.Phonons(1.0)}, "gas: expected a gas or phonons"),
        ({"gas": sq.bounds.Phonons(-5.0)}, "speed: expected a positive"),
        ({"gas": "helium"}, "gas: expected a MaxwellGas"),
    ],
)
def test_matter(matter, message):
    with pytest.raises(ValueError, match=message):
        sq.bounds.heating_power(ATOM, 1e-8, 1e-7, sq.bounds.Lorentzian(1e6), **matter)


@pytest.mark.parametrize(
    ("spectrum", "message"),
    [
        (lambda w: jnp.cos(w / 1e6), "spectrum: expected finite numbers that are not negative; got -"),
        (lambda w: 2.0 + 0 * w, "spectrum: expected .* which is 1 at ω = 0; got 2 there"),
        (lambda w: jnp.exp((w / 1e6) ** 2), "spectrum: expected (one that does not grow|finite numbers)"),
        (lambda w: jnp.exp(0.32 * w / 1e6), "spectrum: expected one that does not grow as fast"),
        (lambda w: jnp.ones(()), "spectrum: expected an array of shape"),
        (sq.bounds.Lorentzian(0.0), "spectrum: expected a positive cut-off in rad/s; got 0.0"),
        (3.0, "spectrum: expected a callable"),
    ],
)
def test_spectra(spectrum, message):
    with pytest.raises(ValueError, match=message):
        sq.bounds.heating_power(ATOM, 1e-8, 1e-7, spectrum)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sq.bounds.Sphere(0.0, 1.0), "mass: expected a positive number, in kilograms; got 0.0"),
        (lambda: sq.bounds.Sphere(1.0, -1.0), "radius: expected a positive number, in metres; got -1.0"),
        (lambda: sq.bounds.Cuboid(1.0, (1.0, 2.0)), "sides: expected three lengths"),
        (lambda: sq.bounds.Cuboid(1.0, (1.0, 2.0, 0.0)), r"sides\[2\]: expected a positive number"),
        (lambda: sq.bounds.force_noise(SPHERE, 1e-8, [1e-7, -1.0]), "length: expected positive correlation lengths"),
        (lambda: sq.bounds.force_noise(SPHERE, 0.0, 1e-7), "rate: expected a positive number, in 1/s"),
        (lambda: sq.bounds.rate_from_power(-1.0, 1e-7), "power_per_mass: expected a positive number, in W/kg"),
        (lambda: sq.bounds.rate_from_power(1.0, [1e-7, 0.0]), "length: expected positive correlation lengths"),
        (lambda: sq.bounds.emission_rate(0.0, 1e-8, 1e-7), "energy: expected positive photon energies, in joules"),
        (lambda: sq.bounds.exclusion([1e-6, 1e-7]), "lengths: expected ascending"),
        (lambda: sq.bounds.exclusion(among=[]), "among: expected at least one"),
        (lambda: sq.bounds.exclusion(among=2 * [sq.bounds.bodies()["Sun"]]), "among: expected different names"),
        (lambda: sq.bounds.exclusion().excluding(-1.0, 1e-7), "rate: expected a positive number"),
        (lambda: sq.bounds.exclusion().plot(highlight=["Vulcan"]), "highlight: expected names among .*got 'Vulcan'"),
        (lambda: sq.bounds.exclusion(noise_temperature=0.0), "noise_temperature: expected a positive"),
        (
            lambda: sq.bounds.exclusion(noise_temperature=1.0, spectrum=sq.bounds.Lorentzian(1.0)),
            "noise_temperature: expected a spectrum or a temperature",
        ),
    ],
)  # fmt: skip
def test_the_rest(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "unit"),
    [
        (lambda: sq.bounds.ForceNoise(name="x", body=SPHERE, force_noise=1.4, frequency=1e3), "N/√Hz"),
        (
            lambda: sq.bounds.AccelerationNoise(name="x", body=SPHERE, acceleration_noise=5.2, frequency=1e-3),
            "m s⁻²/√Hz",
        ),
        (lambda: sq.bounds.BulkHeating(name="x", power_per_mass=10.0, sound_speed=4e3), "W/kg"),
        (lambda: sq.bounds.Expansion(name="x", atomic_mass=87.0, temperature=5e-11, time=1.8), "kilograms"),
        (lambda: sq.bounds.RadiatingBody(name="x", mass=1e26, radius=24764.0e5, temperature=-0.0 + 1e12), "kelvin"),
    ],
)
def test_a_number_in_another_unit_is_warned_of(make, unit):
    with pytest.warns(UserWarning, match=f"x: .* is outside of .* expected {unit}. Check the unit"):
        make()


def test_x_rays_in_kilo_electron_volts_are_warned_of():
    with pytest.warns(UserWarning) as caught:
        sq.bounds.XRays(
            name="x", atomic_number=54, atomic_mass=2e-25, lowest_energy=1.0, highest_energy=30.0, count_rate=15.8
        )
    assert [str(item.message).split(" ")[1] for item in caught] == ["lowest_energy", "highest_energy", "count_rate"]


def test_a_band_has_two_ends():
    inputs = {"name": "x", "atomic_number": 54, "atomic_mass": 2e-25, "count_rate": 1e6}
    with pytest.raises(ValueError, match="highest_energy: expected more than lowest_energy"):
        sq.bounds.XRays(lowest_energy=2e-15, highest_energy=1e-15, **inputs)
    with pytest.raises(ValueError, match="atomic_number: expected a whole number of at least 1 and at most 120"):
        sq.bounds.XRays(lowest_energy=1e-15, highest_energy=2e-15, **inputs | {"atomic_number": 0})
