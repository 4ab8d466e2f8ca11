"""Conditional density matrices beside trajectories: against plain numpy, QuTiP, and states and records of the same run.

The numbers of QuTiP 5.3.1 are those of this script:

    c = np.exp(-0.5j * np.pi) * Qobj([[0, 0], [1, 0]])
    run = smesolve(Qobj([[0, 1.5], [1.5, 0]]), basis(2, 1), np.linspace(0, 2, 401), c_ops=[np.sqrt(0.4) * c],
        sc_ops=[np.sqrt(0.6) * c], e_ops=[sigmax(), sigmay(), sigmaz()], ntraj=1500, seeds=7,
        options={"dt": 0.0025, "method": "taylor1.5", "keep_runs_results": True, "map": "serial"})
    x, y, z = (np.array(run.runs_expect[k]).real[:, [200, 400]] for k in range(3))
    for v in ((1 + x**2 + y**2 + z**2) / 2, ((1 + z) / 2) ** 2, y**2):
        print(v.mean(0), v.std(0) / np.sqrt(len(v)))
"""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.accuracy.rare_events import extremes_of
from stochq.ensemble.conditional import conditioning_of, is_ordered
from stochq.ensemble.pilots import _levels
from stochq.ensemble.problem import build_problem
from stochq.ensemble.runner import precision_context
from stochq.ensemble.task import Task
from stochq.ensemble.to_tolerance import evaluate_on_mixtures
from stochq.measurement import counting, heterodyne, homodyne, unread
from stochq.schemes import frame_of
from tests import liouville
from tests.judging import judge_chi2, judge_mean

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
DRIVE = np.array([[0.0, 1.5], [1.5, 0.0]])
X = np.array([[0.0, 1.0], [1.0, 0.0]])
Y = np.array([[0.0, -1j], [1j, 0.0]])
HADAMARD = np.sqrt(0.5) * np.array([[1.0, 1.0], [1.0, -1.0]])
DOWN = np.array([0.0, 1.0])
EFFICIENCY, TIMES, DT = 0.6, np.array([0.0, 1.0, 2.0]), 0.01
QUTIP = {
    "purity": ([0.87008949, 0.77154368], [0.00201513, 0.00323005]),
    "excited²": ([0.49513421, 0.19331695], [0.00476314, 0.0052593]),
    "y²": ([0.516793, 0.26005925], [0.00827393, 0.00647467]),
}
OPERATORS = {"excited": np.array([1.0, 0.0]), "y": Y}
OBSERVABLES = OPERATORS | {
    "purity": lambda rho: jnp.vdot(rho, rho).real,
    "excited²": lambda rho: rho[0, 0].real ** 2,
    "y²": lambda rho: jnp.trace(jnp.asarray(Y) @ rho).real ** 2,
}


def watched(efficiency):
    """A driven qubit, of whose light a part is lost; electronics that have to be seen through hide another."""
    share, electronics = 1.25 * efficiency, {"noise": 0.25, "gain": -2.0, "offset": 1.0}
    return sq.models.monitored(DRIVE, {"current": homodyne(LOWERING, phase=np.pi / 2, efficiency=share, **electronics)})


@cache
def run(efficiency=EFFICIENCY, trajectories=10_000, seed=1):
    options = {"dt": DT, "seed": seed, "keep": 4, "records": True, "interval": DT, "conditional": True}
    equation = watched(efficiency)
    return sq.simulate(equation, DOWN, TIMES, observables=OBSERVABLES, trajectories=trajectories, **options)


def judge_operators(result, rho, what):
    """Means of operators against density matrices (T, 2, 2), by point and by χ² with their covariance."""
    want = {"excited": rho[:, 0, 0].real, "y": np.trace(Y @ rho, axis1=1, axis2=2).real}
    for name, value in want.items():
        judge_mean(result.mean[name], result.stderr[name], value, f"{what} {name}")
    chosen = [k for k, (name, _) in enumerate(result.covariance_points) if name in want]
    points = [result.covariance_points[k] for k in chosen]
    off = np.array([result.mean[name][time] - want[name][time] for name, time in points])
    judge_chi2(off, result.covariance[np.ix_(chosen, chosen)] / result.trajectories, what)


def step(rho, hamiltonian, watched, lost, increments, dt):
    """Rouchon and Ralph's map (PRA 91, 012118) of strong order 1, of density matrices (R, 2, 2); increments (K, R)."""
    loss = sum(c.conj().T @ c for c in (*watched, *lost))
    kraus = np.eye(2) - (1j * hamiltonian + 0.5 * loss) * dt + np.zeros((len(rho), 1, 1))
    for k, c in enumerate(watched):
        kraus = kraus + c * increments[k][:, None, None]
        for m, other in enumerate(watched):
            area = increments[k] * increments[m] - dt * (k == m)
            kraus = kraus + 0.5 * (c @ other) * area[:, None, None]
    rho = kraus @ rho @ kraus.conj().swapaxes(1, 2) + sum(c @ rho @ c.conj().T for c in lost) * dt
    return rho / np.trace(rho, axis1=1, axis2=2)[:, None, None]


def test_conditional_means_average_to_the_master_equation():
    exact = liouville.density(DRIVE.astype(complex), [LOWERING], DOWN, TIMES)
    judge_operators(run(), exact, "qubit")


def test_second_moments_and_purity_are_those_of_qutip():
    for name, (value, error) in QUTIP.items():
        both = np.hypot(error, run().stderr[name][1:])
        judge_mean(run().mean[name][1:], both, value, name)


def test_second_moments_and_purity_are_those_of_numpy():
    """The same stochastic master equation with noise of its own."""
    rng, dt, paths = np.random.default_rng(5), 0.0025, 4000
    c = np.exp(-0.5j * np.pi) * LOWERING
    watched, lost = [np.sqrt(EFFICIENCY) * c], [np.sqrt(1 - EFFICIENCY) * c]
    rho = np.repeat(np.outer(DOWN, DOWN).astype(complex)[None], paths, axis=0)
    for _ in range(round(2 / dt)):
        mean = np.trace((watched[0] + watched[0].conj().T) @ rho, axis1=1, axis2=2).real
        rho = step(rho, DRIVE, watched, lost, [mean * dt + np.sqrt(dt) * rng.normal(size=paths)], dt)
    y = np.trace(Y @ rho, axis1=1, axis2=2).real
    for name, value in {
        "purity": np.sum(np.abs(rho) ** 2, axis=(1, 2)),
        "excited²": rho[:, 0, 0].real ** 2,
        "y²": y**2,
    }.items():
        both = np.hypot(value.std() / np.sqrt(paths), run().stderr[name][-1])
        judge_mean(run().mean[name][-1], both, value.mean(), name)


def test_kept_states_are_those_given_the_records_of_their_trajectories():
    """By plain numpy from what was written down, without gain, offset and electronic noise."""
    result, c = run(), np.exp(-0.5j * np.pi) * LOWERING
    assert result.kept.shape == (4, 3, 2, 2)
    assert result.records is not None
    written = (result.records.increments[:4, :, 0] - 1.0 * DT) / (-2 * np.sqrt(1.25))
    rho = np.repeat(np.outer(DOWN, DOWN).astype(complex)[None], 4, axis=0)
    for n, increment in enumerate(written.T, 1):
        rho = step(rho, DRIVE, [np.sqrt(EFFICIENCY) * c], [np.sqrt(1 - EFFICIENCY) * c], [increment], DT)
        if n in (100, 200):
            np.testing.assert_allclose(result.kept[:, n // 100], rho, atol=0.02)
    np.testing.assert_allclose(result.kept_values["purity"][:, -1], np.sum(np.abs(rho) ** 2, axis=(1, 2)), atol=0.02)
    known = sq.inference.filter(
        watched(EFFICIENCY), DOWN, result.records, observables=OPERATORS, method="kraus",
    )  # fmt: skip
    np.testing.assert_allclose(result.kept_values["y"], known.mean["y"][:4, ::100], atol=2e-5)


@pytest.mark.release
def test_conditional_runs_merge_and_are_read_back(tmp_path):
    both = run(trajectories=100).merge(run(trajectories=100, seed=2))
    assert both.kept.shape == (8, 3, 2, 2) and both.records is not None and len(both.records) == 200
    loaded = sq.load(both.save(tmp_path / "run.nc"))
    np.testing.assert_array_equal(loaded.kept, both.kept)
    assert "density matrices given the records" in str(loaded)


@pytest.mark.release
def test_nothing_written_down_leaves_the_master_equation():
    """All trajectories alike, and no error but that of the step, of second order."""
    result = run(efficiency=0.0, trajectories=100)
    exact = liouville.density(DRIVE.astype(complex), [LOWERING], DOWN, TIMES)
    np.testing.assert_allclose(result.kept, np.broadcast_to(exact, (4, 3, 2, 2)), atol=2e-5)
    assert np.all(result.variance["excited"] < 1e-12)


def test_everything_written_down_leaves_the_pure_state():
    """ρ_c of the run is |ψ⟩⟨ψ| of the run without, as the step becomes shorter."""
    equation = sq.models.monitored(DRIVE, {"current": homodyne(LOWERING, phase=0.4)})
    off = []
    for dt in (0.02, 0.01):
        options = {"observables": {"e": OPERATORS["excited"]}, "trajectories": 200, "keep": 200, "seed": 3, "dt": dt}
        psi = sq.simulate(equation, DOWN, TIMES, **options).kept
        rho = sq.simulate(equation, DOWN, TIMES, conditional=True, **options).kept
        assert np.abs(np.einsum("rtab,rtba->rt", rho, rho).real - 1).max() < 1e-5
        off.append(1 - np.einsum("rta,rtab,rtb->rt", psi.conj(), rho, psi).real.mean())
    assert off[0] < 1e-4
    assert off[1] < 0.5 * off[0]


def test_diagonal_operators_need_no_step():
    """⟨z⟩_c from the mixed state depends on ∫dY alone, whose law is two Gaussians; a step as long as an interval."""
    rate, efficiency, times = 0.5, 0.7, np.array([0.0, 1.5])
    equation = sq.models.monitored(
        np.diag([0.3, -0.3]), {"z": homodyne(np.sqrt(rate) * np.array([1.0, -1.0]), efficiency=efficiency)}
    )
    rho = np.array([[0.6, 0.3j], [-0.3j, 0.4]])
    functions = {"z²": lambda rho: (rho[0, 0] - rho[1, 1]).real ** 2, "purity": OBSERVABLES["purity"]}
    result = sq.simulate(equation, rho, times, observables=functions, trajectories=20_000, conditional=True, seed=2)
    assert result.dt == 1.5
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    signal, span = 2 * np.sqrt(efficiency * rate), times[1]
    value = {"z²": 0.0, "purity": 0.0}
    for sign, share in ((1, 0.6), (-1, 0.4)):
        current = sign * signal * span + np.sqrt(span) * x
        up, down = 0.6 * np.exp(signal * current), 0.4 * np.exp(-signal * current)
        z = (up - down) / (up + down)
        coherence = 2 * 0.3**2 * np.exp(-4 * rate * (1 - efficiency) * span) / (up + down) ** 2
        for name, each in {"z²": z**2, "purity": 0.5 * (1 + z**2) + coherence}.items():
            value[name] += share * np.sum(weight * each) / weight.sum()
    for name, expected in value.items():
        judge_mean(result.mean[name][-1], result.stderr[name][-1], expected, name)


@pytest.mark.release
def test_both_quadratures_under_a_drive():
    """Heterodyne detection of a driven qubit with an operator that nobody reads, by plain numpy."""
    dt, times, sign = 0.005, np.array([0.0, 1.0]), np.diag([1.0, -1.0])
    drive = sq.systems.driven(sq.systems.levels(DRIVE), [(sign, lambda t: 2 * jnp.cos(3 * t))])
    equation = sq.models.monitored(drive, {"z": heterodyne(LOWERING, efficiency=0.7), "lost": unread([0.3, -0.3])})
    observables = {"rho": sq.Density(), "h": sq.Histogram(OPERATORS["excited"], [0.0, 0.4, 1.0])}
    options = {"dt": dt, "interval": dt, "records": True, "keep": 1000, "seed": 6, "trajectories": 1000}
    result = sq.simulate(equation, DOWN, times, observables=observables, conditional=True, **options)
    assert result.records is not None
    watched = [np.sqrt(0.35) * LOWERING, 1j * np.sqrt(0.35) * LOWERING]
    lost = [np.sqrt(0.3) * LOWERING, 0.3 * sign]
    rho = np.repeat(np.outer(DOWN, DOWN).astype(complex)[None], 1000, axis=0)
    for n, increments in enumerate(np.moveaxis(result.records.increments, 0, 2)):
        rho = step(rho, DRIVE + 2 * np.cos(3 * (n + 0.5) * dt) * sign, watched, lost, increments, dt)
    assert np.abs(result.kept[:, -1] - rho).mean() < 4e-3
    np.testing.assert_allclose(result.density[-1], result.kept[:, -1].mean(0), atol=1e-5)
    low = np.sum(result.kept[:, -1, 0, 0].real < 0.4)
    assert result.histograms["h"][1][-1].tolist() == [low, 1000 - low]


@pytest.mark.release
def test_clicks_that_are_missed_and_dark_ones():
    """Against jumps of ρ_c in short steps of numpy: half of the light is counted, among dark counts."""
    dark, counted, lost, times = 0.3, np.sqrt(0.5) * LOWERING, np.sqrt(0.5) * LOWERING, np.array([0.0, 2.0])
    equation = sq.models.monitored(DRIVE, {"n": counting(LOWERING, efficiency=0.5, dark=dark)})
    observables = {name: OBSERVABLES[name] for name in ("excited", "y", "purity", "excited²")}
    options = {"trajectories": 10_000, "dt": 0.02, "conditional": True, "records": True, "seed": 8}
    result = sq.simulate(equation, DOWN, times, observables=observables, **options)
    exact = liouville.density(DRIVE.astype(complex), [LOWERING], DOWN, times)
    judge_operators(result, exact, "clicks")
    rng, dt, paths = np.random.default_rng(9), 0.001, 4000
    rho = np.repeat(np.outer(DOWN, DOWN).astype(complex)[None], paths, axis=0)
    for _ in range(round(2 / dt)):
        after = counted @ rho @ counted.conj().T + dark * rho
        rate = np.trace(after, axis1=1, axis2=2).real
        kraus = np.eye(2) - dt * (1j * DRIVE + 0.5 * LOWERING.T @ LOWERING)
        silent = kraus @ rho @ kraus.conj().T + dt * lost @ rho @ lost.conj().T
        clicks = (rng.random(paths) < rate * dt)[:, None, None]
        rho = np.where(clicks, after, silent)
        rho = rho / np.trace(rho, axis1=1, axis2=2)[:, None, None]
    for name, value in {"purity": np.sum(np.abs(rho) ** 2, axis=(1, 2)), "excited²": rho[:, 0, 0].real ** 2}.items():
        both = np.hypot(value.std() / np.sqrt(paths), result.stderr[name][-1])
        judge_mean(result.mean[name][-1], both, value.mean(), name)


@pytest.mark.release
def test_to_a_tolerance_second_moments_are_those_of_qutip():
    """The step and the number of trajectories are chosen; more than the tolerance off is one run in twenty."""
    options = {"tolerance": 0.02, "trajectories": 50_000, "seed": 3, "conditional": True}
    result = sq.simulate(watched(EFFICIENCY), DOWN, TIMES, observables=OBSERVABLES, **options)
    assert result.info["reached"] <= 0.02 and 0.002 < result.dt < 0.5
    for name, (value, error) in QUTIP.items():
        assert np.all(np.abs(result.mean[name][1:] - value) < 0.02 + 3 * np.array(error)), name
    exact = liouville.density(DRIVE.astype(complex), [LOWERING], DOWN, TIMES)
    assert np.all(np.abs(result.mean["excited"] - exact[:, 0, 0].real) < 0.02)


def levels_of_a_pilot(driven, efficiency, h):
    """Purity and excitation (2, T, 2, block) of the fine run and of the coarse one; driven: depending on time."""
    hamiltonian = sq.systems.levels(DRIVE)
    if driven:
        hamiltonian = sq.systems.driven(hamiltonian, [(np.diag([1.0, -1.0]), lambda t: 4 * t)])
    equation = sq.models.monitored(hamiltonian, {"x": homodyne(LOWERING, efficiency=efficiency)})
    observables = {"excited": OPERATORS["excited"], "purity": OBSERVABLES["purity"]}
    pair = sq.schemes.Extrapolated(sq.schemes.Strang())
    task = Task(equation, frame_of(equation), DOWN + 0j, TIMES, observables, pair, "double", 3, conditional=True)
    with precision_context("double"):
        levels = np.array(_levels(build_problem(task, time_grid(TIMES, h)), np.uint32(0)))

    def alone(dt):
        options = {"dt": dt, "seed": 3, "keep": 8, "trajectories": 8, "precision": "double", "conditional": True}
        values = sq.simulate(equation, DOWN, TIMES, observables=observables, **options).kept_values
        return np.stack([values[name].T for name in observables], axis=1)

    return levels[..., :8], alone


@pytest.mark.release
@pytest.mark.parametrize("driven", [False, True])
def test_pilots_compare_runs_of_both_steps(driven):
    """The fine one is the very run at half the step; where nothing is known so is the coarse one at the whole step."""
    levels, alone = levels_of_a_pilot(driven, 0.6, 0.1)
    np.testing.assert_allclose(levels[0], alone(0.05), atol=1e-6)
    assert 1e-3 < np.abs(levels[1] - levels[0]).mean() < 0.1
    levels, alone = levels_of_a_pilot(driven, 0.0, 0.1)
    np.testing.assert_allclose(levels[1], alone(0.1), atol=1e-6)
    assert np.abs(levels[1] - levels[0]).max() > 1e-4


def test_functions_of_conditional_states_have_their_range_on_mixtures():
    """Purities of three levels reach down to that of the maximally mixed state."""
    low, high = extremes_of({"purity": OBSERVABLES["purity"]}, np.eye(3)[0], evaluate_on_mixtures)
    np.testing.assert_allclose([low[0], high[0]], [1 / 3, 1.0], atol=1e-6)


class Answer(sq.feedback.Controller):
    """What the record so far, of several lines, makes of a control, a kick and the phase of a detector."""

    def init(self):
        return jnp.zeros(3)

    def update(self, memory, record, t, dt):
        return jnp.stack([record["x"], memory[1] + record["x"] * dt, record["n"]])

    def output(self, memory, t):
        return {"push": 0.4 * memory[0], "x": 0.7 * memory[1], "kick": 0.5 * memory[2]}


@pytest.mark.release
def test_conditional_states_of_trajectories_that_are_driven():
    """By plain numpy from what was written down: a control, a kick and a phase by the steps before, ħ = ½."""
    dt, steps, count, hbar = 0.01, 100, 8, 0.5
    detectors = {
        "x": homodyne(LOWERING, phase=0.3, efficiency=0.6),
        "n": counting(0.9 * X, efficiency=0.5, dark=1.0),
    }
    equation = sq.models.monitored(hbar * DRIVE, detectors, hbar=hbar)
    loop = sq.feedback.Loop(Answer(), {"push": Y}, {"kick": HADAMARD})
    options = {"dt": dt, "interval": dt, "records": True, "keep": count, "seed": 4, "trajectories": count}
    result = sq.simulate(
        equation, DOWN, [0.0, steps * dt], observables=OPERATORS, conditional=True, feedback=loop, **options
    )
    assert result.records is not None and result.kept is not None
    currents, clicks = result.records["x"], result.records["n"]
    assert clicks.sum() > 5
    lost, click = [np.sqrt(0.4) * LOWERING, np.sqrt(0.5) * 0.9 * X], np.sqrt(0.5) * 0.9 * X
    for n in range(count):
        rho, phase = np.outer(DOWN, DOWN).astype(complex)[None], 0.3
        for k in range(steps):
            if k:
                for angle, operator in ((0.5 * clicks[n, k - 1], HADAMARD), (0.4 * currents[n, k - 1] * dt, Y)):
                    # Both operators have the square 1.
                    turn = np.cos(angle / hbar) * np.eye(2) - 1j * np.sin(angle / hbar) * operator
                    rho = turn @ rho @ turn.conj().T
            c = np.sqrt(0.6) * np.exp(-1j * phase) * LOWERING
            silent = step(rho, DRIVE, [c], [*lost], [currents[n, k : k + 1] * dt], dt)
            rho = silent - 0.5 * dt * (click.T @ click @ silent + silent @ click.T @ click)
            for _ in range(int(clicks[n, k])):
                rho = click @ rho @ click.T + 1.0 * rho
            rho = rho / np.trace(rho, axis1=1, axis2=2)
            phase += 0.7 * currents[n, k] * dt
        np.testing.assert_allclose(result.kept[n, -1], rho[0], atol=0.03)


@pytest.mark.release
def test_conditional_means_under_feedback_are_those_of_wiseman_and_milburn():
    """dρ = −i[H + ½(c†F + Fc), ρ] + D[c − iF]ρ + D[√(1−η)L]ρ, c = √η L; to what the controller is late."""
    efficiency, force, dt = 0.6, 0.5 * Y, 0.005
    equation = sq.models.monitored(0.3 * X, {"x": homodyne(LOWERING, efficiency=efficiency)})
    loop = sq.feedback.Loop(sq.feedback.Proportional("x", "push", gain=0.5), {"push": Y})
    options = {"trajectories": 4000, "dt": dt, "seed": 5, "conditional": True, "feedback": loop}
    result = sq.simulate(equation, DOWN, [0.0, 1.0], observables=OBSERVABLES, **options)
    c = np.sqrt(efficiency) * LOWERING
    whole = 0.3 * X + 0.5 * (c.T @ force + force @ c)
    exact = liouville.density(whole, [c - 1j * force, np.sqrt(0.4) * LOWERING], DOWN, np.array([0.0, 1.0]))[-1]
    for name, want in {"excited": exact[0, 0].real, "y": np.trace(Y @ exact).real}.items():
        assert abs(result.mean[name][-1] - want) < 4 * result.stderr[name][-1] + dt
    chosen = sq.simulate(
        equation, DOWN, [0.0, 1.0], observables=OPERATORS, **options | {"dt": None, "trajectories": 100}
    )
    assert chosen.info["dt_reason"].startswith("bias below") and chosen.dt < 0.5


MONITORED = sq.models.monitored(DRIVE, {"current": homodyne(LOWERING)})
UNITARY = sq.models.unravel(DRIVE, [np.array([1.0, -1.0])], noise="unitary")
OPEN = sq.models.unravel(DRIVE, [LOWERING], noise="any")
TWO_RUNS = sq.schemes.Extrapolated(sq.schemes.Strang())
VECTOR = {"p": lambda psi: jnp.abs(psi) ** 2}
REFUSED = {
    "no record": (UNITARY, {}, "conditional: expected an equation that has records"),
    "any law": (OPEN, {}, "noise: expected a law that is named"),
    "two runs": (MONITORED, {"scheme": TWO_RUNS}, "conditional: expected a scheme of one"),
    "pairs": (MONITORED, {"antithetic": True, "dt": 0.1}, "antithetic: expected False or None with conditional"),
    "ket": (
        MONITORED,
        {"observables": {"f": lambda psi: jnp.abs(jnp.vdot(jnp.asarray(DOWN), psi)) ** 2}},
        r"observables\['f'\]: expected a function of a density matrix \(2, 2\).*jnp.vdot\(k, rho @ k\).real",
    ),
    "level": (
        MONITORED,
        {"observables": {"f": lambda psi: jnp.abs(psi[0]) ** 2}},
        r"observables\['f'\]: expected a function of a density matrix",
    ),
    "no bool": (MONITORED, {"conditional": "no"}, "conditional: expected True or False; got 'no'"),
    "a ket's function": (MONITORED, {"observables": VECTOR, "dt": 0.1}, "function of one state"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_conditional_states_is_refused(case):
    equation, options, message = REFUSED[case]
    options = {"observables": {"e": OPERATORS["excited"]}, "trajectories": 200, "conditional": True} | options
    with pytest.raises(ValueError, match=message):
        sq.simulate(equation, DOWN, TIMES, **options)


def test_a_function_of_density_matrices_is_refused_where_states_are_kets():
    options = {"observables": {"f": lambda rho: jnp.trace(rho @ Y).real}, "trajectories": 200}
    with pytest.raises(ValueError, match=r"observables\['f'\]: expected a function of a ket \(2,\)"):
        sq.simulate(MONITORED, DOWN, TIMES, **options)


def run_of_pulsed_decay(law, envelope, **options):
    """Decay at the rate f(t)², from 0.6|0⟩ + 0.8|1⟩, with the level 0 on top."""
    channel = sq.channels.TimeDependentOperator([(LOWERING, envelope)]).with_law(law)
    equation = sq.Equation(sq.systems.levels([0.0, 0.0]), [channel])
    observables = {"excited": OPERATORS["excited"]}
    return sq.simulate(
        equation, [0.6, 0.8], TIMES, observables=observables, trajectories=500, dt=0.02, seed=1, conditional=True,
        **options,
    )  # fmt: skip


@pytest.mark.release
def test_clicks_of_an_operator_that_vanishes_at_the_saved_times():
    """f = 2 sin πt: ∫f² dt = 2 in each interval. Its click leaves nobody excited."""
    result = run_of_pulsed_decay("jump", lambda t: 2 * jnp.sin(jnp.pi * t), keep=500, records=True)
    judge_mean(result.mean["excited"], result.stderr["excited"], 0.36 * np.exp(-2 * TIMES), "pulses")
    assert result.failed == 0 and result.records is not None
    clicked = result.records["L0"].cumsum(axis=1) > 0
    assert clicked.any() and np.all(result.kept[:, 1:, 0, 0].real[clicked] < 1e-6)


@pytest.mark.release
def test_more_clicks_than_are_counted_are_no_state(monkeypatch):
    monkeypatch.setattr("stochq.ensemble.conditional.most_clicks", lambda rate, longest: 0)
    with pytest.raises(RuntimeError, match="non-finite"):
        run_of_pulsed_decay("jump", lambda t: 2 * jnp.sin(jnp.pi * t))


def test_order_of_operators_that_commute_at_the_saved_times_alone():
    """X t(1 − t) beside Z: which of the two was first within a step is not written down."""
    z, times = np.diag([1.0, -1.0]), np.array([0.0, 1.0])
    pulsed = sq.channels.TimeDependentOperator([(X, lambda t: t * (1 - t))])
    equation = sq.Equation(sq.systems.levels([0.0, 0.0]), [pulsed, sq.channels.DenseOperators(0.8 * z[None])], "real")
    assert not is_ordered(equation, times)
    assert conditioning_of(equation, sq.schemes.Strang(), np.array([0.6, 0.8]), times, 0.1).pairs == ((0, 1),)


@pytest.mark.release
@pytest.mark.parametrize("driven", [False, True], ids=["fixed", "driven"])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_an_energy_that_all_levels_share_costs_no_digits(offset, driven):
    """ρ_c of single precision: on average the coherence of levels one apart, e^{−it − γt/2} with γ = 0.04."""
    hamiltonian = sq.systems.levels([offset, offset + 1.0])
    if driven:
        hamiltonian = sq.systems.driven(hamiltonian, [(np.array([0.0, 0.5]), lambda t: 1.0 + 0 * t)])
    equation = sq.models.monitored(hamiltonian, {"n": homodyne([0.0, 0.2], efficiency=0.5)})
    options = {"observables": {"x": X}, "trajectories": 200, "dt": 0.05, "seed": 1, "conditional": True}
    result = sq.simulate(equation, [0.6, 0.8], [0.0, 5.0], **options)
    want = 0.96 * np.cos(5 * (1.5 if driven else 1.0)) * np.exp(-0.5 * 0.04 * 5)
    judge_mean(result.mean["x"][-1], result.stderr["x"][-1], want, "coherence")


@pytest.mark.parametrize(
    "what",
    [
        "modulated features",
        *(pytest.param(what, marks=pytest.mark.release) for what in ("driven", "modulated matrices")),
    ],
)
def test_channels_of_equations_that_depend_on_time(what):
    """Means are those of the master equation, at rates f(t)² where f = 1 + t."""
    envelope, hamiltonian = (lambda t: 1.0 + t), np.zeros((2, 2))
    if what == "driven":
        half = sq.systems.driven(hamiltonian, [(X, lambda t: t)])
        equation = sq.models.unravel(half, [0.2 * np.array([1.0, 1.0])], noise="real")
        want = np.sin(0.5) ** 2
    elif what == "modulated matrices":
        channel = sq.channels.Modulated(sq.channels.DenseOperators(LOWERING.T[None]), envelope)
        equation, want = sq.Equation(hamiltonian, [channel]), 1 - np.exp(-7 / 3)
    else:
        channel = sq.channels.Modulated(
            sq.channels.Features([[1.0, 0.0]], basis=sq.channels.Columns(HADAMARD)), envelope
        )
        equation, want = sq.Equation(hamiltonian, [channel]), 0.5 - 0.5 * np.exp(-0.5 * 7 / 3)
    options = {"observables": {"up": OPERATORS["excited"]}, "trajectories": 400, "dt": 0.02, "seed": 1}
    result = sq.simulate(equation, DOWN, [0.0, 1.0], conditional=True, **options)
    assert abs(result.mean["up"][-1] - want) < 5 * result.stderr["up"][-1] + 2e-4
