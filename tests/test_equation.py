"""Contracts of every equation in the registry: pytrees, compiled steps, checks."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.equation_input import as_equation
from stochq.schemes import frame_of
from tests.channels.cases import draw
from tests.problems import PROBLEMS, SCHEMES


@pytest.mark.parametrize("name", PROBLEMS)
def test_survives_a_pytree_round_trip(name):
    equation = PROBLEMS[name]().equation
    leaves, structure = jax.tree_util.tree_flatten(equation)
    assert all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves), "parameters are numpy arrays"
    assert all(leaf.dtype in (np.float64, np.complex128, np.int64) for leaf in leaves)
    again = jax.tree_util.tree_unflatten(structure, leaves)
    assert jax.tree_util.tree_structure(again) == structure
    assert again.dim == equation.dim and again.noise == equation.noise and len(again.channels) == len(equation.channels)


# One problem for every family of channels, basis and Hamiltonian.
STEPPED = (
    "suv, complex noise, rotated basis",
    "bath: rate matrix and sources",
    "any operators",
    "kerr cavity",
    "csl of a particle in a trap",
    "driven sui",
)


@pytest.mark.parametrize("scheme", [pytest.param("euler", marks=pytest.mark.release), "strang"])
@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.sweep(2)
def test_a_compiled_step_is_the_eager_one(name, scheme):
    problem, scheme = PROBLEMS[name](), SCHEMES[scheme]
    if scheme.requires(problem.equation):
        return
    with jax.enable_x64(True):
        frame, t, dt = jax.tree.map(jnp.asarray, frame_of(problem.equation)), jnp.asarray(0.3), jnp.asarray(0.05)
        noise = draw(np.random.default_rng(1), scheme.budget(frame), 2)
        psi = jnp.stack([frame.to_frame(jnp.asarray(problem.psi0, complex))] * 2, axis=-1)

        def step(frame, t, dt, psi, noise):
            stepper = scheme.prepare(frame, dt)
            return stepper.extract(t, stepper.step(t, stepper.init(t, (psi,)), noise))[0]

        compiled = eqx.filter_jit(step)(frame, t, dt, psi, noise)
        eager = step(frame, t, dt, psi, noise)
    np.testing.assert_allclose(compiled, eager, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(eager, axis=0), 1, atol=1e-12)


def test_equations_are_checked_when_built():
    qubit = sq.systems.levels([0.0, 1.0])
    three = sq.models.suv(sq.systems.levels([0.0, 1.0, 2.0]), strength=1.0).channels
    with pytest.raises(ValueError, match="^channels: expected operators of dimension 2.*Projectors has 3"):
        sq.Equation(qubit, three)
    with pytest.raises(ValueError, match="^noise: expected one of real, complex, unitary, jump, any; got 'white'"):
        sq.Equation(qubit, (), noise="white")
    for hbar in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="^hbar: expected a (positive|finite real) number"):
            sq.Equation(qubit, (), hbar=hbar)


def test_an_equation_has_the_hbar_of_its_system():
    oscillator = sq.systems.oscillator(3, hbar=2.0)
    joint = sq.systems.tensor(oscillator, [0.0, 1.0])
    driven = sq.systems.driven(joint, [(np.arange(6.0), jnp.cos)])
    for system in (oscillator, sq.systems.particle(8, 4.0, 1.0, hbar=2.0), joint, driven):
        with pytest.raises(ValueError, match=r"^hbar: expected 2, with which the system was made; got 1\."):
            sq.models.suv(system, strength=0.1)
        assert sq.models.suv(system, strength=0.1, hbar=2.0).hbar == 2.0
    mixed = sq.systems.tensor(oscillator, sq.systems.oscillator(2))
    with pytest.raises(ValueError, match=r"^hbar: expected one value for all parts .* made with 2, 1\.$"):
        sq.models.suv(mixed, strength=0.1)
    # A system alone is an equation with its own.
    assert as_equation(oscillator).hbar == 2.0


def test_the_pieces_cannot_be_changed_in_place():
    equation = PROBLEMS["suv, two levels"]().equation
    with pytest.raises(dataclasses.FrozenInstanceError):
        equation.noise = "complex"


def test_sums_of_equations_have_the_channels_of_both():
    """Rates of decay add: a coherence under SUV of strength 1 and dephasing by sqrt(.4) sigma_z decays at 1 + 2·.4."""
    flat = sq.systems.levels([0.0, 0.0])
    both = sq.models.suv(flat, strength=1.0) + sq.models.unravel(flat, [np.sqrt(0.4) * np.array([1.0, -1.0])])
    exact = sq.exact.evolve(both, np.sqrt([0.5, 0.5]), [0.0, 0.7], observables={"x": [[0, 1], [1, 0]]})
    np.testing.assert_allclose(exact.expect["x"][-1], np.exp(-0.7 * 1.8), atol=1e-9)
    assert [line.name for line in both.lines] == ["L0", "L1", "L2"]


def test_sums_of_monitored_equations_keep_their_records():
    """The second equation's records are of its own operators, wherever its channels stand now."""
    lower, z = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([1.0, -1.0])
    flat = sq.systems.levels([0.0, 0.0])
    one = sq.models.monitored(flat, {"z": sq.measurement.homodyne(z, efficiency=0.5)})
    two = sq.models.monitored(
        flat, {"clicks": sq.measurement.counting(lower), "x": sq.measurement.heterodyne(2 * lower)}
    )
    both = one + two
    assert {line.name: both.record_kind(line) for line in both.lines} == {
        "z": "homodyne", "clicks": "counting", "x": "heterodyne"
    }  # fmt: skip
    for line in both.lines:
        (place, number), *_ = line.sources
        source = both.channels[place].operators()[number]
        expected = {"z": np.sqrt(0.5) * np.diag(z), "clicks": lower, "x": 2 * lower}[line.name]
        np.testing.assert_allclose(source, expected)
    whole = sq.models.monitored(flat, dict(zip(("z", "clicks", "x"), both.detectors, strict=True)))
    exact = [sq.exact.evolve(each, [0.6, 0.8], [0, 1]).density for each in (both, whole)]
    np.testing.assert_allclose(*exact, atol=1e-9)


def test_sums_that_make_no_sense_are_refused():
    flat, other = sq.systems.levels([0.0, 0.0]), sq.systems.levels([0.0, 1.0])
    suv, watched = sq.models.suv(flat, strength=1.0), {"z": sq.measurement.homodyne([1.0, -1.0])}
    coloured = sq.models.suv(flat, strength=1.0, noise="unitary", colour=sq.noise.OrnsteinUhlenbeck(0.1))
    monitored = sq.models.monitored(flat, watched)
    for second, message in [
        (sq.models.suv(other, strength=1.0), "the same Hamiltonian"),
        (sq.models.suv(flat, strength=1.0, hbar=2.0), "the same Hamiltonian, with the same hbar"),
        (coloured, "white noise"),
        (monitored, "detectors in both"),
    ]:
        with pytest.raises(ValueError, match=f"^other: expected .*{message}"):
            suv + second
    with pytest.raises(ValueError, match="^other: expected records of other names; both have 'z'"):
        monitored + sq.models.monitored(flat, watched)
    with pytest.raises(TypeError):
        suv + 1
