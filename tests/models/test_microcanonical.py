"""The microcanonical window with conserved quantities on degenerate levels, against constructions in plain numpy."""

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.systems.banded import Banded
from stochq.systems.basis import energy_columns
from stochq.systems.degenerate import sharp_eigenvectors

SWAP = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
PLUS = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)


def _density(hamiltonian, chi):
    vectors = energy_columns(hamiltonian) if chi.eigenvectors is None else chi.eigenvectors
    return vectors @ np.diag(np.asarray(chi)) @ vectors.conj().T


@pytest.mark.release
def test_a_swapped_pair_thermalizes_to_its_symmetric_state():
    levels = sq.systems.levels([0.0, 0.0, 1.0])
    chi = sq.microcanonical(levels, PLUS, conserved=[SWAP])
    np.testing.assert_allclose(_density(levels, chi), np.outer(PLUS, PLUS), atol=1e-12)
    assert chi.window.states == 1
    start = np.array([0.0, 0.0, 1.0])
    symmetric = np.outer(PLUS, PLUS)
    for equation in (
        sq.models.oqt(levels, strength=1.0, equilibrium=chi),
        sq.models.oqt(levels, strength=1.0, equilibrium=(2 * chi) / 2),
        sq.models.sui(levels, reduction=0.0, thermalization=1.0, equilibrium=chi),
    ):
        exact = sq.exact.evolve(equation, start, [0.0, 0.7], observables={"plus": symmetric})
        np.testing.assert_allclose(exact.expect["plus"][-1], 1 - np.exp(-0.7), atol=1e-9)
    run = sq.simulate(equation, start, [0, 0.7], observables={"plus": symmetric}, trajectories=4000, dt=0.07)
    assert abs(run.mean["plus"][-1] - (1 - np.exp(-0.7))) < 5 * run.stderr["plus"][-1] + 1e-4
    closed = sq.exact.oqt_closed_form(levels, start, [0.0, 0.7], rate=1.0, equilibrium=chi)
    np.testing.assert_allclose(np.trace(closed[-1] @ symmetric).real, 1 - np.exp(-0.7), atol=1e-12)


def _random_case(rng):
    """Six levels in three energies, with two quantum numbers, in a random basis; a state of some of them."""
    unitary = np.linalg.qr(rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6)))[0]
    energies = np.sort(rng.choice([0.0, 1.0, 2.5], 6))
    numbers = rng.integers(-1, 2, (2, 6)).astype(float)
    amplitudes = (rng.normal(size=6) + 1j * rng.normal(size=6)) * (rng.random(6) < 0.6)
    amplitudes[rng.integers(6)] += 1
    return unitary, energies, numbers, amplitudes / np.linalg.norm(amplitudes)


def test_random_degenerate_levels():
    rng, refused = np.random.default_rng(5), 0
    for _ in range(200):
        unitary, energies, numbers, amplitudes = _random_case(rng)
        matrix, *operators = (unitary @ np.diag(values) @ unitary.conj().T for values in (energies, *numbers))
        inside = np.ones(6, bool)
        for values in (energies, *numbers):
            mean = np.abs(amplitudes) ** 2 @ values
            deviation = np.sqrt(np.abs(amplitudes) ** 2 @ (values - mean) ** 2)
            inside &= np.abs(values - mean) <= deviation + 1e-7
        system, psi = sq.systems.levels((matrix + matrix.conj().T) / 2), unitary @ amplitudes
        if not inside.any():
            refused += 1
            with pytest.raises(ValueError, match="holds an eigenstate"):
                sq.microcanonical(system, psi, conserved=operators)
            continue
        chi = sq.microcanonical(system, psi, conserved=operators)
        expected = unitary @ np.diag(inside / inside.sum()) @ unitary.conj().T
        np.testing.assert_allclose(_density(system, chi), expected, atol=1e-7)
    assert refused < 100


def test_eigenvectors_that_are_sharp_already_stay():
    chain = sq.systems.xxz(4, 1.0, 0.5)
    psi = np.eye(16)[0b0011]
    assert sq.microcanonical(chain, psi, conserved=["total_sz", "parity"]).eigenvectors is None


def test_momentum_and_flip_of_a_ring():
    """A state of momentum 0, even under the flip, thermalizes to such eigenstates only."""
    ring = sq.systems.ising(4, 1.0, 0.7, periodic=True)
    psi = np.zeros(16)
    psi[[0b0001, 0b0010, 0b0100, 0b1000, 0b1110, 0b1101, 0b1011, 0b0111]] = 8**-0.5
    chi = sq.microcanonical(ring, psi, conserved=["momentum", "spin_flip"])
    rho = _density(ring, chi)
    moved = [((s << 1) & 15) | (s >> 3) for s in range(16)]
    translation = np.eye(16)[:, moved]
    flip = np.eye(16)[::-1]
    np.testing.assert_allclose(translation @ rho, rho, atol=1e-10)
    np.testing.assert_allclose(flip @ rho, rho, atol=1e-10)
    np.testing.assert_allclose(ring.matrix() @ rho, rho @ ring.matrix(), atol=1e-10)
    assert np.trace(rho).real == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"conserved\[1\] = 'parity': .* commutes with conserved\[0\] = 'momentum'"):
        sq.microcanonical(ring, psi, conserved=["momentum", "parity"])


def test_the_momentum_of_a_free_particle():
    free = sq.systems.particle(16, 8.0, 1.0)
    wave = np.exp(2j * np.pi * 2 * np.arange(16) / 16) / 4
    chi = sq.microcanonical(free, wave, conserved=[free.operators["momentum"].matrix()])
    np.testing.assert_allclose(_density(free, chi), np.outer(wave, wave.conj()), atol=1e-10)
    equation = sq.models.oqt(free, strength=1.0, equilibrium=chi)
    exact = sq.exact.evolve(equation, free.gaussian(0.0, 0.6), [0.0, 50.0])
    np.testing.assert_allclose(exact.density[-1], np.outer(wave, wave.conj()), atol=1e-9)


@pytest.mark.parametrize("kind", ["driven", "banded"])
def test_other_eigenvectors_leave_the_hamiltonian_as_it_is(kind):
    static = sq.systems.levels(np.diag([0.0, 0.0, 1.0]))
    system = sq.systems.driven(static, [SWAP], [lambda t: jnp.cos(t)])
    if kind == "banded":
        system = Banded((0,), [[0.0, 0.0, 1.0]])
    turned = system.with_eigenvectors(sharp_eigenvectors(np.array([0.0, 0.0, 1.0]), np.eye(3), {"s": SWAP})[0])
    assert type(turned) is type(system)
    np.testing.assert_allclose(turned.matrix(0.3), system.matrix(0.3), atol=1e-14)
    np.testing.assert_allclose(np.abs(turned.eigenvectors[:, 1]), PLUS, atol=1e-12)


def test_what_does_not_commute_is_refused():
    levels = sq.systems.levels([0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"conserved\[0\]: .* commutes with the Hamiltonian"):
        sq.microcanonical(levels, PLUS, conserved=[SWAP])
    with pytest.raises(ValueError, match=r"conserved\[1\]: .* commutes with conserved\[0\]"):
        sq.microcanonical(np.zeros(3), PLUS, conserved=[SWAP, np.array([1.0, 0.0, 0.0])])
    with pytest.raises(ValueError, match=r"conserved\[0\]: expected one of population_0"):
        sq.microcanonical(levels, PLUS, conserved=["charge"])
    with pytest.raises(ValueError, match=r"conserved\[0\]: expected a Hermitian matrix"):
        sq.microcanonical(levels, PLUS, conserved=[np.triu(np.ones((3, 3)))])


def test_weights_keep_their_eigenvectors_or_refuse():
    levels = sq.systems.levels([0.0, 0.0, 1.0])
    chi = sq.microcanonical(levels, PLUS, conserved=[SWAP])
    other = sq.microcanonical(levels, PLUS)
    with pytest.raises(ValueError, match="equilibrium: .*cannot be combined"):
        chi + other
    assert ((chi + chi) / 2).eigenvectors is chi.eigenvectors
    for wrong in ([0.0, 0.5, 1.0], np.zeros((3, 3)) + np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1), np.zeros(4)):
        with pytest.raises(ValueError, match="equilibrium: "):
            sq.models.oqt(wrong, strength=1.0, equilibrium=chi)
