"""Parts of a system of spins 1/2 against numpy's reshapes and singular values, Page's mean and states by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq


def _random(sites, seed, columns=()):
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=(2**sites, *columns)) + 1j * rng.normal(size=(2**sites, *columns))
    return psi / np.linalg.norm(psi, axis=0)


def _traced(psi, part):
    """Tr over all other sites by one axis a site: axis n - 1 - j of ψ is site j."""
    sites = psi.shape[0].bit_length() - 1
    inside = [sites - 1 - site for site in reversed(part)]
    outside = [axis for axis in range(sites) if axis not in inside]
    rows = np.transpose(psi.reshape((2,) * sites), inside + outside).reshape(2 ** len(part), -1)
    return rows @ rows.conj().T


def _entropy(weights):
    weights = weights[weights > 0]
    return -np.sum(weights * np.log(weights))


@pytest.mark.parametrize("part", [[0], [4], [1, 2], [3, 0], [2, 4, 0], [4, 3, 2, 1]])
def test_reduced_matrices_are_partial_traces(part):
    psi = _random(5, seed=1)
    expected = _traced(psi, part)
    np.testing.assert_allclose(sq.systems.reduced(psi, part), expected, atol=1e-6)
    mixed = 0.3 * np.outer(psi, psi.conj()) + 0.7 * np.eye(32) / 32
    found = sq.systems.reduced(mixed, part)
    np.testing.assert_allclose(found, 0.3 * expected + 0.7 * np.eye(2 ** len(part)) / 2 ** len(part), atol=1e-6)


def test_bit_j_is_the_site_j_of_the_part():
    """A register that counts: site 2 down, all others up."""
    psi = np.zeros(16)
    psi[0b0100] = 1.0
    assert sq.systems.reduced(psi, [2, 3])[1, 1] == 1
    assert sq.systems.reduced(psi, [3, 2])[2, 2] == 1
    assert sq.systems.reduced(psi, 2)[1, 1] == 1


@pytest.mark.parametrize("part", [[0], [1, 2, 3], [5, 2], [0, 1, 2, 3], [1, 2, 3, 4, 5]])
def test_entropies_are_those_of_singular_values(part):
    """Both orders, purity, of columns at once; the larger side has the entropy of the smaller one."""
    states = _random(6, seed=2, columns=(3,))
    weights = [np.linalg.eigvalsh(_traced(psi, part)) for psi in states.T]
    first, second, purity = (
        jax.vmap(f, in_axes=-1)(states) for f in (sq.Entropy(part), sq.Entropy(part, order=2), sq.Purity(part))
    )
    np.testing.assert_allclose(first, [_entropy(w) for w in weights], rtol=2e-6)
    np.testing.assert_allclose(second, [-np.log(np.sum(w**2)) for w in weights], rtol=2e-6)
    np.testing.assert_allclose(purity, [np.sum(w**2) for w in weights], rtol=2e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 1e-3, 0.03])
def test_small_entropies_keep_their_digits_in_single_precision(angle):
    """cos a |00..> + sin a |11..> between random products: S = h(sin² a), 1e-9 at a = 1e-5, where the squares of
    singular values that are found with the rounding of 1 would give 1e-5."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.normal(size=(16, 16)) + 1j * rng.normal(size=(16, 16)))[0][:, :2] for _ in range(2))
    rows = np.cos(angle) * np.outer(left[:, 0], right[:, 0]) + np.sin(angle) * np.outer(left[:, 1], right[:, 1])
    expected = _entropy(np.array([np.sin(angle) ** 2])) - np.cos(angle) ** 2 * np.log1p(-(np.sin(angle) ** 2))
    value = float(sq.Entropy(range(4))(rows.reshape(-1).astype(np.complex64)))
    assert value == pytest.approx(expected, rel=2e-3, abs=1e-11)


def test_products_and_cat_states():
    cat = np.zeros(64)
    cat[[0, -1]] = 0.5**0.5
    for part in ([0], [1, 4], [0, 1, 2, 3]):
        assert float(sq.Entropy(part)(cat)) == pytest.approx(np.log(2), rel=1e-6)
        assert float(sq.Purity(part)(cat)) == pytest.approx(0.5, rel=1e-6)
    up = np.eye(64)[0]
    assert float(sq.Entropy([1, 2])(up)) == 0.0
    assert float(sq.Distance([0, 1], np.eye(4) / 4)(up)) == pytest.approx(0.75, rel=1e-6)


def test_random_states_have_pages_entropy():
    r"""S = Σ_{k=n+1}^{mn} 1/k - (m - 1)/2n of m < n levels; D. N. Page, Phys. Rev. Lett. 71, 1291 (1993)."""
    states = _random(8, seed=4, columns=(200,))
    values = np.asarray(jax.vmap(sq.Entropy([0, 2, 5]), in_axes=-1)(states))
    m, n = 8, 32
    page = np.sum(1 / np.arange(n + 1, m * n + 1)) - (m - 1) / (2 * n)
    assert abs(values.mean() - page) < 4 * values.std() / np.sqrt(len(values))


def test_distances_are_those_of_numpys_eigenvalues():
    psi, other, part = _random(5, seed=5), _random(5, seed=6), [3, 1]
    difference = _traced(psi, part) - _traced(other, part)
    reference = _traced(other, part)
    assert float(sq.Distance(part, reference)(psi)) == pytest.approx(
        0.5 * np.abs(np.linalg.eigvalsh(difference)).sum(), rel=1e-5
    )
    assert float(sq.Distance(part, reference, "hilbert-schmidt")(psi)) == pytest.approx(
        np.sqrt(np.sum(np.abs(difference) ** 2)), rel=1e-5
    )


def test_derivatives_of_entropies_exist_where_weights_are_equal():
    """Against central differences, at a random state and along a line through a cat state."""
    psi, direction = _random(4, seed=7), _random(4, seed=8)
    cat = np.zeros(16, complex)
    cat[[0, -1]] = 0.5**0.5
    with jax.enable_x64():
        for start in (psi, cat):

            def along(s, start=start):
                return sq.Entropy([0, 1])((start + s * direction) / jnp.linalg.norm(start + s * direction))

            slope = float(jax.grad(along)(1e-3))
            assert slope == pytest.approx(float(along(1e-3 + 1e-6) - along(1e-3 - 1e-6)) / 2e-6, rel=1e-5)


def test_entropies_of_a_measured_pair():
    """A pair in cos|00> + sin|11>, z of the first measured: σ_z's law decides the entropy, S = h((1 + z)/2) on every
    trajectory; its mean never grows, and the mean reduced matrix of the other one does not move."""
    pair = sq.systems.levels(np.zeros(4))
    z = np.array([1.0, -1.0, 1.0, -1.0])
    equation = sq.models.unravel(pair, [z / np.sqrt(2)])
    watched = {"z": z, "S": sq.Entropy(0), "rho": sq.Reduced(1), "S_1": sq.Histogram(sq.Entropy(1), [0.0, 0.35, 0.7])}
    psi0, times = np.array([0.6, 0, 0, 0.8j]), [0.0, 0.4, 2.0]
    run = sq.simulate(equation, psi0, times, observables=watched, trajectories=512, dt=0.02, keep=512)
    up = np.clip((1 + np.sum(np.abs(run.kept) ** 2 * z, axis=-1)) / 2, 1e-12, 1 - 1e-12)
    entropies = -up * np.log(up) - (1 - up) * np.log(1 - up)
    np.testing.assert_allclose(run.mean["S"], entropies.mean(axis=0), atol=2e-6)
    np.testing.assert_allclose(run.stderr["S"], entropies.std(axis=0, ddof=1) / np.sqrt(512), atol=2e-6)
    assert run.mean["S"][0] > run.mean["S"][1] > run.mean["S"][2]
    np.testing.assert_array_equal(run.histograms["S_1"][1].sum(axis=1), 512)
    np.testing.assert_array_equal(run.histograms["S_1"][1][:, 0], (entropies < 0.35).sum(axis=0))
    mean, stderr = run.statistics["rho"]
    second = run.kept.reshape(512, 3, 2, 2)
    each = np.einsum("ntai,ntbi->ntab", second, second.conj())
    np.testing.assert_allclose(mean, each.mean(axis=0), atol=1e-6)
    for part in (np.real, np.imag):
        np.testing.assert_allclose(part(stderr), part(each).std(axis=0, ddof=1) / np.sqrt(512), atol=1e-7)
    assert abs(mean[2, 0, 0].real - 0.36) < 4 * stderr[2, 0, 0].real


@pytest.mark.parametrize("scheme", [None, sq.schemes.Extrapolated(sq.schemes.Strang())])
def test_mean_matrices_merge_and_combine_runs(scheme, tmp_path):
    """Two runs as one, any scheme, against the whole density matrix; found again in a file."""
    chain = sq.systems.ising(3, coupling=1.0, transverse=0.9)
    equation = sq.models.suv(chain, strength=0.5)
    watched = {"pair": sq.Reduced([2, 0]), "rho": sq.Density()}

    def run(seed, count):
        options = {"trajectories": count, "keep": count, "dt": 0.1, "seed": seed, "scheme": scheme}
        return sq.simulate(equation, np.eye(8)[3], [0, 0.5], observables=watched, **options)

    both = run(0, 100).merge(run(1, 30))
    mean, stderr = both.statistics["pair"]
    np.testing.assert_allclose(mean, [_partial(rho) for rho in both.density], atol=1e-6)
    if scheme is None:
        each = np.array([[_partial(np.outer(psi, psi.conj())) for psi in states] for states in both.kept])
        for part in (np.real, np.imag):
            np.testing.assert_allclose(part(stderr), part(each).std(axis=0, ddof=1) / np.sqrt(130), atol=1e-7)
    both.save(tmp_path / "pair.nc")
    np.testing.assert_array_equal(sq.load(tmp_path / "pair.nc").statistics["pair"], both.statistics["pair"])


def _partial(rho):
    """Sites 2 and 0 of three, bit 0 of the index site 2: by a sum over basis states."""
    result = np.zeros((4, 4), complex)
    for i in range(8):
        for j in range(8):
            if (i >> 1) & 1 == (j >> 1) & 1:
                result[(i >> 2) + 2 * (i & 1), (j >> 2) + 2 * (j & 1)] += rho[i, j]
    return result


def test_parts_of_density_matrices():
    """conditional=True: functions are of density matrices, of which a distance is one and an entropy of a ket none."""
    pair = sq.systems.levels(np.zeros(4))
    z = np.array([1.0, -1.0, 1.0, -1.0])
    equation = sq.models.monitored(pair, {"z": sq.measurement.homodyne(z / 2, efficiency=0.5)})
    psi0, reference = np.array([0.6, 0, 0, 0.8]), np.diag([0.5, 0.5])
    options = {"trajectories": 8, "dt": 0.1, "conditional": True}
    watched = {"d": sq.Distance(1, reference), "rho": sq.Reduced(1), "p": np.array([1.0, 1.0, 0.0, 0.0])}
    run = sq.simulate(equation, psi0, [0, 0.2], observables=watched, **options)
    np.testing.assert_allclose(run.mean["d"][0], 0.14, atol=1e-6)
    np.testing.assert_allclose(run.statistics["rho"][0][:, 0, 0], run.mean["p"], atol=1e-6)
    with pytest.raises(ValueError, match="density matrix"):
        sq.simulate(equation, psi0, [0, 0.2], observables={"S": sq.Entropy(0)}, **options)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: sq.Entropy([]), "part: expected at least one site"),
        (lambda: sq.Entropy([1, 1]), "part: expected every site once"),
        (lambda: sq.Purity([-1]), "part: expected sites counted from 0"),
        (lambda: sq.Entropy([0], order=3), "order: expected 1"),
        (lambda: sq.Reduced(range(11)), "part: expected at most 10 sites"),
        (lambda: sq.Distance([0], np.eye(4) / 4), "reference: expected a density matrix of shape"),
        (lambda: sq.Distance([0], np.eye(2)), "reference: expected a density matrix, of trace 1"),
        (lambda: sq.Distance([0], [[0.5, 1.0], [0.0, 0.5]]), "reference: expected a Hermitian"),
        (lambda: sq.Distance([0], np.eye(2) / 2, "operator"), "norm: expected 'trace'"),
        (lambda: sq.Entropy([0, 1])(np.eye(4)[0]), "not all of them"),
        (lambda: sq.Entropy([2])(np.eye(4)[0]), "part: expected sites from 0 to 1"),
        (lambda: sq.Entropy([0])(np.eye(3)[0]), "part: expected a system of spins 1/2"),
        (lambda: sq.Entropy([0])(np.eye(4)), "Entropy: expected a state"),
        (lambda: _simulated(sq.Entropy([5])), "part: expected sites from 0 to 1"),
        (lambda: _simulated(sq.Reduced([0, 1])), "not all of them"),
    ],
)
def test_parts_that_are_not_there_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_distance_of_a_state_from_equilibrium_is_that_of_the_diagonalised_one():
    """χ_A from exp(-βH) in numpy, sites in an order of their own."""
    chi = sq.canonical(sq.systems.spins(4, "1.0 Z0 Z1 + 0.7 X2 + 0.4 Z2 Z3 + 0.3 X0 X1 + 0.2 Y3"), 0.5)
    energies, vectors = np.linalg.eigh(chi.map.hamiltonian.matrix())
    weights = np.exp(-0.5 * energies)
    mixed = (vectors * weights / weights.sum()) @ vectors.conj().T
    weights, vectors = np.linalg.eigh(mixed)
    reference = sum(weight * _traced(vector, [2, 0]) for weight, vector in zip(weights, vectors.T, strict=True))
    psi = _random(4, seed=10)
    expected = 0.5 * np.abs(np.linalg.eigvalsh(_traced(psi, [2, 0]) - reference)).sum()
    assert float(sq.Distance([2, 0], chi.reduced([2, 0]).value)(psi)) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="Write .value"):
        sq.Distance([2, 0], chi.reduced([2, 0]))


def _simulated(observable):
    equation = sq.models.suv(sq.systems.ising(2, coupling=1.0, transverse=0.9), strength=1.0)
    return sq.simulate(equation, np.eye(4)[0], [0, 1], observables={"o": observable}, trajectories=2, dt=0.5)


@pytest.mark.release
def test_half_of_sixteen_sites():
    states = _random(16, seed=9, columns=(2,)).astype(np.complex64)
    found = jax.jit(jax.vmap(sq.Entropy(range(8)), in_axes=-1))(states)
    for value, psi in zip(found, states.T, strict=True):
        weights = np.linalg.svd(psi.reshape(256, 256).astype(complex), compute_uv=False) ** 2
        assert float(value) == pytest.approx(_entropy(weights / weights.sum()), rel=1e-5)
