"""The differentiable kernel: the numbers of `simulate`, derivatives where rates vanish, clear refusals."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import Channel, RateMatrix
from stochq.ensemble import devices, sampled_means
from stochq.ensemble.devices import ON_PROCESSORS
from stochq.noise.normals import correlated
from stochq.noise.roots import root
from stochq.schemes import default_differentiable_scheme

QUBIT = sq.systems.levels([[0.0, 0.3], [0.3, 1.0]])
P = {"p": np.array([1.0, 0.0])}
PSI = [0.6, 0.8]


def suv(strength=0.6, **options):
    return sq.models.suv(QUBIT, strength=strength, **options)


def turned(field):
    """The field moves a whole Hamiltonian: too many numbers for a derivative along each."""
    return sq.models.suv(sq.systems.levels(field * np.array([[0.0, 0.3], [0.3, 1.0]])), strength=0.6)


@pytest.mark.parametrize("scheme", [None, sq.schemes.Extrapolated(sq.schemes.EulerMaruyama())])
def test_the_numbers_are_those_of_simulate_whatever_the_intervals(scheme):
    """Unequal intervals have unequal steps, several blocks and a part of one."""
    times = [0.0, 0.2, 0.35, 1.0]
    options = {"observables": {"x": np.array([[0.0, 1.0], [1.0, 0.0]]), **P}, "trajectories": 2500, "dt": 0.1}
    options["scheme"] = sq.schemes.default_differentiable_scheme(suv()) if scheme is None else scheme
    result = sq.simulate(suv(), PSI, times, seed=5, **options)
    means = sq.expectations(suv(), PSI, times, seed=5, **(options | {"scheme": scheme or options["scheme"]}))
    assert list(means) == ["x", "p"]
    for name, mean in means.items():
        assert mean.dtype == np.float32
        np.testing.assert_allclose(mean, result.mean[name], atol=3e-6)


@pytest.mark.parametrize("traced", [False, True])
def test_mixed_states_belong_to_exact_means(traced):
    """½(1 + p) of the upper level, without noise; over trajectories a matrix would be read as weighted kets."""
    still = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.6)

    def mean(weight, **run):
        rho = jnp.diag(jnp.array([weight, 1 - weight])) if traced else np.diag([weight, 1 - weight])
        return sq.expectations(still, rho, [0.0, 0.5], observables=P, **run)["p"][-1]

    compiled = jax.jit(mean, static_argnames=("trajectories", "dt")) if traced else mean
    np.testing.assert_allclose(compiled(0.8), 0.8, atol=1e-5)
    with pytest.raises(
        ValueError, match=r"^psi0: expected a ket \(2,\) for means over .* Leave out trajectories and dt"
    ):
        compiled(0.8, trajectories=32, dt=0.25)
    with pytest.raises(ValueError, match=r"^psi0: expected shape \(2,\), one ket"):
        jax.jit(lambda psi: sq.expectations(still, psi, [0.0, 0.5], observables=P, trajectories=32, dt=0.25))(
            np.ones(3)
        )


@pytest.mark.release
def test_blocks_run_again_backwards_give_the_same_gradient(monkeypatch):
    def last(field):
        run = {"observables": P, "trajectories": 2048, "dt": 0.25, "scheme": sq.schemes.EulerMaruyama()}
        return sq.expectations(turned(field), PSI, [0.0, 0.5], **run)["p"][-1]

    remembered = jax.grad(last)(0.6)
    monkeypatch.setattr(devices, "ON_PROCESSORS", devices.ON_PROCESSORS._replace(remembered=0))
    jax.clear_caches()
    assert jax.grad(last)(0.6) == pytest.approx(float(remembered), rel=1e-5)


JUMPS = np.array([[0.0, 0.5, 0.0], [0.2, 0.0, 0.0], [0.0, 0.3, 0.0]])
RUN = {"trajectories": 32, "dt": 0.1, "precision": "double"}


def _rate_matrix(rate):
    equation = sq.Equation(sq.systems.levels([0.0, 0.4, 1.0]), (RateMatrix(rate * JUMPS),), "complex")
    return sq.expectations(equation, [1.0, 0.0, 0.0], [0.0, 0.3], observables={"p": np.array([1.0, 0, 0])}, **RUN)["p"]


def _canonical(parameter):
    """The parameter is a field and an inverse temperature, and enters the observable."""
    chain = sq.systems.ising(1, coupling=1.0, transverse=parameter, longitudinal=0.3)
    equation = sq.models.oqt(chain, strength=0.6, equilibrium=sq.canonical(chain, parameter), noise="complex")
    energy = {"energy": chain.operators["energy"]}
    return sq.expectations(equation, [1.0, 0.0], [0.0, 0.3], observables=energy, **RUN)["energy"]


def _diagonal(parameter):
    """Traced energies of a diagonal Hamiltonian, and jump operators with a traced rate."""
    hamiltonian = sq.systems.levels(parameter * jnp.array([1.0, 0.0, 0.4]))
    jump = jnp.sqrt(parameter) * np.diag([1.0, 0.5], k=1)
    equation = sq.models.unravel(hamiltonian, [jump])
    x = np.diag([1.0, 1.0], k=1) + np.diag([1.0, 1.0], k=-1)
    return sq.expectations(equation, [0.6, 0.0, 0.8], [0.0, 0.3], observables={"x": x}, **RUN)["x"]


def along(mean, at):
    """The derivative of a function and its central difference, by one program."""
    both = jax.jit(lambda at: jax.jvp(mean, (at,), (1.0,)))
    (ahead, _), (_, slope), (behind, _) = (both(at + off) for off in (1e-6, 0.0, -1e-6))
    return slope, (ahead - behind) / 2e-6


@pytest.mark.parametrize("mean", [_rate_matrix, _canonical, _diagonal])
def test_derivatives_are_those_of_finite_differences(mean):
    with jax.enable_x64(True):
        slope, central = along(mean, 0.5)
    np.testing.assert_allclose(slope, central, rtol=1e-5, atol=1e-8)


def test_single_precision_inside_double_mode():
    def last(strength):
        return sq.expectations(suv(strength), PSI, [0.0, 0.5], observables=P, trajectories=64, dt=0.25)["p"][-1]

    plain = jax.jvp(last, (0.6,), (1.0,))
    with jax.enable_x64(True):
        inside = jax.jvp(last, (0.6,), (1.0,))
    np.testing.assert_allclose(inside, plain, rtol=1e-5)
    assert inside[0].dtype == np.float32


@pytest.mark.parametrize("scheme", [None, sq.schemes.EulerMaruyama()])
def test_a_rate_of_zero_has_no_derivative_and_none_is_made_up(scheme):
    def last(strength):
        model = sq.models.oqt(QUBIT, strength=strength, equilibrium=[0.5, 0.5])
        run = {"observables": P, "trajectories": 64, "dt": 0.25, "scheme": scheme}
        return sq.expectations(model, PSI, [0.0, 0.5], **run)["p"][-1]

    slope = abs(float(jax.jvp(last, (0.0,), (1.0,))[1]))
    assert np.isnan(slope) or slope > 1e6


def test_root_passes_no_nan_where_a_rate_is_absent():
    weights = jnp.array([1.0, 0.0])
    slopes = jax.jacrev(lambda strength: root(strength * weights))(4.0)
    np.testing.assert_allclose(slopes, [0.25, 0.0])
    np.testing.assert_allclose(jax.jacfwd(lambda strength: root(strength * weights))(4.0), [0.25, 0.0])


@pytest.mark.parametrize("phase", [1.0, 1j, np.exp(0.3j)])
@pytest.mark.parametrize("roughness", [0.0, 1e-8, 3e-7, 1e-3])
def test_noise_of_nearly_real_or_imaginary_states_stays_finite(phase, roughness):
    """E|η|² = V and E[η²] = S also where |S| = V to rounding, with finite derivatives."""
    rng = np.random.default_rng(1)
    psi = phase * rng.normal(size=4) * np.exp(1j * roughness * rng.normal(size=4))
    psi = jnp.asarray(psi / np.linalg.norm(psi), jnp.complex64)
    normals = jnp.asarray(rng.normal(size=(20000, 2)).view(complex)[:, 0], jnp.complex64)

    def noise(psi):
        variance, relation = jnp.sum(jnp.abs(psi) ** 2)[None], jnp.sum(psi * psi)[None]
        return correlated(normals, variance, relation)

    values, slopes = jax.jvp(noise, (psi,), (jnp.ones_like(psi),))
    values = np.asarray(values, np.complex128)
    assert abs(np.mean(np.abs(values) ** 2) - 1) < 0.05
    assert abs(np.mean(values**2) - np.sum(np.asarray(psi, complex) ** 2)) < 0.05
    assert np.all(np.isfinite(slopes)) and np.abs(slopes).max() < 1e2


@pytest.mark.parametrize("scheme", [sq.schemes.Strang(), sq.schemes.Extrapolated(sq.schemes.Strang())])
def test_a_scheme_that_draws_an_index_is_refused_with_the_fix(scheme):
    with pytest.raises(ValueError, match=r"^scheme: .* draws a discrete index"):
        sq.expectations(suv(), PSI, [0, 1], observables=P, trajectories=8, dt=0.5, scheme=scheme)


def test_the_default_draws_no_index():
    default = sq.schemes.default_differentiable_scheme
    thermal = sq.models.oqt(QUBIT, strength=0.5, equilibrium=[0.5, 0.5])
    assert default(suv()).name == "Strang(diffusive=True)"
    assert default(suv(noise="unitary")).name == "Strang()"
    assert default(thermal).name == "Strang(diffusive=True)"
    rates = sq.Equation(sq.systems.levels([0.0, 0.4, 1.0]), (RateMatrix(JUMPS),))
    assert default(rates).name == "Strang(diffusive=True)"


class Delegating(Channel):
    """A user's family: its flow is another's, through which no gradient passes."""

    rate: Any = 1.0

    def operators(self):
        return jnp.sqrt(self.rate) * jnp.array([[[0.0, 1.0], [0.0, 0.0]]])

    def flow(self, law):
        return RateMatrix(self.rate * np.array([[0.0, 1.0], [0.0, 0.0]])).flow(law)


def test_a_family_without_a_smooth_flow_steps_by_its_operators():
    """Decay between levels far apart, over a step of many turns: p_1 = e^{−γt}|b|²."""

    def upper(rate):
        equation = sq.Equation(sq.systems.levels([0.0, 40.0]), (Delegating(rate),))
        assert not equation.channels[0].flow(equation.channels[0].law).is_differentiable
        assert default_differentiable_scheme(equation).name == "Strang(diffusive=True)"
        run = {"observables": {"p": np.array([0.0, 1.0])}, "trajectories": 4096, "dt": 0.1}
        return sq.expectations(equation, PSI, [0.0, 0.5], **run)["p"][-1]

    value, slope = jax.jvp(upper, (0.7,), (1.0,))
    exact = 0.64 * np.exp(-0.35)
    # Populations lie in [0, 1]: their mean has at most half of 1/√N for its error.
    assert abs(value - exact) < 5 * 0.5 / np.sqrt(4096)
    assert abs(slope + 0.5 * exact) < 0.03


BAD = {
    "dt": (lambda x: {"dt": x}, "^dt: expected numbers, as the number of steps and the noise must be fixed"),
    "times": (lambda x: {"times": [0.0, x]}, "^times: expected numbers"),
    "seed": (lambda x: {"seed": x}, "^seed: expected numbers"),
    "precision": (lambda x: {"precision": "double"}, r"^precision: .*jax.enable_x64\(True\)"),
    "precision name": (lambda x: {"precision": "half"}, "^precision: expected 'single' or 'double'"),
    "trajectories": (lambda x: {"trajectories": 0}, "^trajectories: expected a whole number"),
    "psi0": (lambda x: {"psi0": [1.0, 1.0]}, "^psi0: expected a normalised state"),
    "observables": (lambda x: {"observables": {"p": x * np.ones(3)}}, r"^observables\['p'\]: expected shape"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what):
    arguments, message = BAD[what]

    def call(x):
        given = {"psi0": PSI, "times": [0.0, 1.0], "observables": P, "trajectories": 8, "dt": 0.5}
        return sq.expectations(suv(), **(given | arguments(x)))["p"][-1]

    with pytest.raises(ValueError, match=message):
        jax.jvp(call, (0.5,), (1.0,))


def test_a_window_of_a_traced_hamiltonian_is_refused():
    def weights(field):
        return sq.microcanonical(sq.systems.ising(2, 1.0, field), np.eye(4)[0])

    with pytest.raises(ValueError, match="^hamiltonian: expected numbers"):
        jax.jvp(weights, (0.5,), (1.0,))


def test_means_without_trajectories_are_exact():
    """SUV without a Hamiltonian: coherences decay at the strength."""
    flat, x = sq.systems.levels([0.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]])

    def last(strength):
        equation = sq.models.suv(flat, strength=strength)
        return sq.expectations(equation, PSI, [0.0, 0.7], observables={"x": x})["x"][-1]

    with jax.enable_x64(True):
        value, slope = jax.value_and_grad(last)(0.6)
    np.testing.assert_allclose([value, slope], [0.96 * np.exp(-0.42), -0.7 * 0.96 * np.exp(-0.42)], rtol=1e-9)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dt": 0.1}, "^trajectories: expected a number beside dt"),
        ({"scheme": sq.schemes.Strang()}, "^trajectories: expected a number beside dt or scheme"),
        ({"observables": {"f": lambda psi: jnp.abs(psi[0]) ** 4}}, "^trajectories: .* not quadratic in ψ"),
    ],
)
def test_exact_means_or_means_over_trajectories(arguments, message):
    with pytest.raises(ValueError, match=message):
        sq.expectations(suv(), PSI, [0.0, 1.0], **({"observables": P} | arguments))


@pytest.mark.release
@pytest.mark.parametrize("every_step", [0, 2**25], ids=["segments", "all states"])
@pytest.mark.parametrize(
    "times", [[0.0, 2.7], np.linspace(0, 1.3, 14), [0.0, 0.1, 0.5, 0.6, 0.75, 2.0]], ids=["one", "many", "unequal"]
)
def test_gradients_over_segments_of_steps_are_those_of_finite_differences(times, every_step, monkeypatch):
    """27 steps in segments of 6, 13 intervals in groups of 4, and intervals of 1 to 13 steps; or every state kept."""
    monkeypatch.setattr(sampled_means, "limits", lambda: ON_PROCESSORS._replace(every_step=every_step))

    def mean(field):
        return sq.expectations(turned(field), PSI, times, observables={"x": np.array([[0.0, 1], [1, 0]])}, **RUN)["x"]

    with jax.enable_x64(True):
        reverse, (forward, central) = jax.jit(jax.jacrev(mean))(0.6), along(mean, 0.6)
    np.testing.assert_allclose(reverse, central, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(forward, central, rtol=1e-6, atol=1e-9)


def test_derivatives_with_respect_to_a_rate_are_those_of_finite_differences():
    """First ones in reverse mode, and second ones, over 27 steps."""

    def mean(strength):
        return sq.expectations(suv(strength), PSI, [0.0, 2.7], observables=P, **RUN)["p"][-1]

    with jax.enable_x64(True):
        slope = jax.grad(mean)
        both = jax.jit(lambda at: (mean(at), slope(at), jax.grad(slope)(at)))
        behind, here, ahead = (np.asarray(both(0.6 + off)) for off in (-1e-5, 0.0, 1e-5))
    np.testing.assert_allclose(here[1], (ahead[0] - behind[0]) / 2e-5, rtol=1e-6)
    np.testing.assert_allclose(here[2], (ahead[1] - behind[1]) / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("steps, saved, most", [(10_000, 1, 8), (10_000, 100, 8), (10_000, 67, 8), (100_000, 1, 32)])
@pytest.mark.sweep(2)
def test_a_gradient_remembers_little_however_many_steps_and_times(steps, saved, most):
    """XLA's temporary memory, in MiB, for 1024 qubits; all states of 10⁴ steps would be 160."""

    def last(field):
        run = {"observables": P, "trajectories": 1024, "dt": 1 / steps}
        return sq.expectations(turned(field), PSI, np.linspace(0, 1, saved + 1), **run)["p"][-1]

    compiled = jax.jit(jax.grad(last)).lower(0.6).compile()
    assert compiled.memory_analysis().temp_size_in_bytes <= most * 2**20


@pytest.mark.parametrize("noise", ["real", "unitary"])
def test_gradients_by_the_length_of_csl(noise):
    """Waves shorter than that length have nothing but rounding in their spectrum. Beside differences along the same
    paths, dE/dt = λħ²/4mr²."""
    rate, length, time = 0.8, 1.2, 1.0
    particle = sq.systems.particle(32, 16.0, 1.0, sq.systems.harmonic(1.0))
    packet = np.exp(-((np.asarray(particle.coordinates[0]) - 1) ** 2) / 2)

    def energy(length):
        equation = sq.models.csl(particle, rate=rate, length=length, noise=noise)
        run = {"observables": ["energy"], "trajectories": 1024, "dt": 0.1}
        return sq.expectations(equation, packet / np.linalg.norm(packet), [0.0, time], **run)["energy"][-1]

    slope = float(jax.grad(energy)(length))
    assert slope == pytest.approx(float(energy(1.25) - energy(1.15)) / 0.1, rel=0.02)
    assert slope == pytest.approx(-rate * time / (2 * length**3), rel=0.1)


def test_gradients_by_the_length_of_diosi_and_penrose():
    """As for CSL, along the same paths; −10⁸ once."""
    particle = sq.systems.particle(64, 32.0, 1.0, sq.systems.harmonic(1.0))
    packet = np.exp(-((np.asarray(particle.coordinates[0]) - 1) ** 2) / 2)

    def energy(length):
        equation = sq.models.diosi_penrose(particle, gravity=0.8, length=length, noise="unitary")
        run = {"observables": ["energy"], "trajectories": 512, "dt": 0.1}
        return sq.expectations(equation, packet / np.linalg.norm(packet), [0.0, 1.0], **run)["energy"][-1]

    assert float(jax.grad(energy)(1.2)) == pytest.approx(float(energy(1.25) - energy(1.15)) / 0.1, rel=0.02)
