"""The thermalizing sweep is of weak order 2 beyond its linear averages, measured on shared paths."""

import jax.numpy as jnp
import numpy as np
import pytest

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


@pytest.mark.optimised
def test_complex_noise_and_even_weights():
    """The limit is that of the Wright-Fisher diffusion, E Σp² = .4 + (Σp²(0) − .4) e^{−2.5at} for d = 4."""
    equation = sq.models.oqt(
        sq.systems.levels([0.0, 0.0, 0.0, 0.0]), strength=1.0, equilibrium=[0.25] * 4, noise="complex"
    )
    exact = 0.4 + (np.sum(np.abs(PSI) ** 4) - 0.4) * np.exp(-2.5 * DURATION)
    values, errors = zip(*(_purity_after(equation, steps, Strang()) for steps in (2, 4)), strict=True)
    measured, error = order(values[0] - exact, errors[0], values[1] - exact, errors[1])
    assert error < 0.2 and abs(measured - 2) < 0.5, (measured, error)
    limit = (4 * values[1] - values[0]) / 3
    judge_mean(limit, np.hypot(4 * errors[1], errors[0]) / 3, exact, "E Σp²")


def _purity_after(equation, steps, scheme):
    """E Σp² and its standard error: drawn decisions couple two step lengths too little for shared paths to pay."""
    options = {"trajectories": 2**21, "dt": DURATION / steps, "scheme": scheme}
    result = sq.simulate(equation, PSI, [0.0, DURATION], observables={"p": _purity}, **options)
    return result.mean["p"][-1], result.stderr["p"][-1]


def _uneven():
    return sq.models.oqt(sq.systems.levels([0.0, 1.0, 2.2, 3.0]), strength=1.0, equilibrium=[0.5, 0.3, 0.15, 0.05])


@pytest.mark.release
def test_real_noise_uneven_weights_and_a_hamiltonian():
    measured, error = _order(_levels(_uneven(), (1, 2)))
    assert error < 0.2 and abs(measured - 2) < 0.5, (measured, error)
