"""Composite systems against Kronecker products, QuTiP's master equation and the closed form of Jaynes and Cummings."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import qutip

import stochq as sq

RNG = np.random.default_rng(3)
LEVELS = 5
DESTROY = np.diag(np.sqrt(np.arange(1.0, LEVELS)), 1)
LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])
EXCITED = np.diag([0.0, 1.0])


def hermitian(dim):
    matrix = RNG.normal(size=(dim, dim)) + 1j * RNG.normal(size=(dim, dim))
    return matrix + matrix.conj().T


def jaynes_cummings(cutoff=LEVELS, coupling=0.3):
    a = np.diag(np.sqrt(np.arange(1.0, cutoff)), 1)
    terms = [(coupling, {"cavity": a, "atom": LOWER.T}), (coupling, {"cavity": a.T, "atom": LOWER})]
    return sq.systems.tensor(cavity=np.arange(float(cutoff)), atom=[0.0, 1.0], coupling=terms)


def test_three_parts_are_the_sum_of_kronecker_products():
    one, two, three = hermitian(3), np.array([0.2, -0.7]), hermitian(4)
    left, right = hermitian(3), hermitian(4)
    system = sq.systems.tensor(a=one, b=two, c=three, coupling=[(0.5, {"a": left, "c": right}), {"b": [1.0, -1.0]}])
    unit = np.eye
    wanted = np.kron(np.kron(one, unit(2)), unit(4)) + np.kron(np.kron(unit(3), np.diag(two)), unit(4))
    wanted = wanted + np.kron(unit(6), three) + 0.5 * np.kron(np.kron(left, unit(2)), right)
    wanted = wanted + np.kron(np.kron(unit(3), np.diag([1.0, -1.0])), unit(4))
    np.testing.assert_allclose(system.matrix(), wanted, atol=1e-12)
    np.testing.assert_allclose(system.energies, np.linalg.eigvalsh(wanted), atol=1e-12)
    psi = RNG.normal(size=24) + 1j * RNG.normal(size=24)
    np.testing.assert_allclose(system.apply(0.0, psi), wanted @ psi, rtol=1e-5)
    assert system.dims == (3, 2, 4) and system.names == ("a", "b", "c")


@pytest.mark.parametrize("part, before, after", [("a", 1, 8), ("b", 3, 4), ("c", 6, 1)])
def test_an_operator_of_a_part_is_its_kronecker_product(part, before, after):
    system = sq.systems.tensor(a=np.arange(3.0), b=[0.0, 1.0], c=np.arange(4.0))
    dim = 24 // before // after
    operator = RNG.normal(size=(dim, dim)) + 1j * RNG.normal(size=(dim, dim))
    wanted = np.kron(np.kron(np.eye(before), operator), np.eye(after))
    lifted = system.embed(operator, part)
    np.testing.assert_allclose(lifted.matrix(), wanted, atol=1e-7)
    psi = RNG.normal(size=24) + 1j * RNG.normal(size=24)
    np.testing.assert_allclose(lifted(psi), np.vdot(psi, wanted @ psi), rtol=1e-5)
    rho = np.outer(psi, psi.conj()) + np.eye(24)
    np.testing.assert_allclose(lifted.of_density(rho), np.trace(wanted @ rho), rtol=1e-5)
    real, imaginary = lifted.hermitian_parts()
    np.testing.assert_allclose(real.matrix(), (wanted + wanted.conj().T) / 2, atol=1e-6)
    np.testing.assert_allclose(imaginary.matrix(), (wanted - wanted.conj().T) / 2j, atol=1e-6)
    assert real.hermitian and imaginary.hermitian
    assert not lifted.hermitian and system.embed(operator + operator.conj().T, part).hermitian


def test_products_and_reduced_states_of_parts():
    system = sq.systems.tensor(a=np.arange(3.0), b=[0.0, 1.0], c=np.arange(4.0))
    kets = [RNG.normal(size=dim) + 1j * RNG.normal(size=dim) for dim in (3, 2, 4)]
    kets = [ket / np.linalg.norm(ket) for ket in kets]
    psi = system.product(*kets)
    np.testing.assert_allclose(psi, np.kron(np.kron(kets[0], kets[1]), kets[2]))
    np.testing.assert_allclose(system.product(c=kets[2], a=kets[0], b=kets[1]), psi)
    np.testing.assert_allclose(system.product(*map(qutip.Qobj, kets)), psi)
    wanted = np.kron(np.outer(kets[2], kets[2].conj()), np.outer(kets[0], kets[0].conj()))
    np.testing.assert_allclose(system.reduced(psi, ["c", "a"]), wanted, atol=1e-6)
    np.testing.assert_allclose(system.reduced(np.outer(psi, psi.conj()), ["c", 0]), wanted, atol=1e-6)
    np.testing.assert_allclose(system.reduced(psi, "b"), np.outer(kets[1], kets[1].conj()), atol=1e-6)


def test_operators_are_named_by_part():
    system = sq.systems.tensor(cavity=sq.systems.oscillator(3, frequency=2.0), atom=[0.0, 1.0])
    np.testing.assert_allclose(system.operators["cavity:number"], [0, 0, 1, 1, 2, 2])
    np.testing.assert_allclose(system.operators["atom:population_1"], [0, 1] * 3)
    x = np.asarray(sq.systems.oscillator(3, frequency=2.0).operators["position"])
    np.testing.assert_allclose(system.operators["cavity:position"].matrix(), np.kron(x, np.eye(2)), atol=1e-7)
    psi = np.eye(6)[3]
    assert float(system.operators["energy"](psi)) == pytest.approx(float(system.matrix()[3, 3].real), rel=1e-6)


def test_a_composite_tells_its_parts():
    assert repr(jaynes_cummings()) == f"Composite of {2 * LEVELS} states: cavity of {LEVELS}, atom of 2; coupled"
    matrix = jaynes_cummings().embed(DESTROY, "cavity").matrix()
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, np.kron(DESTROY, np.eye(2)))


def test_vacuum_rabi_oscillations():
    """The excited atom in the empty cavity: p = cos²(gt/ħ)."""
    system, times = jaynes_cummings(), np.linspace(0, 10, 11)
    psi0 = system.product(np.eye(LEVELS)[0], [0, 1])
    watched = {"excited": system.embed(EXCITED, "atom")}
    exact = sq.exact.evolve(sq.models.unravel(system, []), psi0, times, observables=watched)
    np.testing.assert_allclose(exact.expect["excited"], np.cos(0.3 * times) ** 2, atol=1e-8)


def test_local_decay_is_that_of_the_master_equation():
    """Operators of parts and their Kronecker products make the same trajectories; their mean is QuTiP's."""
    import qutip

    system, times = jaynes_cummings(), np.linspace(0, 4, 5)
    psi0 = system.product(np.eye(LEVELS)[0], [0, 1])
    jumps = [system.embed(0.4 * DESTROY, "cavity"), system.embed(0.3 * LOWER, "atom")]
    watched = {"number": system.embed(np.arange(float(LEVELS)), "cavity"), "a": system.embed(DESTROY, "cavity")}
    settings = dict(times=times, trajectories=500, dt=0.1, seed=5)
    ours = sq.simulate(sq.models.unravel(system, jumps), psi0, observables=watched, **settings)
    matrices = [np.asarray(jump.matrix()) for jump in jumps]
    dense = sq.models.unravel(np.asarray(system.matrix()), matrices)
    written = {name: np.asarray(operator.matrix()) for name, operator in watched.items()}
    other = sq.simulate(dense, psi0, observables=written, **settings)
    for name in watched:
        np.testing.assert_allclose(ours.mean[name], other.mean[name], atol=1e-5)
    qobj = qutip.Qobj(np.asarray(system.matrix()))
    solved = qutip.mesolve(qobj, qutip.Qobj(psi0), times, [qutip.Qobj(each) for each in matrices],
                           e_ops=[qutip.Qobj(written["number"])])  # fmt: skip
    z = (ours.mean["number"][1:] - solved.expect[0][1:]) / ours.stderr["number"][1:]
    assert np.abs(z).max() < 4
    exact = sq.exact.evolve(sq.models.unravel(system, jumps), psi0, times, observables=watched)
    np.testing.assert_allclose(exact.expect["number"], solved.expect[0], atol=1e-5)


def test_parts_stand_among_the_observables():
    """Of one excitation shared by both the atom has the levels cos² and sin²."""
    system, times = jaynes_cummings(3), np.linspace(0, 3, 4)
    psi0 = system.product(np.eye(3)[0], [0, 1])
    atom = system.part("atom")
    watched = {"entropy": sq.Entropy(atom), "purity": sq.Purity(system.part("cavity")), "rho": sq.Reduced(atom)}
    run = sq.simulate(sq.models.unravel(system, []), psi0, times, observables=watched, trajectories=2, dt=0.1)
    shares = np.array([np.sin(0.3 * times) ** 2, np.cos(0.3 * times) ** 2])
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=0)
    np.testing.assert_allclose(run.mean["entropy"], entropy, atol=1e-5)
    np.testing.assert_allclose(run.mean["purity"], (shares**2).sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(np.einsum("tii->it", run.statistics["rho"][0]), shares, atol=1e-5)
    far = sq.Distance(atom, np.diag([0.0, 1.0]))(psi0)
    assert float(far) == pytest.approx(0, abs=1e-6)


LARGE = (20, 2, 15)


def large(coupled):
    a, b = (np.diag(np.sqrt(np.arange(1.0, dim)), 1) for dim in (LARGE[0], LARGE[2]))
    coupling = [(0.05, {0: a + a.T, 2: b + b.T})] if coupled else []
    return sq.systems.tensor(np.arange(20.0), [[0.0, 0.4], [0.4, 0.3]], 0.7 * np.arange(15.0), coupling=coupling)


def test_uncoupled_parts_are_propagated_exactly():
    system = large(coupled=False)
    kets = [np.eye(20)[3], np.array([0.6, 0.8j]), np.full(15, 15**-0.5)]
    psi = jnp.asarray(system.product(*kets), np.complex64)
    parts = [np.diag(np.arange(20.0)), np.array([[0.0, 0.4], [0.4, 0.3]]), np.diag(0.7 * np.arange(15.0))]
    wanted = system.product(*(_evolved(part, ket, 2.0) for part, ket in zip(parts, kets, strict=True)))
    np.testing.assert_allclose(system.propagator(2.0)(0.0, psi), wanted, atol=2e-5)


def _evolved(matrix, ket, t):
    energies, vectors = np.linalg.eigh(matrix)
    return vectors @ (np.exp(-1j * energies * t) * (vectors.conj().T @ ket))


def test_the_splitting_of_coupled_parts_is_of_order_two():
    system = large(coupled=True)
    psi = np.asarray(system.product(np.eye(20)[1], [0.6, 0.8], np.eye(15)[2]), complex)
    wanted = _evolved(np.asarray(system.matrix()), psi, 0.4)
    errors = []
    with jax.enable_x64(True):
        for steps in (4, 8):
            step, state = system.propagator(0.4 / steps), jnp.asarray(psi)
            for _ in range(steps):
                state = step(0.0, state)
            errors.append(np.linalg.norm(np.asarray(state) - wanted))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1) and errors[1] < 1e-3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.release
def test_no_matrix_of_the_joint_dimension_is_made(tmp_path):
    program = """
import pathlib, re
import numpy as np, stochq as sq
cavity, qubit, mirror = 40, 2, 25
a, b = (np.diag(np.sqrt(np.arange(1.0, n)), 1) for n in (cavity, mirror))
coupling = [(0.1, {"cavity": a.T @ a, "mirror": b + b.T})]
light = sq.systems.oscillator(40, frequency=1.0)
system = sq.systems.tensor(cavity=light, qubit=[0.0, 1.0], mirror=np.arange(25.0), coupling=coupling)
jumps = [system.embed(0.2 * a, "cavity"), system.embed([[0, 0.1], [0, 0]], "qubit"), system.embed(0.1 * b, "mirror")]
psi0 = system.product(np.eye(40)[1], [0.6, 0.8], np.eye(25)[0])
equation = sq.models.unravel(system, jumps)
watched = {"number": system.operators["cavity:number"], "b": system.embed(b, "mirror")}
result = sq.simulate(equation, psi0, [0, 0.05], observables=watched, trajectories=256, dt=0.005)
# That of this program alone: what getrusage tells began with its parent's.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())
print(result.mean["number"][-1], int(peak[1]) / 2**20)
"""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={tmp_path} --xla_dump_hlo_as_text"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    texts = [path.read_text() for path in tmp_path.glob("*.txt")]
    number, gigabytes = map(float, done.stdout.split())
    # A photon leaves at the rate .04: 1 - .04 t to second order.
    assert number == pytest.approx(np.exp(-0.04 * 0.05), abs=5e-3)
    assert gigabytes < 1.5
    assert texts and not any(re.search(r"\[2000,2000\]", text) for text in texts)


WRONG = {
    "parts: expected at least two": lambda: sq.systems.tensor([0.0, 1.0]),
    "parts: expected all of them": lambda: sq.systems.tensor([0.0, 1.0], b=[0.0, 1.0]),
    "coupling: expected a Hermitian": lambda: sq.systems.tensor([0.0, 1.0], [0.0, 1.0], coupling={0: LOWER, 1: LOWER}),
    "coupling[0]: expected one of": lambda: sq.systems.tensor([0.0, 1.0], [0.0, 1.0], coupling={"x": LOWER}),
    "coupling[0]['b']: expected shape": lambda: sq.systems.tensor(a=[0.0, 1.0], b=[0.0, 1, 2], coupling={"b": LOWER}),
    "coupling[0]: expected a product": lambda: sq.systems.tensor([0.0, 1.0], [0.0, 1.0], coupling=[LOWER]),
    "coupling[0], its coefficient: expected finite": lambda: sq.systems.tensor(
        [0.0, 1.0], [0.0, 1.0], coupling=[(np.nan, {0: LOWER + LOWER.T})]
    ),
    "coupling[0], its coefficient: expected an array": lambda: sq.systems.tensor(
        [0.0, 1.0], [0.0, 1.0], coupling=[(jnp.cos, {0: LOWER + LOWER.T})]
    ),
    "operator: expected an array; got Embedded. Write .matrix()": lambda: sq.measurement.homodyne(
        jaynes_cummings().embed(LOWER, "atom")
    ),
    "factor: expected a number": lambda: (
        jaynes_cummings().embed(LOWER, "atom") * jaynes_cummings().embed(LOWER, "atom")
    ),
    "state: expected the parts of": lambda: jaynes_cummings().reduced(
        qutip.tensor(qutip.basis(2, 0), qutip.basis(LEVELS, 0)), "atom"
    ),
    "operator: expected shape": lambda: jaynes_cummings().embed(LOWER, "cavity"),
    "part: expected one of cavity, atom": lambda: jaynes_cummings().embed(LOWER, "qubit"),
    "states: expected one for each": lambda: jaynes_cummings().product([1, 0]),
    "atom: expected a ket": lambda: jaynes_cummings().product(np.eye(LEVELS)[0], [1, 0, 0]),
    "part: expected some of cavity, atom, not all": lambda: jaynes_cummings().reduced(np.eye(10)[0], []),
    "state: expected shape": lambda: jaynes_cummings().reduced(np.eye(4)[0], "atom"),
    "jump_operators[0]: expected an operator on 2": lambda: sq.models.unravel(
        [0.0, 1.0], [jaynes_cummings().embed(LOWER, "atom")]
    ),
    "a: expected a system that does not depend on time": lambda: sq.systems.tensor(
        a=sq.systems.driven([0.0, 1.0], [(LOWER + LOWER.T, jnp.cos)]), b=[0.0, 1.0]
    ),
    "a: expected a system with a matrix": lambda: sq.systems.tensor(a=sq.systems.spins(3, "1.0 Z0 Z1"), b=[0.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_said(message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        WRONG[message]()
