r"""(d) Reduction to a symmetry-broken product basis against thermalization, at growing size.

A chain with the symmetry σ^z → -σ^z: thermal states have ⟨m⟩ near 0, up to fluctuations that die with the size (a);
product states of the basis have definite spins, and ⟨m⟩ spread as the outcomes of χ, E⟨m⟩² = Tr χm². In between,
populations grow and shrink as in Bouchaud and Mézard's model of wealth (2000): with complex noise small ones follow
$dp = a(1/D - p)\,dt + \sqrt{2\kappa}\,p\,dW$, $\kappa = \mathcal{JN}/\hbar$, whose stationary law has the tail
$p^{-2-a/\kappa}$. So below 𝒥/α = 1 populations stay near 1/D and the symmetry whole, in the limit; above it, the share
of reduced systems falls as $D^{-\alpha/\mathcal J}$, and single systems are broken where 𝒥/α exceeds ln D, which is
proportional to the size. (This leaves out that H moves spins, too.)
"""

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import stochq as sq
from stochq import plotting
from stochq.papers.checks import LEVEL, Check, by_comparison, by_error
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part, lengths, spins

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COUPLING, TRANSVERSE, BETA, ALPHA, SEED = 1.0, 0.6, 0.4, 0.1, 1401
SIZES, LONGER = (4, 6, 8), (10,)
# Beyond so many sites steps without a matrix are the faster ones.
MATRICES = 8
# 𝒥/α: where reduction is too weak to count, in between, and strong; those whose histograms are shown.
RATIOS, SHOWN = (0.002, 0.25, 1.0, 4.0, 16.0), (0.002, 1.0, 16.0)
END, BINS = 8.0, 21


def breaking_part(effort: float, sizes: tuple[int, ...] | None = None) -> Part:
    """E⟨m⟩² over Tr χm² against 𝒥/α, and the law of ⟨m⟩ of the largest chain."""
    sizes = lengths(SIZES, LONGER, effort) if sizes is None else sizes
    count = setting.whole(400, effort, 100)
    chains = [Chain(sites) for sites in sizes]
    runs = {(chain.sites, ratio): chain.run(ratio, count) for chain in chains for ratio in RATIOS}
    shares = {chain.sites: np.array([chain.share(runs[chain.sites, ratio]) for ratio in RATIOS]) for chain in chains}
    checks = [chains[-1].weak(*shares[sizes[-1]][0])]
    checks += [_judged(chains[0], ratio, runs[chains[0].sites, ratio]) for ratio in RATIOS]
    checks.append(_falling(shares[sizes[0]], shares[sizes[-1]]))
    units = (PURE, PURE)
    series = [Series(f"broken share, {sites} sites", RATIOS, *some.T, units=units) for sites, some in shares.items()]
    laws = [_law(ratio, runs[sizes[-1], ratio]) for ratio in SHOWN]
    return Part(series + laws, checks, (partial(_draw_shares, series), partial(_draw_laws, laws, sizes[-1])))


class Chain:
    """A chain, its equilibrium, and the order parameter."""

    def __init__(self, sites: int) -> None:
        self.sites, self.rate = sites, ALPHA * sites
        self.system = spins(sites, COUPLING, TRANSVERSE, 0.0)
        self.psi0 = np.full(2**sites, 2 ** (-sites / 2))
        self.chi = sq.canonical(self.system, BETA)
        self.order = np.asarray(self.system.operators["magnetization"])
        vectors = np.asarray(self.system.eigenvectors)
        thermal = (vectors * self.chi) @ vectors.T
        # Tr χm², and the variance of ⟨m⟩ without reduction, as in (a).
        self.square = float(np.diag(thermal) @ self.order**2)
        purity = float(self.chi @ self.chi)
        self.thermal = float(self.order @ (thermal * thermal.T) @ self.order) / (1 + purity)
        self.times = np.array([0.0, END / 2, END]) / self.rate

    def equation(self, ratio: float) -> sq.Equation:
        """SUI with complex noise."""
        system, chi = self.system, self.chi
        if self.sites > MATRICES:
            system = sq.systems.ising(self.sites, coupling=COUPLING, transverse=TRANSVERSE, matrix_free=True)
            chi = sq.canonical(system, BETA)
        return sq.models.sui(
            system, reduction=ratio * self.rate, thermalization=self.rate, equilibrium=chi, noise="complex"
        )

    def run(self, ratio: float, count: int) -> sq.EnsembleResult:
        """An ensemble from all spins along x, until it is stationary."""
        order = jnp.asarray(self.order, jnp.float32)

        def mean(psi: jax.Array) -> jax.Array:
            return jnp.sum(order * jnp.abs(psi) ** 2)

        watched = {"m": self.order, "m²": self.order**2, "⟨m⟩²": lambda psi: mean(psi) ** 2}
        return sq.simulate(
            self.equation(ratio),
            self.psi0,
            self.times,
            observables=watched | {"law": sq.Histogram(mean, np.linspace(-1.05, 1.05, BINS + 1))},
            trajectories=count,
            seed=SEED + self.sites,
            # A quarter of the faster of both times.
            dt=0.25 / (self.rate * max(1.0, ratio)),
            progress=False,
        )

    def share(self, run: sq.EnsembleResult) -> tuple[float, float]:
        """E⟨m⟩² over Tr χm² at the end, with its error."""
        return run.mean["⟨m⟩²"][-1] / self.square, run.stderr["⟨m⟩²"][-1] / self.square

    def weak(self, share: float, error: float) -> Check:
        """The weakest reduction leaves the thermal fluctuations."""
        name = f"{self.sites} sites, 𝒥/α = {RATIOS[0]:g}: E⟨m⟩²/Tr χm²"
        return by_error(name, share, error, self.thermal / self.square)


def _judged(chain: Chain, ratio: float, run: sq.EnsembleResult) -> Check:
    watched = {"m": chain.order, "m²": chain.order**2}
    exact = sq.exact.evolve(chain.equation(ratio), chain.psi0, chain.times, observables=watched)
    return by_comparison(f"{chain.sites} sites, 𝒥/α = {ratio:g}: E⟨m⟩ and E⟨m²⟩", sq.compare(run, exact))


def _falling(small: np.ndarray, large: np.ndarray) -> Check:
    """At 𝒥/α = 1 the larger chain is less broken: by how many errors, as far as the level asks."""
    index = RATIOS.index(1.0)
    fall = (small[index, 0] - large[index, 0]) / np.hypot(small[index, 1], large[index, 1])
    needed = float(stats.norm.isf(LEVEL))
    return Check("𝒥/α = 1: broken share falls with the size, errors", min(fall, needed), needed, 0.0)


def _law(ratio: float, run: sq.EnsembleResult) -> Series:
    edges, counts = run.histograms["law"]
    density = counts[-1] / counts[-1].sum() / np.diff(edges)
    error = np.sqrt(counts[-1]) / counts[-1].sum() / np.diff(edges)
    return Series(f"law of ⟨m⟩, 𝒥/α = {ratio:g}", (edges[1:] + edges[:-1]) / 2, density, error, units=(PURE, PURE))


def _draw_shares(series: list[Series], axes: "Axes") -> None:
    for index, some in enumerate(series):
        setting.draw_points(axes, some, index, some.name.removeprefix("broken share, "), linestyle="-", linewidth=0.8)
    axes.set(xscale="log", xlabel=r"ratio of strengths $\mathcal{J}/\alpha$", ylim=(-0.03, 1.05))
    axes.set(ylabel=r"$E\langle m\rangle^2\,/\,\mathrm{Tr}\,\chi m^2$")
    axes.set_title("(d) from thermal (0) to broken (1)")
    axes.legend()


def _draw_laws(series: list[Series], sites: int, axes: "Axes") -> None:
    for index, some in enumerate(series):
        label = rf"$\mathcal{{J}}/\alpha={SHOWN[index]:g}$"
        axes.stairs(some.y, np.linspace(-1.05, 1.05, BINS + 1), color=plotting.PALETTE[index], label=label)
    axes.set(xlabel=r"order parameter $\langle m\rangle$ of one system", ylabel="probability density", yscale="log")
    axes.set_title(f"(d) {sites} sites")
    axes.legend()
