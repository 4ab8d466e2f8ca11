"""A constant energy has no physics, whatever its size and the precision."""

import numpy as np
import pytest
import scipy.linalg

import stochq as sq

FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
RUN = {"psi0": [1.0, 0.0], "times": [0.0, 2.0], "observables": {"p": [1.0, 0.0]}, "trajectories": 4000, "dt": 0.05}


def _survival(strength, time):
    """Level 0 under sigma_x and dephasing: Liouville's matrix exponentiated by scipy."""
    one = np.eye(2)
    dephasing = np.zeros((4, 4), complex)
    for level in one:
        projector = np.diag(level)
        dephasing += np.kron(projector, projector) - 0.5 * (np.kron(projector, one) + np.kron(one, projector))
    generator = -1j * (np.kron(FLIP, one) - np.kron(one, FLIP)) + strength * dephasing
    return (scipy.linalg.expm(generator * time) @ [1.0, 0.0, 0.0, 0.0])[0].real


@pytest.mark.parametrize("scheme", [sq.schemes.Strang(), sq.schemes.Extrapolated(sq.schemes.EulerMaruyama())])
def test_a_constant_energy_changes_nothing(scheme):
    runs = [
        sq.simulate(sq.models.suv(FLIP + energy * np.eye(2), strength=0.5), scheme=scheme, **RUN)
        for energy in (0.0, 1e6, 3e7, 1e12)
    ]
    for run in runs:
        assert abs(run.mean["p"][-1] - _survival(0.5, 2.0)) < 5 * run.stderr["p"][-1]
        np.testing.assert_allclose(run.mean["p"], runs[0].mean["p"], atol=1e-3)


def test_channels_in_the_energy_basis_and_in_columns():
    """Populations of sigma_x eigenstates stay, and the coherence between them turns by 2t and is lost at rate 1/2."""
    columns = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    equations = [
        sq.models.energy_driven(FLIP + 1e7 * np.eye(2), strength=0.25),
        sq.models.suv(FLIP + 1e7 * np.eye(2), strength=0.5, basis=columns),
    ]
    for equation in equations:
        run = sq.simulate(equation, **RUN)
        expected = 0.5 + 0.5 * np.cos(4.0) * np.exp(-0.5 * 2.0)
        assert abs(run.mean["p"][-1] - expected) < 5 * run.stderr["p"][-1]


@pytest.mark.release
def test_states_keep_the_phase_of_the_constant():
    """Kept states, and functions of the state that can tell, are those of the given Hamiltonian: exp(-iEt)."""
    equation = sq.models.suv([0.5, 1.5], strength=0.0, hbar=0.8)
    watched = {"real": lambda psi: psi[0].real, "imaginary": lambda psi: psi[1].imag}
    times, psi0 = np.array([1.0, 2.0, 3.5]), np.array([0.6, 0.8])
    exact = psi0 * np.exp(-1j * np.outer(times - 1.0, [0.5, 1.5]) / 0.8)
    for observables in (watched, {"p": [1.0, 0.0]}):
        run = sq.simulate(equation, psi0, times, observables=observables, trajectories=2, dt=0.5, keep=2)
        np.testing.assert_allclose(run.kept, np.broadcast_to(exact, (2, 3, 2)), atol=1e-5)
        if observables is watched:
            np.testing.assert_allclose(run.mean["real"], exact[:, 0].real, atol=1e-5)
            np.testing.assert_allclose(run.mean["imaginary"], exact[:, 1].imag, atol=1e-5)
    with_trap = sq.systems.particle(32, 12.0, 1.0, sq.systems.harmonic(1.0))
    ground = with_trap.eigenvectors[:, 0]
    kept = sq.simulate(sq.models.qmupl(with_trap, rate=0.0), ground, [0.0, 1.0], observables={"p": np.ones(32)},
                       trajectories=2, dt=0.1, keep=1).kept  # fmt: skip
    np.testing.assert_allclose(kept[0, -1], ground * np.exp(-1j * with_trap.energies[0]), atol=1e-4)


def test_a_level_far_away_costs_the_others_nothing():
    """Level 2 is coupled to nothing: as if it were not there."""
    for gap in (1e6, 1e8, -1e8):
        matrix = np.zeros((3, 3))
        matrix[:2, :2], matrix[2, 2] = FLIP, gap
        run = sq.simulate(
            sq.models.suv(matrix, strength=0.5), **RUN | {"psi0": [1, 0, 0], "observables": {"p": [1, 0, 0]}}
        )
        assert abs(run.mean["p"][-1] - _survival(0.5, 2.0)) < 5 * run.stderr["p"][-1]


def test_phases_beyond_single_precision_are_refused():
    """A superposition of levels 3e7 apart: in double precision it turns as it should."""
    gap, time = 3.3e7, 2.0
    equation = sq.models.suv([0.0, gap], strength=0.1)
    options = {"observables": {"x": FLIP}, "trajectories": 2000, "dt": 1.0}
    with pytest.raises(ValueError, match=r"^precision: expected 'double' for levels 1.65e\+07 apart"):
        sq.simulate(equation, [0.6, 0.8], [0.0, time], **options)
    run = sq.simulate(equation, [0.6, 0.8], [0.0, time], precision="double", **options)
    expected = 0.96 * np.exp(-0.1 * time) * np.cos(gap * time)
    assert abs(run.mean["x"][-1] - expected) < 5 * run.stderr["x"][-1]


def test_phases_of_many_levels_are_judged_by_the_spread_of_the_energy():
    """130 levels, too many to look at one by one: two that are coupled and 3e7 apart, the others at rest. By hand, the
    root mean square of the energy about its median, which is zero: 3e7·0.8 for the weights .36 and .64."""
    matrix = np.zeros((130, 130))
    matrix[1, 1], matrix[0, 1], matrix[1, 0] = 3e7, 1.0, 1.0
    psi = np.zeros(130)
    psi[:2] = 0.6, 0.8
    for hamiltonian in (matrix, np.diagonal(matrix)):
        equation = sq.models.suv(sq.systems.levels(hamiltonian), strength=0.1)
        with pytest.raises(ValueError, match=r"^precision: expected 'double' for levels 2.4e\+07 apart"):
            sq.simulate(equation, psi, [0.0, 2.0], observables={"p": psi}, trajectories=64, dt=1.0)
    sq.simulate(equation, np.eye(130)[2], [0.0, 2.0], observables={"p": psi}, trajectories=64, dt=1.0)
