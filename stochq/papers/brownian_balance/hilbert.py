"""The same oscillator as trajectories in a Fock basis: the steady σ_pq settles which eq. 14 is right."""

from typing import TYPE_CHECKING, Any

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import Array
from stochq.papers import checks
from stochq.papers.brownian_balance import setting
from stochq.papers.checks import Check
from stochq.papers.output import Claim, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRAJECTORIES, CUTOFF, STEP = 20_000, 32, 0.05
# At the end e^{−ηt} is a quarter of a percent of its start.
TIMES, FINE = np.linspace(0.0, 20.0, 41), np.linspace(0.0, 20.0, 401)
# The mean position of the coherent state that it starts from.
START = 1.0


def trajectories(effort: float = 1.0) -> Claim:
    """Second moments of the stochastic Schrödinger equation against those of phase space, all times together."""
    oscillator = sq.systems.oscillator(CUTOFF)
    equation = sq.models.brownian(oscillator, friction=setting.FRICTION, beta=setting.BETA)
    psi0 = oscillator.coherent(START / np.sqrt(2))
    count = max(int(TRAJECTORIES * effort), 200)
    ensemble = sq.simulate(equation, psi0, TIMES, observables=_watched(oscillator), trajectories=count, dt=STEP, seed=1)
    model = sq.gaussian.brownian(setting.MASS, setting.FREQUENCY, setting.FRICTION, setting.BETA)
    start = sq.gaussian.State([START, 0.0], 0.5 * np.eye(2))
    exact = model.evolve(start, TIMES)
    curves, fine = _curves(exact), _curves(model.evolve(start, FINE))
    found = [
        checks.by_largest_z(name, ensemble.mean[name][1:], ensemble.stderr[name][1:], curve[1:])
        for name, curve in curves.items()
    ]
    found.append(_misprint(ensemble, exact))
    series = [Series(name, TIMES, ensemble.mean[name], ensemble.stderr[name], units=_units(name)) for name in curves]
    series += [Series(f"{name}, phase space", FINE, curve, units=_units(name)) for name, curve in fine.items()]
    return Claim(series, found, _draw(series, model.steady_state()))


def _units(name: str) -> tuple[str, str]:
    return ("1/ω", setting.MOMENTS[name])


def _watched(oscillator: sq.systems.Hamiltonian) -> dict[str, np.ndarray]:
    q, p = (oscillator.operators[name] for name in ("position", "momentum"))
    # The truncated product is right below the last level, where nothing is.
    product = 0.5 * (q @ p + p @ q)
    watched = {"qq": oscillator.operators["position_squared"], "pp": oscillator.operators["momentum_squared"]}
    return watched | {"qp": product}


def _curves(exact: sq.gaussian.State) -> dict[str, Array]:
    second = exact.covariance + exact.mean[:, :, None] * exact.mean[:, None, :]
    return {"qq": second[:, 0, 0], "pp": second[:, 1, 1], "qp": second[:, 0, 1]}


def _misprint(ensemble: sq.EnsembleResult, exact: sq.gaussian.State) -> Check:
    """How far σ_qp at the last time is from the −2mD_qq of eq. 14, to which what is left of the start is added."""
    position = setting.diffusion(setting.BETA).position
    left = exact.mean[-1, 0] * exact.mean[-1, 1] + exact.covariance[-1, 0, 1] + setting.MASS * position
    value, error = ensemble.mean["qp"][-1] - left, ensemble.stderr["qp"][-1]
    distance = abs(value + 2 * setting.MASS * position) / error
    return Check("standard errors from eq. 14 as printed, at least 4", min(distance, 4.0), 4.0, 0.0)


def _draw(series: list[Series], steady: sq.gaussian.State) -> "Figure":
    labels = {"qq": r"$\langle q^2\rangle$", "pp": r"$\langle p^2\rangle$", "qp": r"$\langle\{q,p\}\rangle/2$"}
    with plotting.style():
        made, axes = plotting.figure(2)
        left, right = axes[0][0], axes[1][0]
        for index, name in enumerate(labels):
            panel = right if name == "qp" else left
            points, curve = series[index], series[index + 3]
            look: dict[str, Any] = {"color": plotting.PALETTE[index], "markersize": 4}
            panel.errorbar(
                points.x, points.y, 2 * points.stderr, fmt=plotting.MARKERS[index], label=labels[name], **look
            )
            panel.plot(curve.x, curve.y, color=plotting.PALETTE[index], linestyle=plotting.LINES[index])
        left.plot([], [], color=plotting.BLACK, linestyle="-", label="lines: phase space")
        left.plot([], [], color=plotting.BLACK, marker=".", linestyle="none", label="points: trajectories ± 2 s.e.")
        settled = float(steady.covariance[0, 1])
        right.axhline(settled, color=plotting.BLACK, linewidth=1, label=r"$-mD_{qq}$")
        right.axhline(2 * settled, color=plotting.BLACK, linestyle=":", linewidth=1.2, label=r"$-2mD_{qq}$ (printed)")
        for panel in (left, right):
            panel.set(xlabel=r"time $\omega t$")
            panel.legend(loc="best")
        left.set(ylabel="second moments")
    return made
