"""States, density matrices and operators go back to QuTiP with the dims that they came with."""

import jax.numpy as jnp
import numpy as np
import pytest
import qutip

import stochq as sq

CAVITY, QUBIT = 3, 2
LOWER = qutip.tensor(qutip.destroy(CAVITY), qutip.qeye(QUBIT))
SIGMA = qutip.tensor(qutip.qeye(CAVITY), qutip.sigmam())
# Jaynes and Cummings, with a cavity that leaks.
H = 0.3 * (LOWER.dag() * SIGMA + SIGMA.dag() * LOWER) + 0.1 * LOWER.dag() * LOWER
LEAK = 0.5 * LOWER
PSI = qutip.tensor(qutip.basis(CAVITY, 0), qutip.basis(QUBIT, 0))
TIMES = np.array([0.0, 0.5, 2.0])
EXACT = qutip.mesolve(H, PSI, TIMES, c_ops=[LEAK]).states


@pytest.fixture(scope="module")
def run():
    observables = {"rho": sq.Density(), "n": LOWER.dag() * LOWER}
    equation = sq.models.unravel(H, [LEAK])
    return sq.simulate(equation, PSI, TIMES, observables=observables, trajectories=64, keep=2, dt=0.1)


def test_exact_density_matrices_are_those_of_mesolve():
    found = sq.exact.evolve(sq.models.unravel(H, [LEAK]), PSI, TIMES).to_qutip()
    for state, expected in zip(found, EXACT, strict=True):
        assert state.dims == [[CAVITY, QUBIT], [CAVITY, QUBIT]]
        np.testing.assert_allclose(
            state.full(), qutip.ket2dm(expected).full() if expected.isket else expected.full(), atol=1e-5
        )
        np.testing.assert_allclose(
            qutip.expect(SIGMA.dag() * SIGMA, state), qutip.expect(SIGMA.dag() * SIGMA, expected), atol=1e-5
        )


def test_states_of_a_run_keep_their_dims(run, tmp_path):
    for result in (run, sq.load(run.save(tmp_path / "run.nc"))):
        states = result.to_qutip()
        assert (len(states.kept), len(states.kept[0]), len(states.density)) == (2, 3, 3)
        ket, rho = states.kept[1][2], states.density[2]
        assert ket.isket and ket.dims == PSI.dims and rho.dims == H.dims
        np.testing.assert_array_equal(ket.full()[:, 0], run.kept[1, 2])
        np.testing.assert_array_equal(rho.full(), run.density[2])
        table = run.density[2].reshape(CAVITY, QUBIT, CAVITY, QUBIT)
        np.testing.assert_allclose(rho.ptrace(1).full(), np.einsum("ajak->jk", table), atol=1e-12)
    np.testing.assert_allclose(qutip.expect(LOWER.dag() * LOWER, states.density[2]), run.mean["n"][2], atol=1e-5)


def test_the_state_tells_the_parts_where_the_hamiltonian_does_not():
    equation = sq.models.unravel(H.full(), [LEAK.full()])
    assert sq.exact.evolve(equation, PSI, TIMES).to_qutip()[0].dims == H.dims
    assert sq.exact.evolve(equation, PSI.full()[:, 0], TIMES).to_qutip()[0].dims == [[6], [6]]


def test_an_equation_solved_by_qutip_is_the_same_equation():
    """ħ = 2, channels in another basis and detectors that lose: mesolve knows of none of these."""
    flip = np.array([[0.0, 1.0], [1.0, 0.0]]) / 1.0
    x_basis = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    for equation in (
        sq.models.suv(flip + np.diag([0.2, 0.0]), strength=0.8, basis=x_basis, hbar=2.0),
        sq.models.monitored(flip, {"c": sq.measurement.homodyne([[0.0, 1.0], [0.0, 0.0]], efficiency=0.3)}),
    ):
        hamiltonian, c_ops = equation.to_qutip()
        found = qutip.mesolve(hamiltonian, qutip.basis(2, 0), TIMES, c_ops=c_ops).states[-1]
        exact = sq.exact.evolve(equation, [1.0, 0.0], TIMES)
        np.testing.assert_allclose(found.full(), exact.density[-1], atol=1e-5)
    assert sq.systems.levels(H).to_qutip() == H


def test_what_depends_on_time_goes_to_qutip_as_it_does():
    """Drives, one of which turns, and a jump that fades, with ħ = 0.6: against mesolve that is told by functions."""
    lower, flip, hbar = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), 0.6
    drives = [(flip, lambda t: 0.4 * jnp.sin(t)), (lower, lambda t: 0.4 * jnp.exp(1.2j * t))]
    driven = sq.systems.driven(np.diag([1.0, -1.0]), drives)
    fading = sq.channels.TimeDependentOperator([(lower, lambda t: 0.7 * jnp.exp(-0.3 * t))])
    equation = sq.models.unravel(driven, [fading, 0.2 * flip], hbar=hbar)
    hamiltonian, c_ops = equation.to_qutip()
    assert isinstance(hamiltonian, qutip.QobjEvo) and [type(one) for one in c_ops] == [qutip.QobjEvo, qutip.Qobj]
    found = qutip.mesolve(hamiltonian, qutip.basis(2, 0), TIMES, c_ops=c_ops).states[-1]
    Z, X, L = qutip.sigmaz(), qutip.sigmax(), qutip.Qobj(lower)
    told = [Z / hbar, [X / hbar, lambda t: 0.4 * np.sin(t)], [L / hbar, lambda t: 0.4 * np.exp(1.2j * t)]]
    told += [[L.dag() / hbar, lambda t: 0.4 * np.exp(-1.2j * t)]]
    jumps = [qutip.QobjEvo([[L, lambda t: 0.7 * np.exp(-0.3 * t)]]), 0.2 * X]
    wanted = qutip.mesolve(told, qutip.basis(2, 0), TIMES, c_ops=jumps).states[-1]
    np.testing.assert_allclose(found.full(), wanted.full(), atol=1e-5)
    both = sq.models.suv([0.0, 1.0], strength=2.0)
    modulated = sq.channels.Modulated(both.channels[0], lambda t: jnp.exp(-t))
    _, several = sq.models.unravel([0.0, 1.0], [modulated]).to_qutip()
    for fades, constant in zip(several, both.to_qutip()[1], strict=True):
        np.testing.assert_allclose(fades(0.5).full(), np.exp(-0.5) * constant.full(), atol=1e-12)
    frozen, (jump, _) = equation.to_qutip(0.5)
    assert isinstance(frozen, qutip.Qobj) and frozen == driven.to_qutip(0.5) / hbar
    np.testing.assert_allclose(jump.full(), 0.7 * np.exp(-0.15) * lower, atol=1e-12)


def test_filtered_states_keep_their_dims():
    equation = sq.models.monitored(H, {"c": sq.measurement.homodyne(LEAK, efficiency=0.0)})
    record = sq.inference.Record(TIMES, [0.1, -0.2], ["c"])
    states = sq.inference.filter(equation, PSI, record, density=True, method="kraus").to_qutip()
    assert states[0][-1].dims == H.dims
    assert np.isclose(states[0][-1].tr(), 1.0)
    with pytest.raises(ValueError, match="^density: expected density matrices; filter with density=True"):
        sq.inference.filter(equation, PSI, record, method="kraus").to_qutip()


def test_without_states_there_is_nothing_to_hand_over():
    equation = sq.models.suv([0.0, 0.0], strength=1.0)
    run = sq.simulate(equation, [0.6, 0.8], [0.0, 1.0], observables={"p": [1.0, 0.0]}, trajectories=4, dt=0.5)
    with pytest.raises(ValueError, match="^result: expected states, of a run with keep="):
        run.to_qutip()
    coloured = sq.models.suv([0.0, 0.0], strength=1.0, noise="unitary", colour=sq.noise.OrnsteinUhlenbeck(0.1))
    with pytest.raises(ValueError, match="^equation: expected white noise"):
        coloured.to_qutip()


def test_density_matrices_of_parts():
    """Of sites, whose bits begin with the lowest, and of a composite system: in the order in which they are named."""
    up, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    tilted = np.array([0.6, 0.8])
    psi = np.kron(np.kron(up, tilted), down)  # sites 2, 1, 0
    observables = {"pair": sq.Reduced([1, 0])}
    equation = sq.models.suv(sq.systems.ising(3, coupling=0.0, transverse=0.0), strength=1e-9)
    run = {"trajectories": 2, "dt": 0.1}
    (_, rho) = sq.simulate(equation, psi, [0.0, 0.1], observables=observables, **run).to_qutip().reduced["pair"]
    assert rho.dims == [[2, 2], [2, 2]]
    for place, one in enumerate((tilted, down)):
        np.testing.assert_allclose(rho.ptrace(place).full(), np.outer(one, one), atol=1e-5)
    joint = sq.systems.tensor(a=np.diag([0.0, 0.1, 0.2]), b=np.zeros((2, 2)), c=np.zeros((2, 2)))
    equation = sq.models.unravel(joint, [joint.embed(np.diag([0.0, 1e-4]), "b")])
    observables = {"b, a": sq.Reduced(joint.part(["b", "a"]))}
    start = joint.product(a=[1.0, 0.0, 0.0], b=tilted, c=up)
    (_, rho) = sq.simulate(equation, start, [0.0, 0.1], observables=observables, **run).to_qutip().reduced["b, a"]
    assert rho.dims == [[2, 3], [2, 3]]
    np.testing.assert_allclose(rho.ptrace(0).full(), np.outer(tilted, tilted), atol=1e-4)
