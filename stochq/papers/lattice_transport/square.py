"""Not in the paper: a square lattice between reservoirs at two opposite corners, and how its entropy scales."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stochq import gaussian, plotting
from stochq.papers.checks import Check
from stochq.papers.lattice_transport import setting
from stochq.papers.lattice_transport.setting import COUPLING, ENDS, PROBE, RATE, Split
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SIDE, SIDES = 15, (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22)
STRIP = (12, 4)


class Map(NamedTuple):
    """Of every site (side, side): occupation, entropy production by its probe, and the current through it (2, ...)."""

    occupation: np.ndarray
    production: np.ndarray
    current: np.ndarray


def square_lattice(effort: float = 1.0) -> Claim:
    """Occupations, currents and entropy production over the lattice, and their scaling with its side."""
    sides = [side for side in SIDES if side <= max(8, SIDES[-1] * effort)]
    splits = [_corners(side)[-1] for side in sides]
    network, steady, shown = _corners(SIDE)
    drawn = _map(network, steady)
    chains = [setting.split_chain(gaussian.chain(side, COUPLING, RATE, ENDS, probe=PROBE)) for side in sides]
    worst = max(abs(split.total / split.by_currents - 1) for split in splits)
    checks = [
        Check("sum relative to currents times affinities (eq. 26), largest difference", float(worst), 0.0, 1e-10),
        Check("current through every diagonal of the lattice, relative", _spread(drawn, shown.current), 0.0, 1e-9),
        *_strip(),
        _resistors(),
    ]
    x, y = np.meshgrid(np.arange(1, SIDE + 1), np.arange(1, SIDE + 1), indexing="ij")
    table = {
        "part": ["map"] * SIDE**2 + ["scaling"] * len(sides),
        "side": [SIDE] * SIDE**2 + sides,
        "x": [*x.ravel(), *[""] * len(sides)],
        "y": [*y.ravel(), *[""] * len(sides)],
        "occupation": [*drawn.occupation.ravel(), *[""] * len(sides)],
        "reservoirs": [""] * SIDE**2 + [split.reservoirs for split in splits],
        "self_consistent": [*drawn.production.ravel(), *[split.self_consistent for split in splits]],
        "current": [""] * SIDE**2 + [split.current for split in splits],
    }
    units: dict[str, str] = dict.fromkeys(("side", "x", "y", "occupation"), PURE)
    units |= dict.fromkeys(("reservoirs", "self_consistent", "current"), "ω")
    return Claim(Table(table, units), checks, _draw(drawn, sides, splits, chains))


def lattice(columns: int, rows: int) -> np.ndarray:
    """Real hopping between neighbours of a rectangle with open edges, site (x, y) at x·rows + y."""
    along, across = (np.eye(size, k=1) + np.eye(size, k=-1) for size in (columns, rows))
    return COUPLING * (np.kron(along, np.eye(rows)) + np.kron(np.eye(columns), across))


def _corners(side: int) -> "tuple[gaussian.Network, np.ndarray, Split]":
    return setting.split_network(lattice(side, side), [0], [side**2 - 1])


def _map(network: "gaussian.Network", steady: np.ndarray) -> Map:
    """Currents are those of the bonds to higher x and y and of those to lower ones, averaged; from hot to cold."""
    shape = (SIDE, SIDE)
    bonds = -network.currents(steady)
    right, up = (np.zeros(SIDE**2), np.zeros(SIDE**2))
    index = np.arange(SIDE**2).reshape(shape)
    for flow, first, second in ((right, index[:-1], index[1:]), (up, index[:, :-1], index[:, 1:])):
        through = bonds[first.ravel(), second.ravel()] / 2
        np.add.at(flow, first.ravel(), through)
        np.add.at(flow, second.ravel(), through)
    production = network.entropy_production(steady)[1]
    occupation = network.site_occupations(steady)
    return Map(occupation.reshape(shape), production.reshape(shape), np.stack([right, up]).reshape(2, *shape))


def _spread(drawn: Map, current: float) -> float:
    """Half the current crosses to each diagonal x + y = d from either side: how far the sums are from the total."""
    x, y = np.indices((SIDE, SIDE))
    through = -drawn.current.sum(axis=0)
    sums = np.array([through[x + y == d].sum() for d in range(1, 2 * SIDE - 2)])
    return float(np.abs(sums / current - 1).max())


def _strip() -> list[Check]:
    """Between reservoirs along two whole edges the rows of a strip do not notice one another."""
    columns, rows = STRIP
    cold, hot = range(rows), range((columns - 1) * rows, columns * rows)
    _, _, found = setting.split_network(lattice(columns, rows), cold, hot)
    chain = setting.split_chain(gaussian.chain(columns, COUPLING, RATE, ENDS, probe=PROBE))
    name = f"{columns} × {rows} strip between its edges, {{}} over that of {rows} chains"
    return [
        Check(name.format("Π_r"), found.reservoirs / (rows * chain.reservoirs), 1.0, 1e-10),
        Check(name.format("Π_sc"), found.self_consistent / (rows * chain.self_consistent), 1.0, 1e-10),
    ]


def _resistors() -> Check:
    """Probes faster than all hopping make a lattice of resistors of Kirchhoff's, up to (λ/Γ)² and its neighbours."""
    side, fast = 6, 1e-4
    couplings = lattice(side, side)
    _, _, found = setting.split_network(couplings, [0], [side**2 - 1], fast)
    rates = np.full(side**2, fast)
    rates[[0, -1]] += RATE
    conductance = 4 * couplings**2 / (rates[:, None] + rates)
    laplacian = np.diag(conductance.sum(axis=1)) - conductance
    laplacian[[0, -1], [0, -1]] += RATE
    potential = np.linalg.solve(laplacian, RATE * np.concatenate([[ENDS[0]], np.zeros(side**2 - 2), [ENDS[1]]]))
    law = RATE * (potential[0] - ENDS[0])
    name = f"Γ = {fast:g}, {side} × {side} sites: current over that of the resistors"
    return Check(name, found.current / law, 1.0, 16 * (COUPLING / fast) ** 2)


def _draw(drawn: Map, sides: list[int], splits: list[Split], chains: list[Split]) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(4)
        first, second, third, fourth = (column[0] for column in axes)
        _draw_map(made, first, drawn.occupation, setting.OCCUPATION)
        _draw_arrows(first, drawn.current)
        _draw_map(made, second, np.log10(drawn.production), r"$\log_{10}\,\Pi_{sc}$ of the site  [$\omega$]")
        first.set_title("$n_1=1$ at site (1, 1), $n_L=2$ at the opposite corner", fontsize=9)
        second.set_title(rf"$\Gamma={setting.power_of_ten(PROBE)}\,\omega$ at every site", fontsize=9)
        for found, filled in ((chains, False), (splits, True)):
            for kind, color, marker, label in (
                ("reservoirs", plotting.VERMILION, "o", r"$\Pi_r$"),
                ("self_consistent", plotting.BLUE, "s", r"$\Pi_{sc}$"),
            ):
                values = [getattr(split, kind) for split in found]
                third.plot(
                    sides, values, color=color, marker=marker, linestyle="-" if filled else "--", linewidth=1,
                    markerfacecolor=color if filled else "white", label=label + (", lattice" if filled else ", chain"),
                )  # fmt: skip
            resistance = [(ENDS[1] - ENDS[0]) / split.current * RATE for split in found]
            fourth.plot(
                sides, resistance, color=plotting.BLACK, marker="D", linestyle="-" if filled else "--", linewidth=1,
                markerfacecolor=plotting.BLACK if filled else "white", label="lattice" if filled else "chain",
            )  # fmt: skip
        third.set(yscale="log", ylabel=r"entropy production $\Pi$  [$\omega$]", ylim=(4e-10, 5e-8))
        fourth.set(ylabel=r"resistance $\gamma\,(n_L-n_1)/j$", ylim=(0, None))
        shown = [2, 3, 5, 10, 20]
        for panel in (third, fourth):
            panel.set(xscale="log", xlabel="side of the lattice, or length  [sites]")
            panel.set_xticks(shown, [str(value) for value in shown])
            panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        third.legend(loc="lower right", ncols=2)
        fourth.legend(loc="upper left")
    return made


def _draw_arrows(panel: "Axes", current: np.ndarray) -> None:
    """Directions of the currents, their lengths as the square root so that the weak ones are seen."""
    length = np.linalg.norm(current, axis=0)
    arrows = current / length * np.sqrt(length / length.max())
    ticks = np.arange(1, SIDE + 1)
    panel.quiver(
        ticks, ticks, *np.swapaxes(arrows, 1, 2), color="white", edgecolor=plotting.BLACK, linewidth=0.4,
        scale=14, width=0.008, pivot="mid",
    )  # fmt: skip


def _draw_map(made: "Figure", panel: "Axes", values: np.ndarray, label: str) -> None:
    extent = (0.5, SIDE + 0.5, 0.5, SIDE + 0.5)
    image = panel.imshow(values.T, origin="lower", extent=extent, cmap="cividis")
    made.colorbar(image, ax=panel, label=label)
    panel.set(xlabel="site $x$", ylabel="site $y$", xticks=range(1, SIDE + 1, 2), yticks=range(1, SIDE + 1, 2))
    panel.grid(visible=False)
