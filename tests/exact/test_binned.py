"""Correlations of stationary records averaged over bins, against integrals of exponentials by plain numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
SIGMA_X, SIGMA_Z = LOWERING + LOWERING.T, np.diag([1.0, -1.0])
H = 0.3
LAGS = [0, 1, 2, 7]
NAMES = ("x", "z:1", "z:2", "c")


def atom(rabi=2.0, decay=1.0, gain=1.5, offset=0.2, efficiency=0.8):
    """A driven atom whose light is split between three kinds of detectors."""
    root = jnp.sqrt(decay) if isinstance(decay, jax.Array) else np.sqrt(decay)
    electronics = {"gain": gain, "offset": offset, "noise": 0.1}
    return sq.models.monitored(
        0.5 * rabi * SIGMA_X + 0.15 * SIGMA_Z,
        {
            "x": sq.measurement.homodyne(root * 0.8 * LOWERING, phase=0.7, efficiency=efficiency, **electronics),
            "z": sq.measurement.heterodyne(root * 0.4 * LOWERING, efficiency=0.6, gain=0.7, offset=0.1),
            "c": sq.measurement.counting(root * np.sqrt(0.2) * LOWERING, efficiency=0.5, dark=0.3),
        },
    )


class Oracle:
    """The same atom by the eigenvectors of its Liouvillian, row after row, and Gauss's integration over both bins."""

    def __init__(self):
        def product(left, right):
            return np.kron(left, right.T)

        one, hamiltonian, decay = np.eye(2), SIGMA_X + 0.15 * SIGMA_Z, LOWERING.T @ LOWERING
        generator = -1j * (product(hamiltonian, one) - product(one, hamiltonian)) + product(LOWERING, LOWERING.T)
        generator = generator - 0.5 * product(decay, one) - 0.5 * product(one, decay)
        self.values, self.vectors = np.linalg.eig(generator)
        self.inverse = np.linalg.inv(self.vectors)
        rho = self.vectors[:, np.argmin(np.abs(self.values))].reshape(2, 2)
        self.rho = rho / np.trace(rho)
        turned = np.sqrt(0.8) * np.exp(-0.7j) * 0.8 * LOWERING
        first = 0.7 * np.sqrt(0.6 / 2) * 0.4 * LOWERING
        # Operator with the gain in it, offset, variance of the mean current's noise.
        self.currents = {
            "x": (1.5 * turned, 0.2, 1.5**2 * 1.1 / H),
            "z:1": (first, np.sqrt(2) * 0.1, 0.49 / H),
            "z:2": (1j * first, 0.0, 0.49 / H),
        }

    def after(self, name, rho):
        if name == "c":
            return H * (0.5 * 0.2 * LOWERING @ rho @ LOWERING.T + 0.3 * rho)
        operator, offset, _ = self.currents[name]
        return operator @ rho + rho @ operator.conj().T + offset * rho

    def mean(self, name, rho):
        return np.trace(self.after(name, rho)).real

    def at(self, first, second, delays):
        """E[I₁(0)I₂(τ)] at each delay, (...)."""
        start = self.inverse @ self.after(first, self.rho).reshape(-1)
        flows = self.vectors @ (np.exp(self.values[:, None] * delays.reshape(1, -1)) * start[:, None])
        found = [self.mean(second, one.reshape(2, 2)) for one in flows.T]
        return np.reshape(found, delays.shape)

    def of_bins(self, first, second, lag):
        nodes, weights = np.polynomial.legendre.leggauss(20)
        nodes, weights = 0.5 * (nodes + 1), 0.5 * weights
        if lag:
            delays = H * (lag + nodes[:, None] - nodes[None])
            return weights @ self.at(first, second, delays) @ weights
        # Over t in the bin and s before t: s = ut, with the Jacobian t.
        delays = H * nodes[:, None] * (1 - nodes[None])
        total = sum(self.at(*pair, delays) for pair in ((first, second), (second, first)))
        noise = self.mean("c", self.rho) if first == "c" else self.currents[first][2]
        return (weights * nodes) @ total @ weights + (noise if first == second else 0.0)


def test_all_pairs_of_all_kinds_agree_with_integrals():
    oracle = Oracle()
    pairs = [(first, second) for first in NAMES for second in NAMES]
    found = sq.exact.correlations(atom(), LAGS, interval=H, pairs=pairs)
    for first, second in pairs:
        expected = [oracle.of_bins(first, second, lag) for lag in LAGS]
        np.testing.assert_allclose(found[f"{first}*{second}"], expected, atol=1e-13, err_msg=f"{first} {second}")
    for name in NAMES:
        np.testing.assert_allclose(found[name], oracle.mean(name, oracle.rho), atol=1e-13)


def test_derivatives_are_those_of_differences():
    truth = np.array([2.0, 1.0, 1.5, 0.2, 0.8])

    def flat(values):
        found = sq.exact.correlations(atom(*values), LAGS, interval=H, pairs=[("x", "x"), ("x", "z:2"), ("c", "c")])
        return jnp.concatenate([jnp.ravel(value) for value in found.values()])

    with jax.enable_x64(True):
        step = 1e-4 * np.eye(5)
        slopes = np.asarray(jax.jit(jax.jacfwd(flat))(truth))
        reverse = jax.jit(jax.grad(lambda values: jnp.sum(flat(values))))(truth)
        ahead, behind = (np.asarray(jax.jit(jax.vmap(flat, out_axes=1))(truth + sign * step)) for sign in (1, -1))
    np.testing.assert_allclose(slopes, (ahead - behind) / 2e-4, atol=1e-6)
    np.testing.assert_allclose(reverse, slopes.sum(axis=0), atol=1e-11)


def test_bins_that_are_short_have_the_values_at_instants():
    equation, lags = atom(), np.array([1000, 3000])
    found = sq.exact.correlations(equation, lags, interval=1e-4, pairs=[("x", "z:1")])["x*z:1"]
    steady = sq.exact.steady_state(equation)
    expected = sq.exact.record_correlation(equation, steady, lags * 1e-4, first="x", second="z:1")
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_records_of_an_equation_without_detectors():
    """dY = ⟨L + L†⟩dt + dW of real noise; a diagonal L beside a drive that it damps."""
    qubit = sq.models.unravel(sq.systems.levels(0.5 * SIGMA_X), [np.array([1.0, -1.0]), 0.5 * LOWERING])
    found = sq.exact.correlations(qubit, [3], interval=1e-3)
    steady = sq.exact.steady_state(qubit)
    expected = sq.exact.record_correlation(qubit, steady, [3e-3], first="L0")
    np.testing.assert_allclose(found["L0*L0"], expected, rtol=1e-4)
    assert set(found) == {"L0", "L1", "L0*L0", "L1*L1"}

    def traced(rate):
        equation = sq.models.unravel(sq.systems.levels(0.5 * SIGMA_X), [np.array([1.0, -1.0])], rates=jnp.stack([rate]))
        return sq.exact.correlations(equation, [3], interval=0.1)["L0"]

    with jax.enable_x64(True), pytest.raises(ValueError, match="equation from sq.models.monitored"):
        jax.grad(traced)(1.0)


@pytest.mark.parametrize("dim", [2, 3, 4])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.sweep(2)
def test_several_steady_states_are_told_in_either_precision(dim, double):
    """Two blocks that stand still, in a basis turned at random."""
    random = np.random.default_rng(dim).normal(size=(2, dim, dim))
    turned = np.linalg.qr(random[0] + 1j * random[1])[0]
    signs = np.where(np.arange(dim) < dim // 2, 1.0, -1.0)
    watched = turned * signs @ turned.conj().T

    def traced(rate):
        detector = sq.measurement.homodyne(jnp.sqrt(rate) * watched, efficiency=0.5)
        equation = sq.models.monitored(np.zeros((dim, dim)), {"z": detector})
        return sq.exact.correlations(equation, [0, 1, 5], interval=0.1)["z*z"]

    with jax.enable_x64(double):
        assert np.all(np.isnan(jax.jit(traced)(0.7)))


def test_a_traced_width_of_bins_is_refused():
    with pytest.raises(ValueError, match="^interval: expected a number; JAX is tracing it"):
        jax.grad(lambda h: sq.exact.correlations(atom(), [1], interval=h)["x*x"][0])(0.1)


def test_what_has_several_steady_states():
    watched = sq.measurement.homodyne([1.0, -1.0])
    with pytest.raises(ValueError, match="steady state"):
        sq.exact.correlations(sq.models.monitored(np.zeros((2, 2)), {"z": watched}), [1], interval=0.1)

    def traced(drive):
        equation = sq.models.monitored(drive * SIGMA_X, {"z": watched})
        return sq.exact.correlations(equation, [1], interval=0.1)["z*z"][0]

    with jax.enable_x64(True):
        assert np.isnan(jax.jit(traced)(0.0)) and np.isfinite(jax.jit(traced)(1.0))


BAD = {
    "lags: expected whole": {"lags": [0.1, 0.2]},
    "lags: expected increasing": {"lags": [2, 1]},
    "none negative": {"lags": [-1]},
    "interval: expected the width": {"interval": 0.0},
    "pairs: expected names among 'x', 'z:1'": {"pairs": [("x", "z")]},
    "pairs: expected pairs": {"pairs": ["xx"]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input(message):
    with pytest.raises(ValueError, match=message):
        sq.exact.correlations(atom(), **({"lags": [1], "interval": 0.1} | BAD[message]))


def test_equations_that_have_no_stationary_records():
    driven = sq.systems.levels([0.0, 1.0])
    with pytest.raises(ValueError, match="at most 16 levels"):
        sq.exact.correlations(sq.models.unravel(np.eye(17), [np.eye(17)]), [1], interval=0.1)
    with pytest.raises(ValueError, match="something is written down"):
        sq.exact.correlations(driven, [1], interval=0.1)
    turning = sq.measurement.homodyne(LOWERING, phase=lambda t: t)
    with pytest.raises(ValueError, match="does not depend on time"):
        sq.exact.correlations(sq.models.monitored(SIGMA_X, {"x": turning}), [1], interval=0.1)
