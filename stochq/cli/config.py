"""The whole configuration: TOML in, checked sections out. Nothing in it is ever evaluated as code."""

import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.changes import changed
from stochq.cli.drives import AnyDrive
from stochq.cli.errors import ConfigError, explain, report
from stochq.cli.fields import TIME, Count, Fitted, Matrix, Positive, Section, exactly_one
from stochq.cli.models import Model
from stochq.cli.states import State
from stochq.cli.systems import System

# Saved times, of which each takes some hundred bytes at least.
MOST_TIMES = 10**8


class Times(Section):
    """Equally spaced times, both ends included."""

    # A JSON schema cannot compare two keys, but without a start it is 0.
    model_config = ConfigDict(
        json_schema_extra={
            "if": {"not": {"required": ["start"]}},
            "then": {"properties": {"stop": {"description": "after the start", "exclusiveMinimum": 0}}},
        }
    )

    start: Annotated[float, TIME] = Field(0.0, description="the first one, of the initial state")
    stop: Annotated[float, TIME] = Field(description="the last one")
    points: Annotated[int, Field(ge=2, le=MOST_TIMES)] = Field(description="how many, both ends included")

    @model_validator(mode="after")
    def _forwards(self) -> "Times":
        if self.stop <= self.start:
            raise PydanticCustomError("backwards", "`stop` greater than `start`")
        return self


def _times_tag(value: object) -> str:
    return "list" if isinstance(value, list) else "spaced"


def _increasing(times: list[float]) -> list[float]:
    for before, after in pairwise(times):
        if after <= before:
            raise PydanticCustomError(
                "order",
                "increasing times, not {after} after {before}",
                {"after": f"{after:g}", "before": f"{before:g}"},
            )
    return times


TimeList = Annotated[list[float], Field(min_length=2), AfterValidator(_increasing)]
TimePoints = Annotated[Annotated[Times, Tag("spaced")] | Annotated[TimeList, Tag("list")], Discriminator(_times_tag)]


class Run(Section):
    """How many, how long, what is kept.

    With a tolerance, as many trajectories as it takes, up to the number given, and none kept unless asked for.
    """

    times: Annotated[TimePoints, TIME] = Field(description="{ start, stop, points }, or a list of times")
    trajectories: Annotated[int, Field(ge=2)] = Field(description="how many; with a tolerance, at most")
    observables: Annotated[list[str], Field(min_length=1)] = Field(
        description="names of observables of the system, of the state or of [observables]"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the random numbers: the same one, the same numbers")
    first: Annotated[int, Field(ge=0)] = Field(0, description="the trajectory of the seed with which the run begins")
    dt: Annotated[Positive | None, TIME] = Field(None, description="the step; default: chosen by the error it makes")
    tolerance: Positive | None = Field(None, description="the largest error of any observable at any time")
    scheme: (
        Literal["euler-maruyama", "strang", "strang-discrete", "extrapolated-euler-maruyama", "extrapolated-strang"]
        | None
    ) = Field(None, description="how a step is made; default: chosen by the equation")
    precision: Literal["single", "double"] = Field("single", description="of the states")
    batch: Count | None = Field(None, description="trajectories at a time; changes no number")
    keep: Annotated[int, Field(ge=0)] = Field(5, description="of how many trajectories the states are kept")
    exact: bool = Field(True, description="whether the master equation is solved and compared with, up to 1024 states")
    max_hours: Positive = Field(24.0, description="what a run may be estimated to take; a longer one is refused")
    records: bool = Field(False, description="whether what the detectors write down is kept, at the times")
    store_final_states: bool = Field(False, description="whether --resume may go on to later times")


class Output(Section):
    """Where results go, and what the table and the picture show."""

    result: str | None = Field(None, description="the name of the result, .nc; default: results/NAME.nc")
    plot: str | None = Field(None, description="the name of the picture; default: beside the result")
    rows: Count = Field(5, description="times that the table shows of each observable")
    panels: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="the observables that are shown; default: all"
    )
    residuals: bool = Field(True, description="whether the picture shows how far means are from exact ones, in errors")


class Units(Section):
    """The numbers of the file are in SI units; inside, these are the units of length, mass and time.

    Without a time the one is taken in which ħ = 1.
    """

    kind: Literal["si"]
    length: Positive = Field(description="the internal unit of length, in metres")
    mass: Positive = Field(description="the internal unit of mass, in kilograms")
    time: Positive | None = Field(None, description="the internal unit of time, in seconds")


class Observable(Section):
    """An operator of one's own, which need not be Hermitian."""

    model_config = exactly_one("matrix", "pauli", dependentRequired={"part": ["matrix"]})

    matrix: Matrix | None = Field(None, description="rows of numbers, complex ones as [real, imaginary]")
    pauli: str | None = Field(None, description='on a chain of spins: "0.5 X0 Y1 - 0.5 Y0 X1", sites from 0')
    part: str | None = Field(None, description='of a system of kind "tensor": the part that a matrix acts on')

    @model_validator(mode="after")
    def _one_of_two(self) -> "Observable":
        if (self.matrix is None) == (self.pauli is None):
            raise PydanticCustomError("one_of_two", "either `matrix` or `pauli`, and not both")
        if self.part is not None and self.matrix is None:
            raise PydanticCustomError("part", "`part` beside a `matrix` only")
        return self


class Config(Section):
    """A configuration file."""

    title: str = Field("", description="what tables, pictures and reports are headed with")
    system: System = Field(description="where it happens: the Hamiltonian")
    model: Model = Field(description="which stochastic equation")
    state: State = Field(description="what each trajectory starts from")
    run: Run = Field(description="how many, how long, what is kept")
    output: Output = Field(Output.model_validate({}), description="where results go, and what is shown")
    units: Units | None = Field(None, description="only where the numbers of the file are in SI units")
    observables: dict[str, Observable] = Field({}, description="operators of one's own, as [observables.sigma_x]")
    drives: list[AnyDrive] = Field([], description="tables [[drives]]: what is added to the Hamiltonian over time")
    fit: Fitted | None = Field(None, description="only for `stochq fit`: which numbers it finds")


def load_config(path: Path, settings: Mapping[str, Any] | None = None, sets: Sequence[str] = ()) -> Config:
    """Read and check a configuration.

    Args:
        path: the file.
        settings: keys of its table [run] that replace those of the file, unless None.
        sets: texts KEY=VALUE that do so in any table.

    Raises:
        ConfigError: naming the file, the key, what was expected and found.
    """
    return check_config(changed(read_toml(path), sets, settings or {}), str(path))


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
