"""Every way of solving a master equation against generators written down here, element by element."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import Columns, RateMatrix
from stochq.exact import parts
from stochq.exact.split import Splitting
from tests import oracles

TIMES = np.array([0.3, 0.5, 1.1, 2.0])
# What a method promises, and what it is held to here.
TOLERANCE = {"closed-form": 1e-11, "liouvillian": 1e-11, "split": 1e-8, "ode": 1e-8}


def _suv():
    """Collapse in a rotated basis, ħ ≠ 1."""
    matrix, columns, strength, hbar = oracles.random_hermitian(3, 1), oracles.random_unitary(3, 2), 0.8, 0.7
    equation = sq.models.suv(sq.systems.levels(matrix), strength=strength, basis=columns, hbar=hbar)
    operators = [np.sqrt(strength / hbar) * oracles.projector(columns[:, k]) for k in range(3)]
    return equation, matrix, operators, hbar


def _thermal_operators(matrix, rate, chi):
    vectors = np.linalg.eigh(matrix)[1].T
    return [np.sqrt(rate * chi[m]) * np.outer(vectors[m], vectors[n].conj()) for m in range(4) for n in range(4)]


CHI = np.array([0.1, 0.0, 0.6, 0.3])


def _oqt():
    matrix, hbar = oracles.random_hermitian(4, 3), 1.3
    equation = sq.models.oqt(sq.systems.levels(matrix), strength=0.6, equilibrium=CHI, hbar=hbar)
    return equation, matrix, _thermal_operators(matrix, 0.6 / hbar, CHI), hbar


def _oqt_unsorted():
    """A diagonal Hamiltonian whose levels are not in ascending order."""
    energies = np.array([0.5, -1.0, 2.0, 0.1])
    equation = sq.models.oqt(sq.systems.levels(energies), strength=0.6, equilibrium=CHI)
    return equation, np.diag(energies), _thermal_operators(np.diag(energies), 0.6, CHI), 1.0


def _sui():
    matrix, columns, hbar = oracles.random_hermitian(4, 4), oracles.random_unitary(4, 5), 0.8
    equation = sq.models.sui(
        sq.systems.levels(matrix), reduction=0.5, thermalization=0.9, equilibrium=CHI, basis=columns, hbar=hbar
    )
    operators = [np.sqrt(0.5 / hbar) * oracles.projector(columns[:, k]) for k in range(4)]
    return equation, matrix, operators + _thermal_operators(matrix, 0.9 / hbar, CHI), hbar


def _energy_driven():
    matrix = oracles.random_hermitian(4, 6)
    return sq.models.energy_driven(sq.systems.levels(matrix), strength=0.4), matrix, [np.sqrt(0.4) * matrix], 1.0


def _rate_matrix():
    """General transition rates in a basis of their own."""
    matrix, columns = oracles.random_hermitian(3, 7), oracles.random_unitary(3, 8)
    rates = np.random.default_rng(9).uniform(0, 1, (3, 3))
    equation = sq.models.unravel(sq.systems.levels(matrix), [RateMatrix(rates, Columns(columns))])
    vectors = columns.T
    operators = [np.sqrt(rates[m, n]) * np.outer(vectors[m], vectors[n].conj()) for m in range(3) for n in range(3)]
    return equation, matrix, operators, 1.0


def _rates_of_energies():
    """A thermal bath: transitions between energy eigenstates, some of them degenerate."""
    energies = np.array([0.0, 1.0, 1.0, 2.5])
    rates = np.random.default_rng(10).uniform(0, 1, (4, 4))
    operators = [np.sqrt(rates[m, n]) * np.outer(np.eye(4)[m], np.eye(4)[n]) for m in range(4) for n in range(4)]
    return sq.models.unravel(sq.systems.levels(energies), [RateMatrix(rates)]), np.diag(energies), operators, 1.0


def _grid(points, length):
    trap = sq.systems.particle(points, length, 1.0, sq.systems.harmonic(0.7))
    x = (np.arange(points) - points / 2) * length / points
    return trap, oracles.periodic_kinetic(points, length) + np.diag(0.5 * 0.49 * x**2), x


def _csl():
    trap, matrix, x = _grid(14, 13.0)
    images = np.subtract.outer(x, x)[..., None] + 13.0 * np.arange(-3, 4)
    kernel = np.exp(-(images**2) / 4).sum(axis=-1)
    equation = sq.models.csl(trap, rate=0.5, length=1.0)
    return equation, matrix, oracles.factors(0.5 * kernel / kernel[0, 0]), 1.0


def _qmupl():
    trap, matrix, x = _grid(12, 8.0)
    return sq.models.qmupl(trap, rate=0.3), matrix, [np.sqrt(0.3) * np.diag(x)], 1.0


def _kerr():
    a = oracles.lowering(12)
    number = a.T @ a
    matrix = 0.3 * number + 0.1 * (number @ number - number) + 0.7 * (a + a.T)
    cavity = sq.systems.kerr(12, detuning=0.3, kerr=0.2, drive=0.7)
    return sq.models.unravel(cavity, [0.8 * a, 0.2 * number]), matrix, [0.8 * a, 0.2 * number], 1.0


CASES = {
    "suv": (_suv, ("split", "liouvillian")),
    "oqt": (_oqt, ("closed-form", "liouvillian", "split")),
    "oqt_unsorted": (_oqt_unsorted, ("closed-form", "liouvillian")),
    "sui": (_sui, ("split", "liouvillian")),
    "energy_driven": (_energy_driven, ("closed-form", "liouvillian")),
    "rate_matrix": (_rate_matrix, ("split", "liouvillian")),
    "rates_of_energies": (_rates_of_energies, ("closed-form", "liouvillian")),
    "csl": (_csl, ("split", "liouvillian", "ode")),
    "qmupl": (_qmupl, ("split", "liouvillian")),
    "kerr": (_kerr, ("liouvillian", "ode")),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.sweep(4)
def test_methods_agree_with_the_written_out_generator(case):
    build, methods = CASES[case]
    equation, matrix, operators, hbar = build()
    rho = oracles.random_density(equation.dim, 11)
    expected = oracles.by_liouvillian(matrix, operators, rho, TIMES, hbar)
    observable = oracles.random_hermitian(equation.dim, 12)
    expect = np.einsum("ij,tji->t", observable, expected).real
    for method in methods:
        result = sq.exact.evolve(equation, rho, TIMES, observables={"o": observable}, method=method)
        assert result.method == method
        error = np.abs(result.density - expected).max()
        assert error <= TOLERANCE[method], method
        # The estimate is no promise, but must not be an order of magnitude too optimistic.
        assert error <= 10 * result.error + 1e-12, method
        np.testing.assert_allclose(result.expect["o"], expect, atol=10 * equation.dim * TOLERANCE[method])


def test_automatic_choice():
    equations = {case: build()[0] for case, (build, _) in CASES.items()}
    chosen = {
        case: sq.exact.evolve(equation, np.eye(equation.dim)[0], TIMES).method for case, equation in equations.items()
    }
    exact = {"oqt", "oqt_unsorted", "energy_driven", "rates_of_energies"}
    assert chosen == {case: "closed-form" if case in exact else "liouvillian" for case in CASES}
    chain = sq.systems.ising(5, 1.0, 0.9)
    reduction = sq.exact.evolve(sq.models.suv(chain, strength=0.1), np.eye(32)[0], [0.0, 0.1])
    assert (reduction.method, reduction.steps > 0) == ("split", True)


def test_chain_under_collapse_and_thermalization():
    """32 levels: too many for the generator as a matrix; its action is written out by hand."""
    chain = sq.systems.ising(5, 1.0, 0.9, 0.4)
    matrix, psi = np.asarray(chain.matrix()), oracles.random_state(32, 13)
    weights = np.exp(-0.3 * np.linalg.eigvalsh(matrix))
    chi = weights / weights.sum()
    equation = sq.models.sui(chain, reduction=0.3, thermalization=0.5, equilibrium=chi)
    vectors = np.linalg.eigh(matrix)[1]
    target = vectors @ np.diag(chi) @ vectors.conj().T

    def slope(t, rho):
        collapse = 0.3 * (np.diag(np.diag(rho)) - rho)
        return -1j * (matrix @ rho - rho @ matrix) + collapse + 0.5 * (target * np.trace(rho) - rho)

    times = np.linspace(0.0, 3.0, 4)
    expected = oracles.by_integration(slope, oracles.projector(psi), times)
    for method in ("split", "ode"):
        result = sq.exact.evolve(equation, psi, times, observables=chain.operators, method=method)
        assert np.abs(result.density - expected).max() < 1e-8
        energy = np.einsum("ij,tji->t", matrix, expected).real
        np.testing.assert_allclose(result.expect["energy"], energy, atol=1e-7)


def test_fourier_transforms_replace_eigenvectors_on_large_grids(monkeypatch):
    for dimensions, points, length in ((1, 30, 14.0), (2, 13, 13.0)):
        trap = sq.systems.particle(points, length, 1.0, sq.systems.harmonic(0.7), dimensions=dimensions)
        equation = sq.models.csl(trap, rate=0.5, length=1.0)
        rho = oracles.random_density(trap.dim, 14)
        with_vectors = sq.exact.evolve(equation, rho, [0.0, 0.4], method="split")
        monkeypatch.setattr(parts, "LARGEST_GRID_EIGENVECTORS", 1)
        transformed = sq.exact.evolve(equation, rho, [0.0, 0.4], method="split")
        monkeypatch.undo()
        assert transformed.steps != with_vectors.steps
        np.testing.assert_allclose(transformed.density, with_vectors.density, atol=1e-9)


def test_driven_qubit():
    static, drive = np.diag([0.6, -0.6]), np.array([[0.0, 1.0], [1.0, 0.0]])
    decay, dephase = 0.3 * np.array([[0.0, 0.0], [1.0, 0.0]]), 0.2 * np.diag([1.0, -1.0])
    system = sq.systems.driven(sq.systems.levels(static), [drive], [lambda t: 0.8 * jnp.cos(1.2 * t)])
    equation = sq.models.unravel(system, [decay, dephase], hbar=0.9)

    def slope(t, rho):
        matrix = static + 0.8 * np.cos(1.2 * t) * drive
        noise = oracles.dissipator(decay, rho) + oracles.dissipator(dephase, rho)
        return -1j / 0.9 * (matrix @ rho - rho @ matrix) + noise

    rho, times = oracles.random_density(2, 15), np.array([0.4, 1.0, 5.0, 9.0])
    result = sq.exact.evolve(equation, rho, times)
    assert result.method == "ode"
    np.testing.assert_allclose(result.density, oracles.by_integration(slope, rho, times), atol=1e-8)
    for method in ("closed-form", "split", "liouvillian"):
        with pytest.raises(ValueError, match="depends on time"):
            sq.exact.evolve(equation, rho, times, method=method)


def test_qutip_agrees():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import qutip

        a = qutip.destroy(20)
        matrix = 0.3 * a.dag() * a + 0.1 * a.dag() * a.dag() * a * a + 0.7 * (a + a.dag())
        options = {"atol": 1e-12, "rtol": 1e-10, "nsteps": 100000}
        times = np.linspace(0, 3, 4)
        judge = qutip.mesolve(matrix, qutip.basis(20, 0), times, [0.8 * a], e_ops=[a.dag() * a], options=options)
    cavity = sq.systems.kerr(20, detuning=0.3, kerr=0.2, drive=0.7)
    equation = sq.models.unravel(cavity, [0.8 * oracles.lowering(20)])
    result = sq.exact.evolve(equation, np.eye(20)[0], times, observables={"number": np.arange(20.0)})
    np.testing.assert_allclose(result.expect["number"], judge.expect[0], atol=1e-7)


def test_csl_heats_a_trapped_particle():
    """λħ²/4m r_C² per unit of time: 0.5 in T = 4 for λ = 0.5."""
    trap = sq.systems.particle(64, 16.0, 1.0, sq.systems.harmonic(1.0))
    equation = sq.models.csl(trap, rate=0.5, length=1.0)
    psi = trap.gaussian(0.0, 0.5**0.5)
    result = sq.exact.evolve(equation, psi, [0.0, 4.0], observables=trap.operators)
    gain = 4 * sq.exact.csl_energy_gain(rate=0.5, length=1.0, mass=1.0)
    assert gain == 0.5
    assert abs(np.diff(result.expect["energy"])[0] - gain) < 1e-6


def test_long_times_and_irregular_ones():
    equation, matrix, operators, hbar = _sui()
    times = np.array([-2.0, -1.9, 3.0, 3.1, 40.0, 1e4])
    rho = oracles.random_density(4, 16)
    expected = oracles.by_liouvillian(matrix, operators, rho, times, hbar)
    for method in ("split", "liouvillian"):
        np.testing.assert_allclose(sq.exact.evolve(equation, rho, times, method=method).density, expected, atol=1e-8)


def test_trace_and_positivity():
    for build, _ in CASES.values():
        equation = build()[0]
        density = sq.exact.evolve(equation, oracles.random_state(equation.dim, 17), TIMES).density
        np.testing.assert_allclose(np.trace(density, axis1=1, axis2=2), 1.0, atol=1e-11)
        np.testing.assert_allclose(density, density.conj().swapaxes(1, 2), atol=1e-13)
        assert np.linalg.eigvalsh(density).min() > -1e-9


def test_a_state_that_came_back_has_not_settled():
    """Saved times every period, without noise: each step ends where it began, and the last, shorter one does not."""
    period, diagonal = 2 * np.pi, np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.0, basis=diagonal)
    times, flip = [0, period, 2 * period, 2 * period + 1], [[0, 1], [1, 0]]
    found = sq.exact.evolve(equation, [0.6, 0.8], times, observables={"x": flip}, method="split").expect["x"]
    np.testing.assert_allclose(found, 0.96 * np.cos(times), atol=1e-8)


def test_the_slope_of_the_parts_is_the_generator():
    equation, matrix, operators, hbar = _sui()
    rho = oracles.random_density(4, 11)
    splitting = Splitting(parts.exact_parts(equation))
    basis = splitting.parts[0].basis
    expected = -1j / hbar * (matrix @ rho - rho @ matrix)
    for jump in operators:
        square = jump.conj().T @ jump
        expected = expected + jump @ rho @ jump.conj().T - 0.5 * (square @ rho + rho @ square)
    np.testing.assert_allclose(basis.from_basis(splitting.slope(basis.to_basis(rho))), expected, atol=1e-12)


def test_many_different_intervals_are_solved_one_after_the_other():
    """More than there are propagators to remember."""
    times = np.r_[0, np.geomspace(1e-2, 3, 40)]
    equation, matrix, operators, hbar = _suv()
    found = sq.exact.evolve(equation, np.eye(3)[0], times, method="liouvillian").density
    again = sq.exact.evolve(equation, np.eye(3)[0], times[[0, -1]], method="liouvillian").density
    np.testing.assert_allclose(found[-1], again[-1], atol=1e-11)


def test_an_energy_on_a_grid_is_exact_behind_a_run_in_single_precision():
    """⟨H⟩ of a packet of width 1 is 1/8 + 1/2 and grows by λħ²/4mr_C²."""
    particle = sq.systems.particle(32, 16.0, 1.0, sq.systems.harmonic(1.0))
    equation, psi0 = sq.models.csl(particle, rate=0.1, length=1.0), particle.gaussian(0.0, 1.0)
    watched = {"energy": particle.operators["energy"]}
    sq.simulate(equation, psi0, [0.0, 0.1], observables=watched, trajectories=4, dt=0.1)
    exact = sq.exact.evolve(equation, psi0, [0.0, 0.1], observables=watched)
    np.testing.assert_allclose(exact.expect["energy"], [0.625, 0.6275], rtol=1e-6)
