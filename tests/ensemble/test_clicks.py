"""Clicks of counters: their times, their numbers, and how they are kept."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

import stochq as sq
from tests.judging import judge, judge_mean

DRIVE, DECAY = 3.0, 1.0
HAMILTONIAN = np.array([[0.0, DRIVE / 2], [DRIVE / 2, 0.0]])
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
FREQUENCY = 0.5 * np.sqrt(DRIVE**2 - DECAY**2 / 4)
GROUND = [1.0, 0.0]


def fluorescence(**detector):
    counter = sq.measurement.counting(np.sqrt(DECAY) * LOWERING, **detector)
    return sq.models.monitored(HAMILTONIAN, {"photon": counter})


def counted(equation, times, trajectories, **options):
    return sq.simulate(equation, GROUND, times, observables={}, trajectories=trajectories, records=True, **options)


def waiting(times):
    """The distribution of the times between photons: the integral of γ(Ω²/4λ²)e^{−γt/2} sin²λt."""
    # Of sin² = (1 − cos 2λt)/2.
    half, turn = DECAY / 2, 2 * FREQUENCY
    weight = DECAY * DRIVE**2 / (8 * FREQUENCY**2)
    decay = np.exp(-half * times)
    turning = (half - decay * (half * np.cos(turn * times) - turn * np.sin(turn * times))) / (half**2 + turn**2)
    return weight * ((1 - decay) / half - turning)


def judge_waiting_times(trajectories, seed):
    """The first photons of every trajectory, so many that all trajectories have them: no wait is cut off."""
    clicks = counted(fluorescence(), [0.0, 70.0, 200.0], trajectories, seed=seed).clicks["photon"]
    waits = [np.diff(clicks[n], prepend=0.0) for n in range(trajectories)]
    least = min(map(len, waits))
    assert least > 50
    waits = np.stack([wait[:least] for wait in waits])
    judge(stats.kstest(waits.reshape(-1), waiting).pvalue, "waiting times")
    # Every click leaves the same state: what follows does not know what was.
    judge(stats.spearmanr(waits[:, 0], waits[:, 1]).pvalue, "the first wait and the second")
    return least * trajectories


def test_waiting_times_of_resonance_fluorescence():
    judge_waiting_times(512, 1)


@pytest.mark.release
def test_waiting_times_of_resonance_fluorescence_to_a_million():
    assert judge_waiting_times(20_000, 2) > 10**6


@pytest.mark.release
def test_numbers_of_photons_fluctuate_less_than_poisson_s():
    """Mandel's Q → −6Ω²γ²/(γ² + 2Ω²)² for long times, and a correction that falls with 1/T."""
    result = counted(fluorescence(), [0.0, 20.0, 140.0], 8192, seed=3)
    number = result.records["photon"][:, 1]
    rate = DECAY * DRIVE**2 / (DECAY**2 + 2 * DRIVE**2)
    judge_mean(number.mean(), number.std() / np.sqrt(len(number)), 120 * rate, "number of photons")
    q = number.var(ddof=1) / number.mean() - 1
    expected = -6 * DRIVE**2 * DECAY**2 / (DECAY**2 + 2 * DRIVE**2) ** 2
    # The variance of a variance of nearly Gaussian numbers; the correction is below 0.002.
    error = (1 + q) * np.sqrt(2 / len(number))
    assert abs(q - expected) < 4 * error + 0.002


def test_counts_are_the_clicks_between_the_saved_times():
    times = np.array([0.0, 1.0, 1.3, 6.0])
    result = counted(fluorescence(), times, 300, keep=2)
    clicks, counts = result.clicks["photon"], result.records["photon"]
    assert len(clicks) == len(counts) == 300 and clicks.total == counts.sum() > 300
    for n in (0, 17, 299):
        np.testing.assert_array_equal(np.histogram(clicks[n], times)[0], counts[n])
        assert np.all(np.diff(clicks[n]) > 0)
    with pytest.raises(IndexError, match="expected a number from 0 to 299"):
        clicks[300]
    np.testing.assert_array_equal(np.concatenate(list(clicks)), clicks.time)
    for index in (slice(3), 1.0, "photon"):
        with pytest.raises(TypeError, match="trajectory: expected the number of one"):
            clicks[index]
    with pytest.raises(KeyError, match="'electron': expected one of 'photon'"):
        result.clicks["electron"]


def test_efficiency_and_dark_counts():
    """A click is seen with the chance η; dark counts come at their own rate, whatever the state is."""
    times, size = np.array([0.0, 30.0, 60.0]), 1024
    ideal = counted(fluorescence(), times, size).records["photon"][:, 1]
    lossy = counted(fluorescence(efficiency=0.3, dark=0.7), times, size, seed=4)
    seen = lossy.records["photon"][:, 1]
    rate = 0.3 * DECAY * DRIVE**2 / (DECAY**2 + 2 * DRIVE**2) + 0.7
    judge_mean(seen.mean(), seen.std() / np.sqrt(size), 30 * rate, "counts with loss and dark counts")
    assert ideal.mean() / 30 == pytest.approx(DECAY * DRIVE**2 / (DECAY**2 + 2 * DRIVE**2), rel=0.05)
    # Lost photons leave the rest as independent as thinning does: Q is η times the ideal one's share.
    photons = 30 * (rate - 0.7)
    q = 0.3 * -6 * DRIVE**2 * DECAY**2 / (DECAY**2 + 2 * DRIVE**2) ** 2 * photons / (30 * rate)
    assert abs(seen.var(ddof=1) / seen.mean() - 1 - q) < 5 * np.sqrt(2 / size)
    assert lossy.scheme == "exact jumps"


def test_two_counters_tell_their_operators_apart():
    """Decay from the upper level of three by two ways, in the ratio of their rates."""
    first, second = np.zeros((3, 3)), np.zeros((3, 3))
    first[0, 2], second[1, 2] = np.sqrt(0.9), np.sqrt(0.3)
    detectors = {"a": sq.measurement.counting(first), "b": sq.measurement.counting(second)}
    equation = sq.models.monitored(np.zeros((3, 3)), detectors)
    run = {"observables": {"p": np.eye(3)[0]}, "trajectories": 4096, "records": True}
    result = sq.simulate(equation, [0.0, 0.0, 1.0], [0.0, 0.5, 40.0], **run)
    seen = result.records["a"].sum(axis=1)
    np.testing.assert_array_equal(seen + result.records["b"].sum(axis=1), 1)
    judge_mean(seen.mean(), np.sqrt(0.75 * 0.25 / 4096), 0.75, "the way a")
    judge(stats.kstest(result.clicks["a"].time, "expon", (0, 1 / 1.2)).pvalue, "times of the way a")
    only = sq.simulate(equation, [0.0, 0.0, 1.0], [0.0, 0.5, 40.0], **run | {"records": ["b"]})
    assert list(only.clicks) == ["b"]
    np.testing.assert_array_equal(only.clicks["b"].time, result.clicks["b"].time)


def test_no_click_is_forgotten_where_there_are_more_than_expected():
    """All the clicks come from one of eight levels, in which the state stays."""
    rates = np.zeros(8)
    rates[0] = 20.0
    equation = sq.models.monitored(np.zeros((8, 8)), {"n": sq.measurement.counting(np.sqrt(rates))})
    run = {"observables": {}, "trajectories": 64, "records": True}
    result = sq.simulate(equation, np.eye(8)[0], [0.0, 10.0, 20.0], **run)
    counts = result.records["n"].sum(axis=1)
    assert result.clicks["n"].total == counts.sum()
    judge_mean(counts.mean(), np.sqrt(400 / 64), 400, "a Poisson process")
    judge(stats.kstest(result.clicks["n"].waiting_times()[:2000], "expon", (0, 1 / 20)).pvalue, "its waiting times")


def test_a_run_without_times_of_clicks_says_why():
    unasked = replace(counted(fluorescence(), [0.0, 1.0], 40), records=None, clicks={})
    with pytest.raises(KeyError, match="'photon': no times of clicks were kept, as records were not.*records=True"):
        unasked.clicks["photon"]


def driven(t):
    return 2.0 + 1.5 * np.sin(2.5 * t)


def click_times_under_a_drive(times):
    """P(the first and the second click come before t), (2, T), from ρ̇_n = L₀(t)ρ_n + Jρ_{n−1} with scipy."""
    jump, one = np.kron(LOWERING, LOWERING), np.eye(2)
    loss = 0.5 * LOWERING.T @ LOWERING

    def change(t, rho):
        effective = -0.5j * driven(t) * np.array([[0, 1], [1, 0]]) - loss
        still = np.kron(effective, one) + np.kron(one, effective.conj())
        none, once = rho.reshape(2, 4)
        return np.concatenate([still @ none, still @ once + jump @ none])

    start = np.zeros(8, complex)
    start[0] = 1
    rho = solve_ivp(change, (0, times[-1]), start, t_eval=times, rtol=1e-9, atol=1e-12).y.reshape(2, 2, 2, -1)
    chances = np.einsum("niit->nt", rho).real
    return 1 - np.cumsum(chances, axis=0)


@pytest.mark.release
def test_times_of_clicks_that_are_made_in_steps():
    """Steps of a tenth of a waiting time: at their ends instead, the distribution would be off by 0.02."""
    flip = np.array([[0.0, 0.5], [0.5, 0.0]])
    hamiltonian = sq.systems.driven(
        sq.systems.levels(np.zeros((2, 2))), [flip], [lambda t: 2.0 + 1.5 * jnp.sin(2.5 * t)]
    )
    detectors = {"none": sq.measurement.counting(np.diag([0.3, 0.3])), "photon": sq.measurement.counting(LOWERING)}
    equation = sq.models.monitored(hamiltonian, detectors)
    size, times = 2**15, np.array([0.0, 1.3, 4.0])
    result = counted(equation, times, size, dt=0.1, batch=4096)
    clicks, fine = result.clicks["photon"], np.linspace(0, 4, 801)
    first = np.searchsorted(clicks.trajectory, np.arange(size))
    number = np.diff(np.append(first, clicks.total))
    for place, cumulative in enumerate(click_times_under_a_drive(fine)):
        seen = clicks.time[first[number > place] + place]
        judge_mean(len(seen) / size, np.sqrt(0.25 / size) + 1e-3, cumulative[-1], f"clicks, at least {place + 1}")
        waiting = stats.kstest(seen, lambda t, c=cumulative: np.interp(t, fine, c) / c[-1])
        judge(waiting.pvalue, f"time of click {place + 1}")
    other = result.clicks["none"]
    judge(stats.kstest(other.time, "uniform", (0, 4)).pvalue, "clicks at any time")
    for n in (0, 17, size - 1):
        np.testing.assert_array_equal(np.histogram(clicks[n], times)[0], result.records["photon"][n])
        assert np.all(np.diff(clicks[n]) > 0)
    again = counted(equation, times, 64, dt=0.1, batch=32)
    np.testing.assert_array_equal(again.clicks["photon"].time, clicks.part(0, 64).time)


def test_all_clicks_of_a_step_have_a_time_of_their_own():
    """A Poisson process of a dozen clicks in every step."""
    channel = sq.channels.Modulated(sq.channels.Features([[5.0, 0.0]]), lambda t: jnp.ones_like(t))
    equation = sq.Equation(sq.systems.levels([0.0, 0.0]), [channel.with_law("jump")])
    result = counted(equation, [0.0, 0.5, 2.0], 256, dt=0.5)
    clicks = result.clicks["L0"]
    assert clicks.total == result.records.increments.sum()
    judge_mean(clicks.total, 5 * np.sqrt(512), 25 * 512, "number of clicks")
    judge(stats.kstest(clicks.time, "uniform", (0, 2)).pvalue, "their times")
    judge(stats.kstest(clicks.waiting_times(), "expon", (0, 1 / 25)).pvalue, "the times between them")


def test_clicks_are_kept_in_files_and_merge(tmp_path):
    times = np.array([0.0, 1.0, 5.0])
    first, second = (counted(fluorescence(), times, 40, seed=seed) for seed in (5, 6))
    loaded = sq.load(first.save(tmp_path / "clicks.nc"))
    clicks = loaded.clicks["photon"]
    np.testing.assert_array_equal(clicks.time, first.clicks["photon"].time)
    assert clicks.trajectories == 40
    for merged in (first.merge(second), second.merge(first)):
        both = merged.clicks["photon"]
        assert both.trajectories == 80
        np.testing.assert_array_equal(both[3], clicks[3])
        np.testing.assert_array_equal(both[43], second.clicks["photon"][3])
    assert replace(first, clicks={}).merge(second).clicks == {}


def test_clicks_of_trajectories_that_failed_are_no_numbers():
    """As their records are: here those that clicked, as an observable has no value then."""
    equation = sq.models.monitored(np.zeros((2, 2)), {"n": sq.measurement.counting(0.1 * LOWERING)})

    def upper(psi):
        return jnp.where(jnp.abs(psi[1]) > 0.5, 1.0, jnp.nan)

    run = {"observables": {"p": upper}, "trajectories": 2048, "records": True}
    with pytest.warns(UserWarning, match="non-finite"):
        result = sq.simulate(equation, [0.0, 1.0], [0.0, 0.2, 0.4], **run)
    failed = np.isnan(result.records["n"]).all(axis=1)
    clicks = result.clicks["n"]
    assert 0 < failed.sum() < 20 and len(clicks) == 2048 and clicks.total == 0
    for n in range(2048):
        np.testing.assert_array_equal(clicks[n], [np.nan] if failed[n] else [])
