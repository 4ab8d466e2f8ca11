"""The whole configuration: TOML in, checked sections out. Nothing in it is ever evaluated as code."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.errors import ConfigError, explain, report
from stochq.cli.fields import TIME, Count, Fitted, Positive, Section
from stochq.cli.models import Model
from stochq.cli.states import State
from stochq.cli.systems import System

# Saved times, of which each takes some hundred bytes at least.
MOST_TIMES = 10**8


class Times(Section):
    """Equally spaced times, both ends included."""

    start: Annotated[float, TIME] = 0.0
    stop: Annotated[float, TIME]
    points: Annotated[int, Field(ge=2, le=MOST_TIMES)]

    @model_validator(mode="after")
    def _forwards(self) -> "Times":
        if self.stop <= self.start:
            raise PydanticCustomError("backwards", "`stop` greater than `start`")
        return self


def _times_tag(value: object) -> str:
    return "list" if isinstance(value, list) else "spaced"


TimeList = Annotated[list[float], Field(min_length=2)]
TimePoints = Annotated[Annotated[Times, Tag("spaced")] | Annotated[TimeList, Tag("list")], Discriminator(_times_tag)]


class Run(Section):
    """How many, how long, what is kept.

    With a tolerance, as many trajectories as it takes, up to the number given, and none kept unless asked for.
    """

    times: Annotated[TimePoints, TIME] = Field(description="{ start, stop, points }, or a list of times")
    trajectories: Annotated[int, Field(ge=2)]
    observables: Annotated[list[str], Field(min_length=1)] = Field(description="names of observables of the system")
    seed: Annotated[int, Field(ge=0)] = 0
    first: Annotated[int, Field(ge=0)] = Field(0, description="the trajectory of the seed with which the run begins")
    dt: Annotated[Positive | None, TIME] = None
    tolerance: Positive | None = Field(None, description="the largest error of any observable at any time")
    scheme: (
        Literal["euler-maruyama", "strang", "strang-discrete", "extrapolated-euler-maruyama", "extrapolated-strang"]
        | None
    ) = None
    precision: Literal["single", "double"] = "single"
    batch: Count | None = None
    keep: Annotated[int, Field(ge=0)] = 5
    exact: bool = True
    max_hours: Positive = Field(24.0, description="what a run may be estimated to take; a longer one is refused")
    records: bool = Field(False, description="whether what the detectors write down is kept, at the times")
    store_final_states: bool = Field(False, description="whether --resume may go on to later times")


class Output(Section):
    """Where results go, and what the table and the picture show."""

    result: str | None = None
    plot: str | None = None
    rows: Count = 5
    panels: Annotated[list[str], Field(min_length=1)] | None = None
    residuals: bool = True


class Units(Section):
    """The numbers of the file are in SI units; inside, these are the units of length, mass and time.

    Without a time the one is taken in which ħ = 1.
    """

    kind: Literal["si"]
    length: Positive = Field(description="the internal unit of length, in metres")
    mass: Positive = Field(description="the internal unit of mass, in kilograms")
    time: Positive | None = None


class Config(Section):
    """A configuration file."""

    title: str = ""
    system: System
    model: Model
    state: State
    run: Run
    output: Output = Output()
    units: Units | None = None
    fit: Fitted | None = None


def load_config(path: Path, settings: Mapping[str, Any] | None = None) -> Config:
    """Read and check a configuration. settings: keys of its table [run] that replace those of the file, unless None.

    Raises:
        ConfigError: naming the file, the key, what was expected and found.
    """
    data = read_toml(path)
    asked = {key: value for key, value in (settings or {}).items() if value is not None}
    if asked and isinstance(data.get("run"), dict):
        data["run"] |= asked
    return check_config(data, str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises: ConfigError for a file that cannot be read or is not TOML."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(report(str(path), "", "a TOML file", "no file of that name")) from None
    except OSError as error:
        raise ConfigError(report(str(path), "", "a TOML file that can be read", error.strerror or str(error))) from None
    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(report(str(path), "", "valid TOML", str(error))) from None


def check_config(data: dict[str, Any], place: str) -> Config:
    """Check what a configuration file held. Raises: as `load_config`."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, place, data, Config)) from None
