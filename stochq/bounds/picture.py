"""The picture of the excluded regions, each labelled at its edge."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stochq.bounds.region import Exclusion

WIDTH, HEIGHT = 7.6, 6.4
FONT = 8.5


def draw(found: "Exclusion", highlight: Sequence[str] = ()) -> "Figure":
    """Upper bounds with their excluded sides shaded, lower bounds hatched, proposals as points with error bars."""
    from stochq import plotting

    for name in highlight:
        if name not in found.upper:
            raise ValueError(f"highlight: expected names among {', '.join(found.upper)}; got {name!r}.")
    with plotting.style():
        from matplotlib.figure import Figure

        made = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = made.add_subplot()
        bottom, top = _range(found)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(found.lengths[0], found.lengths[-1]),
            ylim=(bottom, top),
            xlabel=r"correlation length $r_C$  [m]",
            ylabel=r"collapse rate $\lambda$  [s$^{-1}$]",
        )
        axes.set_title(_noise(found))
        _draw_bounds(axes, found, highlight, top)
        for name, bound in found.lower.items():
            axes.fill_between(found.lengths, bottom, bound, facecolor="0.85", edgecolor="0.6", hatch="///", linewidth=0)
            axes.plot(found.lengths, bound, color="0.35", linestyle="-", linewidth=1.2, gid=name)
        _draw_proposals(axes, found)
        made.draw_without_rendering()
        _label(axes, found, bottom, top)
    return made


def _noise(found: "Exclusion") -> str:
    if found.noise_temperature is not None:
        return f"Dissipative CSL, noise of {found.noise_temperature:g} K"
    if found.spectrum is None:
        return "CSL with white noise"
    cutoff = getattr(found.spectrum, "cutoff", None)
    return "CSL with coloured noise" + ("" if cutoff is None else rf", cut-off $\Omega$ = {float(cutoff):g} rad/s")


def _range(found: "Exclusion") -> tuple[float, float]:
    """Decades that show every proposal and the strongest bounds; the weak ends of the others may leave the picture."""
    points = [p.rate * 10.0**s * p.decades for p in found.proposals for s in (-1, 1) if p.decades]
    values = [*found.strongest(), *(p.rate for p in found.proposals), *points]
    values = [value for value in values if np.isfinite(value) and value > 0]
    low = math.floor(math.log10(min(values))) - 1
    every = np.concatenate([np.asarray(bound) for bound in found.upper.values()])
    high = math.ceil(np.log10(np.max(every[np.isfinite(every)], initial=max(values))))
    return 10.0**low, 10.0 ** min(high, max(0, low + 10))


def _styles(found: "Exclusion") -> dict[str, dict[str, Any]]:
    from stochq import plotting

    styles = {}
    for i, name in enumerate(found.upper):
        turn = (i // len(plotting.PALETTE)) * 3
        styles[name] = {
            "color": plotting.PALETTE[i % len(plotting.PALETTE)],
            "linestyle": plotting.LINES[(i + turn) % len(plotting.LINES)],
        }
    return styles


def _draw_bounds(axes: "Axes", found: "Exclusion", highlight: Sequence[str], top: float) -> None:
    for name, style in _styles(found).items():
        bound = np.minimum(found.upper[name], 1e3 * top)
        thick = name in highlight
        if not thick:
            axes.fill_between(found.lengths, bound, 1e3 * top, color=style["color"], alpha=0.07, linewidth=0)
        axes.plot(found.lengths, bound, linewidth=2.6 if thick else 1.4, gid=name, **style)


def _draw_proposals(axes: "Axes", found: "Exclusion") -> None:
    from matplotlib.patheffects import withStroke

    from stochq import plotting

    for proposal, marker in zip(found.proposals, plotting.MARKERS, strict=False):
        spread = None
        if proposal.decades:
            low, high = (proposal.rate * 10.0 ** (sign * proposal.decades) for sign in (-1, 1))
            spread = [[proposal.rate - low], [high - proposal.rate]]
        axes.errorbar(
            proposal.length,
            proposal.rate,
            spread,
            color="black",
            marker=marker,
            markersize=6,
            markeredgecolor="white",
            capsize=4,
            linewidth=1.6,
            zorder=6,
        )
        axes.annotate(
            proposal.name,
            (proposal.length, proposal.rate),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=FONT,
            fontweight="bold",
            zorder=7,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )


def _label(axes: "Axes", found: "Exclusion", bottom: float, top: float) -> None:
    """Names along their curves, each where the other curves, labels and points leave it the most room."""
    from matplotlib.patheffects import withStroke

    curves = {gid: line for line in axes.get_lines() if (gid := line.get_gid())}
    paths = {name: axes.transData.transform(np.clip(line.get_xydata(), 1e-300, 1e300)) for name, line in curves.items()}
    taken = [axes.transData.transform((p.length, p.rate)) for p in found.proposals]
    taken += [
        point + np.array([70.0 / 72 * axes.figure.dpi, 0]) * share for point in list(taken) for share in (0.5, 1.0)
    ]
    styles = _styles(found)
    # The crowded ones choose first.
    for name, path in sorted(paths.items(), key=lambda item: -float(np.nanmean(item[1][:, 1]))):
        others = [other for key, other in paths.items() if key != name]
        spot = _room(axes, path, others, taken, len(name), (-1,) if name in found.lower else (1, -1))
        if spot is None:
            continue
        middle, angle, span, side = spot
        taken += list(span)
        axes.annotate(
            name,
            tuple(axes.transData.inverted().transform(middle)),
            (-side * 3 * math.sin(math.radians(angle)), side * 3 * math.cos(math.radians(angle))),
            textcoords="offset points",
            ha="center",
            va="bottom" if side > 0 else "top",
            rotation=angle,
            rotation_mode="anchor",
            fontsize=FONT,
            color="0.25" if name in found.lower else _darker(styles[name]["color"]),
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _darker(color: str) -> tuple[float, ...]:
    """The colour of a line, dark enough for letters."""
    from matplotlib.colors import to_rgb

    return tuple(0.72 * part for part in to_rgb(color))


def _room(
    axes: "Axes",
    path: np.ndarray,
    others: list[np.ndarray],
    taken: list[np.ndarray],
    letters: int,
    sides: Sequence[int],
) -> Any:
    """Middle, angle, extent and side of the freest stretch of a curve for so many letters, in pixels; None: no room."""
    half = 0.31 * FONT * letters / 72 * axes.figure.dpi
    best, found = -np.inf, None
    for i in range(0, len(path), max(1, len(path) // 40)):
        span = path[np.hypot(*(path - path[i]).T) <= half]
        # A stretch that the end of the curve cuts short is none.
        cut = np.hypot(*(path[0] - path[i])) < half or np.hypot(*(path[-1] - path[i])) < half
        if len(span) < 3 or cut or not _inside(axes, span):
            continue
        along = (span[-1] - span[0]) / np.hypot(*(span[-1] - span[0]))
        for side in sides:
            room = _gap(span + side * 9 * np.array([-along[1], along[0]]), others, taken)
            if room > best + 1e-9:
                best, found = room, (path[i], math.degrees(math.atan2(along[1], along[0])), span, side)
    return found


def _inside(axes: "Axes", span: np.ndarray) -> bool:
    box = axes.get_window_extent()
    return bool(np.all((span > (box.x0 + 6, box.y0 + 16)) & (span < (box.x1 - 6, box.y1 - 14))))


def _gap(letters: np.ndarray, others: list[np.ndarray], taken: list[np.ndarray]) -> float:
    """How far the nearest curve and the nearest label or point are. Parallel lines may leave no room between curves:
    then the labels at least stand apart."""
    curves = np.concatenate([*others, np.full((1, 2), np.inf)])
    labels = np.array([*taken, (np.inf, np.inf)])
    gap, far = (np.min(np.hypot(*(letters[:, None] - away[None]).transpose(2, 0, 1))) for away in (curves, labels))
    return 2 * min(float(gap), 25.0) + min(float(far), 100.0)
