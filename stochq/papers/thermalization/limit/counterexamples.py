r"""(f) What goes wrong without the paper's conditions: unequal strengths, and operators that are not local.

Eq. 1 with $(D^{\mu\nu})^2 = r J^{\mu\nu}$, $J^{\mu\nu} = a\chi_\mu$, and unnormalised means
$\langle L\rangle$: by Itô's lemma

$$dE[N] = (r-1)\,a\,E[N - 2NX + N^2X]\,dt, \quad X = \sum_\mu\chi_\mu|\psi_\mu|^2,$$

so that the norm N = ⟨ψ|ψ⟩ of every single system stays 1 for r = 1 and grows or shrinks as $e^{(r-1)at}$ otherwise (X
is of order 1/D), and ⟨H⟩ with it. The library refuses such equations: the noise of a channel and its drift are one.

Operators between the energies of Alice and Bob together carry Bob's ensemble to his part of χ at the rate of ALICE's
system, $\rho_B(t) = e^{-at}\rho_B + (1-e^{-at})\mathrm{Tr}_A\chi$, turned by his own H: he sees whether she has
thermalized hers.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison, by_error
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SITES, BETA, ALPHA, SEED = 4, 0.2, 0.1, 1601
RATIOS = {"r = 3/4": 0.75, "r = 1": 1.0, "r = 5/4": 1.25}
STEP, STEPS, EVERY = 2e-3, 1000, 50
ALICE, BOB, JOINT_BETA = np.array([0.0, 0.8, 1.9]), np.array([0.5, -0.5]), 0.8
END = 4.0
UNITS = ("ħ/unit of energy", PURE)


def counterexamples_part(effort: float) -> Part:
    """Norm and energy with unequal strengths; Bob's mean with operators on both."""
    norms, norm_checks = _norms(setting.whole(200, effort, 50))
    means, mean_checks = _signals(setting.whole(2000, effort, 256))
    return Part(norms + means, norm_checks + mean_checks, (partial(_draw_norms, norms), partial(_draw_signals, means)))


def _norms(count: int) -> tuple[list[Series], list[Check]]:
    series, checks = [], []
    for name, ratio in RATIOS.items():
        norm, drift, energy = _unequal(ratio, count)
        checks.append(by_error(f"{name}: E[N] - 1 against its drift", *_mean(norm[-1] - 1 - drift), 0.0, count))
        if ratio == 1:
            checks.append(by_error(f"{name}: mean energy less that of χ", *_mean(energy[-1] - energy[0]), 0.0, count))
        times = np.arange(len(norm)) * STEP * EVERY
        series += [
            Series(f"norm, {name}", times, *_mean(norm), units=setting.OVER_TIME),
            Series(f"norm, {name}, one system", times, norm[:, 0], units=setting.OVER_TIME),
            Series(f"energy, {name}", times, *_mean(energy), units=(setting.TIME_UNIT, "J")),
        ]
    return series, checks


def _mean(values: np.ndarray) -> tuple[Any, Any]:
    """Over trajectories, the last axis, with its standard error."""
    return values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


def _unequal(ratio: float, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eq. 1 by Euler's steps, every operator with a real noise of its own, and H by its phases.

    Returns N (time, trajectory), the sum of its expected changes (trajectory,), and ⟨H⟩ (time, trajectory).
    """
    system = setting.chain(SITES)
    energies, chi = np.asarray(system.energies), np.asarray(sq.canonical(system, BETA))
    phases = np.exp(-1j * energies * STEP / (ALPHA * SITES))[:, None]
    # Its mean energy is that of χ.
    psi = np.repeat(np.sqrt(chi)[:, None].astype(complex), count, axis=1)
    rng = np.random.default_rng(SEED)
    weights, drift, norms, means = chi[:, None], np.zeros(count), [], []
    for step in range(STEPS + 1):
        norm, inside = _norm(psi), np.sum(weights * np.abs(psi) ** 2, axis=0)
        if step % EVERY == 0:
            norms.append(norm)
            means.append(energies @ np.abs(psi) ** 2)
        if step == STEPS:
            break
        push = (norm * weights - 0.5 - 0.5 * norm * inside) * psi
        normals = rng.standard_normal((len(psi), len(psi), count)) * np.sqrt(STEP)
        kicks = np.sqrt(weights) * np.einsum("mnk,nk->mk", normals, psi)
        noise = np.sqrt(ratio) * (kicks - np.sum(psi.conj() * kicks, axis=0) * psi)
        # The second term is that of a step that is not infinitely short.
        drift += (ratio - 1) * (norm - 2 * norm * inside + norm**2 * inside) * STEP + _norm(push) * STEP**2
        psi = phases * (psi + push * STEP + noise)
    return np.array(norms), drift, np.array(means)


def _norm(psi: np.ndarray) -> np.ndarray:
    return np.sum(np.abs(psi) ** 2, axis=0)


def _signals(count: int) -> tuple[list[Series], list[Check]]:
    """Bob's ⟨σ^z⟩ while Alice's system is small or large, by operators on both and on hers alone."""
    joint = np.add.outer(ALICE, BOB).ravel()
    chi = sq.canonical(joint, JOINT_BETA)
    bob = {"Bob": np.kron(np.ones(len(ALICE)), [1.0, -1.0])}
    psi0 = sq.normalize([0.7, 0.2 + 0.1j, 0.3j, 0.5, 0.1, 0.45 - 0.2j])
    start, end = float(np.abs(psi0) ** 2 @ bob["Bob"]), float(-np.tanh(JOINT_BETA * BOB[0]))
    times = np.linspace(0, END, 17)
    local = sq.canonical(ALICE, JOINT_BETA)
    equations = {
        f"both, αN = {rate:g}": (rate, sq.models.oqt(joint, strength=rate, equilibrium=chi)) for rate in (0.25, 1.0)
    }
    alone = sq.models.oqt(ALICE, strength=1.0, equilibrium=local)
    pair = sq.systems.tensor(alice=ALICE, bob=BOB)
    equations["Alice alone, αN = 1"] = (0.0, sq.models.composite(pair, {"alice": alone}))
    series, checks = [], []
    for index, (name, (rate, equation)) in enumerate(equations.items()):
        run = sq.simulate(
            equation, psi0, times, observables=bob, trajectories=count, seed=SEED + index, dt=times[1], progress=False
        )
        exact, law = setting.integrated(equation, psi0, times, bob), end + np.exp(-rate * times) * (start - end)
        difference = float(np.abs(exact.expect["Bob"] - law).max())
        checks.append(
            Check(f"operators on {name}: Bob's mean, largest difference", difference, 0.0, setting.INTEGRATED)
        )
        checks.append(by_comparison(f"operators on {name}: Bob's ensemble", sq.compare(run, exact)))
        series.append(setting.ensemble_series(f"Bob, operators on {name}", run, "Bob", 1.0, UNITS))
        series.append(Series(f"Bob, operators on {name}, law", times, law, units=UNITS))
    return series, checks


def _draw_norms(series: list[Series], axes: "Axes") -> None:
    means = [some for some in series if some.name in {f"norm, {name}" for name in RATIOS}]
    singles = [some for some in series if some.name.endswith("one system")]
    for index, (mean, single) in enumerate(zip(means, singles, strict=True)):
        color = plotting.PALETTE[index]
        axes.plot(single.x, single.y, color=color, linewidth=0.6, linestyle="-", label="_")
        label = mean.name.removeprefix("norm, ")
        setting.draw_points(axes, mean, index, f"${label}$", markersize=3)
        ratio = RATIOS[label]
        axes.plot(mean.x, np.exp((ratio - 1) * mean.x), color="0.5", linestyle=":", label="_")
    axes.set(xlabel=setting.TIME, ylabel=r"norm $\langle\psi|\psi\rangle$")
    axes.set_title(r"(f) noise strength $r$ times the drift's")
    axes.legend()


def _draw_signals(series: list[Series], axes: "Axes") -> None:
    for index in range(len(series) // 2):
        points, law = series[2 * index : 2 * index + 2]
        setting.draw_points(
            axes, points, index, points.name.removeprefix("Bob, operators on ").replace("αN", r"$\alpha\mathcal{N}$")
        )
        setting.draw_curve(axes, law, index, "_")
    axes.set(
        xlabel=r"time $t$  [$\hbar$ / unit of energy]", ylabel=r"Bob's $E\langle\sigma^z\rangle$", ylim=(-0.6, 0.12)
    )
    axes.set_title("(f) operators that are not local signal")
    axes.legend(loc="lower left")
