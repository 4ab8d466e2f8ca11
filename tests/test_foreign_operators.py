"""Operators, kets and density matrices of QuTiP, SciPy, JAX's sparse matrices and dynamiqs enter as arrays do."""

import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import qutip
import scipy.sparse
from jax.experimental import sparse

import stochq as sq
from stochq.operators import as_array, bands_of, operator_list, parts_of
from stochq.systems.banded import Banded
from stochq.systems.hamiltonian import Dense, Diagonal

DIM = 8
LOWER = qutip.destroy(DIM)
NUMBER = LOWER.dag() * LOWER
TIMES = [0.0, 1.0, 2.0]
QUBIT = [0.0, 1.0]


@dataclass
class QArray:
    """What dynamiqs' class of this name can do, as far as stochq asks for it."""

    array: jax.Array
    dims: tuple[int, ...]
    layout: str = "dense"
    vectorized: bool = False

    @property
    def shape(self):
        return self.array.shape

    def to_jax(self):
        return self.array


def as_qarray(operator):
    with jax.enable_x64(True):
        return QArray(jnp.asarray(operator.full()), tuple(operator.dims[0]))


def as_bcoo(operator):
    with jax.enable_x64(True):
        return sparse.BCOO.fromdense(operator.full(), nse=np.count_nonzero(operator.full()) + 3)


FORMS = {
    "csr": lambda operator: scipy.sparse.csr_array(operator.full()),
    "old csr": lambda operator: scipy.sparse.csr_matrix(operator.full()),
    "bcoo": as_bcoo,
    "bcsr": lambda operator: sparse.BCSR.from_bcoo(as_bcoo(operator)),
    "qarray": as_qarray,
    "dense qobj": lambda operator: operator.to("dense"),
    "csr qobj": lambda operator: operator.to("csr"),
    "array": lambda operator: operator.full(),
}


def run(form, psi0=None, trajectories=2000):
    equation = sq.models.unravel(form(NUMBER), [form(0.3 * LOWER)])
    observables = {"n": form(NUMBER), "a": form(LOWER)}
    psi0 = qutip.coherent(DIM, 1) if psi0 is None else psi0
    return sq.simulate(equation, psi0, TIMES, observables=observables, trajectories=trajectories, dt=0.05)


@pytest.fixture(scope="module")
def reference():
    return run(lambda operator: operator)


def test_means_of_qutips_objects_are_those_of_mesolve(reference):
    exact = qutip.mesolve(NUMBER, qutip.coherent(DIM, 1), TIMES, c_ops=[0.3 * LOWER], e_ops=[NUMBER, LOWER])
    assert reference.mean["a"].dtype == np.complex128
    for name, expected in zip("na", exact.expect, strict=True):
        difference, error = reference.mean[name] - expected, reference.stderr[name]
        for part in ("real", "imag"):
            # The start has no noise but the rounding of single precision, mesolve its tolerance.
            assert np.all(np.abs(getattr(difference, part)) < 4 * np.hypot(getattr(error, part), 1e-6)), name


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_an_operator_changes_no_bit(reference, form):
    psi0 = FORMS[form](qutip.coherent(DIM, 1)) if form in ("csr", "qarray") else None
    other = run(FORMS[form], psi0)
    for name in "na":
        np.testing.assert_array_equal(other.mean[name], reference.mean[name])
        np.testing.assert_array_equal(other.stderr[name], reference.stderr[name])


def test_dynamiqs_itself():
    dynamiqs = pytest.importorskip("dynamiqs")
    with jax.enable_x64(True):
        operator, ket = dynamiqs.destroy(DIM), dynamiqs.coherent(DIM, 1.0)
    np.testing.assert_allclose(as_array("a", operator), LOWER.full(), atol=1e-6)
    assert as_array("psi0", ket).shape == (DIM,) and parts_of(operator) == (DIM,)
    np.testing.assert_array_equal(as_array("a", operator.assparsedia()), as_array("a", operator))


def test_the_forms_are_those_of_the_operator():
    for form in FORMS.values():
        np.testing.assert_array_equal(as_array("a", form(LOWER)), LOWER.full())
        np.testing.assert_array_equal(np.ravel(as_array("psi0", form(qutip.basis(3, 1)))), [0, 1, 0])
    plain = [[0.0, 1.0], [0.0, 0.0]]
    assert as_array("a", plain) is plain


def test_a_lone_operator_of_another_library_is_one():
    for lone in (LOWER, FORMS["csr"](LOWER), FORMS["bcoo"](LOWER), FORMS["qarray"](LOWER)):
        equation = sq.models.unravel(NUMBER, lone)
        np.testing.assert_allclose(equation.channels[0].operators()[0], LOWER.full(), atol=1e-7)
    assert operator_list("jumps", LOWER) == [LOWER]
    batch = QArray(jnp.stack([jnp.eye(2), jnp.zeros((2, 2))]), (2,))
    assert [one.shape for one in operator_list("jumps", batch)] == [(2, 2), (2, 2)]


def test_every_model_takes_a_qobj_as_hamiltonian():
    flip, project = qutip.sigmax(), qutip.ket2dm(qutip.basis(2, 0))
    psi = qutip.basis(2, 0)
    watched = {"c": sq.measurement.homodyne(qutip.sigmam())}
    models = [
        sq.models.suv(flip, strength=1.0),
        sq.models.oqt(flip, strength=1.0, equilibrium=sq.canonical(flip, 1.0)),
        sq.models.sui(flip, reduction=1.0, thermalization=1.0, equilibrium=[0.5, 0.5]),
        sq.models.energy_driven(flip, strength=1.0),
        sq.models.coloured_suv(flip, drift=1.0, coupling=1.0, colour=None),
        sq.models.monitored(flip, watched),
        sq.models.markovian_feedback(sq.models.monitored(flip, watched), {"c": 0 * flip}),
        sq.Equation(flip, ()),
    ]
    for equation in models:
        np.testing.assert_array_equal(equation.hamiltonian.matrix(), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(sq.microcanonical(flip, psi), [0.5, 0.5])
    exact = sq.exact.evolve(flip, qutip.ket2dm(psi), [0.0, 0.7], observables={"p": project})
    np.testing.assert_allclose(exact.expect["p"][-1], np.cos(0.7) ** 2, atol=1e-9)
    driven = sq.systems.driven(qutip.sigmaz(), [(qutip.sigmax(), lambda t: jnp.cos(t))])
    np.testing.assert_allclose(driven.matrix(0.0), [[1, 1], [1, -1]])
    in_x = sq.models.suv(0 * flip, strength=1.0, basis=qutip.Qobj(np.array([[1, 1], [1, -1]]) / np.sqrt(2)))
    kept = sq.exact.evolve(in_x, psi, [0.0, 9.0], observables={"x": flip, "z": qutip.sigmaz()})
    np.testing.assert_allclose([kept.expect["z"][-1], kept.expect["x"][-1]], [np.exp(-9.0), 0.0], atol=1e-9)


def test_correlations_and_filters_take_them_too():
    """⟨σ₊(τ)σ₋⟩ of a decaying atom is e^{−τ/2}; a filter that sees nothing but noise of no signal follows ρ."""
    lower, up = qutip.sigmam(), qutip.basis(2, 0)
    atom = sq.models.unravel(qutip.qzero(2), lower)
    found = sq.exact.correlation(atom, up, [0.0, 1.0], later=lower.dag(), right=lower)
    np.testing.assert_allclose(found, [1.0, np.exp(-0.5)], atol=1e-9)
    found = sq.exact.correlation(atom, up, [0.0, 1.0], later=lower, left=lower.dag())
    np.testing.assert_allclose(found, [1.0, np.exp(-0.5)], atol=1e-9)
    unseen = sq.models.monitored(qutip.qzero(2), {"c": sq.measurement.homodyne(lower, efficiency=0.0)})
    record = sq.inference.Record([0.0, 0.5, 1.0], [0.1, -0.2], ["c"])
    filtered = sq.inference.filter(unseen, up, record, observables={"p": up.proj()})
    np.testing.assert_allclose(filtered.mean["p"][0], np.exp([0.0, -0.5, -1.0]), atol=1e-6)
    np.testing.assert_allclose(sq.exact.counting(atom, up, [0.0, 1.0], operator=lower).mean[-1], 1 - np.exp(-1.0))


def test_statistics_take_them():
    flip = sq.models.suv(qutip.qzero(2), strength=5.0)
    observables = {
        "h": sq.Histogram(qutip.sigmaz(), [-1, 0, 1.001]),
        "f": sq.FirstPassage(qutip.sigmaz(), 2.0),
        "rho": sq.Density(),
    }
    psi = (qutip.basis(2, 0) + qutip.basis(2, 1)).unit()
    result = sq.simulate(flip, psi, [0.0, 1.0], observables=observables, trajectories=64, dt=0.1)
    assert result.histograms["h"][1].sum(axis=1).tolist() == [64, 64] and not result.statistics["f"].any()
    np.testing.assert_allclose(sq.normalize(2 * psi), np.sqrt([0.5, 0.5]))


def test_sparse_bands_stay_bands():
    """A ladder of 2000 levels is never made dense: its matrix times a state is written out by hand."""
    dim = 2000
    root = np.sqrt(np.arange(1.0, dim))
    position = scipy.sparse.diags_array([root, root], offsets=[1, -1], format="csr")
    ladder = sq.systems.levels(position)
    assert isinstance(ladder, Banded) and ladder.offsets == (-1, 1) and ladder.dense is None
    psi = np.random.default_rng(1).normal(size=dim)
    expected = np.concatenate([root * psi[1:], [0.0]]) + np.concatenate([[0.0], root * psi[:-1]])
    np.testing.assert_allclose(ladder.apply(0.0, jnp.asarray(psi)), expected, rtol=1e-5, atol=1e-4)
    lower = scipy.sparse.diags_array([root], offsets=[1], format="coo")
    (channel,) = sq.models.unravel(ladder, [lower, position]).channels
    assert type(channel).__name__ == "BandedOperators" and channel.offsets == (-1, 1)
    np.testing.assert_array_equal(channel.bands[0, 1, : dim - 1], root)
    assert not channel.bands[0, 0].any()
    with pytest.raises(ValueError, match="^matrix: expected a Hermitian matrix"):
        sq.systems.levels(lower)


def test_small_sparse_matrices_have_the_structure_of_their_numbers():
    assert isinstance(sq.systems.levels(NUMBER), Diagonal) and isinstance(sq.systems.levels(LOWER + LOWER.dag()), Dense)
    wide = qutip.destroy(40)
    for form in ("csr", "bcoo", "csr qobj"):
        system = sq.systems.levels(FORMS[form](wide + wide.dag()))
        assert isinstance(system, Banded), form
        np.testing.assert_allclose(system.matrix(), (wide + wide.dag()).full())
    twice = scipy.sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [0, 0, 0])), shape=(40, 40))
    assert bands_of("h", twice).bands[0, 0] == 3.0 and bands_of("h", twice).offsets == (0,)
    assert bands_of("h", scipy.sparse.csr_array((40, 40))).offsets == (0,)
    assert bands_of("h", np.eye(40)) is None


def test_gradients_pass_through_sparse_matrices():
    """d/dg of cos²(g t) at t = 1, g = 0.5."""

    def left(g):
        flip = sparse.BCOO((g * jnp.ones(2), jnp.array([[0, 1], [1, 0]])), shape=(2, 2))
        return sq.exact.expectations(flip, [1.0, 0.0], [0.0, 1.0], observables={"p": [1.0, 0.0]})["p"][-1]

    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.grad(left)(0.5), -np.sin(1.0), atol=1e-7)


REFUSED = {
    "a ket as a jump operator": (lambda: sq.models.unravel(QUBIT, [qutip.basis(2, 0)]), "jump_operators.0.: .*a ket"),
    "a bra": (lambda: sq.exact.evolve(QUBIT, qutip.basis(2, 0).dag(), [0, 1]), r"psi0: .*a bra\. Write \.dag"),
    "a superoperator": (lambda: sq.models.suv(qutip.liouvillian(NUMBER), strength=1.0), "hamiltonian: .*superoperator"),
    "a drive": (
        lambda: sq.models.suv(qutip.QobjEvo([[qutip.sigmax(), np.cos]]), strength=1.0),
        "hamiltonian: .*does not depend on time; got QobjEvo. .*driven",
    ),
    "a drive among observables": (
        lambda: sq.exact.evolve(QUBIT, [1, 0], [0, 1], observables={"x": qutip.QobjEvo([[qutip.sigmax(), np.cos]])}),
        "observables.'x'.: .*QobjEvo",
    ),
    "not Hermitian": (lambda: sq.systems.levels(qutip.destroy(3)), "matrix: expected a Hermitian"),
    "no number": (lambda: sq.models.suv(QUBIT, strength=qutip.sigmax()), "strength: "),
    "too large": (
        lambda: as_array("a", scipy.sparse.csr_array((9000, 9000))), "a: expected at most 8192 levels"
    ),
    "another order of parts": (
        lambda: sq.models.unravel(qutip.tensor(NUMBER, qutip.qeye(2)), [qutip.tensor(qutip.sigmam(), qutip.qeye(DIM))]),
        r"jump_operators.0.: expected the parts of the Hamiltonian, of dimensions \[8, 2\]; got \[2, 8\]",
    ),
    "a detector on other parts": (
        lambda: sq.models.monitored(
            qutip.tensor(NUMBER, qutip.qeye(2)),
            {"c": sq.measurement.homodyne(qutip.tensor(qutip.sigmam(), qutip.qeye(DIM)))},
        ),
        r"detectors\['c'\]: expected the parts of the Hamiltonian, of dimensions \[8, 2\]; got \[2, 8\]",
    ),
    "a state on other parts": (
        lambda: sq.exact.evolve(qutip.tensor(NUMBER, qutip.qeye(2)), qutip.basis([2, DIM], [0, 0]), [0, 1]),
        "psi0: expected the parts",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_operator_is_told(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_names_of_the_systems_own_observables():
    chain = sq.systems.ising(2, 1.0, 0.5)
    psi = np.array([1.0, 0.0, 0.0, 0.0])
    whole = sq.exact.evolve(
        chain, psi, TIMES, observables={"energy": chain.matrix(), "m": chain.operators["magnetization"]}
    )
    named = sq.exact.evolve(chain, psi, TIMES, observables=["energy", "magnetization"])
    assert list(named.expect) == ["energy", "magnetization"]
    np.testing.assert_allclose(named.expect["magnetization"], whole.expect["m"], atol=1e-12)
    np.testing.assert_allclose(named.expect["energy"], whole.expect["energy"], atol=1e-9)
    also = sq.exact.expectations(chain, psi, TIMES, observables={"m": "magnetization"})
    np.testing.assert_allclose(also["m"], whole.expect["m"], atol=1e-6)
    with pytest.raises(ValueError, match="^observables: 'energie': .*Did you mean 'energy'"):
        sq.exact.evolve(chain, psi, TIMES, observables=["energie"])
    with pytest.raises(ValueError, match=r"^observables: expected a list of names; got 'energy'. Write \['energy'\]"):
        sq.exact.evolve(chain, psi, TIMES, observables="energy")


def test_qutip_is_not_imported_to_find_out():
    code = (
        "import sys, numpy as np, scipy.sparse, stochq as sq; "
        "sq.exact.evolve(sq.models.unravel(scipy.sparse.eye_array(2), [np.eye(2)]), [1, 0], [0, 1]); "
        "assert not {'qutip', 'dynamiqs', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
