"""Quantum jumps in QuTiP's words: numbers of jumps, waiting times, and states given the clicks that are seen."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import cumulative_simpson
from scipy.linalg import expm

qutip = pytest.importorskip("qutip")

import stochq.qutip as qt_  # noqa: E402
from stochq.qutip.counted import Between  # noqa: E402
from stochq.qutip.liouvillians import generator_of  # noqa: E402
from tests.judging import judge, judge_mean, judge_sample  # noqa: E402

RABI, DECAY = 3.0, 1.0
DRIVE, GROUND = 0.5 * RABI * qutip.sigmax(), qutip.basis(2, 1)
LOWERING, DEPHASING = np.sqrt(DECAY) * qutip.sigmam(), 0.5 * qutip.sigmaz()
EXCITED = qutip.basis(2, 0).proj()
MIXED = 0.7 * GROUND.proj() + 0.3 * EXCITED
FADING = qutip.QobjEvo([[2 * DEPHASING, lambda t: np.exp(-t)]])
QUIET = {"progress_bar": ""}
TIMES = np.linspace(0, 4, 41)


def waiting(times):
    """The distribution of the times between photons: the integral of γ(Ω²/4λ²)e^{−γt/2} sin²λt, λ² = (Ω² − γ²/4)/4."""
    half, turn = DECAY / 2, np.sqrt(RABI**2 - DECAY**2 / 4)
    decay = np.exp(-half * times)
    turning = (half - decay * (half * np.cos(turn * times) - turn * np.sin(turn * times))) / (half**2 + turn**2)
    return DECAY * RABI**2 / (2 * turn**2) * ((1 - decay) / half - turning)


def numbers_of_jumps(result):
    """(trajectory, operator)."""
    return np.array([np.bincount(which, minlength=result.num_c_ops) for which in result.col_which])


def expected_numbers(hamiltonian, state, c_ops, rates):
    """∫⟨L†L⟩dt up to every time of the master equation, for every L, by Simpson's rule."""
    fine = np.linspace(TIMES[0], TIMES[-1], 40 * (len(TIMES) - 1) + 1)
    tight = {"atol": 1e-11, "rtol": 1e-9}
    mean = qutip.mesolve(hamiltonian, state, fine, c_ops, e_ops=rates, options=tight | QUIET).expect
    return np.array([cumulative_simpson(rate, x=fine, initial=0)[::40] for rate in mean])


@pytest.fixture(scope="module")
def two_channels():
    return qt_.mcsolve(DRIVE, MIXED, TIMES, [LOWERING, DEPHASING], e_ops=[EXCITED], ntraj=2000, seeds=1, options=QUIET)


def test_numbers_of_jumps(two_channels):
    rates = [each.dag() * each for each in (LOWERING, DEPHASING)]
    expected = expected_numbers(DRIVE, MIXED, [LOWERING, DEPHASING], rates)
    judge_sample(numbers_of_jumps(two_channels), expected[:, -1], "numbers of jumps")
    runs = np.array(two_channels.runs_photocurrent)
    assert runs.shape == (2000, 2, 40)
    judge_sample(np.cumsum(runs, axis=-1) * 0.1, expected[:, 1:], "numbers of jumps up to every time")
    np.testing.assert_allclose(two_channels.photocurrent, runs.mean(axis=0), atol=1e-12)


def test_jumps_stand_in_their_order(two_channels):
    for jumps, times, which in zip(two_channels.collapse, two_channels.col_times, two_channels.col_which, strict=True):
        assert list(jumps) == list(zip(times, which, strict=True))
        assert np.all(np.diff(times) > 0)


def test_means_of_jumping_states(two_channels):
    exact = qutip.mesolve(DRIVE, MIXED, TIMES, [LOWERING, DEPHASING], e_ops=[EXCITED]).expect[0]
    judge_mean(two_channels.expect[0], two_channels.stderr_expect[0], exact, "excited")
    np.testing.assert_allclose(
        two_channels.stderr_expect[0], two_channels.std_expect[0] / np.sqrt(2000), rtol=1e-3, atol=1e-9
    )


def test_waiting_times():
    """So many first photons of every trajectory that all have them: no wait is cut off."""
    result = qt_.mcsolve(DRIVE, GROUND, [0.0, 30.0], LOWERING, ntraj=512, seeds=2, options=QUIET)
    waits = [np.diff(times, prepend=0.0) for times in result.col_times]
    least = min(map(len, waits))
    assert least > 2
    judge(stats.kstest(np.concatenate([each[:least] for each in waits]), waiting).pvalue, "waiting times")


@pytest.mark.release
def test_a_drive_and_fading_jumps():
    """Clicks are made in steps where anything depends on time."""
    driven = qutip.QobjEvo([DRIVE, [qutip.sigmaz(), lambda t, shift: shift * np.cos(2 * t)]], args={"shift": 1.0})
    c_ops = [FADING, LOWERING]
    options = {"e_ops": {"excited": EXCITED}, "args": {"shift": 0.5}}
    result = qt_.mcsolve(driven, MIXED, TIMES, c_ops, ntraj=1000, seeds=3, options=QUIET, **options)
    driven.arguments({"shift": 0.5})
    exact = qutip.mesolve(driven, MIXED, TIMES, c_ops, e_ops=[EXCITED]).expect[0]
    judge_mean(result.e_data["excited"], result.stderr_expect[0], exact, "excited, driven")
    expected = expected_numbers(driven, MIXED, c_ops, [FADING.dag() * FADING, LOWERING.dag() * LOWERING])
    judge_sample(numbers_of_jumps(result), expected[:, -1], "numbers of jumps, driven")


def test_operators_that_depend_on_time_are_no_part_of_a_liouvillian():
    with pytest.raises(
        ValueError, match=r"^c_ops\[0\]: expected an operator that does not depend on time.*Give the Ham"
    ):
        qt_.mcsolve(qutip.liouvillian(DRIVE), MIXED, TIMES, [FADING, LOWERING], ntraj=2)
    turned = [qutip.liouvillian(DRIVE), [qutip.liouvillian(EXCITED), lambda t: t]]
    with pytest.raises(ValueError, match="^H: expected a Liouvillian that does not depend on time"):
        qt_.mcsolve(turned, MIXED, TIMES, [LOWERING], ntraj=2)


def test_seeds_name_trajectories_and_results_merge():
    """Runs of seeds that do not follow each other are the trajectories that these seeds made before."""
    arguments = DRIVE, GROUND, TIMES, [LOWERING, DEPHASING]
    options = {"e_ops": [EXCITED], "options": QUIET | {"keep_runs_results": True}}
    first = qt_.mcsolve(*arguments, ntraj=8, seeds=5, **options)
    turned = qt_.mcsolve(*arguments, ntraj=8, seeds=first.seeds[4:] + first.seeds[:4], **options)
    assert turned.collapse == first.collapse[4:] + first.collapse[:4]
    np.testing.assert_array_equal(turned.runs_expect[0], np.roll(first.runs_expect[0], 4, axis=0))
    both = first + qt_.mcsolve(*arguments, ntraj=4, seeds=6, **options)
    assert both.num_trajectories == 12 and both.collapse[:8] == first.collapse
    np.testing.assert_allclose(both.photocurrent, np.mean(both.runs_photocurrent, axis=0), atol=1e-12)
    with pytest.raises(ValueError, match="^other: expected a result of other trajectories"):
        both + first


# A counter that sees .7 of what leaves a cavity, and dephasing that nobody sees.
LEVELS, SEEN = 4, 0.7
CAVITY = qutip.destroy(LEVELS)
ENERGY = 2.0 * CAVITY.dag() * CAVITY + 0.4 * (CAVITY + CAVITY.dag())
COUNTED = np.sqrt(SEEN) * CAVITY
UNSEEN = [np.sqrt(1 - SEEN) * CAVITY, 0.3 * CAVITY.dag() * CAVITY]
LIOUVILLIAN = qutip.liouvillian(ENERGY, UNSEEN)
FOCK = qutip.basis(LEVELS, 2)


@pytest.fixture(scope="module")
def conditional():
    options = QUIET | {"keep_runs_results": True, "store_states": True}
    turning = qutip.QobjEvo([[CAVITY, lambda t: np.exp(2j * t)]])
    observed = {
        "n": CAVITY.dag() * CAVITY,
        "a": CAVITY,
        "turning": turning,
        "purity": lambda t, rho: (rho * rho).tr().real,
    }
    summed = [qutip.liouvillian(ENERGY), *map(qutip.lindblad_dissipator, UNSEEN)]
    return qt_.mcsolve(summed, FOCK, TIMES, [COUNTED], e_ops=observed, ntraj=300, seeds=4, options=options)


def given_the_clicks(jumps):
    """The states at all times, from exponentials of superoperators with QuTiP and SciPy."""
    rate = COUNTED.dag() * COUNTED
    still = (LIOUVILLIAN - 0.5 * (qutip.spre(rate) + qutip.spost(rate))).full()
    jump = qutip.to_super(COUNTED).full()
    events = [(time, True) for time, _ in jumps] + [(time, False) for time in TIMES[1:]]
    rho, now, states = qutip.operator_to_vector(FOCK.proj()).full(), 0.0, [FOCK.proj().full()]
    for time, clicked in sorted(events):
        rho = expm(still * (time - now)) @ rho
        rho, now = (jump @ rho if clicked else rho), time
        if not clicked:
            matrix = rho.reshape(LEVELS, LEVELS).T
            states.append(matrix / np.trace(matrix))
    return np.array(states)


def test_states_given_the_clicks(conditional):
    clicked = [n for n in range(300) if len(conditional.collapse[n]) > 1][:3]
    assert len(clicked) == 3
    for n in clicked:
        ours = np.array([rho.full() for rho in conditional.runs_states[n]])
        np.testing.assert_allclose(ours, given_the_clicks(conditional.collapse[n]), atol=1e-9)
    states = np.array([[rho.full() for rho in run] for run in conditional.runs_states])
    assert np.linalg.eigvalsh(states).min() > -1e-12
    np.testing.assert_allclose(np.trace(states, axis1=2, axis2=3), 1, atol=1e-12)
    purity = np.einsum("ntij,ntji->nt", states, states).real
    np.testing.assert_allclose(conditional.runs_e_data["purity"], purity, atol=1e-9)
    turned = np.asarray(conditional.runs_e_data["a"]) * np.exp(2j * TIMES)
    np.testing.assert_allclose(conditional.runs_e_data["turning"], turned, atol=1e-9)


def test_many_levels_take_a_series_in_place_of_a_matrix(monkeypatch):
    watched, unseen = COUNTED.full()[None], np.array([each.full() for each in UNSEEN])
    rho = np.array([qutip.rand_dm(LEVELS, seed=seed).full() for seed in range(3)])
    dense = Between(ENERGY.full(), unseen, watched).over(rho, 1.7)
    monkeypatch.setattr("stochq.qutip.counted._DENSE_LEVELS", LEVELS - 1)
    np.testing.assert_allclose(Between(ENERGY.full(), unseen, watched).over(rho, 1.7), dense, atol=1e-12)


def test_means_given_the_clicks(conditional):
    """Over all that counters may see they are those of the master equation."""
    channels = [*UNSEEN, COUNTED]
    exact = qutip.mesolve(ENERGY, FOCK, TIMES, channels, e_ops=[CAVITY.dag() * CAVITY, CAVITY]).expect
    for place, name in enumerate(("n", "a")):
        judge_sample(np.asarray(conditional.runs_e_data[name]), exact[place], name)
    expected = expected_numbers(ENERGY, FOCK, channels, [COUNTED.dag() * COUNTED])
    judge_sample(numbers_of_jumps(conditional), expected[:, -1], "counted photons")


@pytest.mark.parametrize("seed", range(3))
def test_a_liouvillian_is_taken_apart(seed):
    """Into a Hamiltonian and operators that make it up again."""
    rng = np.random.default_rng(seed)
    hamiltonian = qutip.rand_herm(3, seed=rng)
    operators = [qutip.Qobj(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))) for _ in range(2)]
    whole = qutip.liouvillian(hamiltonian, operators)
    found = generator_of(whole.full())
    again = qutip.liouvillian(qutip.Qobj(found.hamiltonian), [qutip.Qobj(each) for each in found.operators])
    assert len(found.operators) == 2
    np.testing.assert_allclose(again.full(), whole.full(), atol=1e-12)


def test_a_liouvillian_without_operators_is_a_hamiltonian():
    found = generator_of(qutip.liouvillian(DRIVE).full())
    assert found.operators.shape == (0, 2, 2)
    np.testing.assert_allclose(found.hamiltonian, DRIVE.full(), atol=1e-12)


def test_superoperators_that_are_no_liouvillians():
    decay = qutip.liouvillian(DRIVE, [LOWERING])
    wrong = {
        "stays Hermitian": qutip.spre(LOWERING),
        "keeps Tr": decay + qutip.spre(qutip.qeye(2)),
        "negative rates": decay - 2 * qutip.lindblad_dissipator(DEPHASING),
    }
    for told, superoperator in wrong.items():
        with pytest.raises(ValueError, match=f"^H: expected a Liouvillian.*{told}"):
            qt_.mcsolve(superoperator, GROUND, TIMES, [LOWERING], ntraj=2, options=QUIET)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"c_ops": []}, "c_ops"),
        ({"c_ops": [qutip.destroy(3)]}, "c_ops"),
        ({"state": qutip.basis(3, 0)}, "state"),
        ({"state": [GROUND]}, "state"),
        ({"ntraj": 0}, "ntraj"),
        ({"ntraj": [2, 3]}, "ntraj"),
        ({"seeds": [1]}, "seeds"),
        ({"tlist": [0.0, 2.0, 1.0]}, "tlist"),
        ({"options": {"improved_sampling": True}}, "options"),
        ({"options": {"metod": "adams"}}, "options"),
        ({"c_ops": [qutip.to_super(LOWERING)]}, "c_ops"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_wrong_arguments_are_named(change, told):
    arguments = {"H": DRIVE, "state": GROUND, "tlist": TIMES, "c_ops": [LOWERING], "ntraj": 2, "options": QUIET}
    with pytest.raises((ValueError, TypeError), match=rf"^{told}"):
        qt_.mcsolve(**(arguments | change))
