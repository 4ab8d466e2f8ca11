"""Steady entropy production over squeezing and temperature, and eq. 15 as printed beside the exact value."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import Array
from stochq.papers.brownian_balance import setting
from stochq.papers.brownian_balance.table import dynamics
from stochq.papers.checks import Check
from stochq.papers.output import Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


BETAS = (0.5, 1.0, 2.0, 3.0)
UNITS = {"beta": "1/ħω", "squeezing": "ω", "entropy_production": "ω"}


def _rate(beta: float, squeezing: float = 0.0) -> float:
    model = dynamics(beta=beta, squeezing=squeezing)
    return float(model.entropy_production(model.steady_state()))


def _rates(betas: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Π_S at every pair, (betas, alphas), in one call."""

    def rate(beta: Any, alpha: Any) -> Array:
        model = dynamics(beta=beta, squeezing=alpha)
        return model.entropy_production(model.steady_state())

    with jax.enable_x64(True):
        every = jax.jit(jax.vmap(jax.vmap(rate, (None, 0)), (0, None)))
        return np.asarray(every(jnp.asarray(betas), jnp.asarray(alphas)))


def _balance(beta: float) -> float:
    return float(sq.gaussian.balancing_squeezing(setting.MASS, setting.FREQUENCY, setting.FRICTION, beta, setting.HBAR))


def squeezing(effort: float = 1.0) -> Claim:
    """Π_S against the squeezing α for several β, and over both: zero on the line α_DB(β) only."""
    alphas, betas = np.linspace(-0.25, 0.15, 161), np.linspace(0.1, 4.0, 79)
    curves = dict(zip(BETAS, _rates(np.array(BETAS), alphas), strict=True))
    plane = _rates(betas, alphas)
    checks = [Check(f"at alpha_DB, beta = {beta}", _rate(beta, _balance(beta)), 0.0, 1e-14) for beta in BETAS]
    lowest = [alphas[curve.argmin()] - _balance(beta) for beta, curve in curves.items()]
    checks += [
        Check("least at alpha_DB, largest distance", float(np.abs(lowest).max()), 0.0, 0.51 * (alphas[1] - alphas[0])),
        Check("over the plane, eq. 4 written out, largest difference", _apart(betas, alphas, plane), 0.0, 1e-10),
    ]
    grid = np.meshgrid(betas, alphas, indexing="ij")
    table = Table({"beta": grid[0].ravel(), "squeezing": grid[1].ravel(), "entropy_production": plane.ravel()}, UNITS)
    return Claim(table, checks, _draw_squeezing(alphas, betas, curves, plane))


def _apart(betas: np.ndarray, alphas: np.ndarray, plane: np.ndarray) -> float:
    r"""On every sixteenth line: $\Pi=\sum_k v_k^TVv_k/D_{kk}$ of the currents $J_k=v_k\cdot x\,W$, V by Lyapunov's
    equation, relative to the largest there is."""
    from scipy.linalg import solve_continuous_lyapunov

    worst = 0.0
    for i in range(0, len(betas), 16):
        d = setting.diffusion(betas[i])
        noise = np.array([d.position, d.momentum])
        for j in range(0, len(alphas), 16):
            drift = np.array([[alphas[j], 1.0], [-1.0, -alphas[j] - setting.FRICTION]])
            covariance = solve_continuous_lyapunov(drift, -2 * np.diag(noise))
            current = np.diag(np.diag(drift)) + noise[:, None] * np.linalg.inv(covariance)
            expected = np.einsum("kj,jl,kl->k", current, covariance, current) @ (1 / noise)
            worst = max(worst, abs(plane[i, j] - expected) / (1 + expected))
    return worst


def _draw_squeezing(
    alphas: np.ndarray, betas: np.ndarray, curves: dict[float, np.ndarray], plane: np.ndarray
) -> "Figure":
    from matplotlib.colors import LogNorm

    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        for index, (beta, curve) in enumerate(curves.items()):
            look: dict[str, Any] = {"color": plotting.PALETTE[index], "linestyle": plotting.LINES[index]}
            left.semilogy(alphas, curve, label=rf"$\beta\hbar\omega={beta:g}$", **look)
            left.plot(_balance(beta), 1.5e-6, marker="v", color=look["color"], markersize=6, clip_on=False)
        left.plot([], [], marker="v", color="grey", linestyle="none", label=r"$\alpha_{DB}$")
        left.set(xlabel=r"squeezing $\alpha/\omega$", ylabel=r"entropy production $\Pi_S/\omega$", ylim=(1e-6, 5e3))
        left.legend(loc="upper center", ncols=3)
        image = right.pcolormesh(
            alphas, betas, np.maximum(plane, 1e-6), cmap="cividis", norm=LogNorm(1e-5, 10), shading="nearest",
            rasterized=True,
        )  # fmt: skip
        right.plot(
            [_balance(beta) for beta in betas], betas, color="white", linestyle="--", label=r"$\alpha_{DB}(\beta)$"
        )
        right.axvline(0, color="white", linestyle=":", linewidth=1.2, label=r"$\alpha=0$")
        right.set(xlabel=r"squeezing $\alpha/\omega$", ylabel=r"$\beta\hbar\omega$", xlim=(alphas[0], alphas[-1]))
        right.grid(visible=False)
        right.legend(
            loc="lower left", labelcolor="white", frameon=True, facecolor="#333333", framealpha=0.8, edgecolor="none"
        )
        made.colorbar(image, ax=right, label=r"$\Pi_S/\omega$", extend="both")
    return made


def eq15(effort: float = 1.0) -> Claim:
    """The exact Π_S of the minimal oscillator beside eq. 15 as printed, which rests on eq. 14's −2mD_qq."""
    betas = np.linspace(0.1, 4.0, 79)
    exact = np.array([_rate(beta) for beta in betas])
    closed = np.array([setting.exact_production(beta) for beta in betas])
    printed = np.array([setting.printed_production(beta) for beta in betas])
    wrong = np.array([_with_misprint(beta) for beta in betas])
    checks = [
        Check("exact against eta (beta hbar omega)^2/16", float(np.abs(exact / closed - 1).max()), 0.0, 1e-10),
        Check("printed eq. 15 is that of a misprinted eq. 14", float(np.abs(printed / wrong - 1).max()), 0.0, 1e-10),
    ]
    columns = {"beta": betas, "exact": exact, "closed_form": closed, "eq15_as_printed": printed}
    units = dict.fromkeys(columns, "ω") | {"beta": "1/ħω"}
    return Claim(Table(columns, units), checks, _draw_printed(betas, exact, printed))


def _with_misprint(beta: float) -> float:
    """Π of the state that eq. 14 prints, with σ_pq = −2mD_qq: it is not the steady state."""
    model = dynamics(beta=beta)
    covariance = model.steady_state().covariance.copy()
    covariance[0, 1] = covariance[1, 0] = 2 * covariance[0, 1]
    return float(model.entropy_production(sq.gaussian.State(np.zeros(2), covariance)))


def _draw_printed(betas: np.ndarray, exact: np.ndarray, printed: np.ndarray) -> "Figure":
    with plotting.style():
        made, axes = plotting.figure(1, rows_each=(1.0, 0.4))
        upper, lower = axes[0]
        upper.plot(betas, exact, color=plotting.BLUE, linestyle="-", label=r"exact, $\eta(\beta\hbar\omega)^2/16$")
        upper.plot(betas, printed, color=plotting.VERMILION, linestyle="--", label="eq. 15 as printed")
        upper.set(ylabel=r"$\Pi_S/\omega$")
        upper.legend(loc="upper left")
        upper.tick_params(labelbottom=False)
        excess = 100 * (np.asarray(printed) / np.asarray(exact) - 1)
        lower.plot(betas, excess, color=plotting.VERMILION, linestyle="--")
        lower.set(xlabel=r"$\beta\hbar\omega$", ylabel="excess  [%]")
    return made
