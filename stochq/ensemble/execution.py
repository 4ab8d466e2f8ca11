"""How a run is made, how far an earlier one came, and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from stochq.aliases import Device
from stochq.ensemble.checkpoint import Checkpoint
from stochq.ensemble.team import Team
from stochq.ensemble.tree import MOST_NAMED, Merges, Parts, total

# From the merged summaries and the number of trajectories done: how many there should be.
Extend = Callable[[dict[str, Any], int], int]


class Known(Protocol):
    """How far an earlier run came: parts, how many trajectories it wanted before it would ask again, and seconds."""

    @property
    def parts(self) -> Parts: ...
    @property
    def wanted(self) -> int: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class Execution:
    """How device calls are made; but for rounding it changes no number.

    Args:
        precision: "single" or "double".
        batch: trajectories per device call; None takes what a core's cache and the progress bar ask for.
        progress: whether a bar is shown, as of `progress.shown`.
        devices: over which the calls are spread; None takes JAX's default.
        first: the trajectory with which the run begins.
        checkpoint: which holds what is done; None where nothing does.
        is_logged: whether the log is told how far it is.
        team: the hosts that make the run together; None for this one alone.
        stores_final_states: whether the checkpoint holds what all trajectories carry at the last time as well.
    """

    precision: str = "single"
    batch: int | None = None
    progress: bool | None = None
    devices: tuple[Device, ...] | None = None
    first: int = 0
    checkpoint: Checkpoint | None = None
    is_logged: bool = True
    team: Team | None = None
    stores_final_states: bool = False

    @property
    def hosts(self) -> int:
        """How many make the run."""
        return 1 if self.team is None else self.team.count


class Totals(NamedTuple):
    """Merged summaries, what they were merged from (of seed 0, whatever it is), seconds spent, interrupted or not, the
    devices that ran them, and how many trajectories were wanted in the end."""

    summaries: dict[str, Any]
    parts: Parts
    seconds: float
    interrupted: bool
    devices: tuple[Device, ...]
    wanted: int

    @property
    def first(self) -> int:
        """The trajectory with which the run began."""
        return self.parts[0].start

    @property
    def done(self) -> int:
        """How many trajectories were run."""
        return self.parts[-1].stop - self.first

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts)

    @property
    def failures(self) -> list[int]:
        """The first trajectories that failed."""
        return [trajectory for part in self.parts for trajectory in part.failures][:MOST_NAMED]


def count(parts: Parts) -> int:
    """Of trajectories."""
    return parts[-1].stop - parts[0].start if parts else 0


def resumed(
    stage: Known | None, trajectories: int, extend: Extend | None, most: int | None, merges: Merges
) -> tuple[Parts, int, float]:
    """What is done already, how many trajectories are wanted next, and the seconds that it took."""
    if stage is None or not stage.parts:
        return (), trajectories, 0.0
    parts, wanted = stage.parts, trajectories
    if extend is not None:
        # As far as the run wanted to go before it asks again, but that it may have fewer now.
        wanted = stage.wanted if most is None else min(stage.wanted, most)
        if count(parts) == wanted:
            wanted = max(wanted, extend(total(parts, merges), wanted))
    if count(parts) < wanted and not parts[-1].is_whole:
        # A block that was cut short is run again.
        parts = parts[:-1]
    return parts, wanted, stage.seconds
