"""GRW's hits and dissipative CSL, against their formulas written out on a grid."""

import numpy as np
import pytest
from scipy import stats

import stochq as sq
from tests import liouville
from tests.judging import judge, judge_ensemble, judge_mean
from tests.problems import kinetic

# Formulas are written out on the same grid, where waves that reach its ends wrap around alike.
pytestmark = pytest.mark.filterwarnings("ignore:the wave function reached")

POINTS, LENGTH, WIDTH = 16, 16.0, 1.1
X = (np.arange(POINTS) - POINTS / 2) * LENGTH / POINTS


def images(distance):
    """A Gaussian's periodic copies: (..., 5)."""
    return np.asarray(distance)[..., None] + LENGTH * np.arange(-2, 3)


def frozen():
    """A particle so heavy that it does not move, with two packets: the left one holds 0.36 of the probability."""
    particle = sq.systems.particle(32, LENGTH, 1e6, None)
    psi = 0.6 * particle.gaussian(-4.0, 0.6) + 0.8 * particle.gaussian(4.0, 0.6)
    return particle, psi / np.linalg.norm(psi), np.asarray(particle.coordinates[0])


def hits(particle, rate, **options):
    """At this rate of a particle of half its mass, λ(m/m₀)²."""
    return sq.models.grw(particle, rate=rate / 4, length=WIDTH, reference_mass=particle.mass / 2, **options)


def test_hits_come_at_exponential_times_where_the_state_is():
    """The first hit at z with the density ‖L_zψ‖² = λ Σ|ψ|²(πr_C²)^{−1/2}e^{−(x−z)²/r_C²}."""
    particle, psi, x = frozen()
    run = {"observables": {}, "trajectories": 20_000, "records": True}
    result = sq.simulate(hits(particle, 2.0), psi, [0.0, 0.2], **run)
    counts = result.records.increments[:, 0]
    total = counts.sum(axis=1)
    judge_mean(total.mean(), np.sqrt(0.4 / 20_000), 0.4, "number of hits")
    first = counts[total == 1].sum(axis=0)
    density = np.exp(-(images(x[:, None] - x[None, :]) ** 2) / WIDTH**2).sum(axis=-1) @ np.abs(psi) ** 2
    seen = density > 1e-3 * density.max()
    expected = density[seen] / density[seen].sum() * first[seen].sum()
    judge(stats.chisquare(first[seen], expected).pvalue, "where hits are")


def test_hits_localize_by_born_s_rule():
    particle, psi, x = frozen()
    left = (x < 0).astype(float)
    spread = sq.Histogram(left, [0.0, 1e-3, 1 - 1e-3, 1.0])
    result = sq.simulate(
        hits(particle, 3.0), psi, [0.0, 4.0], observables={"left": left, "in": spread}, trajectories=4096
    )
    judge_mean(result.mean["left"][-1], result.stderr["left"][-1], left @ np.abs(psi) ** 2, "Born's rule")
    _, counts = result.histograms["in"]
    # Without a hit, e^{−12}, or with hits that say nothing.
    assert counts[0, 1] == 4096 and counts[-1, 1] < 4


def test_hits_have_the_master_equation_of_csl():
    rate, times = 0.7, np.array([0.0, 0.3, 2.0])
    particle = sq.systems.particle(POINTS, LENGTH, 0.8, 0.1 * X**2)
    psi = particle.gaussian(1.0, 1.0, 0.5)
    kernel = rate * np.exp(-(images(X[:, None] - X[None, :]) ** 2) / (4 * WIDTH**2)).sum(axis=-1)
    kernel *= rate / kernel[0, 0]
    values, vectors = np.linalg.eigh(kernel)
    jumps = [np.diag(np.sqrt(max(v, 0)) * column) for v, column in zip(values, vectors.T, strict=True)]
    matrix = kinetic(POINTS, LENGTH, 0.8) + np.diag(0.1 * X**2)
    rho = liouville.density(matrix, jumps, psi, times)
    momentum = sq.systems.particle(POINTS, LENGTH, 0.8).operators["momentum_squared"].matrix()
    observables = {"x": X, "p²": momentum}
    expected = {"x": liouville.expectation(np.diag(X), rho), "p²": liouville.expectation(momentum, rho)}
    result = sq.simulate(hits(particle, rate), psi, times, observables=observables, trajectories=8192)
    judge_ensemble(result, expected, "GRW")


def kicks(k, rate, points=POINTS, length=LENGTH, hbar=1.0):
    """e^{iQx/ħ}√w(Q|P) on the grid, those kept that stay among the momenta, and the sum over Q made the integral."""
    numbers = np.arange(points) - points // 2
    x = (np.arange(points) - points / 2) * length / points
    momenta = 2 * np.pi * hbar * numbers / length
    waves = np.exp(1j * np.outer(x, momenta) / hbar) / np.sqrt(points)
    found, total = [], np.zeros(points)
    for shift in range(1 - points, points):
        kick = 2 * np.pi * hbar * shift / length
        inside = (numbers + shift >= numbers[0]) & (numbers + shift <= numbers[-1])
        density = inside * np.exp(-((WIDTH / hbar) ** 2) * ((1 + k) * kick + 2 * k * momenta) ** 2)
        total += density
        found.append((kick, density))
    return [
        np.diag(np.exp(1j * kick * x / hbar))
        @ waves @ np.diag(np.sqrt(rate / (1 + k) * density / total)) @ waves.conj().T
        for kick, density in found
    ]  # fmt: skip


def test_dissipative_csl_is_the_master_equation_of_its_kicks():
    rate, k, times = 0.9, 0.3, np.array([0.0, 0.5, 2.0])
    particle = sq.systems.particle(POINTS, LENGTH, 0.8, 0.1 * X**2)
    psi = particle.gaussian(1.0, 1.0, 0.5)
    arguments = {"rate": rate / 4, "length": WIDTH, "dissipation": k, "reference_mass": 0.4}
    equation = sq.models.dissipative_csl(particle, **arguments)
    matrix, momentum = kinetic(POINTS, LENGTH, 0.8) + np.diag(0.1 * X**2), particle.operators["momentum_squared"]
    rho = liouville.density(matrix, kicks(k, rate), psi, times)
    observables = {"x": X, "p²": momentum.matrix()}
    expected = {name: liouville.expectation(np.diag(o) if o.ndim == 1 else o, rho) for name, o in observables.items()}
    result = sq.simulate(equation, psi, times, observables=observables, trajectories=8192)
    judge_ensemble(result, expected, "dissipative CSL")
    exact = sq.exact.evolve(equation, psi, times, observables=observables)
    for name, curve in expected.items():
        np.testing.assert_allclose(exact.expect[name], curve, atol=1e-6)
    for density in exact.density if exact.density is not None else []:
        assert np.linalg.eigvalsh(density).min() > -1e-8


def test_momentum_decays_and_its_square_relaxes_to_a_temperature():
    """⟨P⟩ at 2kλ/(1+k)², ⟨P²⟩ at 4kλ/(1+k)³ to ħ²/(8kr_C²)."""
    rate, k, length = 1.5, 0.4, 1.5
    particle = sq.systems.particle(64, 32.0, 1.0, None)
    equation = sq.models.dissipative_csl(particle, rate=rate, length=length, dissipation=k)
    times = np.array([0.0, 0.7, 3.0, 12.0])
    operators = particle.operators
    observables = {"p": operators["momentum"], "p²": operators["momentum_squared"]}
    result = sq.simulate(equation, particle.gaussian(0.0, 1.5, 1.2), times, observables=observables, trajectories=8192)
    start, limit = {name: mean[0] for name, mean in result.mean.items()}, 1 / (8 * k * length**2)
    expected = {
        "p": start["p"] * np.exp(-2 * k * rate / (1 + k) ** 2 * times),
        "p²": limit + (start["p²"] - limit) * np.exp(-4 * k * rate / (1 + k) ** 3 * times),
    }
    assert start["p"] == pytest.approx(1.2, abs=1e-4) and start["p²"] == pytest.approx(1.44 + 1 / 9, abs=1e-4)
    judge_ensemble(result, expected, "momenta")


def test_hits_refuse_what_does_not_fit():
    particle = sq.systems.particle(POINTS, LENGTH, 1.0)
    arguments = {"rate": 1.0, "length": 1.1, "dissipation": 0.1}
    for change, message in (
        ({"dissipation": -0.1}, "^dissipation: "),
        ({"rate": -1.0}, "^rate: "),
        ({"length": 5.0}, "^length: expected a box that resolves kicks"),
    ):
        with pytest.raises(ValueError, match=message):
            sq.models.dissipative_csl(particle, **arguments | change)
    with pytest.raises(ValueError, match="^particle: expected one in one dimension; got 2"):
        sq.models.dissipative_csl(sq.systems.particle(POINTS, LENGTH, 1.0, dimensions=2), **arguments)
    with pytest.raises(ValueError, match="^particle: dissipative_csl expects"):
        sq.models.dissipative_csl(sq.systems.levels([0.0, 1.0]), **arguments)
