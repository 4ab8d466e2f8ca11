"""Models against the numbers of their papers, worked out here without the library."""

import numpy as np
import pytest
from scipy.special import erf

import stochq as sq


def dissipated(equation, rho):
    """Σ_k L ρ L† − ½{L†L, ρ} from the dense operators, in the given basis."""
    total = np.zeros_like(rho)
    for channel in equation.channels:
        basis = equation.basis_matrix(channel)
        for operator in channel.operators():
            operator = operator if basis is None else basis @ operator @ basis.conj().T
            square = operator.conj().T @ operator
            total += operator @ rho @ operator.conj().T - 0.5 * (square @ rho + rho @ square)
    return total


def random_density(dim, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return a @ a.conj().T / np.trace(a @ a.conj().T)


def test_suv_decoheres_at_its_strength():
    rho = random_density(3)
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0, 3.0]), strength=0.6, hbar=2.0)
    np.testing.assert_allclose(dissipated(equation, rho), -0.3 * (rho - np.diag(np.diag(rho))), atol=1e-14)


def test_oqt_relaxes_every_state_to_chi():
    matrix = np.array([[0.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 2.0]])
    chi, rho = np.array([0.5, 0.3, 0.2]), random_density(3)
    vectors = np.linalg.eigh(matrix)[1]
    equation = sq.models.oqt(sq.systems.levels(matrix), strength=0.8, equilibrium=chi)
    np.testing.assert_allclose(dissipated(equation, rho), -0.8 * (rho - vectors @ np.diag(chi) @ vectors.T), atol=1e-12)


def test_oqt_on_unsorted_levels_weighs_energies_in_ascending_order():
    equation = sq.models.oqt(sq.systems.levels([2.0, 0.0, 1.0]), strength=1.0, equilibrium=[0.5, 0.3, 0.2])
    rho = random_density(3)
    np.testing.assert_allclose(dissipated(equation, rho), -(rho - np.diag([0.2, 0.5, 0.3])), atol=1e-12)


def test_energy_driven_rates():
    rho, energies = random_density(3), np.array([2.0, 0.0, 0.5])
    equation = sq.models.energy_driven(sq.systems.levels(energies), strength=0.7)
    gaps = energies[:, None] - energies[None, :]
    np.testing.assert_allclose(dissipated(equation, rho), -0.35 * gaps**2 * rho, atol=1e-12)


@pytest.mark.parametrize("dimensions, points", [(1, 64), (2, 16)])
def test_csl_decoherence(dimensions, points):
    """Γ(Δ) = λ(m/m0)²[1 − e^{−Δ²/4r_C²}] for separations well inside the box."""
    grid = sq.systems.particle(points, float(points) / 2, 3.0, None, dimensions=dimensions)
    equation = sq.models.csl(grid, rate=0.2, length=points / 26, reference_mass=2.0)
    gamma = np.asarray(equation.channels[0].decoherence())
    squared = sum((x[:, None] - x[None, :]) ** 2 for x in grid.coordinates)
    near = squared < (points / 8) ** 2
    expected = 0.2 * 1.5**2 * (1 - np.exp(-squared / (4 * (points / 26) ** 2)))
    np.testing.assert_allclose(gamma[near], expected[near], atol=1e-3 * expected[near].max())


def test_csl_energy_gain():
    """d⟨p²⟩/dt = λ(m/m0)²ħ²/2r_C²: the energy grows by .5 for λ=.5, r_C=1, m=1 over T=4."""
    grid = sq.systems.particle(128, 32.0, 1.0, sq.systems.harmonic(1.0))
    equation = sq.models.csl(grid, rate=0.5, length=1.0)
    psi, times = grid.gaussian(0.0, np.sqrt(0.5)), [0.0, 4.0]
    energy = sq.exact.evolve(equation, psi, times, observables={"e": grid.operators["energy"]}).expect["e"]
    assert energy[1] - energy[0] == pytest.approx(0.5, abs=1e-6)


def test_qmupl_is_the_limit_of_csl():
    grid = sq.systems.particle(64, 24.0, 1.0, None)
    narrow = np.abs(np.subtract.outer(grid.coordinates[0], grid.coordinates[0])) <= 0.4
    rate, length = 1.0, 2.0
    csl = np.asarray(sq.models.csl(grid, rate=rate, length=length).channels[0].decoherence())
    qmupl = np.asarray(sq.models.qmupl(grid, rate=rate / (2 * length**2)).channels[0].decoherence())
    np.testing.assert_allclose(qmupl[narrow], csl[narrow], rtol=0.02, atol=1e-12)


def test_diosi_penrose_decoherence():
    grid = sq.systems.particle(128, 64.0, 2.0, None)
    gamma = np.asarray(sq.models.diosi_penrose(grid, gravity=0.3, length=1.0).channels[0].decoherence())
    separation = grid.coordinates[0][80] - grid.coordinates[0][64]
    expected = 0.3 * 4 * (1 / np.sqrt(np.pi) - erf(separation / 2) / separation)
    assert gamma[80, 64] == pytest.approx(expected, rel=0.02)


def test_nucleons_within_the_length_amplify_quadratically():
    levels = sq.systems.levels([0.0, 0.0])
    rates = []
    for count in (1, 2, 4):
        positions = np.concatenate([np.linspace(0, 1e-3, count), 100 + np.linspace(0, 1e-3, count)])
        occupations = np.stack([np.repeat([1, 0], count), np.repeat([0, 1], count)])
        model = sq.models.csl_lattice(levels, occupations=occupations, positions=positions, rate=0.5, length=1.0)
        rates.append(float(np.asarray(model.channels[0].decoherence())[0, 1]))
    np.testing.assert_allclose(rates, [0.5, 2.0, 8.0], rtol=1e-5)


@pytest.mark.parametrize("squeezing", [0.0, -0.06])
def test_brownian_moments(squeezing):
    """dV/dt = AV + VAᵀ + B with `brownian-balance`'s A and B, from the generator on a Fock-space state."""
    mass, omega, friction, beta = 1.3, 0.8, 0.3, 2.0
    system = sq.systems.oscillator(60, frequency=omega, mass=mass)
    equation = sq.models.brownian(system, friction=friction, beta=beta, squeezing=squeezing)
    q, p = (np.asarray(system.operators[name]) for name in ("position", "momentum"))
    psi = system.coherent(0.7 + 0.4j)
    rho = np.outer(psi, psi.conj())
    hamiltonian = np.asarray(equation.hamiltonian.matrix())
    change = -1j * (hamiltonian @ rho - rho @ hamiltonian) + dissipated(equation, rho)
    mean = np.array([np.trace(rho @ x).real for x in (q, p)])
    moments = np.array([[np.trace(rho @ (a @ b + b @ a)).real / 2 for b in (q, p)] for a in (q, p)])
    a_matrix = np.array([[squeezing, 1 / mass], [-mass * omega**2, -friction - squeezing]])
    b_matrix = 2 * np.diag([friction * beta / (16 * mass), mass * friction / beta])
    np.testing.assert_allclose([np.trace(change @ x).real for x in (q, p)], a_matrix @ mean, atol=1e-9)
    got = np.array([[np.trace(change @ (a @ b + b @ a)).real / 2 for b in (q, p)] for a in (q, p)])
    np.testing.assert_allclose(got, a_matrix @ moments + moments @ a_matrix.T + b_matrix, atol=1e-8)


def test_window_reports_how_far_it_is_off():
    """A dense flat spectrum: the window's variance is a third of the state's."""
    energies = np.linspace(-1, 1, 400)
    weights = np.exp(-(energies**2) / (2 * 0.2**2))
    chi = sq.microcanonical(sq.systems.levels(energies), sq.normalize(np.sqrt(weights)))
    assert chi.window.variance / chi.window.state_variance == pytest.approx(1 / 3, rel=0.02)
    assert chi.window.energy == pytest.approx(chi.window.state_energy, abs=1e-9)
    assert "ratio 0.33" in str(chi.window) and chi.sum() == pytest.approx(1.0)


def test_window_respects_conserved_quantities():
    chain = sq.systems.xxz(4, 1.0, 0.5)
    psi = np.zeros(chain.dim)
    psi[0b0011] = 1.0
    chi = sq.microcanonical(chain, psi, conserved=["total_sz"])
    magnetization = np.abs(chain.eigenvectors.conj().T) ** 2 @ np.asarray(chain.conserved["total_sz"])
    np.testing.assert_allclose(magnetization[np.asarray(chi) > 0], 0.0, atol=1e-9)


def test_canonical():
    chi = sq.canonical(sq.systems.levels([2.0, 0.0, 1.0]), beta=0.7)
    np.testing.assert_allclose(chi, np.exp(-0.7 * np.arange(3)) / np.exp(-0.7 * np.arange(3)).sum())


@pytest.mark.release
@pytest.mark.parametrize("kind", ["suv", "oqt"])
def test_no_signalling(kind):
    """Bob's density does not change while Alice's half collapses or thermalizes; |z| < 5 on 18 numbers, 1e-5."""
    alice = sq.systems.levels([[0.2, 0.4, 0.0], [0.4, 0.0, 0.1], [0.0, 0.1, 1.0]])
    models = {
        "suv": sq.models.suv(alice, strength=1.0),
        "oqt": sq.models.oqt(alice, strength=1.0, equilibrium=[0.7, 0.2, 0.1]),
    }
    joint = sq.systems.tensor(alice=alice, bob=[0.0, 0.0])
    equation = sq.models.composite(joint, {"alice": models[kind]})
    psi = sq.normalize(np.array([1.0, 0.2j, -0.4, 1.0, 0.3, 0.5 - 0.5j]))
    pauli = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]]}
    watched = {name: np.kron(np.eye(3), matrix) for name, matrix in pauli.items()}
    watched["alice"] = np.kron(np.diag([1.0, 0.0, -1.0]), np.eye(2))
    result = sq.simulate(equation, psi, np.linspace(0, 1.5, 4), observables=watched, trajectories=20_000, dt=0.05)
    for name in pauli:
        assert np.all(np.abs(result.mean[name] - result.mean[name][0]) <= 5 * result.stderr[name] + 1e-5)
    assert abs(result.mean["alice"][-1] - result.mean["alice"][0]) > 10 * result.stderr["alice"][-1]
    rho = joint.reduced(psi, "bob")
    assert np.trace(rho @ np.array(pauli["x"])).real == pytest.approx(result.mean["x"][0], abs=1e-6)


def test_energy_basis_of_unsorted_levels():
    """A channel in the energy basis means energies ascending, whatever the order of the given levels."""
    levels = sq.systems.levels([2.0, 0.0])
    channel = sq.channels.Separable([0.9, 0.1], basis=sq.channels.Energy())
    psi, times = sq.normalize([1.0, 1.0]), [0.0, 0.5, 1.0]
    watched = {"y": np.array([[0.0, -1j], [1j, 0.0]]), "ground": np.array([0.0, 1.0])}
    result = sq.simulate(sq.Equation(levels, (channel,)), psi, times, observables=watched, trajectories=20_000, dt=0.05)
    for index, t in enumerate(times):
        assert result.mean["ground"][index] == pytest.approx(0.9 - 0.4 * np.exp(-t), abs=0.02)
        assert result.mean["y"][index] == pytest.approx(np.exp(-t) * np.sin(2 * t), abs=0.04)


def test_hbar_divides_the_strength_of_thermalization():
    """Populations relax at α𝒩/ħ (`thermalization` eq. 6)."""
    levels = sq.systems.levels([0.0, 1.0, 3.0])
    equation = sq.models.oqt(levels, strength=0.6, equilibrium=[0.5, 0.3, 0.2], hbar=2.0)
    exact = sq.exact.evolve(equation, [1.0, 0, 0], [0.0, 1.5], observables={"p": np.array([1.0, 0, 0])})
    assert exact.expect["p"][-1] == pytest.approx(0.5 + 0.5 * np.exp(-0.6 * 1.5 / 2), rel=1e-9)


@pytest.mark.parametrize("system", [sq.systems.oscillator(4, hbar=2.0), sq.systems.particle(32, 16.0, 1.0, hbar=2.0)])
def test_qmupl_has_the_hbar_of_its_system(system):
    assert sq.models.qmupl(system, rate=1.0).hbar == 2.0
    with pytest.raises(ValueError, match="^hbar: expected that of the system, 2"):
        sq.models.qmupl(system, rate=1.0, hbar=1.0)


def test_hbar_divides_the_rate_of_gravitational_collapse():
    """Γ(Δ) ∝ 1/ħ: the kernel of a particle in units of ħ = 2 is half of that in units of ħ = 1."""
    kernels = []
    for hbar in (1.0, 2.0):
        particle = sq.systems.particle(32, 16.0, 1.0, sq.systems.harmonic(1.0), hbar=hbar)
        equation = sq.models.diosi_penrose(particle, gravity=0.7, length=1.0)
        kernels.append(np.asarray(equation.channels[0].decoherence()))
    np.testing.assert_allclose(kernels[1], kernels[0] / 2, rtol=1e-9, atol=1e-12)


def test_records_are_named_in_the_order_of_the_operators():
    """Whatever structure was found in them: a diagonal one is stepped apart from the others."""
    lowering, dephasing = np.array([[0.0, 0.0], [1.0, 0.0]]), np.diag([0.5, -0.5])
    for operators in ([lowering, dephasing], [dephasing, lowering], [dephasing, lowering, lowering.T, np.eye(2)]):
        equation = sq.models.unravel(np.zeros((2, 2)), operators)
        assert [line.name for line in equation.lines] == [f"L{k}" for k in range(len(operators))]
        for line, operator in zip(equation.lines, operators, strict=True):
            ((channel, place),) = line.sources
            np.testing.assert_allclose(equation.channels[channel].operators()[place], operator, atol=1e-15)
        np.testing.assert_allclose(equation.watched_parts().watched, operators, atol=1e-15)


def test_records_beside_channels_keep_the_order():
    projectors, last = sq.channels.Projectors([1.0, 2.0]), np.array([[0.0, 1.0], [0.0, 0.0]])
    equation = sq.models.unravel(np.zeros((2, 2)), [last, projectors, np.diag([0.3, 0.1])])
    expected = [last, np.diag([1.0, 0.0]), np.diag([0.0, np.sqrt(2.0)]), np.diag([0.3, 0.1])]
    np.testing.assert_allclose(equation.watched_parts().watched, expected, atol=1e-15)
