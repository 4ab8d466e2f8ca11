"""Figures 1, 5 and 6: CSL without friction, which heats for ever."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import Array
from stochq.papers.checks import Check
from stochq.papers.collapse_entropy import setting
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIFFUSION, TARGETS = 0.1, (1, 2, 3, 4, 5)
# Where K(W‖W_k) is least, to the printed digits.
MINIMA = {2: 5.563, 3: 9.777, 4: 15.421, 5: 19.722}


def fig1(effort: float = 1.0) -> Claim:
    """a, b and c of the Wigner function: diffusion spreads it, the oscillation makes the spread alternate."""
    times = np.linspace(0, 50, 1001)
    state = setting.evolved(DIFFUSION, 0.0, times)
    a, b, c = np.asarray(sq.gaussian.precision_parameters(state))
    exact = sq.gaussian.csl_covariance(DIFFUSION, setting.SPREAD / 2, times)
    at = int(np.argmin(np.abs(times - 5)))
    solved = setting.integrated(DIFFUSION, 0.0, times)
    checks = [
        Check("covariance against the closed form", setting.largest(state.covariance - exact), 0.0, setting.ROUNDING),
        Check("a, b, c against the integrated eq. 10", setting.largest([a, b, c] - solved), 0.0, setting.INTEGRATED),
        Check("a at tau = 5", float(a[at]), 0.4884942, 5e-8),
        Check("b at tau = 5", float(b[at]), 0.5156727, 5e-8),
        Check("c at tau = 5", float(c[at]), -0.0459387, 5e-8),
    ]
    return Claim(
        Table({"tau": times, "a": a, "b": b, "c": c}, {"tau": PURE} | setting.PRECISIONS),
        checks,
        _draw_parameters(times, a, b, c),
    )


def _draw_parameters(times: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1)
        axis = axes[0][0]
        inset = axis.inset_axes((0.47, 0.45, 0.5, 0.5))
        for panel, shown in ((axis, times <= times[-1]), (inset, times <= 10)):
            for curve, label, index in ((a, "$a$", 0), (b, "$b$", 1), (c, "$c$", 2)):
                style = {"color": plotting.PALETTE[index], "linestyle": plotting.LINES[index], "label": label}
                panel.plot(times[shown], curve[shown], **style)
        axis.set(xlabel=setting.TIME, ylabel=r"$a,\ b,\ c$", ylim=(-0.15, 1.05))
        axis.legend(loc="upper left", bbox_to_anchor=(0.26, 1.0))
        inset.tick_params(labelsize=8)
        axis.margins(x=0.01)
    return made


def _relative(states: sq.gaussian.State) -> dict[int, np.ndarray]:
    return {k: np.asarray(sq.gaussian.relative_entropy(states, setting.target(k))) for k in TARGETS}


def fig5(effort: float = 1.0) -> Claim:
    """−dK/dt towards thermal targets turns negative: CSL has no equilibrium."""
    times = np.linspace(0, 25, 25001)
    states = setting.evolved(DIFFUSION, 0.0, times)
    dynamics = sq.gaussian.csl_oscillator(DIFFUSION)
    relative = _relative(states)
    produced = {k: np.asarray(dynamics.relative_entropy_decay(states, setting.target(k))) for k in TARGETS}
    step = times[1] - times[0]
    checks = [
        Check(f"K is least, k = {k}: tau", float(times[relative[k].argmin()]), when, step + 5e-4)
        for k, when in MINIMA.items()
    ]
    checks.append(Check("least K, k = 2", float(relative[2].min()), 3.1825e-3, 5e-8))
    for k in (2, 5):
        gained = _integral(produced[k], times)
        checks.append(Check(f"integral of -dK/dt, k = {k}", gained, float(relative[k][0] - relative[k][-1]), 1e-10))
    few = slice(None, None, 50)
    columns = {"tau": times[few]}
    columns |= {f"entropy_production_{k}": produced[k][few] for k in TARGETS}
    columns |= {f"relative_entropy_{k}": relative[k][few] for k in TARGETS}
    labels = [rf"$k={k}$" for k in TARGETS]
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        setting.draw_family(left, times[few], {str(k): produced[k][few] for k in TARGETS}, labels)
        left.axhline(0, color=plotting.BLACK, linewidth=0.8, linestyle="-")
        setting.draw_family(right, times[few], {str(k): relative[k][few] for k in TARGETS}, labels)
        left.set(ylabel=r"$-\mathrm{d}K(W\Vert W_k)/\mathrm{d}\tau$", ylim=(-0.2, 0.45))
        right.set(ylabel=r"relative entropy $K(W\Vert W_k)$", ylim=(0, 2.0))
        left.legend(loc="upper right", title=r"target $V_k=1.01\,k$", ncols=2)
    units = {name: "ω" if "production" in name else PURE for name in columns}
    return Claim(Table(columns, units), checks, made)


def _integral(values: np.ndarray, times: np.ndarray) -> float:
    from scipy.integrate import simpson

    return float(simpson(values, x=times))


def fig6(effort: float = 1.0) -> Claim:
    """The fidelity to each target peaks near, and not at, the time at which the excitations are equal."""
    times = np.linspace(0, 50, 5001)
    states = setting.evolved(DIFFUSION, 0.0, times)
    fidelity = {k: np.asarray(sq.gaussian.fidelity(states, setting.target(k))) for k in TARGETS}
    excitations = sq.gaussian.mean_excitations(states)[:, 0]
    wanted = {k: float(sq.gaussian.mean_excitations(setting.target(k))[0]) for k in TARGETS}
    law = setting.SPREAD / 2 - 0.5 + DIFFUSION * times
    checks = [
        Check("excitations against n0 + delta tau", setting.largest(excitations - law), 0.0, setting.ROUNDING),
        Check("fidelities at the start, in Fock space, largest difference", _start(fidelity), 0.0, setting.ROUNDING),
    ]
    for k in (2, 5):
        when = float(times[fidelity[k].argmax()])
        checks.append(Check(f"fidelity is largest, k = {k}: tau", when, _peak(k), times[1] - times[0]))
    few = slice(None, None, 10)
    columns = {"tau": times[few]} | {f"fidelity_{k}": fidelity[k][few] for k in TARGETS}
    columns["mean_excitations"] = np.asarray(excitations[few])
    columns |= {f"mean_excitations_target_{k}": np.full(len(times[few]), wanted[k]) for k in TARGETS}
    return Claim(
        Table(columns, dict.fromkeys(columns, PURE)), checks, _draw_fidelity(times, fidelity, excitations, wanted)
    )


def _start(fidelity: dict[int, np.ndarray]) -> float:
    r"""Thermal states commute: $F=(\sum_n\sqrt{p_nq_n})^2$ with $p_n=(1-x)x^n$."""
    shares = {k: (k * setting.SPREAD - 1) / (k * setting.SPREAD + 1) for k in TARGETS}
    x = shares[1]
    expected = [(1 - x) * (1 - y) / (1 - np.sqrt(x * y)) ** 2 for y in shares.values()]
    return setting.largest(np.array([fidelity[k][0] for k in TARGETS]) - expected)


def _peak(k: int) -> float:
    """Where the fidelity is largest, from the closed form of the covariance and eq. 19 in scalars."""
    from scipy.optimize import minimize_scalar

    def minus(time: float) -> float:
        first, goal = 2 * sq.gaussian.csl_covariance(DIFFUSION, setting.SPREAD / 2, [time])[0], k * setting.SPREAD
        total = (first[0, 0] + goal) * (first[1, 1] + goal) - first[0, 1] ** 2
        excess = (first[0, 0] * first[1, 1] - first[0, 1] ** 2 - 1) * (goal**2 - 1)
        return float(-2 / (np.sqrt(total + excess) - np.sqrt(excess)))

    guess = (k - 1) * setting.SPREAD / (2 * DIFFUSION)
    grid = np.linspace(max(guess - 3, 0), guess + 3, 601)
    near = grid[np.argmin([minus(time) for time in grid])]
    return float(minimize_scalar(minus, bounds=(near - 0.02, near + 0.02), method="bounded").x)


def _draw_fidelity(
    times: np.ndarray, fidelity: dict[int, np.ndarray], excitations: Array, wanted: dict[int, float]
) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        labels = [rf"$k={k}$" for k in TARGETS]
        setting.draw_family(left, times, {str(k): fidelity[k] for k in TARGETS}, labels)
        right.plot(times, excitations, color=plotting.VERMILION, linestyle="-", label="CSL")
        for k, shade in zip(TARGETS, setting.shades(len(TARGETS)), strict=True):
            line = plotting.LINES[k - 1]
            right.axhline(wanted[k], color=shade, linestyle=line, linewidth=1.2, label=rf"target $k={k}$")
            # Where the fidelity is largest; it would lie on the crossing if the paper's statement were exact.
            at = int(fidelity[k].argmax())
            right.plot(times[at], excitations[at], "o", color=shade, markersize=5, markeredgecolor="black", zorder=4)
        left.set(ylabel=r"fidelity $F(\rho,\rho_k)$", ylim=(0.15, 1.03))
        right.set(ylabel=r"mean excitations $\langle a^\dagger a\rangle$", xlabel=setting.TIME)
        right.plot([], [], "o", color="none", markeredgecolor="black", markersize=5, label="fidelity largest")
        left.set_title(r"targets $V_k=1.01\,k$ as on the right")
        for k in TARGETS:
            left.text(50.4, fidelity[k][-1], f"{k}", va="center", fontsize=9)
        right.legend(loc="upper left", fontsize=8)
        right.margins(x=0.01)
    return made
