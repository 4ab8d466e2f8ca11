"""Gradients through the ensemble's kernel against closed forms, and fits that recover what was put in.

Every statistical verdict is |z| < 5 with the error of the derivative taken from batches of independent seeds.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

TIMES = np.array([0.0, 0.4, 0.8])
EULER = sq.schemes.EulerMaruyama()


def judged(function, expected, parameter, seeds=12):
    """The mean derivative over seeds against the closed form, by Student's t from the seeds' spread."""
    slopes = np.array([jax.grad(lambda x, s=seed: function(x, s))(parameter) for seed in range(seeds)])
    error = slopes.std(ddof=1) / np.sqrt(seeds)
    assert abs(slopes.mean() - expected) < 5.7 * error + 1e-5, (slopes.mean(), expected, error)  # 1e-4 at 11 dof
    assert error < 0.1 * max(abs(expected), 0.1)


@pytest.mark.release
def test_thermalization_rate():
    """d⟨H⟩/da = −t e^{−at}(E0 − Tr χH)."""
    levels, chi = sq.systems.levels([0.0, 0.5, 1.5]), np.array([0.6, 0.4, 0.0])

    def energy(strength, seed):
        model = sq.models.oqt(levels, strength=strength, equilibrium=chi)
        return sq.expectations(
            model, [0.0, 0.0, 1.0], TIMES, observables={"e": np.array([0.0, 0.5, 1.5])}, trajectories=1024, dt=0.05,
            seed=seed,
        )["e"][-1]  # fmt: skip

    judged(energy, -0.8 * np.exp(-0.7 * 0.8) * (1.5 - 0.2), 0.7)


def test_slopes_stay_finite_where_all_is_in_one_level():
    """p_0 = .7(1 − e^{−at}) from the other level: what the others hold is next to nothing in the first steps."""
    levels = sq.systems.levels([0.0, 0.7])

    def mean(strength, seed):
        model = sq.models.oqt(levels, strength=strength, equilibrium=[0.7, 0.3])
        return sq.expectations(
            model, [0.0, 1.0], TIMES, observables={"p": np.array([1.0, 0.0])}, trajectories=4096, dt=0.1, seed=seed
        )["p"][-1]  # fmt: skip

    judged(mean, 0.7 * 0.8 * np.exp(-0.7 * 0.8), 0.7)


@pytest.mark.release
def test_steps_longer_than_a_period_of_the_hamiltonian():
    """⟨X⟩ = e^{−at}⟨X⟩_0(t) + (1−e^{−at}) Tr χX, with the free motion from the exponential of a fast Hamiltonian."""
    from scipy.linalg import expm

    matrix = np.array([[0.0, 9.0, 0.0], [9.0, 5.0, -7.0], [0.0, -7.0, -6.0]])
    x, psi, chi = np.diag([1.0, 0.0, -1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.3, 0.2])
    vectors = np.linalg.eigh(matrix)[1]
    equilibrium = chi @ (vectors * (x @ vectors)).sum(axis=0)
    moved = expm(-0.8j * matrix) @ psi
    free = (moved.conj() @ x @ moved).real

    def mean(strength, seed):
        model = sq.models.oqt(sq.systems.levels(matrix), strength=strength, equilibrium=chi)
        return sq.expectations(
            model, psi, TIMES, observables={"x": x}, trajectories=4096, dt=0.2, seed=seed
        )["x"][-1]  # fmt: skip

    values = np.array([mean(0.7, seed) for seed in range(4)])
    expected = np.exp(-0.56) * free + (1 - np.exp(-0.56)) * equilibrium
    # A trajectory's ⟨X⟩ lies within ±1: 4·4096 of them.
    assert abs(values.mean() - expected) < 4 / np.sqrt(4 * 4096), (values, expected)
    judged(mean, 0.8 * np.exp(-0.56) * (equilibrium - free), 0.7)


def test_reduction_rate():
    """⟨σ_x⟩ = 2ab e^{−rt} under SUV without a Hamiltonian: d/dr = −t 2ab e^{−rt}."""

    def coherence(strength, seed):
        model = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=strength)
        return sq.expectations(
            model, [0.6, 0.8], TIMES, observables={"x": np.array([[0.0, 1.0], [1.0, 0.0]])}, trajectories=1024, dt=0.1,
            seed=seed,
        )["x"][-1]  # fmt: skip

    judged(coherence, -0.8 * 0.96 * np.exp(-0.5 * 0.8), 0.5)


def test_hamiltonian_parameter():
    """Rabi frequency under unitary dephasing: the derivative of the master equation's answer by central differences."""
    z = np.diag([1.0, -1.0])

    def liouvillian(frequency):
        h, identity = frequency / 2 * np.array([[0.0, 1.0], [1.0, 0.0]]), np.eye(2)
        return -1j * (np.kron(h, identity) - np.kron(identity, h)) + 0.3 * (np.kron(z, z) - np.eye(4))

    def exact(frequency):
        from scipy.linalg import expm

        return (expm(0.8 * liouvillian(frequency)) @ np.array([1.0, 0, 0, 0])).reshape(2, 2).diagonal().real @ [1, -1]

    def inversion(frequency, seed):
        hamiltonian = sq.systems.levels(frequency / 2 * jnp.array([[0.0, 1.0], [1.0, 0.0]]))
        model = sq.models.unravel(hamiltonian, [np.sqrt(0.3) * z], noise="unitary")
        return sq.expectations(
            model, [1.0, 0.0], TIMES, observables={"z": np.array([1.0, -1.0])}, trajectories=1024, dt=0.1, seed=seed
        )["z"][-1]  # fmt: skip

    judged(inversion, (exact(2.0 + 1e-4) - exact(2.0 - 1e-4)) / 2e-4, 2.0)


@pytest.mark.release
def test_reverse_forward_and_finite_differences_agree():
    """On one seed, in double precision, with χ and ψ0 that contain zeros; both strengths of SUI at once."""
    levels = sq.systems.levels([[0.0, 0.3, 0.0], [0.3, 0.5, 0.2], [0.0, 0.2, 1.5]])

    def mean(strength):
        equation = sq.models.sui(levels, reduction=strength, thermalization=0.8 * strength, equilibrium=[0.7, 0.3, 0.0])
        return sq.expectations(
            equation, [1.0, 0.0, 0.0], TIMES, observables={"p": np.array([1.0, 0.0, 0.0])}, trajectories=64,
            dt=0.2, precision="double",
        )["p"][-1]  # fmt: skip

    with jax.enable_x64(True):
        reverse, along = jax.jit(jax.grad(mean))(0.5), jax.jit(lambda at: jax.jvp(mean, (at,), (1.0,)))
        (ahead, _), (_, forward), (behind, _) = (along(0.5 + off) for off in (1e-6, 0.0, -1e-6))
        central = (ahead - behind) / 2e-6
    assert reverse == pytest.approx(float(forward), rel=1e-9)
    assert reverse == pytest.approx(float(central), rel=1e-5)


def test_the_numbers_are_those_of_simulate():
    model = sq.models.suv(sq.systems.levels([[0.0, 0.3], [0.3, 1.0]]), strength=0.6)
    options = {"observables": {"p": np.array([1.0, 0.0])}, "trajectories": 700, "dt": 0.1, "seed": 3, "scheme": EULER}
    means = sq.expectations(model, [0.6, 0.8], TIMES, **options)["p"]
    np.testing.assert_allclose(means, sq.simulate(model, [0.6, 0.8], TIMES, **options).mean["p"], atol=2e-6)


def test_a_flow_that_draws_an_index_is_refused():
    model = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.6)
    with pytest.raises(ValueError, match=r"^scheme: .*discrete index.*Strang\(diffusive=True\)"):
        sq.expectations(
            model, [0.6, 0.8], TIMES, observables={"p": np.array([1.0, 0.0])}, trajectories=64, dt=0.1,
            scheme=sq.schemes.Strang(),
        )  # fmt: skip


# tests/examples fits this chain in short.
@pytest.mark.release
def test_fit_recovers_both_strengths_of_a_chain():
    chain = sq.systems.ising(2, coupling=1.0, transverse=0.9, longitudinal=0.4)
    chi, psi, times = sq.canonical(chain, 0.5), np.eye(4)[0], np.linspace(0, 2, 5)
    watched = {name: np.asarray(chain.operators[name]) for name in ("magnetization", "transverse")}

    def model(logarithms):
        reduction, thermalization = jnp.exp(logarithms)
        return sq.models.sui(chain, reduction=reduction, thermalization=thermalization, equilibrium=chi)

    true = np.log([0.6, 0.35])
    data = sq.simulate(
        sq.models.sui(chain, reduction=0.6, thermalization=0.35, equilibrium=chi), psi, times, observables=watched,
        trajectories=1000, seed=1, dt=0.1,
    )  # fmt: skip
    fit = sq.fit(
        lambda logarithms: sq.expectations(
            model(logarithms), psi, times, observables=watched, trajectories=4096, seed=2, dt=0.1
        ),
        data,
        np.log([0.3, 0.7]),
    )
    errors = np.sqrt(np.diag(fit.covariance))
    assert np.all(np.abs(np.asarray(fit.parameters) - true) < 4 * errors) and np.all(errors < 0.25)
    assert len(fit.history.loss if hasattr(fit.history, "loss") else fit.history) >= 2
