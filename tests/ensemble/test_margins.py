"""Where a basis ends: runs that reach it are told, and what watches for it takes nothing from observables."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq

TIMES = np.array([0.0, 0.5, 1.0])
DRIVE = 2.0


def _pumped(cutoff, drive=DRIVE):
    """A resonantly driven cavity that hardly leaks."""
    cavity = sq.systems.kerr(cutoff, detuning=0.0, kerr=0.0, drive=drive)
    lowering = np.diag(np.sqrt(np.arange(1.0, cutoff)), 1)
    return sq.models.unravel(cavity, [0.01 * lowering]), np.eye(cutoff)[0]


def _run(equation, psi0, observables=None, **options):
    observables = {"n": np.arange(float(equation.dim))} if observables is None else observables
    arguments = {"observables": observables, "trajectories": 64, "dt": 0.05, "seed": 3} | options
    return sq.simulate(equation, psi0, TIMES, **arguments)


def test_a_cavity_that_fills_its_fock_space_is_told_of():
    equation, vacuum = _pumped(6)
    with pytest.warns(UserWarning, match=r"^the highest of the 6 Fock states gained a probability of") as told:
        result = _run(equation, vacuum)
    assert len(told) == 1 and told[0].filename == __file__
    hamiltonian = DRIVE * (np.diag(np.sqrt(np.arange(1.0, 6)), 1) + np.diag(np.sqrt(np.arange(1.0, 6)), -1))
    highest = max(abs(expm(-1j * t * hamiltonian)[-1, 0]) ** 2 for t in TIMES)
    # The loss of 10⁻⁴ of the photons moves it by less.
    assert result.info["cutoff_weight"] == pytest.approx(highest, rel=0.01)
    assert list(result.mean) == ["n"]


def test_the_exact_solution_tells_of_it_too():
    equation, vacuum = _pumped(6)
    with pytest.warns(UserWarning, match=r"^the highest of the 6 Fock states gained a probability of") as told:
        sq.exact.evolve(equation, vacuum, TIMES)
    assert len(told) == 1 and told[0].filename == __file__
    roomy, vacuum = _pumped(30)
    sq.exact.evolve(roomy, vacuum, TIMES)


def test_one_with_room_is_not():
    equation, vacuum = _pumped(30)
    assert _run(equation, vacuum).info["cutoff_weight"] < 1e-6


def test_a_state_that_begins_in_the_highest_level_may_decay():
    lowering = np.diag(np.sqrt(np.arange(1.0, 4)), 1)
    equation = sq.models.unravel(sq.systems.oscillator(4), [lowering])
    assert _run(equation, np.eye(4)[3]).info["cutoff_weight"] == pytest.approx(1.0)


def test_brownian_motion_that_heats_is_told_of():
    oscillator = sq.systems.oscillator(8)
    hot = sq.models.brownian(oscillator, friction=1.0, beta=0.2)
    with pytest.warns(UserWarning, match=r"^the highest of the 8 Fock states"):
        _run(hot, oscillator.fock(0), dt=0.02)


def test_a_part_of_a_composite_system_is_named():
    joint = sq.systems.tensor(spin=[0.0, 1.0], cavity=sq.systems.kerr(5, detuning=0.0, kerr=0.0, drive=DRIVE))
    equation = sq.models.unravel(joint, [joint.embed(np.diag([1.0, -1.0]), "spin")])
    with pytest.warns(UserWarning, match=r"^cavity: the highest of the 5 Fock states") as told:
        result = _run(equation, joint.product([0.6, 0.8], np.eye(5)[0]))
    assert len(told) == 1
    hamiltonian = DRIVE * (np.diag(np.sqrt(np.arange(1.0, 5)), 1) + np.diag(np.sqrt(np.arange(1.0, 5)), -1))
    highest = max(abs(expm(-1j * t * hamiltonian)[-1, 0]) ** 2 for t in TIMES)
    assert result.info["cutoff_weight of cavity"] == pytest.approx(highest, rel=1e-3)


def _packet(position, momentum=0.0):
    grid = sq.systems.particle(64, 20.0, mass=1.0, potential=None)
    return grid, grid.gaussian(position, 0.8, momentum)


def test_a_driven_particle_is_watched_as_one_that_is_not():
    grid, late = _packet(3.0, momentum=6.0)
    equation = sq.models.unravel(sq.systems.driven(grid, [(grid.coordinates[0], jnp.cos)]), [])
    with pytest.warns(UserWarning) as told:
        _run(equation, late, {"x": grid.operators["position"]}, trajectories=2)
    messages = [str(one.message) for one in told]
    assert any(message.startswith("the wave function reached the edge of the box") for message in messages), messages
    moved = np.roll(_packet(0.0)[1], 31)
    with pytest.raises(ValueError, match=r"^psi0: expected a packet away from the box's edge"):
        _run(equation, moved, {"x": grid.operators["position"]}, trajectories=2)


def test_a_particle_that_is_a_part_is_watched_along_its_axis():
    grid, packet = _packet(3.0, momentum=6.0)
    joint = sq.systems.tensor(spin=[0.0, 1.0], motion=grid)
    equation = sq.models.unravel(joint, [joint.embed(np.diag([1.0, -1.0]), "spin")])
    times = np.array([0.0, 0.5, 1.0])
    with pytest.warns(UserWarning, match="^motion: the wave function reached the edge of the box") as told:
        result = _run(equation, joint.product([0.6, 0.8], packet), {"spin": np.kron([0.0, 1.0], np.ones(64))})
    assert len(told) == 1
    # The free packet by Fourier transforms; collapse of the spin leaves it alone.
    momenta = 2 * np.pi * np.fft.fftfreq(64, 20.0 / 64)
    evolved = [np.fft.ifft(np.exp(-0.5j * t * momenta**2) * np.fft.fft(packet)) for t in times]
    outer = np.r_[np.arange(3), np.arange(61, 64)]
    weight = max(np.sum(np.abs(psi[outer]) ** 2) for psi in evolved)
    assert result.info["edge_weight of motion"] == pytest.approx(weight, abs=1e-4)
    with pytest.raises(ValueError, match="^psi0: of motion, expected a packet away from the box's edge"):
        _run(equation, joint.product([0.6, 0.8], np.roll(_packet(0.0)[1], 31)), {"s": np.ones(128)})


def test_hidden_observables_take_no_points_of_the_covariance():
    equation, vacuum = _pumped(30)
    times = np.linspace(0.0, 0.1, 101)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sq.simulate(
            equation, vacuum, times, observables={"n": np.arange(30.0)}, trajectories=64, dt=0.001, seed=3
        )
    assert len(result.covariance_points) == 100
