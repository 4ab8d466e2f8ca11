"""Collapse in product bases of a Hamiltonian that is never a matrix, against the dense one and the master equation."""

from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import stochq as sq
from tests.oracles import by_liouvillian

SITES = 3
DIM = 2**SITES
TIMES = np.array([0.0, 0.4, 1.0])
STRENGTH = 0.8
TERMS = (
    {f"Z{j} Z{j + 1}": -1.0 for j in range(SITES - 1)}
    | {f"X{j}": -0.9 for j in range(SITES)}
    | {f"Z{j}": -0.3 for j in range(SITES)}
)
START = np.eye(DIM)[5]
SPINS = {f"z{j}": 1.0 - 2 * ((np.arange(DIM) >> j) & 1) for j in range(SITES)}


CHAIN = sq.systems.spins(SITES, TERMS)
DENSE = sq.systems.ising(SITES, 1.0, 0.9, 0.3)
TILTED = sq.channels.ProductBasis(
    [np.linalg.qr(np.random.default_rng(j).normal(size=(2, 2, 2)) @ [1, 1j])[0] for j in range(SITES)]
)


def run(hamiltonian, scheme, basis, **options):
    equation = sq.models.suv(hamiltonian, strength=STRENGTH, basis=basis)
    options = {"trajectories": 32, "dt": 0.1, "precision": "double"} | options
    return sq.simulate(equation, START, TIMES, observables=SPINS, scheme=scheme, **options)


@pytest.mark.parametrize(
    "scheme, basis",
    [
        (sq.schemes.Strang(), "x"),
        (sq.schemes.Extrapolated(sq.schemes.EulerMaruyama()), TILTED),
        pytest.param(sq.schemes.EulerMaruyama(), "x", marks=pytest.mark.release),
        pytest.param(sq.schemes.Strang(diffusive=True), "y", marks=pytest.mark.release),
        pytest.param(sq.schemes.Strang(increments="discrete"), "x", marks=pytest.mark.release),
        pytest.param(sq.schemes.Extrapolated(sq.schemes.Strang()), None, marks=pytest.mark.release),
    ],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.sweep(1)
def test_every_path_is_that_of_the_dense_chain(scheme, basis):
    # The largest Bohr frequency is 7, which Euler's scheme has to resolve.
    dt = 0.05 if "Euler" in scheme.name else 0.1
    free, dense = (run(hamiltonian, scheme, basis, dt=dt) for hamiltonian in (CHAIN, DENSE))
    # Euler's step depends on the energy that the frame takes out, by dt² in the mean.
    atol = 2e-2 if "Euler" in scheme.name else 1e-9
    for name in SPINS:
        assert_allclose(free.mean[name], dense.mean[name], atol=atol)


def test_collapse_along_x_against_the_master_equation():
    result = run(CHAIN, None, "x", trajectories=4096, dt=0.02, precision="single", seed=4)
    hadamard = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    columns = np.kron(hadamard, np.kron(hadamard, hadamard))
    operators = [np.sqrt(STRENGTH) * np.outer(column, column) for column in columns.T]
    rho = by_liouvillian(np.asarray(CHAIN.matrix()), operators, np.outer(START, START), TIMES)
    for name, diagonal in SPINS.items():
        exact = np.einsum("tii,i->t", rho, diagonal).real
        deviation = np.abs(result.mean[name] - exact)[1:] / result.stderr[name][1:]
        # Six values within 4 standard errors: a false alarm in 2600 seeds; the step's bias is a tenth of one.
        assert deviation.max() < 4
        assert np.ptp(exact) > 20 * result.stderr[name].max()


def test_names_of_bases_are_for_spins():
    with pytest.raises(ValueError, match="basis: expected a unitary.*spins 1/2"):
        sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0, basis="x")
    with pytest.raises(ValueError, match="dimension 8.*2 sites"):
        sq.models.suv(CHAIN, strength=1.0, basis=sq.channels.ProductBasis("x", 2))
    equation = sq.models.suv(CHAIN, strength=1.0, basis="z")
    assert isinstance(equation.channels[0].basis, sq.channels.Given)


@pytest.mark.release
def test_derivatives_in_reverse_mode_are_refused_in_words():
    chi = sq.canonical(CHAIN, 0.3)
    watched = {"z": sq.systems.PauliSum(SITES, {"Z0": 1.0})}

    def of_field(field):
        chain = sq.systems.spins(SITES, TERMS | {"X0": -field})
        equation = sq.models.suv(chain, strength=STRENGTH)
        return sq.expectations(equation, START, [0, 0.4], observables=watched, trajectories=8, dt=0.2)["z"][-1]

    with pytest.raises(ValueError, match="equation: expected forward mode, jax.jvp or jax.jacfwd"):
        jax.grad(of_field)(0.9)
    with pytest.raises(ValueError, match="equation: expected forward mode"):
        jax.grad(lambda psi: abs(chi.root(psi)[0]))(START)


def test_spins_without_any_energy_only_collapse():
    spins = sq.systems.spins(SITES, {f"{letter}0": 0.0 for letter in "XZ"})
    x = sq.systems.PauliSum(SITES, {"X1": 1.0})
    equation = sq.models.suv(spins, strength=STRENGTH)
    psi = np.full(DIM, DIM**-0.5)
    result = sq.simulate(equation, psi, TIMES, observables={"x": x}, trajectories=400, dt=0.2)
    # Coherences between the |k> decay at the strength.
    assert np.all(np.abs(result.mean["x"] - np.exp(-STRENGTH * TIMES)) <= 4 * result.stderr["x"] + 1e-6)


def test_observables_are_no_jump_operators():
    observable: Any = sq.systems.PauliSum(SITES, {"X0": 1.0})
    with pytest.raises(ValueError, match=r"jump_operators\[0\]: expected an array or a channel; got PauliSum"):
        sq.models.unravel(CHAIN, [observable])
