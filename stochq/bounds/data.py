"""The bodies and experiments whose inputs come with the package: `data.toml`, read when it is first asked for."""

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from stochq.bounds.experiment import Experiment
from stochq.bounds.localization import VisibleDisk
from stochq.bounds.mechanics import AccelerationNoise, Expansion, ForceNoise
from stochq.bounds.rigid import Cuboid, RigidBody, Sphere
from stochq.bounds.thermal import BulkHeating, RadiatingBody, XRays

KINDS: dict[str, type[Experiment]] = {
    "acceleration-noise": AccelerationNoise,
    "force-noise": ForceNoise,
    "expansion": Expansion,
    "bulk-heating": BulkHeating,
    "radiating-body": RadiatingBody,
    "x-rays": XRays,
    "visible-disk": VisibleDisk,
}


def experiments() -> dict[str, Experiment]:
    """Experiments of public inputs by name, the theoretical lower bound among them.

    >>> "LISA Pathfinder 2016" in experiments()
    True
    """
    return {name: build(name, entry) for name, entry in _read()["experiments"].items()}


def bodies() -> dict[str, RadiatingBody]:
    """The planets, Pluto, the Moon, the Sun and the neutron star of Table I of `fermi-heating`, in its order.

    The star is there twice: at the temperature that the paper states, and at the one its printed number needs.

    >>> bodies()["Neptune"].temperature
    46.6
    """
    found = {name: build(name, entry) for name, entry in _read()["bodies"].items()}
    return {name: body for name, body in found.items() if isinstance(body, RadiatingBody)}


def sources(name: str) -> dict[str, str]:
    """Where each number of a body or experiment comes from.

    Raises:
        ValueError: for a name that there is not.

    >>> sorted(sources("cryogenic heating"))
    ['power_per_mass', 'sound_speed']
    """
    entries = _read()["bodies"] | _read()["experiments"]
    if name not in entries:
        raise ValueError(f"name: expected one of {', '.join(entries)}; got {name!r}.")
    return dict(entries[name]["sources"])


def omitted() -> dict[str, str]:
    """What is left out, and why: experiments whose inputs are not public as numbers, or need another formula.

    >>> "Majorana Demonstrator X-rays" in omitted()
    True
    """
    return dict(_read()["omitted"])


def build(name: str, entry: Mapping[str, Any]) -> Experiment:
    """An experiment from a table of its inputs, in SI units, with its `kind` and without `sources`.

    Raises:
        ValueError: for numbers that are not positive; warns of numbers far from those of the kind.
    """
    inputs = {key: value for key, value in entry.items() if key not in ("kind", "sources")}
    if "body" in inputs:
        inputs["body"] = _body(inputs["body"])
    return KINDS[entry["kind"]](name=name, **inputs)


def _body(entry: Mapping[str, Any]) -> RigidBody:
    if entry["kind"] == "sphere":
        return Sphere(entry["mass"], entry["radius"])
    first, second, third = entry["sides"]
    return Cuboid(entry["mass"], (first, second, third))


@functools.cache
def _read() -> dict[str, Any]:
    text = resources.files("stochq.bounds").joinpath("data.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
