"""Which panels a picture of observables has, what they are called, and their common scale."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.real_parts import row_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is drawn no higher than this part of the other part of a complex observable is rounding.
_ROUNDING = 1e-6

SYMBOLS = {
    "energy": r"$\langle H\rangle$",
    "position": r"$\langle x\rangle$",
    "position_squared": r"$\langle x^2\rangle$",
    "momentum": r"$\langle p\rangle$",
    "momentum_squared": r"$\langle p^2\rangle$",
    "kinetic": r"$\langle p^2\rangle/2m$",
    "number": r"$\langle a^\dagger a\rangle$",
    "magnetization": r"$\langle\sigma^z\rangle$, mean over sites",
    "transverse": r"$\langle\sigma^x\rangle$, mean over sites",
    "total_sz": r"$\langle S^z\rangle$",
    "nearest_zz": r"$\langle\sigma^z_i\sigma^z_{i+1}\rangle$, mean over bonds",
}
NUMBERED = {"sigma_z": r"$\langle\sigma^z_{%s}\rangle$", "population": r"$p_{%s}$"}


def panels_of(result: EnsembleResult, names: Sequence[str]) -> dict[str, str]:
    """The real rows to be drawn and their labels."""
    panels: dict[str, str] = {}
    for name in names:
        text = label(result, name)
        rows = row_names(name, np.iscomplexobj(result.mean[name]))
        panels |= {row: text if row == name else f"{row.removesuffix(name)}{text}" for row in rows}
    return panels


def label(result: EnsembleResult, name: str) -> str:
    """The axis label of an observable: its symbol and, if the result carries one, its unit."""
    return _with_unit(symbol(name), result.info.get(f"unit:{name}"))


def symbol(name: str) -> str:
    """What an observable is called in a picture."""
    family, _, number = name.rpartition("_")
    return NUMBERED[family] % number if family in NUMBERED else SYMBOLS.get(name, name.replace("_", " "))


def time_label(result: EnsembleResult) -> str:
    """The label of the time axis, with its unit if the result carries one."""
    return _with_unit("time $t$", result.info.get("unit:time"))


def _with_unit(text: str, unit: str | None) -> str:
    return f"{text}  [{unit}]" if unit else text


def draw_rounding_flat(names: list[str], axes: "list[Axes]") -> None:
    """A part of a complex observable that is rounding of the other, around zero at the other's scale."""
    by_name = dict(zip(names, axes, strict=True))
    for real in names:
        imaginary = "Im " + real.removeprefix("Re ")
        if not real.startswith("Re ") or imaginary not in by_name:
            continue
        parts = by_name[real], by_name[imaginary]
        tallest = max(float(np.ptp(part.get_ylim())) for part in parts)
        for part in parts:
            if np.ptp(part.get_ylim()) < _ROUNDING * tallest:
                part.set_ylim(-0.5 * tallest, 0.5 * tallest)
