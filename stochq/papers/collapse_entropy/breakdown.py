"""A map the paper leaves to the future: where dissipative CSL loses positivity and where a second law fails.

The start is a squeezed thermal state, 1.01 times the vacuum's area, with its narrow axis at an angle from q towards p.
The Wigner entropy production is never negative, squeezed or not: the steady state obeys detailed balance, so Π is
−dK/dt ≥ 0. What fails is quantum: states below the uncertainty bound, always for f > 2δ, and before that, Spohn's
−dS(ρ‖ρ_∞)/dt < 0 in states that are still physical, which complete positivity would forbid.
"""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check
from stochq.papers.collapse_entropy import setting
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIFFUSIONS, DRAWN = (0.1, 0.5, 0.9), 0.5
ANGLES = np.array([0.0, 0.25, 0.5, 0.75])
# Finely while the squeezing turns and relaxes fast, then up to thirty radians.
TIMES = np.concatenate([np.linspace(0, 2, 101), np.linspace(2.1, 30, 280)])
# Relative rates below this are rounding of logarithms near the steady state.
ROUNDING = 1e-9
HOLDS, SECOND_LAW, POSITIVITY = 0, 1, 2
UNITS = {
    "delta": PURE,
    "friction": "ω",
    "squeezing": PURE,
    "angle": "rad",
    "least_symplectic_eigenvalue": "ħ/2",
    "least_entropy_production": "ω",
    "least_spohn_production": "ω",
}


def breakdown_claim(effort: float = 1.0) -> Claim:
    """Over δ, f, squeezing r and angle: the least symplectic eigenvalue, Π and Spohn's production on the way."""
    fine = max(1, round(4 * min(effort, 1.0)))
    ratios, squeezings = np.linspace(0, 1.2, 12 * fine + 1)[1:], np.linspace(0, 1.5, 8 * fine + 1)
    rows = [_row(d, ratio, squeezings) for d in DIFFUSIONS for ratio in ratios]
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    table = Table(columns | {"verdict": [_WORDS[verdict] for verdict in columns["verdict"]]}, UNITS)
    return Claim(table, _checks(columns), _draw(columns, ratios, squeezings))


_WORDS = ("both hold", "quantum second law fails", "positivity fails")


def _row(diffusion: float, ratio: float, squeezings: np.ndarray) -> dict[str, np.ndarray]:
    """All squeezings and angles at one δ and f = ratio·2δ."""
    friction = 2 * diffusion * ratio
    r, angle = (x.ravel() for x in np.meshgrid(squeezings, ANGLES, indexing="ij"))
    thermal = setting.SPREAD / 2 - 0.5
    starts = [sq.gaussian.squeezed(*at, occupation=thermal) for at in zip(r, angle * np.pi, strict=True)]
    start = sq.gaussian.State(np.zeros((len(r), 2)), np.stack([state.covariance for state in starts]))
    # ħ = 0 spares the search for the time of every failure: the map looks for itself.
    states = sq.gaussian.csl_oscillator(diffusion, friction, hbar=0.0).evolve(start, TIMES)
    dynamics = sq.gaussian.csl_oscillator(diffusion, friction)
    # In units where the vacuum has 1, as the paper prints them.
    widths = 2 * np.sqrt(np.linalg.det(states.covariance))
    least = widths.min(axis=0)
    spohn = _spohn(dynamics, states, widths)
    fails = np.where(spohn < -ROUNDING, SECOND_LAW, HOLDS)
    return {
        "delta": np.full(len(r), diffusion),
        "friction": np.full(len(r), friction),
        "squeezing": r,
        "angle": angle * np.pi,
        "least_symplectic_eigenvalue": np.asarray(least),
        "least_entropy_production": np.asarray(dynamics.entropy_production(states)).min(axis=0),
        "least_spohn_production": spohn,
        "verdict": np.where(least < 1 - ROUNDING, POSITIVITY, fails),
    }


def _spohn(dynamics: sq.gaussian.Dynamics, states: sq.gaussian.State, widths: np.ndarray) -> np.ndarray:
    """The least of Spohn's production while the state is physical: infinite where the steady state is pure, f = 2δ,
    NaN where it is below the uncertainty bound."""
    # Every second time; logarithms of an almost pure state are large and rounded.
    few = widths[::2]
    physical = np.logical_and.accumulate(few > 1 + ROUNDING, axis=0)
    chosen = sq.gaussian.State(states.mean[::2][physical], states.covariance[::2][physical])
    found = np.full(few.shape, np.inf)
    found[physical] = dynamics.entropy_production(chosen, "von_neumann")
    return found.min(axis=0)


def _checks(columns: dict[str, np.ndarray]) -> list[Check]:
    verdict, ratio = columns["verdict"], columns["friction"] / (2 * columns["delta"])
    fails = verdict == POSITIVITY
    isotropic = columns["squeezing"] == 0
    return [
        Check("states that stay physical though f > 2δ", float(np.sum(~fails[ratio > 1 + ROUNDING])), 0.0, 0.0),
        Check("unsqueezed states that do not though f ≤ 2δ", float(np.sum(fails[isotropic & (ratio < 1)])), 0.0, 0.0),
        Check("verdicts at f = 2δ that ⟨p²⟩ contradicts", _contradicted(columns), 0.0, 0.0),
        Check("least symplectic eigenvalue at f = 2δ, unsqueezed", _at_boundary(), 1.0, ROUNDING),
    ]


def _contradicted(columns: dict[str, np.ndarray]) -> float:
    """At f = 2δ the steady state is pure and d⟨n⟩/dt = δ(1 - 2⟨p²⟩): where ⟨p²⟩ is ever below ½, -dS(ρ‖ρ_∞)/dt is
    minus infinity, else infinite. Counted by a closed form of the moments, V = ½ + E(V_0 - ½)Eᵀ."""
    from scipy.linalg import expm

    wrong = 0
    for diffusion in DIFFUSIONS:
        chosen = np.isclose(columns["friction"], 2 * diffusion, rtol=1e-9) & (columns["delta"] == diffusion)
        drift = np.array([[0.0, 1.0], [-1.0, -2 * diffusion]])
        moves = expm(drift * TIMES[:, None, None])
        angle = columns["angle"][chosen]
        axes = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0)
        widths = setting.SPREAD / 2 * np.exp(2 * columns["squeezing"][chosen, None] * np.array([-1.0, 1.0]))
        excess = (axes * widths[:, None, :]) @ axes.swapaxes(-1, -2) - 0.5 * np.eye(2)
        covariance = 0.5 * np.eye(2) + moves[:, None] @ excess @ moves.swapaxes(-1, -2)[:, None]
        below = 4 * np.linalg.det(covariance).min(axis=0) < (1 - ROUNDING) ** 2
        cools = covariance[..., 1, 1].min(axis=0) < 0.5 - ROUNDING
        expected = np.select([below, cools], [POSITIVITY, SECOND_LAW], HOLDS)
        wrong += np.count_nonzero(expected != columns["verdict"][chosen])
    return float(wrong)


def _at_boundary() -> float:
    """For the vacuum and the paper's start alike, f = 2δ ends in the vacuum and stays above it on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sq.gaussian.UnphysicalStateWarning)
        states = sq.gaussian.csl_oscillator(0.5, 1.0).evolve(setting.start(), np.linspace(0, 60, 601))
    return float(2 * np.sqrt(np.linalg.det(states.covariance)).min())


def _draw(columns: dict[str, np.ndarray], ratios: np.ndarray, squeezings: np.ndarray) -> "Figure":
    from matplotlib.colors import ListedColormap
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colours = ("#F2F2F2", plotting.SKY, plotting.VERMILION)
    shape = (len(DIFFUSIONS), len(ratios), len(squeezings), len(ANGLES))
    verdict = columns["verdict"].reshape(shape)
    least = columns["least_symplectic_eigenvalue"].reshape(shape)
    with plotting.style():
        made, axes = plotting.figure(4)
        for index in range(len(ANGLES)):
            panel = axes[index][0]
            picture = verdict[DIFFUSIONS.index(DRAWN), :, :, index].T
            panel.pcolormesh(
                ratios, squeezings, picture, cmap=ListedColormap(colours), vmin=0, vmax=2, shading="nearest",
                rasterized=True,
            )  # fmt: skip
            for place, line in ((0, ":"), (2, "--")):
                edge = least[place, :, :, index].T - (1 - 1e-6)
                panel.contour(ratios, squeezings, edge, [0.0], colors="black", linestyles=[line], linewidths=1.3)
            panel.axvline(1.0, color=plotting.BLACK, linewidth=1.5, linestyle="-")
            panel.set_title(rf"narrow axis at $\varphi={('0', 'π/4', 'π/2', '3π/4')[index]}$ from $q$")
            panel.set(xlabel=r"$f/2\delta$", ylabel="squeezing $r$")
            panel.grid(visible=False)
        handles: list[Any] = [
            Patch(facecolor=colour, edgecolor="grey", label=rf"{word} ($\delta={DRAWN}$)")
            for colour, word in zip(colours, _WORDS, strict=True)
        ]
        handles.append(Line2D([], [], color="black", linestyle=":", label=r"positivity's edge, $\delta=0.1$"))
        handles.append(Line2D([], [], color="black", linestyle="--", label=r"positivity's edge, $\delta=0.9$"))
        handles.append(Line2D([], [], color="black", linestyle="-", label=r"$f=2\delta$"))
        made.legend(handles=handles, loc="outside upper center", ncols=3)
        made.supxlabel("Single blue cells in a row are a tongue that is thinner than the grid.", fontsize=8.5)
    return made
