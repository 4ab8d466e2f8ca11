"""What happens to Alice's half of an entangled pair changes nothing for Bob's ensemble."""

from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check, by_comparison
from stochq.papers.output import PURE, Claim
from stochq.papers.thermalization import setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DIM_A, DIM_B, SEED = 3, 2, 701
UNITS = {"OQT": setting.TIME_UNIT, "SUV": "ħ/JN"}
PAULI = {
    "x": np.array([[0, 1], [1, 0]], complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.diag([1.0, -1.0]),
}


def no_signalling(effort: float = 1.0) -> Claim:
    """Bob's three Pauli means while Alice's three-level system thermalizes (OQT) or reduces (SUV)."""
    alice = sq.systems.levels([0.0, 0.8, 1.9])
    equations = {
        "OQT": sq.models.oqt(alice, strength=1.0, equilibrium=[0.6, 0.3, 0.1]),
        "SUV": sq.models.suv(alice, strength=1.0, basis=_fourier(DIM_A)),
    }
    joint = sq.systems.tensor(alice=alice, bob=np.zeros(DIM_B))
    psi0 = _entangled()
    runs, checks, series = {}, [], []
    for index, (name, equation) in enumerate(equations.items()):
        runs[name], some = _run(
            name, sq.models.composite(joint, {"alice": equation}), psi0, setting.whole(4000, effort, 256), SEED + index
        )
        checks += some
        units = (UNITS[name], PURE)
        series += [setting.ensemble_series(f"{name}: {key}", runs[name], key, 1.0, units) for key in runs[name].mean]
    return Claim(series, checks, _draw(runs))


def _fourier(dim: int) -> np.ndarray:
    index = np.arange(dim)
    return np.exp(2j * np.pi * np.outer(index, index) / dim) / dim**0.5


def _entangled() -> np.ndarray:
    """ψ_{μσ} of Alice and Bob, no product and no symmetry."""
    return sq.normalize([0.7, 0.2 + 0.1j, 0.3j, 0.5, 0.1, 0.45 - 0.2j])


def _run(
    name: str, equation: sq.Equation, psi0: np.ndarray, count: int, seed: int
) -> tuple[sq.EnsembleResult, list[Check]]:
    bob = {f"Bob {axis}": np.kron(np.eye(DIM_A), matrix) for axis, matrix in PAULI.items()}
    lowest = np.zeros(DIM_A)
    lowest[0] = 1.0
    times = np.linspace(0, 4, 17)
    ask = bob | {"Alice": np.kron(lowest, np.ones(DIM_B))}
    result = sq.simulate(equation, psi0, times, observables=ask, trajectories=count, seed=seed, keep=12, progress=False)
    exact = setting.integrated(equation, psi0, times, ask)
    assert exact.density is not None
    change = float(np.abs(_bobs(exact.density) - _bobs(np.outer(psi0, psi0.conj()))).max())
    return result, [
        Check(f"{name}: change of Bob's density matrix, integrated equation", change, 0.0, setting.INTEGRATED),
        by_comparison(f"{name}: Bob's and Alice's ensemble means", sq.compare(result, exact)),
    ]


def _bobs(density: np.ndarray) -> np.ndarray:
    """Bob's density matrices, (..., dim_b, dim_b)."""
    split = density.reshape(*density.shape[:-2], DIM_A, DIM_B, DIM_A, DIM_B)
    return np.einsum("...abac->...bc", split)


def _draw(runs: dict[str, sq.EnsembleResult]) -> "Figure":
    titles = {"OQT": "Alice thermalizes (OQT)", "SUV": "Alice reduces (SUV)"}
    units = {"OQT": setting.TIME, "SUV": r"time $t$  [$\hbar/\mathcal{JN}$]"}
    with plotting.style():
        made, axes = plotting.figure(2)
        for (name, result), (panel,) in zip(runs.items(), axes, strict=True):
            single = setting.expectation(result.kept, np.kron(np.eye(DIM_A), PAULI["x"]))
            setting.draw_singles(panel, result.times, single, r"single trajectories, $\sigma_x^B$")
            for index, axis in enumerate(PAULI):
                key = f"Bob {axis}"
                some = setting.ensemble_series(key, result, key)
                panel.axhline(some.y[0], color=plotting.PALETTE[index], linestyle=plotting.LINES[index], linewidth=1)
                setting.draw_points(panel, some, index, rf"$E\langle\sigma_{axis}^B\rangle$", zorder=3)
            alice = setting.ensemble_series("Alice", result, "Alice")
            panel.plot(alice.x, alice.y, color=plotting.BLACK, linestyle="-", label=r"Alice, $E[p_0^A]$")
            panel.set(xlabel=units[name], title=titles[name])
        axes[0][0].set_ylabel("expectation value")
        handles, labels = axes[0][0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside lower center", ncols=5)
    return made
