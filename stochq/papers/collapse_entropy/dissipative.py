"""Figures 2, 7 and 8: friction beside the collapse, which brings a steady state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check
from stochq.papers.collapse_entropy import setting
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def fig2(effort: float = 1.0) -> Claim:
    """Variances relax to δ/f, a thermal state with tanh(ω/2T) = f/2δ (eq. 12, misprinted)."""
    diffusion, times = 0.5, np.linspace(0, 25, 501)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("friction", "tau", *_SIGMA)}
    checks, shown = [], {}
    for friction, temperature in ((0.7, 0.57650), (0.4, 1.18022)):
        state = setting.evolved(diffusion, friction, times)
        solved = setting.integrated(diffusion, friction, times)
        found = np.array(sq.gaussian.precision_parameters(state))
        steady = sq.gaussian.csl_oscillator(diffusion, friction).steady_state()
        a, b, c = (float(x) for x in sq.gaussian.precision_parameters(steady))
        occupation = float(sq.gaussian.mean_excitations(steady)[0])
        checks += [
            Check(f"f = {friction}: against eq. 11", setting.largest(found - solved), 0.0, setting.INTEGRATED),
            Check(f"f = {friction}: steady a is f/2delta", a, friction / (2 * diffusion), setting.ROUNDING),
            Check(f"f = {friction}: steady b", b, friction / (2 * diffusion), setting.ROUNDING),
            Check(f"f = {friction}: steady c", c, 0.0, setting.ROUNDING),
            Check(f"f = {friction}: T/omega", 1 / np.log1p(1 / occupation), temperature, 5e-6),
        ]
        if friction == 0.7:
            one = sq.gaussian.precision_parameters(setting.evolved(diffusion, friction, [0.0, 1.0]))
            for name, value, reference in zip("abc", one, (0.9093353, 0.8020954, -0.0778431), strict=True):
                checks.append(Check(f"f = 0.7: {name} at tau = 1", float(value[1]), reference, 5e-8))
        shown[friction] = setting.moments(state)
        for name, values in {"friction": np.full(len(times), friction), "tau": times, **shown[friction]}.items():
            columns[name].append(values)
    table = Table(
        {name: np.concatenate(parts) for name, parts in columns.items()},
        {"friction": "ω", "tau": PURE} | setting.COVARIANCES,
    )
    return Claim(table, checks, _draw_moments(times, shown, diffusion))


_SIGMA = {"sigma_qq": r"$\sigma_{qq}$", "sigma_pp": r"$\sigma_{pp}$", "sigma_qp": r"$\sigma_{qp}$"}


def _draw_moments(times: np.ndarray, shown: dict[float, dict[str, np.ndarray]], diffusion: float) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(2)
        for panel, (friction, moments), letter in zip(axes, shown.items(), "ab", strict=True):
            axis = panel[0]
            for index, (name, label) in enumerate(_SIGMA.items()):
                axis.plot(
                    times, moments[name], color=plotting.PALETTE[index], linestyle=plotting.LINES[index], label=label
                )
            axis.axhline(diffusion / friction, color=plotting.BLACK, linestyle=":", linewidth=1, label=r"$\delta/f$")
            regime = "friction" if friction > diffusion else "diffusion"
            axis.set_title(rf"({letter}) dominant {regime}: $\delta={diffusion}$, $f={friction}$")
            axis.set(xlabel=setting.TIME, ylabel=r"covariances  (vacuum $\frac{1}{2}$)", ylim=(-0.08, 1.45))
            axis.legend(loc="upper right", ncols=4)
            axis.margins(x=0.01)
    return made


def fig7(effort: float = 1.0) -> Claim:
    """Dominant diffusion, δ = .9: Π is positive and dies out."""
    return _production(0.9, [0.1 * k for k in range(1, 9)], (0.4, 0.718572))


def fig8(effort: float = 1.0) -> Claim:
    """What the paper calls dominant friction, δ = .5, f up to 2δ, where the steady state is the vacuum."""
    return _production(0.5, [0.1 * k for k in range(6, 11)], None)


def _production(diffusion: float, frictions: Sequence[float], known: tuple[float, float] | None) -> Claim:
    times = np.linspace(0, 15, 6001)
    columns: dict[str, np.ndarray] = {}
    checks: list[Check] = []
    balance, start = 0.0, 0.0
    for friction in frictions:
        dynamics = sq.gaussian.csl_oscillator(diffusion, friction)
        states, steady = setting.evolved(diffusion, friction, times), dynamics.steady_state()
        produced = np.asarray(dynamics.entropy_production(states))
        relative = np.asarray(sq.gaussian.relative_entropy(states, steady))
        columns[f"entropy_production_{friction:.1f}"] = produced
        columns[f"relative_entropy_{friction:.1f}"] = relative
        decay = np.asarray(dynamics.relative_entropy_decay(states, steady))
        balance = max(balance, setting.largest(produced - decay))
        # Of an isotropic state of variance σ the current is (f - δ/σ)p W.
        law = (diffusion - friction * setting.SPREAD / 2) ** 2 / (diffusion * setting.SPREAD / 2)
        start = max(start, abs(produced[0] / law - 1))
        if known is not None and np.isclose(friction, known[0]):
            checks.append(Check(f"f = {friction:.1f}: K at the start", relative[0], known[1], 5e-7))
    gained, lost = _totals(columns, frictions, times)
    checks += [
        Check("Π is -dK/dt (detailed balance), largest difference", balance, 0.0, 1e-11),
        Check("Π at the start over (δ - fσ)²/δσ, largest deviation", start, 0.0, setting.ROUNDING),
        Check("integral of Π is the K lost, largest difference", setting.largest(gained - lost), 0.0, 1e-9),
    ]
    few = slice(None, None, 20)
    units = {name: "ω" if "production" in name else PURE for name in columns}
    table = Table({"tau": times[few]} | {name: column[few] for name, column in columns.items()}, {"tau": PURE} | units)
    return Claim(table, checks, _draw_production(times[few], table, diffusion, frictions))


def _totals(
    columns: dict[str, np.ndarray], frictions: Sequence[float], times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.integrate import simpson

    gained = np.array([simpson(columns[f"entropy_production_{f:.1f}"], x=times) for f in frictions])
    lost = np.array([columns[f"relative_entropy_{f:.1f}"][[0, -1]] @ [1, -1] for f in frictions])
    return gained, lost


def _draw_production(times: np.ndarray, table: Table, diffusion: float, frictions: Sequence[float]) -> "Figure":
    labels = [rf"$f={friction:.1f}$" for friction in frictions]
    with plotting.style():
        made, axes = plotting.figure(2)
        for panel, name, text in (
            (axes[0][0], "entropy_production", r"entropy production $\Pi/\omega$"),
            (axes[1][0], "relative_entropy", r"relative entropy $K(W\Vert W_\infty)$"),
        ):
            curves = {label: table.columns[f"{name}_{f:.1f}"] for label, f in zip(labels, frictions, strict=True)}
            setting.draw_family(panel, times, curves, labels)
            panel.set(ylabel=text, xlim=(0, 8))
        axes[0][0].legend(loc="upper right", ncols=2, title=rf"$\delta={diffusion}$")
    return made
