"""SI numbers in the file, numbers of order one inside: every field knows its dimension and is scaled by it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.constants import hbar as HBAR_SI

from stochq.cli.config import Config, Units
from stochq.cli.fields import ENERGY, ENERGY_SQUARED, LENGTH, MOMENTUM, Dimension, Section
from stochq.cli.systems import Kerr, Tensor
from stochq.ensemble.result import EnsembleResult
from stochq.real_parts import observable_of

SectionType = TypeVar("SectionType", bound=Section)

# Dimension of an observable, and the SI units of itself and its square.
OBSERVABLES = {
    "position": (LENGTH, ("m", "m²")),
    "momentum": (MOMENTUM, ("kg m/s", "kg² m²/s²")),
    "kinetic": (ENERGY, ("J", "J²")),
    "energy": (ENERGY, ("J", "J²")),
    "energy_variance": (ENERGY_SQUARED, ("J²", "J⁴")),
}


@dataclass(frozen=True)
class Scales:
    """What one internal unit of mass, length and time is worth, and ħ in internal units.

    cavities: the parts of a system, "" for the whole one, whose position and momentum are quadratures, plain numbers.
    """

    mass: float = 1.0
    length: float = 1.0
    time: float = 1.0
    hbar: float = 1.0
    cavities: frozenset[str] = frozenset()

    def of(self, dimension: Dimension) -> float:
        """The internal unit of a quantity."""
        return self.mass**dimension.mass * self.length**dimension.length * self.time**dimension.time


def scales_of(units: Units | None) -> Scales:
    """The scales of a configuration: all one where it gives no units."""
    if units is None:
        return Scales()
    action = units.mass * units.length**2 / HBAR_SI
    time = action if units.time is None else units.time
    return Scales(units.mass, units.length, time, time / action)


def to_internal(section: SectionType, scales: Scales) -> SectionType:
    """The same section with every dimensional number in internal units."""
    changed = {name: _scale(section, name, scales) for name in type(section).model_fields}
    return section.model_copy(update=changed)


def internal(config: Config) -> tuple[Config, Scales]:
    """The configuration in internal units, and what these are."""
    scales = scales_of(config.units)
    if config.units is not None:
        scales = dataclasses.replace(scales, cavities=_cavities(config.system))
    sections = {name: to_internal(getattr(config, name), scales) for name in ("system", "model", "state", "run")}
    drives = [to_internal(drive, scales) for drive in config.drives]
    return config.model_copy(update=sections | {"drives": drives}), scales


def _cavities(system: Section) -> frozenset[str]:
    parts = system.parts if isinstance(system, Tensor) else {"": system}
    return frozenset(name for name, part in parts.items() if isinstance(part, Kerr))


def _scale(section: Section, name: str, scales: Scales) -> object:
    dimensions = [item for item in type(section).model_fields[name].metadata if isinstance(item, Dimension)]
    factor = scales.of(dimensions[0]) if dimensions else 1.0
    return _divide(getattr(section, name), factor, scales)


def _divide(value: object, factor: float, scales: Scales) -> object:
    if isinstance(value, Section):
        return to_internal(value, scales)
    if isinstance(value, dict):
        return {name: _divide(item, factor, scales) for name, item in value.items()}
    if isinstance(value, list):
        return [_divide(item, factor, scales) for item in value]
    if isinstance(value, float | complex) and factor != 1.0:
        return value / factor
    return value


def in_si(result: EnsembleResult, scales: Scales) -> EnsembleResult:
    """A result computed in internal units, in SI units and labelled with them; untouched where there are no units."""
    if scales == Scales():
        return result
    factors = {name: factor(name, scales) for name in result.mean}
    points = np.asarray([factor(name, scales) for name, _ in result.covariance_points])
    units = {f"unit:{name}": unit for name in factors if (unit := _unit(name, scales))}
    return dataclasses.replace(
        result,
        times=result.times * scales.time,
        dt=result.dt * scales.time,
        mean={name: values * factors[name] for name, values in result.mean.items()},
        stderr={name: values * factors[name] for name, values in result.stderr.items()},
        variance={name: values * factors[name] ** 2 for name, values in result.variance.items()},
        bias={name: None if values is None else values * factors[name] for name, values in result.bias.items()},
        kept_values=values_in_si(result.kept_values, scales),
        covariance=None if result.covariance is None else result.covariance * np.outer(points, points),
        parts=(),
        info=result.info | units | {"unit:time": "s"},
    )


def values_in_si(curves: Mapping[str, np.ndarray], scales: Scales) -> dict[str, np.ndarray]:
    """Curves of observables in SI units, in double precision: squares in SI units are too small for single."""
    doubled = {name: np.asarray(values, np.result_type(values, np.float64)) for name, values in curves.items()}
    return {name: values * factor(name, scales) for name, values in doubled.items()}


def _kind(name: str) -> tuple[str, int]:
    """The quantity an observable is a power of: 'position_y_squared' is position, 2, of a part "part:position" too, and
    of one of both parts of a complex one."""
    first, *others = observable_of(name).rpartition(":")[2].split("_")
    words = [first, *(word for word in others if word not in ("y", "z"))]
    power = 2 if words[-1] == "squared" else 1
    return "_".join(words[: -1 if power == 2 else None]), power


def quantity_of(name: str) -> str:
    """The quantity that an observable of that name is a power of."""
    return _kind(name)[0]


def factor(name: str, scales: Scales) -> float:
    """What one internal unit of an operator of that name is worth."""
    quantity, power = _kind(name)
    if _is_quadrature(name, scales):
        return 1.0
    return scales.of(OBSERVABLES[quantity][0]) ** power if quantity in OBSERVABLES else 1.0


def _is_quadrature(name: str, scales: Scales) -> bool:
    return _kind(name)[0] in ("position", "momentum") and name.rpartition(":")[0] in scales.cavities


def _unit(name: str, scales: Scales) -> str:
    quantity, power = _kind(name)
    if _is_quadrature(name, scales):
        return ""
    return OBSERVABLES[quantity][1][power - 1] if quantity in OBSERVABLES else ""
