"""Arguments that do not fit are refused in QuTiP's words, and seeds make the trajectories that they made before."""

import jax
import numpy as np
import pytest
import qutip
from numpy.random import SeedSequence

import stochq as sq
from stochq.qutip import sse, ssesolve
from stochq.qutip.options import SSE_METHODS, STOCHASTIC, STOCHASTIC_MACHINERY, checked_options
from stochq.qutip.seeds import Range, ranges_of
from stochq.qutip.stochastic import request_of

DOWN, LEAK, TIMES = qutip.basis(2, 1), qutip.sigmam(), [0.0, 0.5, 1.0]


def _raises(t, state):
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sc_ops": []}, "sc_ops: expected at least one operator"),
        ({"sc_ops": [qutip.destroy(3)]}, r"sc_ops\[0\]: "),
        ({"sc_ops": [LEAK, "a"]}, r"sc_ops\[1\]: expected a Qobj"),
        ({"psi0": qutip.ket2dm(DOWN)}, "psi0: expected a ket"),
        ({"psi0": qutip.basis(3, 0)}, "psi0: "),
        ({"psi0": 2 * DOWN}, "psi0: "),
        ({"psi0": np.array([1, 0])}, "psi0: expected a ket"),
        ({"tlist": [0.0, 1.0, 0.5]}, "tlist: expected increasing"),
        ({"tlist": [0.0]}, "tlist: expected at least two"),
        ({"ntraj": 0}, "ntraj: expected a whole number"),
        ({"ntraj": 10**10, "options": {"keep_runs_results": True}}, "ntraj: expected runs whose states and values fit"),
        ({"ntraj": 2.5}, "ntraj: expected a whole number"),
        ({"heterodyne": "yes"}, "heterodyne: expected True or False"),
        ({"seeds": [1, 2]}, "seeds: expected at least ntraj = 4"),
        ({"seeds": [1, 2, 3, 3]}, "seeds: expected another one for each"),
        ({"seeds": -1}, "seeds: expected a whole number"),
        ({"seeds": "a"}, "seeds: expected a whole number"),
        ({"e_ops": [qutip.destroy(3)]}, r"e_ops\[0\]: expected an operator on 2 levels"),
        ({"e_ops": {"n": "number"}}, r"e_ops\['n'\]: expected a Qobj, a QobjEvo or a function"),
        ({"e_ops": [_raises]}, r"e_ops\[0\]: expected a function f\(t, state\).*RuntimeError: no"),
        ({"e_ops": [lambda t, psi: np.ones(1)]}, r"e_ops\[0\]: expected a function f\(t, state\) with a number"),
        ({"e_ops": [lambda t, psi: psi]}, r"e_ops\[0\]: expected a function f\(t, state\) with a number"),
        ({"target_tol": 0.1}, "target_tol: expected None without e_ops"),
        ({"target_tol": (0.0, 0.1), "e_ops": LEAK}, "target_tol: expected an absolute tolerance"),
        ({"timeout": -1.0}, "timeout: expected a positive number of seconds"),
        ({"timeout": 5.0, "target_tol": 0.1, "e_ops": LEAK, "ntraj": 200}, "target_tol: expected None with a timeout"),
        ({"target_tol": "a", "e_ops": LEAK}, "target_tol: expected a number, a pair"),
        (
            {"target_tol": 0.1, "e_ops": {"one": LEAK, "f": lambda t, psi: t}, "ntraj": 5000},
            r"target_tol: expected operators alone among the e_ops.*e_ops\['f'\] is a function",
        ),
        ({"options": {"store_measurment": "start"}}, "options: expected .* Did you mean 'store_measurement'"),
        ({"options": {"method": "platten"}}, r"options\['method'\]: .* Did you mean 'platen'"),
        ({"options": {"dt": -0.1}}, r"options\['dt'\]: expected a positive step"),
        ({"options": {"store_measurement": "begin"}}, r"options\['store_measurement'\]: expected 'start'"),
        ({"options": {"keep_runs_results": "no"}}, r"options\['keep_runs_results'\]: expected True or False"),
        ({"options": [1]}, "options: expected a dictionary"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    given = {"psi0": DOWN, "tlist": TIMES, "sc_ops": LEAK, "ntraj": 4} | changed
    with pytest.raises(ValueError, match="^" + message):
        ssesolve(qutip.sigmax(), **given)


ODD = (
    "a", b"x", float("nan"), -1, 1j, [], [[]], {}, [None], np.array([]), np.eye(2), np.nan * qutip.sigmax(),
    qutip.basis(3, 0), qutip.basis(2, 0).dag(), qutip.liouvillian(qutip.sigmax()), qutip.destroy(3), lambda: 1,
    lambda t: t, lambda t, state: state, object(), True, [qutip.sigmax(), [qutip.sigmax(), "1/0"]], [1, "a"], range(3),
    qutip.Qobj(), np.random.default_rng(1),
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "psi0",
        "tlist",
        "sc_ops",
        "heterodyne",
        "e_ops",
        "args",
        "ntraj",
        "options",
        "seeds",
        "target_tol",
        "timeout",
        "H",
    ],
)
def test_odd_things_are_taken_or_refused_by_name(name, monkeypatch):
    def asked(solver, described, setup, m_ops, heterodyne, asked, begun):
        request_of(setup, asked, ranges_of(asked.seeds, asked.ntraj)[0])

    monkeypatch.setattr(sse, "solved", asked)
    given = {"H": qutip.sigmax(), "psi0": DOWN, "tlist": TIMES, "sc_ops": LEAK, "ntraj": 4, "e_ops": qutip.sigmaz()}
    for odd in ODD:
        try:
            ssesolve(**given | {name: odd})
        except ValueError as error:
            # Another H than the operators belong to is told of the first of these.
            assert str(error).startswith((name, "sc_ops[0]") if name == "H" else name), odd


def test_the_equation_is_the_one_that_unravel_makes(monkeypatch):
    """Or another program would be compiled for it."""
    setups = []
    monkeypatch.setattr(sse, "solved", lambda solver, described, setup, *others: setups.append(setup))
    for heterodyne, noise in ((False, None), (True, "complex")):
        ssesolve(qutip.sigmax(), DOWN, TIMES, [LEAK, qutip.sigmaz()], heterodyne)
        direct = sq.models.unravel(qutip.sigmax(), [LEAK, qutip.sigmaz()], noise=noise)
        assert jax.tree.structure(setups[-1].equation) == jax.tree.structure(direct)
        jax.tree.map(np.testing.assert_array_equal, setups[-1].equation, direct)


def test_every_option_of_qutip_is_known():
    for method in qutip.SSESolver.avail_integrators():
        options = dict(qutip.SSESolver(qutip.sigmax(), [LEAK], heterodyne=False, options={"method": method}).options)
        assert checked_options(options, STOCHASTIC, STOCHASTIC_MACHINERY, SSE_METHODS)["method"] == method
    assert {name: STOCHASTIC[name] for name in options if name in STOCHASTIC and name not in ("dt", "method")} == {
        name: value for name, value in options.items() if name in STOCHASTIC and name not in ("dt", "method")
    }


def test_seeds_are_numbers_of_trajectories():
    ranges, seeds = ranges_of(7, 5)
    assert ranges == [Range(7, 0, 5)]
    assert [each.state for each in seeds] == [each.state for each in SeedSequence(7).spawn(5)]
    assert ranges_of(SeedSequence(7), 5)[0] == ranges
    assert ranges_of(seeds[3:], 2)[0] == [Range(7, 3, 2)]
    assert len(ranges_of([seeds[0], seeds[1], seeds[4]], 3)[0]) == 2
    assert ranges_of(list(seeds), 5)[0] == ranges
    counted = ranges_of([5, 6, 9], 3)[0]
    assert [(each.first, each.count) for each in counted] == [(5, 2), (9, 1)]
    assert ranges_of(None, 3)[0] != ranges_of(None, 3)[0]
    # A sequence that has spawned before spawns others.
    parent = SeedSequence(7)
    parent.spawn(2)
    assert ranges_of(parent, 3)[0] == [Range(7, 2, 3)]
    nested = SeedSequence(7).spawn(1)[0]
    assert ranges_of(nested, 3)[0][0].seed != 7


def test_keys_of_e_ops_are_not_taken_for_each_other():
    """Nor for what a run keeps beside them. A mean that few runs carry is told of, with the line of the call."""
    values = {0: 1.0, "e_ops[0]": 2.0, "values of every run": 3.0}
    e_ops = {key: value * qutip.qeye(2) for key, value in values.items()} | {"up": qutip.basis(2, 0).proj()}
    rare = (DOWN + 0.03 * qutip.basis(2, 0)).unit()
    with pytest.warns(UserWarning, match="^up: heavy tails") as told:
        found = ssesolve(qutip.sigmaz(), rare, TIMES, 2 * qutip.sigmaz(), e_ops=e_ops, ntraj=1024, options={"dt": 0.5})
    assert [warning.filename for warning in told] == [__file__]
    for key, value in values.items():
        assert found.e_data[key] == pytest.approx([value] * 3, abs=1e-6)
