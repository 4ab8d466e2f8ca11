"""Quantum Brownian motion in a Fock basis against the same equation in phase space."""

import numpy as np
import pytest
import scipy.linalg

import stochq as sq

MASS, FREQUENCY, HBAR = 1.3, 0.8, 0.9


def _moments(friction, beta, cross, position, squeezing, in_position, mean, covariance, time):
    """Mean and covariance by integrating dV/dt = AV + VA^T + B of `brownian-balance` eqs. 7-10 exactly."""
    momentum = MASS * friction / beta
    if position is None:
        position = (HBAR**2 * (friction + in_position) ** 2 / 16 + cross**2) / momentum
    drift = np.array([[squeezing - in_position, 1 / MASS], [-MASS * FREQUENCY**2, -(squeezing + friction)]])
    diffusion = 2 * np.array([[position, cross], [cross, momentum]])
    generator = np.kron(drift, np.eye(2)) + np.kron(np.eye(2), drift)
    steady = -np.linalg.solve(generator, diffusion.ravel())
    later = scipy.linalg.expm(generator * time) @ (covariance.ravel() - steady) + steady
    return scipy.linalg.expm(drift * time) @ mean, later.reshape(2, 2)


@pytest.mark.parametrize(
    ("cross", "position", "squeezing", "in_position"),
    [(0.0, None, 0.0, 0.0), (0.07, None, 0.1, 0.0), (-0.05, 0.2, -0.1, 0.2), (0.0, 0.15, 0.0, 0.3)],
)
@pytest.mark.sweep(2)
def test_means_and_covariances_are_those_of_phase_space(cross, position, squeezing, in_position):
    friction, beta, alpha, time = 0.4, 3.0, 0.6 - 0.4j, 1.5
    system = sq.systems.oscillator(36, frequency=FREQUENCY, mass=MASS, hbar=HBAR)
    options = {"cross_diffusion": cross, "squeezing": squeezing, "position_friction": in_position}
    options |= {} if position is None else {"position_diffusion": position}
    equation = sq.models.brownian(system, friction=friction, beta=beta, **options)
    q, p = system.operators["position"], system.operators["momentum"]
    watched = {"q": q, "p": p, "qq": system.operators["position_squared"], "pp": system.operators["momentum_squared"]}
    watched["qp"] = (q @ p + p @ q) / 2
    got = {name: x[-1] for name, x in sq.exact.evolve(
        equation, system.coherent(alpha), [0.0, time], observables=watched, method="ode").expect.items()}  # fmt: skip
    unit = MASS * FREQUENCY
    mean = np.array([np.sqrt(2 * HBAR / unit) * alpha.real, np.sqrt(2 * HBAR * unit) * alpha.imag])
    vacuum = np.diag([HBAR / (2 * unit), HBAR * unit / 2])
    mean, covariance = _moments(friction, beta, cross, position, squeezing, in_position, mean, vacuum, time)
    np.testing.assert_allclose([got["q"], got["p"]], mean, atol=1e-6)
    second = covariance + np.outer(mean, mean)
    np.testing.assert_allclose([got["qq"], got["qp"], got["pp"]], second[[0, 0, 1], [0, 1, 1]], atol=2e-5)
    phase = sq.gaussian.brownian(MASS, FREQUENCY, friction, beta, hbar=HBAR, **options)
    assert phase.is_completely_positive()


@pytest.mark.release
def test_trajectories_have_the_same_means():
    system = sq.systems.oscillator(16)
    options = {
        "friction": 0.3,
        "beta": 2.0,
        "cross_diffusion": 0.05,
        "position_diffusion": 0.2,
        "position_friction": 0.1,
    }
    equation = sq.models.brownian(system, **options)
    assert equation.channels[0].count == 2
    watched = {"number": system.operators["number"], "q": system.operators["position"]}
    psi = system.coherent(0.5j)
    run = sq.simulate(equation, psi, [0.0, 1.0], observables=watched, trajectories=4000, dt=0.02)
    exact = sq.exact.evolve(equation, psi, [0.0, 1.0], observables=watched)
    for name in watched:
        assert abs(run.mean[name][-1] - exact.expect[name][-1]) < 5 * run.stderr[name][-1] + 2e-3


def test_what_is_not_completely_positive_is_refused():
    """The least is D_qq = (D_qp^2 + (eta + xi)^2/16)/D_pp = (.0025 + .01)/.15 = 1/12 with hbar = m = 1."""
    system, options = sq.systems.oscillator(8), {"friction": 0.3, "beta": 2.0}
    options |= {"cross_diffusion": 0.05, "position_friction": 0.1}
    with pytest.raises(ValueError, match=r"position_diffusion: expected at least 0.0833333.*not completely positive"):
        sq.models.brownian(system, position_diffusion=0.083, **options)
    assert sq.models.brownian(system, position_diffusion=1 / 12, **options).channels[0].count == 2
    for name, value in {"position_diffusion": "least", "position_friction": -0.1, "cross_diffusion": np.nan}.items():
        with pytest.raises(ValueError, match=f"^{name}: "):
            sq.models.brownian(system, **{**options, name: value})
