"""The configuration of `stochq exclude`: an experiment in SI units, checked. Its keys are those of `sq.bounds`."""

import dataclasses
import functools
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from stochq.bounds import KINDS, Experiment
from stochq.cli.config import read_toml
from stochq.cli.errors import ConfigError, explain
from stochq.cli.fields import Count, Positive, Section


class SphereBody(Section):
    """A homogeneous sphere."""

    kind: Literal["sphere"]
    mass: Positive = Field(description="in kilograms")
    radius: Positive = Field(description="in metres")


class CuboidBody(Section):
    """A homogeneous cuboid that moves along its first side."""

    kind: Literal["cuboid"]
    mass: Positive = Field(description="in kilograms")
    sides: Annotated[list[Positive], Field(min_length=3, max_length=3)] = Field(description="three lengths, in metres")


Body = Annotated[SphereBody | CuboidBody, Field(discriminator="kind")]
MaybePositive = Positive | None
# The keys of experiments that are not numbers with a unit.
OTHER_KEYS: dict[str, tuple[Any, str]] = {
    "name": (str, "in tables and pictures"),
    "constituent_mass": (Positive, "in kilograms, of the particles whose wave functions collapse"),
    "body": (Body, "a sphere or a cuboid"),
    "atomic_number": (Count, "the number of protons"),
    "free_electrons": (Annotated[int, Field(ge=0)], "electrons of an atom that emit each on its own"),
    "neutrons": (bool, "whether the body is a degenerate gas of neutrons"),
}


def _section(kind: str, experiment: type[Experiment]) -> type[Section]:
    """The table of one kind of experiment, from the fields of its class."""
    keys: dict[str, Any] = {"kind": (Literal[kind], ...)}  # type: ignore[valid-type]
    for field in dataclasses.fields(experiment):
        if "unit" not in field.metadata:
            annotation, text = OTHER_KEYS[field.name]
            default = "this experiment" if field.name == "name" else field.default
            required = default is dataclasses.MISSING
            keys[field.name] = (annotation, Field(... if required else default, description=text))
        elif field.default is dataclasses.MISSING:
            keys[field.name] = (Positive, Field(description=f"in {field.metadata['unit']}"))
        else:
            keys[field.name] = (MaybePositive, Field(field.default, description=f"in {field.metadata['unit']}"))
    made = create_model(f"{experiment.__name__}Table", __base__=Section, **keys)
    made.__doc__ = (experiment.__doc__ or "").partition("\n")[0].rstrip(":")
    return made


SECTIONS = tuple(_section(kind, experiment) for kind, experiment in KINDS.items() if not experiment.lower)
if TYPE_CHECKING:
    AnyExperiment = Any
else:
    AnyExperiment = Annotated[functools.reduce(operator.or_, SECTIONS), Field(discriminator="kind")]


class Spectrum(Section):
    """γ(ω)/γ(0) of the noise."""

    kind: Literal["lorentzian", "exponential", "gaussian"] = Field(description="the form of the spectrum")
    cutoff: Positive = Field(description="in rad/s")


class Noise(Section):
    """Which CSL: white, with a spectrum, or dissipative."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["spectrum", "temperature"]}})

    spectrum: Spectrum | None = Field(None, description="of noise that is not white")
    temperature: Positive | None = Field(default=None, description="of the noise, in kelvin")

    @model_validator(mode="after")
    def _one(self) -> "Noise":
        if self.spectrum is not None and self.temperature is not None:
            raise PydanticCustomError("both", "a spectrum or a temperature, not both")
        return self


class Plane(Section):
    """Which correlation lengths are drawn, and at which ones the bound is printed, in metres."""

    shortest: Positive = Field(1e-9, description="the shortest correlation length, in metres")
    longest: Positive = Field(1e-3, description="the longest correlation length, in metres")
    points: Annotated[int, Field(ge=2, le=10_000)] = Field(121, description="correlation lengths of the curve")
    printed: Annotated[list[Positive], Field(min_length=1)] = Field(
        [1e-8, 1e-7, 1e-6, 1e-5, 1e-4], description="correlation lengths at which the bound is printed, in metres"
    )

    @model_validator(mode="after")
    def _forwards(self) -> "Plane":
        if self.longest <= self.shortest:
            raise PydanticCustomError("backwards", "`longest` greater than `shortest`")
        return self


class ExcludeConfig(Section):
    """A configuration file of `stochq exclude`."""

    title: str = Field("", description="what is printed above the bound")
    experiment: AnyExperiment = Field(description="what was measured, by what kind of experiment")
    noise: Noise = Field(Noise.model_validate({}), description="which CSL: white, with a spectrum, or dissipative")
    plane: Plane = Field(Plane.model_validate({}), description="at which correlation lengths")


def load_experiment(path: Path) -> ExcludeConfig:
    """Read and check a configuration. Raises: ConfigError, naming the file, the key, what was expected and found."""
    data = read_toml(path)
    try:
        return ExcludeConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, str(path), data, ExcludeConfig)) from None
