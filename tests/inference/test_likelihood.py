"""Likelihoods and conditional states against published values, and against plain SciPy on small systems."""

import warnings
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import poisson

import stochq as sq
from stochq.inference.observed import observe
from stochq.instruments.exact import coefficients
from stochq.instruments.hermite import powers_up_to
from stochq.instruments.instrument import Written
from stochq.instruments.kraus import kraus_instrument, mean_of_records
from stochq.instruments.superoperators import hermitian_basis
from stochq.instruments.widths import error_of_width
from stochq.instruments.words import unordered, words_of
from stochq.measurement import counting, heterodyne, homodyne, unread
from stochq.measurement.line import WatchedParts
from tests import liouville

X, Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])  # the excited state is (1, 0)
GROUND = np.array([0.0, 1.0])
BINS = np.arange(40)


def qubit(rabi=3.0, detuning=0.5, rate=1.0, efficiency=1.0, detector=homodyne):
    hamiltonian = 0.5 * rabi * X + 0.5 * detuning * Z
    return sq.models.monitored(hamiltonian, {"out": detector(jnp.sqrt(rate) * LOWERING, efficiency=efficiency)})


def waves(step=0.1):
    return np.sqrt(step) * np.sin(1.7 * BINS)


def record(increments, step=0.1, kind="homodyne"):
    increments = np.asarray(increments)
    return sq.inference.Record(step * np.arange(increments.shape[1] + 1), increments, ["out"], [kind])


def averaged_over_paths(hamiltonian, watched, lost, step, increments, rho):
    """E_z exp(hℒ + Σ_k(y_k + iz_k√h)𝓜_k) ρ by Gauss-Hermite points, on matrices stacked by rows."""
    dim = len(hamiltonian)
    unit = np.eye(dim)

    def left(a):
        return np.kron(a, unit)

    def right(a):
        return np.kron(unit, a.T)

    generator = -1j * (left(hamiltonian) - right(hamiltonian))
    for one in [*watched, *lost]:
        loss = one.conj().T @ one
        generator = generator + left(one) @ right(one.conj().T) - 0.5 * (left(loss) + right(loss))
    maps = [left(one) + right(one.conj().T) for one in watched]
    points, weights = np.polynomial.hermite_e.hermegauss(16)
    weights = weights / weights.sum()
    total = 0
    for chosen in product(range(16), repeat=len(maps)):
        shift = sum(
            (y + 1j * np.sqrt(step) * points[n]) * one for y, n, one in zip(increments, chosen, maps, strict=True)
        )
        total = total + np.prod(weights[list(chosen)]) * expm(step * generator + shift)
    return (total @ rho.reshape(-1)).reshape(dim, dim)


def test_likelihood_of_a_homodyne_record():
    value = sq.inference.log_likelihood(qubit(), GROUND, record(waves()[None]))
    assert abs(value + 2.0139876779) < 1e-9


def test_gradient_of_the_likelihood():
    data = record(waves()[None])
    with jax.enable_x64(True):
        found = jax.grad(lambda theta: sq.inference.log_likelihood(qubit(*theta), GROUND, data))(
            jnp.array([3.0, 0.5, 1.0, 1.0])
        )
    np.testing.assert_allclose(found, [0.36295261, 0.49056710, -1.99766269, -2.57845363], atol=3e-8)


@pytest.mark.parametrize(
    "method, step, atol, transform", [("exact", 0.1, 1e-5, jax.jacfwd), ("kraus", 0.02, 2e-3, jax.grad)]
)
def test_derivative_at_full_efficiency(method, step, atol, transform):
    """Against one-sided differences of maps averaged over paths by SciPy, of third order."""
    increments, loss, psi = np.sqrt(step) * np.sin(1.7 * np.arange(12)), 1e-3, np.array([0.6, 0.8])

    def by_hand(efficiency):
        rho = np.outer(psi, psi).astype(complex)
        for one in increments:
            watched, lost = np.sqrt(efficiency) * LOWERING, np.sqrt(1 - efficiency) * LOWERING
            rho = averaged_over_paths(1.5 * X + 0.25 * Z, [watched], [lost], step, [one], rho)
        return np.log(np.trace(rho).real)

    values = [by_hand(1 - k * loss) for k in range(4)]
    want = (11 * values[0] - 18 * values[1] + 9 * values[2] - 2 * values[3]) / (6 * loss)
    data = record(increments[None], step)
    with jax.enable_x64(True):
        of = transform(lambda e: sq.inference.log_likelihood(qubit(efficiency=e), psi, data, method=method))
        found = float(of(jnp.ones(())))
    assert found == pytest.approx(want, abs=atol) and abs(want) > 0.05


@pytest.mark.release
@pytest.mark.parametrize("kind", ["homodyne", "heterodyne", "mixed", "counting"])
def test_derivatives_of_kraus_maps_are_slopes_of_their_likelihood(kind):
    """Against differences of the value, of complex operators, phases, efficiencies and dark rates."""
    rng, dim, width = np.random.default_rng(2), 3, 0.02
    matrix, jump = rng.normal(size=(2, dim, dim, 2)) @ [1, 1j]
    name = "homodyne" if kind == "mixed" else kind
    columns = (2,) if kind == "heterodyne" else ()
    increments = rng.poisson(0.3, (2, 5)) if kind == "counting" else np.sqrt(width) * rng.normal(size=(2, 5, *columns))
    data, psi = record(increments, width, name), np.array([0.6, 0.8j, 0.0])

    def value(x):
        options = {"counting": {"dark": 0.4 + x[0]}, "homodyne": {"phase": x[0]}, "mixed": {"efficiency": 0.7 + x[0]}}
        detector = {"homodyne": homodyne, "heterodyne": heterodyne, "counting": counting}[name]
        watched = detector((1 + x[0]) * jump, **options.get(kind, {}))
        equation = sq.models.monitored((1 + x[1]) * (matrix + matrix.conj().T), {"out": watched})
        return jnp.sum(sq.inference.log_likelihood(equation, psi, data, method="kraus"))

    def differences(function, at, step=1e-3):
        ahead = {n: np.array([function(at + n * step * axis) for axis in np.eye(2)]) for n in (-2, -1, 1, 2)}
        return (8 * (ahead[1] - ahead[-1]) - (ahead[2] - ahead[-2])) / (12 * step)

    with jax.enable_x64(True):
        at, slopes = jnp.array([0.1, -0.2]), jax.jit(jax.grad(value))
        np.testing.assert_allclose(slopes(at), differences(jax.jit(value), at), atol=1e-8)
        assert np.abs(slopes(at)).min() > 1e-3
        if kind == "homodyne":
            forward, curvature = jax.jit(jax.jacfwd(value))(at), jax.jit(jax.jacfwd(jax.grad(value)))(at)
            np.testing.assert_allclose(forward, slopes(at), atol=1e-11)
            np.testing.assert_allclose(curvature, differences(slopes, at), atol=1e-7)


def test_likelihood_of_a_heterodyne_record():
    both = np.stack([waves(), np.sqrt(0.1) * np.cos(2.3 * BINS)], axis=-1)
    data = record(both[None], kind="heterodyne")
    assert abs(sq.inference.log_likelihood(qubit(detector=heterodyne), GROUND, data) + 2.0090179143) < 1e-9


def test_one_step_of_the_exact_map():
    found = sq.inference.filter(
        qubit(efficiency=0.6), GROUND, record([[0.37]], 0.2), observables={"x": X, "y": [[0, -1j], [1j, 0]], "z": Z}
    )
    weight = np.exp(found.log_likelihood[0])
    vector = [weight * found.mean[name][0, 1] for name in "xyz"]
    np.testing.assert_allclose([weight, *vector], [0.996804, -0.011959, 0.537985, -0.838672], atol=2e-6)


@pytest.mark.parametrize("dim, columns", [(2, 1), (3, 2), (5, 1)])
def test_exact_step_is_the_average_over_paths(dim, columns):
    rng = np.random.default_rng(dim)
    draw = rng.normal(size=(columns + 2, dim, dim, 2)) @ [1, 1j]
    hamiltonian, lost, watched = draw[0] + draw[0].conj().T, 0.3 * draw[1], 0.4 * draw[2:]
    psi = sq.normalize(rng.normal(size=dim) + 1j * rng.normal(size=dim))
    step, increments = 0.11, rng.normal(size=columns) * np.sqrt(0.11)
    want = averaged_over_paths(hamiltonian, watched, [lost], step, increments, np.outer(psi, psi.conj()))
    detectors = {f"d{k}": homodyne(one) for k, one in enumerate(watched)}
    equation = sq.models.monitored(hamiltonian, {**detectors, "lost": unread(lost)})
    data = sq.inference.Record([0.0, step], increments[None, None], list(detectors))
    found = sq.inference.filter(equation, psi, data, observables={"n": np.eye(dim)}, density=True, method="exact")
    np.testing.assert_allclose(np.exp(found.log_likelihood[0]) * found.density[0, 1], want, atol=1e-9)


def test_coefficients_of_a_bin_without_a_record_are_the_master_equation():
    """E over the record of the exact map is e^{hℒ}: the trace is kept, and unread bins are exact."""
    with jax.enable_x64(True):
        parts = qubit(efficiency=0.6).watched_parts()
        powers = powers_up_to(1, 6)
        make = jax.jit(lambda length: coefficients(parts, length, powers)[0])
        short, long = (np.asarray(make(h)) for h in np.array([0.2, 0.6]))
    np.testing.assert_allclose(short @ short @ short, long, atol=1e-13)
    np.testing.assert_allclose((short[0] + short[3]), [1, 0, 0, 1], atol=1e-13)


@pytest.mark.parametrize("currents, counters", [(1, 1), (0, 2), (1, 2)])
def test_coefficients_are_those_of_the_series(currents, counters):
    """Σ ζ^nA_n = exp(h(ℒ − 𝒥) + √hζ𝓜 + hζ𝒥), by SciPy and Kronecker products, on any matrix."""
    rng, h, zeta = np.random.default_rng(5), 0.3, np.array([0.25, -0.3, 0.2])[1 - currents :][: currents + counters]

    def drawn(count):
        return 0.4 * (rng.normal(size=(count, 2, 2)) + 1j * rng.normal(size=(count, 2, 2)))

    hamiltonian, watched, counted, lost = drawn(1)[0], drawn(currents), drawn(counters), drawn(1)
    hamiltonian, dark, one = hamiltonian + hamiltonian.conj().T, 0.2 * np.arange(1, counters + 1), np.eye(2)
    whole = -1j * (np.kron(hamiltonian, one) - np.kron(one, hamiltonian.T))
    for c in (*watched, *counted, *lost):
        loss = c.conj().T @ c
        whole = whole + np.kron(c, c.conj()) - 0.5 * (np.kron(loss, one) + np.kron(one, loss.T))
    clicks = [np.kron(c, c.conj()) + d * np.eye(4) for c, d in zip(counted, dark, strict=True)]
    terms = [np.sqrt(h) * (np.kron(c, one) + np.kron(one, c.conj())) for c in watched] + [h * j for j in clicks]
    generator = h * (whole - sum(clicks)) + sum(z * term for z, term in zip(zeta, terms, strict=True))
    basis = hermitian_basis(2).reshape(4, 4)
    want = basis.conj() @ expm(generator) @ basis.T
    powers = tuple(np.ndindex(*(9,) * len(zeta)))
    with jax.enable_x64(True):
        parts = WatchedParts(hamiltonian, watched, counted, dark, lost)
        found = np.asarray(jax.jit(lambda length: coefficients(parts, length, powers))(h))
    series = np.einsum("p,pij->ij", np.prod(zeta ** np.array(powers), axis=1), found)
    np.testing.assert_allclose(series, want, atol=1e-9)


def random_records(count, bins, step, seed=1):
    return np.random.default_rng(seed).normal(size=(count, bins)) * np.sqrt(step)


@pytest.mark.parametrize("detector", [homodyne, heterodyne])
def test_kraus_maps_approach_the_exact_ones_with_the_square_of_the_bin(detector):
    """On records of one path each: their increments over shorter and shorter bins, added up."""
    kind = "homodyne" if detector is homodyne else "heterodyne"
    columns = 1 if detector is homodyne else 2
    fine = np.random.default_rng(3).normal(size=(64, 128, columns)) * np.sqrt(2 / 128)
    errors = []
    for bins in (32, 128):
        joined = fine.reshape(64, bins, -1, columns).sum(axis=2)
        data = record(joined, 2 / bins, kind)
        equation = qubit(efficiency=0.7, detector=detector)
        exact, kraus = (
            sq.inference.filter(equation, GROUND, data, observables={"z": Z, "x": X}, method=method)
            for method in ("exact", "kraus")
        )
        errors.append(np.sqrt(np.mean((exact.mean["z"][:, -1] - kraus.mean["z"][:, -1]) ** 2)))
    # Single states converge with h^{3/2} at least.
    assert errors[1] < errors[0] / 5 and errors[1] < 2e-3


def test_pure_and_mixed_kraus_maps_agree():
    data = record(random_records(8, 40, 0.1))
    pure = sq.inference.filter(qubit(), GROUND, data, observables={"z": Z, "x": X}, method="kraus")
    mixed = sq.inference.filter(qubit(), np.diag([1e-9, 1 - 1e-9]), data, observables={"z": Z, "x": X}, method="kraus")
    np.testing.assert_allclose(pure.mean["x"], mixed.mean["x"], atol=1e-6)
    np.testing.assert_allclose(pure.log_likelihood, mixed.log_likelihood, atol=1e-5)
    np.testing.assert_allclose(pure.purity, 1, atol=1e-12)


@pytest.mark.parametrize("step", [0.05, 0.5, 5.0])
def test_states_stay_positive_whatever_the_bin(step):
    data, equation = record(random_records(16, 30, step), step), qubit(efficiency=0.6)

    def smallest(method):
        found = sq.inference.filter(equation, GROUND, data, observables={"z": Z}, density=True, method=method)
        return np.linalg.eigvalsh(found.density).min()

    if step < 0.5:
        assert smallest("kraus") > -1e-9
        assert smallest("exact") > -1e-9
    else:
        with pytest.warns(UserWarning, match="expected bins short enough for Kraus maps"):
            assert smallest("kraus") > -1e-9


def test_weights_of_kraus_maps_are_those_of_a_law():
    """Their mean over the records of one bin is Tr(Sρ), by Gauss-Hermite points in y."""
    with jax.enable_x64(True):
        detectors = {"out": homodyne(LOWERING, efficiency=0.6), "lost": unread(0.5 * Z + 0.3 * X)}
        parts = sq.models.monitored(X, detectors).watched_parts()
        step = 0.3
        points, weights = np.polynomial.hermite_e.hermegauss(20)
        rho = np.array([[0.3, 0.1 + 0.2j], [0.1 - 0.2j, 0.7]])
        instrument, mean = jax.jit(
            lambda: (kraus_instrument(parts, np.array([step]), pure=False), mean_of_records(words_of(parts, step)))
        )()
        data = Written(np.sqrt(step) * points[None, None], np.zeros((1, 0, 20)), np.zeros(1, int))
        prepared = jax.tree.map(lambda array: array[0], instrument.prepare(data))
        weight, mean = np.asarray(instrument.step(instrument.start(rho, 20), prepared)[1]), np.asarray(mean)
    assert abs(weights @ weight / weights.sum() - 1) < 1e-12
    assert 1e-5 < abs(np.trace(mean @ rho) - 1) < 1e-2


@pytest.mark.parametrize("kind", ["currents", "counters"])
def test_kraus_maps_of_operators_that_do_not_commute_average_to_the_master_equation(kind):
    """Over all that one bin can write down, to second order: which of the two came first is unknown."""
    watch = homodyne if kind == "currents" else counting
    other = 0.6 * X + 0.8 * Z
    equation = sq.models.monitored(0.5 * X, {"x": watch(LOWERING, efficiency=0.7), "z": watch(other, efficiency=0.7)})
    parts, rho = equation.watched_parts(), np.array([[0.3, 0.1 + 0.2j], [0.1 - 0.2j, 0.7]])
    generator = liouville.superoperator((0.5 * X).astype(complex), [LOWERING, other])
    if kind == "currents":
        x, weight = np.polynomial.hermite_e.hermegauss(12)
        weight = weight / weight.sum()
    else:
        x, weight = np.arange(6.0), np.ones(6)
    columns = np.stack([each.reshape(-1) for each in np.meshgrid(x, x)])
    nothing, weights, off = np.zeros((1, 0, columns.shape[1])), np.outer(weight, weight).reshape(-1), []
    for h in (0.1, 0.05):
        current, clicks = (np.sqrt(h) * columns[None], nothing) if kind == "currents" else (nothing, columns[None])
        data = Written(current, clicks, np.zeros(1, int))

        def mean(parts, h=h, data=data):
            instrument = kraus_instrument(
                parts, jnp.array([h]), pure=False, most_clicks=5, pairs=unordered(equation.watched_parts())
            )
            prepared = jax.tree.map(lambda array: array[0], instrument.prepare(data))
            after = instrument.linear(instrument.start(rho, columns.shape[1]), prepared)
            return instrument.density(after) @ weights

        with jax.enable_x64(True):
            found = np.asarray(jax.jit(mean)(parts))
        off.append(np.abs(found - (expm(h * generator) @ rho.reshape(-1)).reshape(2, 2)).max())
    assert off[0] < 1e-3
    assert off[0] / off[1] > 6.5


def test_words_of_one_operator():
    """He_0 … He_4 as worked out by hand, for a loss that does not commute with the operator."""
    rng = np.random.default_rng(0)
    c, lost = rng.normal(size=(2, 3, 3))
    h = 0.3
    parts = WatchedParts(np.zeros((3, 3)), c[None], np.zeros((0, 3, 3)), np.zeros(0), lost[None])
    a = -0.5 * (c.T @ c + lost.T @ lost)
    want = [
        np.eye(3) + a * h + 0.5 * h * h * a @ a,
        np.sqrt(h) * (c + 0.5 * h * (a @ c + c @ a)),
        h * (0.5 * c @ c + h / 6 * (a @ c @ c + c @ a @ c + c @ c @ a)),
        h**1.5 * c @ c @ c / 6,
        h**2 * c @ c @ c @ c / 24,
    ]
    with jax.enable_x64(True):
        np.testing.assert_allclose(words_of(parts, h).kraus, want, atol=1e-14)


def test_clicks_of_resonance_fluorescence():
    """No click from an excited atom until t, then one: e^{−γt} and 1 − e^{−γt}; half of them counted."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"out": counting(np.sqrt(2.0) * LOWERING, efficiency=0.5)})
    times = [0.0, 0.3, 0.7]
    for method in ("exact", "kraus"):
        found = [
            np.exp(sq.inference.log_likelihood(
                equation, [1.0, 0.0], sq.inference.Record(times, [clicks], ["out"], ["counting"]), method=method
            ))
            for clicks in ([0, 0], [1, 0], [0, 1])
        ]  # fmt: skip
        gone = 0.5 * (1 - np.exp(-2 * np.array(times)))
        want = [1 - gone[2], gone[1], gone[2] - gone[1]]
        np.testing.assert_allclose(found, want, atol=1e-12 if method == "exact" else 4e-2)


def test_chances_of_clicks_with_currents_and_dark_counts_add_up():
    """Over the clicks of three bins, at fixed currents of another detector, to the likelihood of those alone."""
    click, dark = 0.8 * LOWERING, 0.4
    detectors = {"n": counting(click, efficiency=0.7, dark=dark), "out": homodyne(Z, efficiency=0.5)}
    equation = sq.models.monitored(0.8 * X, detectors)
    times, currents = 0.1 * np.arange(3), [0.2, -0.4]
    counts = [c for c in product(range(5), repeat=2)]
    both = np.stack([np.array(counts, float), np.tile(currents, (len(counts), 1))], axis=-1)
    data = sq.inference.Record(times, both, ["n", "out"], ["counting", "homodyne"])
    alone = sq.inference.Record(times, [currents], ["out"])
    for method in ("exact", "kraus"):
        chances = np.exp(sq.inference.log_likelihood(equation, GROUND, data, per_record=True, method=method))
        want = np.exp(sq.inference.log_likelihood(equation, GROUND, alone, method=method))
        assert abs(chances.sum() - want) < (1e-7 if method == "exact" else 1e-3)


def test_gain_and_offset_are_part_of_the_density():
    """Records written as g·dY + o dt have the density of dY, divided by g, relative to noise of unit gain."""
    data = random_records(4, 10, 0.1)
    plain = sq.inference.log_likelihood(qubit(efficiency=0.8), GROUND, record(data), per_record=True)
    detector = homodyne(LOWERING, efficiency=0.8, gain=2.0, offset=0.3)
    equation = sq.models.monitored(1.5 * X + 0.25 * Z, {"out": detector})
    raw = 2.0 * data + 0.3 * 0.1
    found = sq.inference.log_likelihood(equation, GROUND, record(raw), per_record=True)
    want = plain - 10 * np.log(2.0) + np.sum(raw**2 - data**2, axis=1) / (2 * 0.1)
    np.testing.assert_allclose(found, want, atol=1e-10)


def test_bins_of_unequal_lengths():
    """A long bin in two parts whose increments are known is another record than the whole, and each has its length."""
    times = np.array([0.0, 0.1, 0.3, 0.35, 0.6])
    increments = np.array([[0.1, -0.3, 0.2, 0.4]])
    equation = qubit(efficiency=0.6)
    found = sq.inference.filter(
        equation, GROUND, sq.inference.Record(times, increments, ["out"]), observables={"z": Z}, density=True
    )
    parts, rho = equation.watched_parts(), np.diag(GROUND)
    for length, y in zip(np.diff(times), increments[0], strict=True):
        rho = averaged_over_paths(parts.hamiltonian, parts.watched, parts.lost, length, [y], rho)
    np.testing.assert_allclose(np.exp(found.log_likelihood[0]), np.trace(rho).real, rtol=1e-9)
    np.testing.assert_allclose(found.density[0, -1], rho / np.trace(rho), atol=1e-9)


def collapse(levels, strength=0.7):
    return sq.models.monitored(
        np.zeros((levels, levels)), {f"L{k}": homodyne(np.sqrt(strength) * np.eye(levels)[k]) for k in range(levels)}
    )


def collapse_record():
    bins, columns = np.arange(12)[:, None], np.arange(3)[None]
    increments = 0.5 * np.sin(1.7 * bins + columns)
    return sq.inference.Record(0.25 * np.arange(13), increments[None], ["L0", "L1", "L2"])


@pytest.mark.parametrize("method, atol", [("commuting", 1e-10), ("kraus", 0.05)])
def test_likelihood_of_collapse(method, atol):
    psi = np.sqrt([0.5, 0.3, 0.2])
    found = sq.inference.log_likelihood(collapse(3), psi, collapse_record(), method=method)
    assert abs(found + 3.8310309852) < atol


def test_conditional_states_of_commuting_operators_agree_with_the_exact_map():
    rng = np.random.default_rng(0)
    c, lost = rng.normal(size=(2, 2, 3)) + 1j * rng.normal(size=(2, 2, 3))
    detectors = {"a": heterodyne(0.5 * c[0], efficiency=0.6), "lost": unread(0.5 * lost[0])}
    equation = sq.models.monitored(np.diag([1.0, -0.5, 0.2]), detectors)
    data = sq.inference.Record([0, 0.1, 0.3, 0.4], rng.normal(size=(5, 3, 2)) * 0.4, ["a"], ["heterodyne"])
    operator = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    psi = sq.normalize([1.0, 1j, 0.5])
    one, other = (
        sq.inference.filter(equation, psi, data, observables={"O": operator}, density=True, method=method)
        for method in ("commuting", "exact")
    )
    for name in ("density", "purity", "log_likelihood"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)
    np.testing.assert_allclose(one.mean["O"], other.mean["O"], atol=1e-9)


def test_gradient_with_respect_to_the_strength_of_collapse():
    """Of the closed form ℓ = ln Σ p_i exp(2√γ Y_i − 2γT) by hand."""
    psi, data = np.sqrt([0.5, 0.3, 0.2]), collapse_record()
    total, time, strength = data.increments[0].sum(axis=0), data.times[-1], 0.7

    def equation(strength):
        operators = {f"L{k}": homodyne(jnp.sqrt(strength) * np.eye(3)[k]) for k in range(3)}
        return sq.models.monitored(np.zeros((3, 3)), operators)

    with jax.enable_x64(True):
        found = jax.grad(lambda rate: sq.inference.log_likelihood(equation(rate), psi, data, method="commuting"))(
            strength
        )
    weights = psi**2 * np.exp(2 * np.sqrt(strength) * total)
    want = np.sum(weights * (total / np.sqrt(strength) - 2 * time)) / np.sum(weights)
    assert abs(found - want) < 1e-12


def test_equations_that_depend_on_time_are_those_of_each_bin_s_middle():
    """A ramp and a turning phase, over three bins, beside the average over paths with the operators of the middle."""
    ramp = sq.systems.driven(0.25 * Z, [(X, lambda t: 1.5 * t)])
    detector = homodyne(LOWERING, phase=lambda t: 2.0 * t, efficiency=0.8)
    equation = sq.models.monitored(ramp, {"out": detector})
    increments, rho = [0.2, -0.1, 0.3], np.diag(GROUND)
    data = sq.inference.Record(0.1 * np.arange(4), increments, ["out"])
    found = sq.inference.filter(equation, GROUND, data, observables={"z": Z}, density=True)
    for middle, y in zip([0.05, 0.15, 0.25], increments, strict=True):
        turned = np.exp(-2j * middle) * LOWERING
        hamiltonian = 0.25 * Z + 1.5 * middle * X
        rho = averaged_over_paths(hamiltonian, [np.sqrt(0.8) * turned], [np.sqrt(0.2) * LOWERING], 0.1, [y], rho)
    np.testing.assert_allclose(found.density[0, -1], rho / np.trace(rho), atol=1e-9)
    assert abs(found.log_likelihood[0] - np.log(np.trace(rho).real)) < 1e-9


@pytest.mark.parametrize("method", ["exact", "kraus"])
def test_dark_counts_are_poisson_distributed(method):
    """Nothing but dark counts clicks where the atom is in its ground state."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"out": counting(LOWERING, dark=2.0)})
    counts = np.arange(4.0)
    data = sq.inference.Record([0.0, 0.3], counts[:, None], ["out"], ["counting"])
    found = sq.inference.log_likelihood(equation, GROUND, data, per_record=True, method=method)
    # Kraus weights are divided by their sum over up to six clicks of each kind.
    np.testing.assert_allclose(np.exp(found), poisson.pmf(counts, 0.6), atol=1e-12 if method == "exact" else 2e-6)


@pytest.mark.parametrize("count", [25, 40])
def test_many_clicks_in_one_bin(count):
    """Beside the chance of n clicks from the tilted generator, one block for each number of clicks, by plain SciPy."""
    rate, drive, width = 30.0, 25.0, 3.0
    jump = np.sqrt(rate) * np.array([[0.0, 0.0], [1.0, 0.0]])
    hamiltonian = drive * np.array([[0.0, 0.5], [0.5, 0.0]])
    gain = np.kron(jump, jump)
    generator = liouville.superoperator(hamiltonian.astype(complex), [jump]) - gain
    blocks = np.kron(np.eye(count + 1), generator) + np.kron(np.eye(count + 1, k=-1), gain)
    start = np.zeros(4 * (count + 1))
    start[3] = 1.0
    after = expm(width * blocks) @ start
    chance = (after[-4] + after[-1]).real
    equation = sq.models.monitored(hamiltonian, {"n": counting(jump)})
    record = sq.inference.Record([0.0, width], [count], ["n"], ["counting"])
    value = sq.inference.log_likelihood(equation, [0.0, 1.0], record)
    np.testing.assert_allclose(value, np.log(chance), atol=1e-7)


@pytest.mark.parametrize("counts", [(3,), (2, 1)], ids=["one counter", "two counters"])
@pytest.mark.parametrize("width", [0.1, 1.2])
def test_a_current_beside_counters_in_wide_bins(counts, width):
    """E_z exp(h(ℒ − Σ𝒥) + (y + iz√h)𝓜 + hΣζ𝒥), z ~ N(0, 1), the powers of each ζ as blocks, by plain SciPy."""
    hamiltonian, current, y = 0.9 * X + 0.3 * Z, 0.6 * Z + 0.2 * X, 0.7 * np.sqrt(width)
    clicks = [np.array([[0.3, 0.5j], [0.2, -0.4]]), 0.8 * LOWERING][: len(counts)]
    gains = [np.kron(one, one.conj()) for one in clicks]
    silent = liouville.superoperator(hamiltonian.astype(complex), [current, *clicks]) - sum(gains)
    measured = np.kron(current, np.eye(2)) + np.kron(np.eye(2), current.conj())
    shifts = [np.eye(count + 1, k=-1) for count in counts]
    identity = [np.eye(count + 1) for count in counts]

    def lifted(number, gain):
        blocks = np.eye(1)
        for k, (shift, one) in enumerate(zip(shifts, identity, strict=True)):
            blocks = np.kron(blocks, shift if k == number else one)
        return np.kron(blocks, gain)

    generator = width * (lifted(-1, silent) + sum(lifted(k, gain) for k, gain in enumerate(gains)))
    start = np.zeros(len(generator), complex)
    start[:4] = np.outer(GROUND, GROUND).reshape(-1)
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    after = sum(
        weight * expm(generator + (y + 1j * z * np.sqrt(width)) * lifted(-1, measured)) @ start
        for z, weight in zip(points, weights / weights.sum(), strict=True)
    )[-4:].reshape(2, 2)
    detectors = {"x": homodyne(current)} | {f"n{k}": counting(one) for k, one in enumerate(clicks)}
    kinds = ["homodyne", *["counting"] * len(counts)]
    data = sq.inference.Record([0.0, width], [[[y, *counts]]], list(detectors), kinds)
    equation = sq.models.monitored(hamiltonian, detectors)
    found = sq.inference.filter(equation, GROUND, data, observables={"z": Z}, density=True, method="exact")
    np.testing.assert_allclose(np.exp(found.log_likelihood[0]) * found.density[0, 1], after, rtol=1e-6, atol=1e-12)


@pytest.mark.release
def test_many_clicks_beside_a_current_and_their_derivative():
    """Nothing moves: Poisson's law and a Gaussian for each of two states, and ∂ ln p/∂d = E(n/rate − 1)h over both."""
    width, dark, currents, rates = 0.5, 30.0, np.array([0.6, -0.6]), np.array([40.0, 10.0])
    y, count, prior = 0.4, 32, np.array([0.3, 0.7])
    means = (rates + dark) * width
    weights = prior * poisson.pmf(count, means) * np.exp(2 * currents * y - 2 * currents**2 * width)
    slope = weights @ (count / (rates + dark) - width) / weights.sum()
    record = sq.inference.Record([0.0, width], [[[y, count]]], ["x", "n"], ["homodyne", "counting"])

    def value(dark):
        detectors = {
            "x": homodyne(currents),
            "n": counting(np.sqrt(rates), dark=dark),
        }
        equation = sq.models.monitored(np.zeros((2, 2)), detectors)
        return sq.inference.log_likelihood(equation, np.sqrt(prior), record, method="exact")

    np.testing.assert_allclose(value(dark), np.log(weights.sum()), atol=1e-8)
    with jax.enable_x64(True):
        found, gradient = jax.value_and_grad(value)(dark)
    np.testing.assert_allclose([found, gradient], [np.log(weights.sum()), slope], atol=1e-8)


def test_rates_that_are_too_large_while_traced_are_not_a_number():
    few = sq.inference.Record([0.0, 1.0], [2], ["n"], ["counting"])

    def value(dark):
        equation = sq.models.monitored(np.zeros((2, 2)), {"n": counting(LOWERING, dark=dark)})
        return sq.inference.log_likelihood(equation, GROUND, few)

    with jax.enable_x64(True):
        found = jax.vmap(value)(np.array([2.0, 50.0]))
    np.testing.assert_allclose(found, [np.log(poisson.pmf(2, 2.0)), np.nan], atol=1e-12)


def turned(rabi=6.0):
    """Rotation and measurement do not commute; the trace of Kraus maps is right all the same."""
    return sq.models.monitored(rabi * X, {"out": homodyne(Z, efficiency=0.6)})


@pytest.mark.release
@pytest.mark.parametrize("step", [0.02, 0.1])
@pytest.mark.parametrize("state", [np.array([1.0, 0.0]), np.eye(2) / 2], ids=["ket", "nothing known"])
def test_bins_too_wide_for_kraus_maps_are_told_of_where_the_likelihood_is_off(step, state):
    """Against the exact maps: quiet where no more than some hundredths are lost, and a number that is theirs."""
    times = step * np.arange(41)
    data = sq.inference.sample_records(turned(), state, times, records=100, seed=1)
    exact = sq.inference.log_likelihood(turned(), state, data, per_record=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        kraus = sq.inference.log_likelihood(turned(), state, data, per_record=True, method="kraus")
    off = np.sqrt(np.mean((kraus - exact) ** 2))
    assert len(told) == (step == 0.1) and (off > 0.1) == (step == 0.1)
    with jax.enable_x64(True):
        observed = observe(turned(), data)
        found = error_of_width(observed.parts, observed.lengths, observed.written.which, jnp.asarray(state))
    assert off / 2 < found < 6 * off


def test_all_who_read_wide_bins_are_warned():
    data = sq.inference.sample_records(turned(), GROUND, 0.1 * np.arange(21), records=2, seed=1)
    for read in (sq.inference.filter, sq.inference.smooth):
        with pytest.warns(UserWarning, match="expected bins short enough for Kraus maps") as told:
            read(turned(), GROUND, data, observables={"z": Z}, method="kraus")
        assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="expected bins short enough for Kraus maps"):
        sq.inference.filter(turned(), GROUND, data, observables={"z": Z}, rank=2)
    driven = sq.models.monitored(sq.systems.driven(0.1 * Z, [(X, lambda t: 6.0)]), {"out": homodyne(Z, efficiency=0.6)})
    with pytest.warns(UserWarning, match="expected bins short enough for Kraus maps"):
        sq.inference.log_likelihood(driven, GROUND, data, method="kraus")


def test_a_likelihood_of_numbers_inside_a_program_is_a_number():
    """Such as that of a model to compare with, which no parameter moves."""
    fixed, seen = qubit(), record(waves()[None])
    with jax.enable_x64(True):
        found = jax.jit(lambda x: x * sq.inference.log_likelihood(fixed, GROUND, seen))(2.0)
    assert float(found) == pytest.approx(2 * float(sq.inference.log_likelihood(fixed, GROUND, seen)), rel=1e-12)
