"""The thermalizing sweep is of weak order 2 beyond its linear averages, measured on shared paths."""

import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.schemes import Strang
from tests.judging import judge_mean
from tests.schemes.refinement import level, order

DURATION, TRAJECTORIES = 1.6, 2**18
PSI = sq.normalize(np.array([0.1, 0.2, 0.3, 1.0]) * np.exp(1j * np.arange(4)))


def _purity(psi):
    """Σp²: how far the populations are from even."""
    return jnp.sum(jnp.square(psi.real * psi.real + psi.imag * psi.imag))


def _levels(equation, steps):
    observables = {"purity": _purity}
    return [level(equation, PSI, DURATION, n, Strang(), observables, TRAJECTORIES) for n in steps]


def _order(levels):
    coarse, fine = levels
    return order(coarse.difference, coarse.difference_error, fine.difference, fine.difference_error)


def test_complex_noise_and_even_weights():
    """The limit is that of the Wright-Fisher diffusion, E Σp² = .4 + (Σp²(0) − .4) e^{−2.5at} for d = 4."""
    equation = sq.models.oqt(
        sq.systems.levels([0.0, 0.0, 0.0, 0.0]), strength=1.0, equilibrium=[0.25] * 4, noise="complex"
    )
    levels = _levels(equation, (2, 4))
    measured, error = _order(levels)
    assert error < 0.2 and abs(measured - 2) < 0.5, (measured, error)
    exact = 0.4 + (np.sum(np.abs(PSI) ** 4) - 0.4) * np.exp(-2.5 * DURATION)
    fine = levels[1]
    # Richardson's limit from 4 and 8 steps, f(8) − D(4)/3.
    limit = fine.value - fine.difference / 3
    judge_mean(limit, np.hypot(fine.value_error, fine.difference_error / 3), exact, "E Σp²")


def test_real_noise_uneven_weights_and_a_hamiltonian():
    equation = sq.models.oqt(sq.systems.levels([0.0, 1.0, 2.2, 3.0]), strength=1.0, equilibrium=[0.5, 0.3, 0.15, 0.05])
    measured, error = _order(_levels(equation, (1, 2)))
    assert error < 0.2 and abs(measured - 2) < 0.5, (measured, error)
