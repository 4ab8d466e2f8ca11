"""Eqs. 13, 15 and A23 by simulation: Slater determinants in a random potential, for three occupations."""

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import stochq as sq
from stochq.noise.coloured import OrnsteinUhlenbeck
from stochq.papers.checks import Check, by_error
from stochq.papers.fermi_heating.fermions_picture import Sweep, draw
from stochq.papers.output import PURE, Claim, Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Units ħ = m = m0 = r_C = 1. The box is 20π long: waves are 1/10 apart and 200 of them reach to |k| = 10.
MODES, BOX, PARTICLES = 200, 20 * np.pi, 20
TEMPERATURE, SEED = 1.0, 51
GAIN = ("m r_C²/ħ", "ħ²/m r_C²")
RATIO = ("ħ/m r_C²", PURE)
# White noise has no error in the rate nor in the step; coloured noise is compared at first order in the rate.
WHITE_RATE, WHITE_END, WHITE_STEP = 0.05, 20.0, 0.2
COLOURED_RATE, SHOWN = 1e-4, 1.0


class Colour(NamedTuple):
    """A correlation time, the steps that resolve it, and trajectories. Runs last ten correlation times."""

    time: float
    step: float
    trajectories: int


COLOURS = (Colour(0.25, 0.025, 5000), Colour(SHOWN, 0.05, 10_000), Colour(4.0, 0.1, 5000))
WHITE_TRAJECTORIES = 10_000
# The relative standard error of every power at full effort.
LARGEST_ERROR = 0.01


class Power(NamedTuple):
    """Power per particle over that of white noise, its standard error, and eq. 13."""

    value: float
    stderr: float
    formula: float


@cache
def fermions_claim(effort: float = 1.0) -> Claim:
    """Heating per particle of a Fermi sea, a hot gas and a particle at rest, in white and in coloured noise."""
    white = {name: _white(name, effort) for name in _occupations(_gas(WHITE_RATE))}
    coloured = {(name, colour): _coloured(name, colour, effort) for colour in COLOURS for name in white}
    powers = {(name, 0.0): _white_power(white[name]) for name in white}
    powers |= {(name, colour.time): _power(name, colour, result) for (name, colour), result in coloured.items()}
    checks = [
        by_error(f"{_noise(time)}, {name}: power over white", power.value, power.stderr, power.formula)
        for (name, time), power in powers.items()
    ]
    largest = max(power.stderr / power.formula for power in powers.values())
    checks.append(Check("largest relative standard error", largest, 0.0, LARGEST_ERROR / min(1.0, effort) ** 0.5))
    shown = {name: result for (name, colour), result in coloured.items() if colour.time == SHOWN}
    series = [_gain(f"white: {name}", result) for name, result in white.items()]
    series += [_gain(f"tau = {SHOWN:g}: {name}", result) for name, result in shown.items()]
    series += [_swept(name, powers) for name in white] + [_curve(name) for name in white]
    return Claim(series, checks, _draw(white, shown, powers))


def _noise(time: float) -> str:
    return f"tau = {time:g}" if time else "white"


def _gas(rate: float, time: float = 0.0) -> sq.models.FermionGas:
    colour = OrnsteinUhlenbeck(time) if time else None
    return sq.models.fermion_gas(sq.systems.particle(MODES, BOX, 1.0), rate=rate, length=1.0, colour=colour)


def _occupations(gas: sq.models.FermionGas) -> dict[str, np.ndarray]:
    return {
        "Fermi sea": gas.fermi_sea(PARTICLES),
        "hot gas": gas.thermal(PARTICLES, TEMPERATURE, seed=1),
        "at rest": np.array([0]),
    }


def _white(name: str, effort: float) -> sq.EnsembleResult:
    return _run(_gas(WHITE_RATE), name, WHITE_END, WHITE_STEP, WHITE_TRAJECTORIES * effort, SEED)


def _coloured(name: str, colour: Colour, effort: float) -> sq.EnsembleResult:
    gas = _gas(COLOURED_RATE, colour.time)
    seed = SEED + 100 * (1 + COLOURS.index(colour))
    return _run(gas, name, 10 * colour.time, colour.step, colour.trajectories * effort, seed)


def _run(
    gas: sq.models.FermionGas, name: str, end: float, step: float, trajectories: float, seed: int
) -> sq.EnsembleResult:
    # Every run sees noise of its own, so that their errors are independent.
    names = list(_occupations(gas))
    return sq.simulate_fermions(
        gas,
        _occupations(gas)[name],
        np.linspace(0, end, 11),
        trajectories=max(64, round(trajectories)),
        dt=step,
        seed=seed + 10 * names.index(name),
        progress=False,
    )


def _white_power(result: sq.EnsembleResult) -> Power:
    """Against eq. 15 for one dimension, λħ²/4mr_C² with all of them 1 but λ."""
    scale = WHITE_RATE / 4 * WHITE_END
    return Power(float(result.mean["gain"][-1] / scale), float(result.stderr["gain"][-1] / scale), 1.0)


def _power(name: str, colour: Colour, result: sq.EnsembleResult) -> Power:
    """From the second half of a run, five correlation times after the start and later."""
    gas = _gas(COLOURED_RATE, colour.time)
    middle, last = len(result.times) // 2, len(result.times) - 1
    scale = COLOURED_RATE / 4 * (result.times[last] - result.times[middle])
    assert result.covariance is not None
    at = [result.covariance_points.index(("gain", index)) for index in (middle, last)]
    direction = np.zeros(len(result.covariance))
    direction[at] = [-1.0, 1.0]
    variance = direction @ result.covariance @ direction / result.trajectories
    gained = result.mean["gain"][last] - result.mean["gain"][middle]
    return Power(float(gained / scale), float(np.sqrt(variance) / scale), _formula(gas, name))


def _formula(gas: sq.models.FermionGas, name: str) -> float:
    return gas.heating(_occupations(gas)[name]) / (COLOURED_RATE / 4)


def _gain(name: str, result: sq.EnsembleResult) -> Series:
    return Series(f"{name}, energy gained", result.times, result.mean["gain"], result.stderr["gain"], units=GAIN)


def _swept(name: str, powers: dict[tuple[str, float], Power]) -> Series:
    found = {time: power for (of, time), power in powers.items() if of == name and time}
    values = list(found.values())
    cutoffs = 1 / np.array(list(found))
    return Series(
        f"{name}, power over white", cutoffs, [p.value for p in values], [p.stderr for p in values], units=RATIO
    )


def _curve(name: str) -> Series:
    cutoffs = np.geomspace(0.1, 30.0, 41)
    values = [_formula(_gas(COLOURED_RATE, 1 / cutoff), name) for cutoff in cutoffs]
    return Series(f"{name}, eq. 13", cutoffs, np.array(values), units=RATIO)


def _draw(white: dict[str, Any], shown: dict[str, Any], powers: dict[tuple[str, float], Power]) -> "Figure":
    gases = (_gas(WHITE_RATE), _gas(COLOURED_RATE, SHOWN))
    sweeps = {}
    for name in white:
        exact = np.array([power.formula for (of, time), power in powers.items() if of == name and time])
        sweeps[name] = Sweep(_swept(name, powers), exact, _curve(name))
    return draw(gases, _occupations(gases[0]), (white, shown), sweeps)
