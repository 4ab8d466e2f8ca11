"""A finished run goes on from its final states to later times, to the numbers of one run, or is refused."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.ensemble import later_times, runner
from stochq.ensemble.checkpoint.content import unpacked
from stochq.ensemble.final_states import FINAL, FinalStates
from stochq.ensemble.jumps.log import CLICKS, ClickRows
from stochq.ensemble.records import RECORDS, RecordColumn
from stochq.ensemble.stored import start_of
from stochq.ensemble.tree import Part
from tests.ensemble.test_checkpoint import DECAY, WATCHED, assert_equal, interrupt  # noqa: F401
from tests.ensemble.test_ranges import BLOCK, STATE

# Compiled as users' programs are: without optimisation XLA rounds alike in no two programs.
pytestmark = [pytest.mark.filterwarnings("default:interrupted"), pytest.mark.optimised]
LEVELS = sq.systems.levels([0.0, 1.0])
X = np.array([[0.0, 1.0], [1.0, 0.0]])
SUV = sq.models.suv(LEVELS, strength=1.0)
DRIVEN = sq.models.suv(sq.systems.driven(LEVELS, [(X, lambda t: 0.5 * t)]), strength=1.0)
SWITCHED = sq.systems.piecewise(lambda t: jnp.where(t < 1.2, 0.5, 2.0), [0.3, 1.2])
SWITCHED = sq.models.suv(sq.systems.driven(LEVELS, [(X, SWITCHED)]), strength=1.0)
COLOURED = sq.models.unravel(
    sq.systems.levels(0.3 * X), [np.array([0.0, 1.2])], noise="unitary", colour=sq.noise.OrnsteinUhlenbeck(0.5)
)
WATCHED_DECAY = sq.models.monitored(
    sq.systems.levels([0.0, 1.0]),
    {"n": sq.measurement.counting(2 * X), "Y": sq.measurement.homodyne(np.array([[0.0, 1.0], [0.0, 0.0]]))},
)
EARLY, LATE = (0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 1.5, 2.0)
FEW = 2 * BLOCK + 100


def run(times, path=None, trajectories=FEW, equation=SUV, **options):
    stored = {} if path is None else {"checkpoint": path, "store_final_states": True}
    options = {"observables": {"p": [1.0, 0.0], "x": X}, "dt": 0.25, "batch": BLOCK} | stored | options
    return sq.simulate(equation, STATE, times, trajectories=trajectories, **options)


def assert_close(a, b):
    for name in b.mean:
        np.testing.assert_allclose(a.mean[name], b.mean[name], atol=1e-6)
        np.testing.assert_allclose(a.stderr[name], b.stderr[name], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(a.covariance, b.covariance, atol=1e-5)


KINDS = {
    "steps of many lengths": (
        # A function that sees the phase.
        SUV,
        {"times": ([0.0, 0.4, 1.1], [0.0, 0.4, 1.1, 1.4]), "observables": {"re": lambda psi: psi[0].real}},
    ),
    "edges": (SWITCHED, {"observables": {"p": [1.0, 0.0]}}),
    "coloured": (COLOURED, {}),
    "records, a density, a histogram, one's own": (SUV, {"observables": WATCHED, "records": True, "interval": 0.25}),
    "clicks": (WATCHED_DECAY, {"records": True}),
    "single steps": (SUV, {"dt": 0.5}),
    "driven": (DRIVEN, {}),
    "extrapolated": (SUV, {"scheme": sq.schemes.Extrapolated(sq.schemes.Strang())}),
    "double": (SUV, {"precision": "double"}),
}
LONG = {"clicks", "coloured", "steps of many lengths", "edges", "single steps", "driven", "extrapolated", "double"}


@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.release] * (k in LONG)) for k in KINDS])
def test_a_run_goes_on_to_the_last_bit(tmp_path, kind):
    equation, options = KINDS[kind]
    early, late = options.get("times", (EARLY, LATE))
    options = {name: value for name, value in options.items() if name != "times"}
    run(early, tmp_path / "c", equation=equation, **options)
    longer = run(late, tmp_path / "c", equation=equation, **options)
    assert_equal(longer, run(late, tmp_path / "once", equation=equation, **options))
    assert_close(longer, run(late, equation=equation, **options))


@cache
def made_once(folder, times, trajectories):
    # Not by a fixture of the module, which would come before that of `optimised`.
    return run(times, folder / f"{len(times)}", trajectories, keep=3), folder / f"{len(times)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("once")


@pytest.fixture
def at_once(folder):
    """A run of more trajectories to the last time, its kept states, and its checkpoint."""
    return made_once(folder, LATE, 4 * BLOCK)


def final_states(path):
    parts = [Part(*part) for part in unpacked(path.read_bytes(), path)["stages"][-1]["parts"]]
    return np.concatenate([array for part in parts for array in part.summaries[FINAL]], axis=-1)


def test_what_is_stored_are_values_at_all_times_and_states(at_once):
    result, path = at_once
    stored = final_states(path)
    assert stored.shape == (2 * len(LATE) + 4, 4 * BLOCK)
    p, x = stored[0 : 2 * len(LATE) : 2], stored[1 : 2 * len(LATE) : 2]
    np.testing.assert_allclose(p[:, :3].T, np.abs(result.kept[..., 0]) ** 2, atol=1e-6)
    np.testing.assert_allclose(x[:, :3].T, 2 * (result.kept[..., 0].conj() * result.kept[..., 1]).real, atol=1e-6)
    np.testing.assert_allclose(result.mean["x"], x.astype(float).mean(axis=1), atol=1e-6)
    assert np.sum(stored[-4:] ** 2, axis=0) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.release
def test_an_extension_is_interrupted_and_gets_more_trajectories(tmp_path, at_once, interrupt):  # noqa: F811
    whole, once = at_once
    path = tmp_path / "c"
    run(EARLY, path)
    undo = interrupt(2)
    part = run(LATE, path)
    undo()
    assert part.info["interrupted"] and part.trajectories == BLOCK and tuple(part.times) == LATE
    assert unpacked(path.read_bytes(), path)["earlier"] is not None
    assert_equal(run(LATE, path, 4 * BLOCK, keep=3), whole)
    np.testing.assert_array_equal(final_states(path), final_states(once))
    content = unpacked(path.read_bytes(), path)
    assert content["earlier"] is None and len(content["stages"]) == 1
    assert_equal(run(LATE, path, 4 * BLOCK, keep=3), whole)


def test_an_extension_is_not_made_from_the_beginning(tmp_path, monkeypatch):
    path, steps = tmp_path / "c", []
    run(EARLY, path)

    def counted(problem, trajectories, count, *others):
        steps.append((problem.start is not None, trajectories, count))
        return runner.run(problem, trajectories, count, *others)

    monkeypatch.setattr(later_times, "run", counted)
    run(LATE, path)
    assert steps == [(True, FEW, 4)]


@pytest.mark.long
def test_a_run_to_a_tolerance_goes_on_to_as_many_as_it_takes(tmp_path, interrupt):  # noqa: F811
    """Interrupted among the trajectories that were known, and among those that the later times take beyond them."""
    options = {"trajectories": 60 * BLOCK, "tolerance": 0.011, "observables": {"p": [1.0, 0.0]}}
    path, once = tmp_path / "c", run(LATE, tmp_path / "once", **options)
    known = run(EARLY, path, **options).trajectories
    assert known == 8 * BLOCK and once.trajectories == 9 * BLOCK
    for number, done in ((3, 2 * BLOCK), (7, known)):
        undo = interrupt(number)
        part = run(LATE, path, **options)
        undo()
        assert part.info["interrupted"] and part.trajectories == done
    assert_equal(run(LATE, path, **options), once)
    assert_equal(run(LATE, path, **options), once)


CHANGED = {
    "dt": ({"dt": 0.125}, "this run differs in times or dt"),
    "observables": ({"observables": {"p": [0.0, 1.0], "x": X}}, "this run differs in the observables"),
    "equation": ({"equation": DECAY}, "store_final_states: expected False with jumps alone"),
    "earlier times": ({"times": [0.0, 0.25, 1.0, 2.0]}, "this run differs in.* times or dt"),
    "other lengths": ({"times": [*EARLY, 1.3]}, "steps of another length"),
    "odd": ({"times": [*EARLY, 1.25]}, "a later interval has an odd number of steps"),
    "fewer": ({"trajectories": BLOCK}, f"^trajectories: expected at least {FEW}, which the checkpoint"),
    "not stored": ({"store_final_states": False}, "final states True, here None"),
    "seed": ({"seed": 1}, "seed 0, here 1"),
}


@pytest.fixture
def finished(folder):
    return made_once(folder, EARLY, FEW)[1]


@pytest.mark.parametrize("name", CHANGED)
def test_what_would_be_another_run_is_refused_and_the_file_stays(finished, name):
    changes, told = CHANGED[name]
    options = {"times": LATE, "path": finished} | changes
    if name == "equation":
        options["dt"] = None
    before = finished.read_bytes()
    with pytest.raises(ValueError, match=told):
        run(**options)
    assert finished.read_bytes() == before


def test_what_cannot_be_stored_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(later_times, "run", None)
    path = tmp_path / "c"
    with pytest.raises(ValueError, match="^store_final_states: expected a checkpoint beside it"):
        run(EARLY, store_final_states=True)
    refused: dict[str, dict[str, Any]] = {
        "antithetic=True": {"antithetic": True},
        "conditional=True": {"conditional": True},
    }
    for what, options in refused.items():
        with pytest.raises(ValueError, match=f"^store_final_states: expected False with {what}"):
            run(EARLY, path, **options)
    monkeypatch.setattr(later_times, "host_memory", lambda: 2**20)
    with pytest.raises(
        ValueError, match="^store_final_states: .* 4 copies .*the final states of 1000000 traj.* 38.1 MiB"
    ):
        run(EARLY, path, 10**6)
    assert list(tmp_path.iterdir()) == []


def test_clicks_that_had_no_room_are_not_gone_on_from():
    """Of trajectories with 0, 2 and 3 clicks in logs of two, the first two are known whole."""
    rows = ClickRows(
        np.array([1, 1, 2, 2]), np.array([0, 1, 0, 0]), np.arange(4.0) / 8, np.zeros(4, int), 3, np.array([])
    )
    counted = np.array([[[0.0]], [[2.0]], [[3.0]]])
    summaries = {FINAL: [np.arange(6.0).reshape(2, 3)], RECORDS: [counted], CLICKS: [rows]}
    loop = SimpleNamespace(record=(RecordColumn(((0, 0),), "N"),), clicks=4)
    problem: Any = SimpleNamespace(loop=loop, block=4)
    start: Any = start_of([Part(0, 8, 11, 4, 0, summaries)], 6, 2, 1, problem)
    assert start.trajectories == 2 and start.first == 8 and start.numbers.shape == (2, 4)
    np.testing.assert_array_equal(start.logged[:2], [0, 2])
    np.testing.assert_array_equal(start.log[:, :2, 1], [[0, 1], [0, 0.125], [0, 0]])
    assert np.all(start.log[:, 2:] == -1) and np.all(start.log[..., 0] == -1)
    summaries[RECORDS] = [counted[::-1]]
    assert start_of([Part(0, 8, 11, 4, 0, summaries)], 6, 2, 1, problem) is None


def test_trajectories_that_failed_stay_so():
    weights = jnp.array([1.0, 0.0])
    block = np.asarray(FinalStates().block(jnp.ones((3, 2)), weights))
    np.testing.assert_array_equal(block, [[1.0, np.nan]] * 3)
