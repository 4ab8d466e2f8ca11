"""Every wrong argument is one ValueError at the call that names the argument."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stochq as sq

QUBIT = sq.systems.levels([[0.5, 0.2], [0.2, -0.5]])
EQUATION = sq.models.suv(QUBIT, strength=1.0)
PSI = np.array([0.6, 0.8])
GOOD = {"observables": {"p": [1.0, 0.0]}, "trajectories": 100, "dt": 0.1}


def refused(match, psi0=PSI, times=(0.0, 0.5, 1.0), equation=EQUATION, **options):
    with pytest.raises(ValueError, match=match):
        sq.simulate(equation, psi0, times, **{**GOOD, **options})


@given(st.integers(1, 6).filter(lambda size: size != 2))
@settings(max_examples=5, deadline=None)
def test_psi0_of_wrong_length(size):
    refused(r"^psi0: expected shape \(2,\)", psi0=np.ones(size) / np.sqrt(size))


@given(st.floats(0.01, 100).filter(lambda factor: abs(factor - 1) > 1e-4))
@settings(max_examples=10, deadline=None)
def test_psi0_not_normalised(factor):
    refused(r"^psi0: expected a normalised state.*sq\.normalize", psi0=factor * PSI)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_psi0_not_finite(bad):
    refused("^psi0: expected finite amplitudes; entry 1", psi0=[0.6, bad])


def test_psi0_as_matrix():
    refused("^psi0: expected shape", psi0=np.eye(3))
    refused("^psi0: expected trace 1", psi0=np.eye(2))
    refused(r"^psi0: expected a ket of shape \(2,\); got a column.*\[:, 0\]", psi0=PSI[:, None])


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6).filter(lambda t: np.any(np.diff(t) <= 0)))
@settings(max_examples=20, deadline=None)
def test_times_not_increasing(times):
    refused("^times: expected increasing times", times=times)


@pytest.mark.parametrize("times", [[0.0], 1.0, [[0.0, 1.0]]])
def test_times_of_wrong_shape(times):
    refused("^times: expected at least two times", times=times)


def test_times_not_finite():
    refused("^times: expected finite numbers; got nan at index .1.", times=[0.0, np.nan, 1.0])


@pytest.mark.parametrize("operator", [np.ones(3), np.ones((2, 3)), 1.0, np.ones((2, 2, 2))])
def test_observable_of_wrong_shape(operator):
    refused(r"^observables\['o'\]: expected shape \(2,\)", observables={"o": operator})


def test_observables_missing_or_not_a_mapping():
    refused("^observables: expected a mapping", observables=[1.0, 0.0])
    refused(r"^observables\['o'\]: expected finite", observables={"o": [np.nan, 0.0]})


@pytest.mark.parametrize("count", [0, -5, 2.5, "many"])
def test_trajectories(count):
    refused("^trajectories: expected a whole number of at least 1", trajectories=count)


@pytest.mark.parametrize("dt", [0.0, -0.1, np.nan, np.inf])
def test_dt_not_positive(dt):
    refused("^dt: expected", dt=dt)


def test_dt_longer_than_the_first_interval():
    refused("^dt: expected at most the longest interval of times, 0.5; got 0.6", dt=0.6)


def test_other_options():
    refused("^precision: expected 'single' or 'double'", precision="half")
    refused("^batch: expected", batch=0)
    refused("^keep: expected", keep=101)
    refused("^seed: expected", seed=-1)


@given(st.floats(1e-6, 10))
@settings(max_examples=10, deadline=None)
def test_hamiltonian_not_hermitian(asymmetry):
    with pytest.raises(ValueError, match="(?i)hermitian"):
        sq.systems.levels([[0.0, 1.0 + asymmetry], [1.0, 0.0]])


@given(st.floats(max_value=-1e-9, min_value=-10))
@settings(max_examples=5, deadline=None)
def test_negative_rates(value):
    chi = [0.5, 0.5]
    grid = sq.systems.particle(64, 16.0, 1.0, None)
    for build, name in (
        (lambda: sq.models.suv(QUBIT, strength=value), "strength"),
        (lambda: sq.models.oqt(QUBIT, strength=value, equilibrium=chi), "strength"),
        (lambda: sq.models.sui(QUBIT, reduction=1.0, thermalization=value, equilibrium=chi), "thermalization"),
        (lambda: sq.models.energy_driven(QUBIT, strength=value), "strength"),
        (lambda: sq.models.csl(grid, rate=value, length=1.0), "rate"),
        (lambda: sq.models.csl(grid, rate=1.0, length=value), "length"),
        (lambda: sq.models.qmupl(grid, rate=value), "rate"),
        (lambda: sq.models.diosi_penrose(grid, gravity=value, length=1.0), "gravity"),
        (lambda: sq.models.brownian(sq.systems.oscillator(8), friction=value, beta=1.0), "friction"),
        (lambda: sq.models.suv(QUBIT, strength=1.0, hbar=value), "hbar"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            build()


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [1.0], [np.nan, 1.0]])
def test_equilibrium(weights):
    with pytest.raises(ValueError, match="^equilibrium: expected"):
        sq.models.oqt(QUBIT, strength=1.0, equilibrium=weights)


def test_basis_not_unitary():
    with pytest.raises(ValueError, match="^basis: expected orthonormal columns"):
        sq.models.suv(QUBIT, strength=1.0, basis=[[1.0, 1.0], [0.0, 1.0]])


def test_unitary_noise_needs_hermitian_operators():
    with pytest.raises(ValueError, match="^noise: 'unitary' needs Hermitian"):
        sq.models.oqt(QUBIT, strength=1.0, equilibrium=[0.5, 0.5], noise="unitary")
    with pytest.raises(ValueError, match="^noise: 'unitary' needs Hermitian"):
        sq.models.unravel(QUBIT, [np.array([[0.0, 1.0], [0.0, 0.0]])], noise="unitary")
    with pytest.raises(ValueError, match="^noise: expected one of"):
        sq.models.suv(QUBIT, strength=1.0, noise="pink")


class Flowless(sq.channels.Channel):
    """A channel of somebody's own, of which only the increments are known."""

    def operators(self):
        return jnp.zeros((1, 2, 2))

    def missing_flow(self, law):
        return "only its increments are known"


def test_impossible_schemes_name_the_fix():
    refused("^scheme: Strang cannot step this equation: only its increments.*Use sq.schemes.Extrapolated",
            equation=sq.Equation(QUBIT, (Flowless(),)), scheme=sq.schemes.Strang())  # fmt: skip
    with pytest.raises(ValueError, match="extrapolated already"):
        sq.schemes.Extrapolated(sq.schemes.Extrapolated(sq.schemes.Strang()))


def test_grid_too_coarse_or_too_small():
    with pytest.raises(ValueError, match="^length: expected at least the grid's spacing"):
        sq.models.csl(sq.systems.particle(16, 64.0, 1.0, None), rate=1.0, length=1.0)
    with pytest.raises(ValueError, match="^length: expected at most 1/12 of the box"):
        sq.models.csl(sq.systems.particle(64, 8.0, 1.0, None), rate=1.0, length=1.0)
    grid = sq.systems.particle(64, 16.0, 1.0, None)
    collapse, x = sq.models.csl(grid, rate=1.0, length=1.0), grid.coordinates[0]
    at_edge = sq.normalize(np.exp(-((x - 8.0) ** 2)))
    fast = sq.normalize(np.exp(-(x**2) / 2 + 12j * x))
    watched = {"x": grid.operators["position"]}
    with pytest.raises(ValueError, match="^psi0: .*wrap around"):
        sq.simulate(collapse, at_edge, [0, 1], observables=watched, trajectories=10, dt=0.1)
    with pytest.raises(ValueError, match="^psi0: .*alias"):
        sq.simulate(collapse, fast, [0, 1], observables=watched, trajectories=10, dt=0.1)


def test_reaching_the_edge_is_reported():
    grid = sq.systems.particle(64, 16.0, 1.0, None)
    psi = grid.gaussian(0.0, 0.8, momentum=3.0)
    with pytest.warns(UserWarning, match="reached the edge of the box"):
        sq.simulate(sq.models.csl(grid, rate=0.1, length=1.0), psi, [0, 2.0],
                    observables={"x": grid.operators["position"]}, trajectories=50, dt=0.1)  # fmt: skip


def test_a_window_without_eigenstate():
    """The energy's own window always holds one (Chebyshev); a conserved quantity beside it can exclude them all."""
    levels, charge = sq.systems.levels([-1.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, -1.0, 0.0])
    psi = sq.normalize(np.ones(4))
    assert sq.microcanonical(levels, psi).tolist() == [0.0, 0.5, 0.5, 0.0]
    with pytest.raises(ValueError, match="^psi0: expected a state whose window .* holds an eigenstate"):
        sq.microcanonical(levels, psi, conserved=[charge])


def test_parameters_beyond_single_precision():
    tiny = sq.models.suv(sq.systems.levels([0.0, 1e-60]), strength=1.0)
    refused("^precision: expected parameters between", equation=tiny)


def test_a_failed_call_leaves_saved_results_alone(tmp_path):
    good = sq.simulate(EQUATION, PSI, [0.0, 0.5, 1.0], **GOOD)
    path = good.save(tmp_path / "run.nc")
    refused("^psi0", psi0=[1.0, 1.0])
    with pytest.raises(ValueError):
        good.merge(good)
    np.testing.assert_array_equal(sq.load(path).mean["p"], good.mean["p"])


def test_a_hamiltonian_alone_is_said_to_have_no_noise():
    with pytest.warns(UserWarning, match=r"no noise.*sq\.models\.unravel"):
        result = sq.simulate(sq.systems.levels([0.0, 1.0]), [1, 0], [0, 1], observables={"p": [1, 0]}, trajectories=2)
    np.testing.assert_allclose(result.mean["p"], 1.0, rtol=1e-6)


def test_a_sum_on_other_sites_is_named():
    system = sq.systems.ising(3, 1.0, 0.5)
    equation, watched = sq.models.suv(system, strength=0.1), {"far": sq.systems.PauliSum(4, {"Z3": 1.0})}
    with pytest.raises(
        ValueError, match=r"^observables\['far'\]: expected states \(16,\) of the 4 sites.*as many sites"
    ):
        sq.simulate(equation, np.eye(8)[0], [0, 0.1], observables=watched, trajectories=2)
