"""Experiments: what is published, where numbers come from, and the variants of every bound."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate
from scipy.constants import electron_mass

import stochq as sq
from stochq.constants import BOLTZMANN, HBAR, PROPOSALS, REFERENCE_MASS

ALL = sq.bounds.experiments() | sq.bounds.bodies()


def test_lisa_pathfinder_is_what_was_published():
    assert ALL["LISA Pathfinder 2016"].rate_bound(1e-7) == pytest.approx(2.96e-8, rel=0.01, abs=0)
    # A cube far larger than r_C: λ = S_a m0² L⁴/32πħ²r_C².
    law = 5.2e-15**2 * REFERENCE_MASS**2 * 0.046**4 / (32 * np.pi * HBAR**2 * 1e-14)
    assert ALL["LISA Pathfinder 2016"].rate_bound(1e-7) == pytest.approx(law, rel=1e-5, abs=0)
    assert ALL["cryogenic heating"].rate_bound(1e-7) == pytest.approx(3.3e-11, rel=0.01, abs=0)


def test_every_number_has_a_source_and_every_omission_a_reason():
    for name, experiment in ALL.items():
        sources = sq.bounds.sources(name)
        given = {
            field.name for field in dataclasses.fields(experiment)
            if getattr(experiment, field.name) != field.default and field.name not in ("name", "neutrons")
        }  # fmt: skip
        assert given == set(sources), name
        assert all(len(source) >= 5 for source in sources.values())
    assert all(len(reason) > 40 for reason in sq.bounds.omitted().values())
    with pytest.raises(ValueError, match="name: expected one of Mercury.*got 'Vulcan'"):
        sq.bounds.sources("Vulcan")


@pytest.mark.parametrize("name", ALL)
def test_variants_only_weaken_and_go_over_into_white_noise(name):
    experiment = ALL[name]
    lengths = np.array([1e-8, 1e-7, 1e-6])
    white = experiment.rate_bound(lengths)
    assert np.all(white > 0) and white.shape == (3,)
    fast = experiment.rate_bound(lengths[1:2], sq.bounds.Exponential(1e27))
    np.testing.assert_allclose(fast, white[1:2], rtol=1e-4)
    slow = experiment.rate_bound(lengths[1:2], sq.bounds.Exponential(1e8))
    assert np.all(slow >= white[1:2] * (1 - 1e-9))
    hot = experiment.rate_bound(lengths, noise_temperature=1e12)
    np.testing.assert_allclose(hot, white, rtol=1e-4)
    if not experiment.warmth() and not isinstance(experiment, sq.bounds.AccelerationNoise):
        assert np.all(experiment.rate_bound(lengths, noise_temperature=0.1)[:2] >= white[:2])


def test_cold_noise_cools_what_is_warmer():
    neptune = ALL["Neptune"]
    assert np.isinf(neptune.rate_bound(1e-7, noise_temperature=46.6))
    close = neptune.rate_bound(1e-7, noise_temperature=2 * 46.6) / neptune.rate_bound(1e-7)
    assert close == pytest.approx(2.0, rel=1e-5, abs=0)


@pytest.mark.parametrize(
    ("name", "mass"), [("cryogenic heating", REFERENCE_MASS), ("germanium X-rays 1997", electron_mass)]
)
def test_dissipation_of_slow_matter(name, mass):
    # In one dimension ⟨P²⟩ relaxes at 4kλ/(1+k)³ to ħ²/8kr_C²; each further dimension takes 1/(1+k): (1+k)⁻⁵ in all.
    temperature, length = 1e-3, 2e-8
    k = HBAR**2 / (8 * mass * BOLTZMANN * temperature * length**2)
    experiment = ALL[name]
    ratio = experiment.rate_bound(length, noise_temperature=temperature) / experiment.rate_bound(length)
    assert ratio == pytest.approx((1 + k) ** 5, rel=1e-6, abs=0)


def test_a_cloud_spreads_as_a_random_force_spreads_it():
    cloud = sq.bounds.Expansion(name="cloud", atomic_mass=1.4e-25, temperature=1e-10, time=2.0)
    # ⟨x²⟩ = (1/m²) ∫ (t-s)² d⟨p²⟩, with ⟨p²⟩' = λ(m/m0)²ħ²/2r_C² in one direction.
    push = (HBAR / REFERENCE_MASS) ** 2 / (2 * 1e-14)
    spread = integrate.quad(lambda s: (2.0 - s) ** 2 * push, 0, 2.0)[0]
    assert cloud.rate_bound(1e-7) == pytest.approx(BOLTZMANN * 1e-10 / 1.4e-25 * 4.0 / spread, rel=1e-9, abs=0)


def test_x_rays_by_hand():
    detector = ALL["germanium X-rays 1997"]
    rate = detector.rate_bound(1e-7)
    # Four electrons of each atom at 11 keV, where the band is narrow.
    per_kilogram = 4 * float(sq.bounds.emission_rate(11e3 * 1.602176634e-19, rate, 1e-7)) / detector.atomic_mass
    assert per_kilogram * 86_400 * 1e3 * 1.602176634e-19 == pytest.approx(0.049, rel=2e-3, abs=0)
    coloured = detector.rate_bound(1e-7, sq.bounds.Lorentzian(11e3 * 1.602176634e-19 / HBAR))
    assert coloured / rate == pytest.approx(2.0, rel=2e-3, abs=0)


def test_the_plane():
    found = sq.bounds.exclusion()
    assert found.strongest().shape == found.lengths.shape == (121,)
    assert list(found.lower) == ["visible graphene disk"]
    assert {"Neptune", "neutron star", "XENONnT X-rays"} <= set(found.upper)
    assert "Neptune" in found.excluding(1e-8, 1e-7) and "neutron star" not in found.excluding(1e-8, 1e-7)
    assert found.excluding(1e-20, 1e-7) == ["visible graphene disk"]
    assert found.proposals == PROPOSALS
    figure = found.plot(highlight=["Neptune"])
    written = {text.get_text() for text in figure.axes[0].texts}
    assert set(found.upper) | set(found.lower) | {p.name for p in PROPOSALS} == written


def test_a_coloured_plane_has_fewer_bounds():
    among = [ALL["LISA Pathfinder 2018"], ALL["XENONnT X-rays"]]
    found = sq.bounds.exclusion([1e-7, 1e-6], among, spectrum=sq.bounds.GaussianCutoff(1e12))
    assert np.all(np.isinf(found.upper["XENONnT X-rays"]))
    assert np.all(found.strongest() == found.upper["LISA Pathfinder 2018"])
    figure = found.plot()
    assert "cut-off" in figure.axes[0].get_title()
