"""Heavy tails: what standard errors are worth where a few trajectories carry a mean, and how many it would take."""

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stochq.callers import users_line
from stochq.real_parts import in_rows

if TYPE_CHECKING:
    from stochq.ensemble.result import EnsembleResult

# Values of an excess kurtosis up to this are judged as Gaussian ones; errors from fewer such values than FEW_SAMPLES
# are not trusted.
LIGHT_KURTOSIS, FEW_SAMPLES = 3.0, 200
# From fewer a standard error is known to worse than a tenth of itself, 1/√(2N), which a run says by itself at times
# when the spread is at least this share of its largest: where most are in one state, as at the start, few carry a mean.
UNCERTAIN_SAMPLES, LARGE_SPREAD = 50, 1 / 3
# Beyond this excess kurtosis a few trajectories carry the fourth moment as well, which is then larger than it looks: of
# 200 samples of log-normal odds a tenth were worth 50 to 75 values, and their errors half of what they should be.
HEAVY_KURTOSIS, UNCERTAIN_IF_HEAVY = 30.0, 75
# Trajectories that differ by less than this part of what they may differ by have not seen what makes them differ.
STILL = 1e-5


class Tail(NamedTuple):
    """A real row whose standard error is least certain at `time`, where its excess kurtosis is this and N trajectories
    are worth so many Gaussian values.

    carried_by: how many trajectories make up the spread, N/(kurtosis + 3), all of it if they were alike; needed: from
    how many on the errors would be trusted, if none rarer came up.
    """

    row: str
    time: float
    kurtosis: float
    worth: int
    carried_by: int
    needed: float

    @property
    def is_uncertain(self) -> bool:
        """Whether a run says by itself how little the error is worth."""
        return self.worth < (UNCERTAIN_IF_HEAVY if self.kurtosis > HEAVY_KURTOSIS else UNCERTAIN_SAMPLES)

    def __str__(self) -> str:
        few = "one trajectory" if self.carried_by <= 1 else f"{self.carried_by} trajectories"
        return (
            f"{self.row}: heavy tails (excess kurtosis {self.kurtosis:.3g} at t = {self.time:.4g}): its spread there "
            f"is that of about {few}. Its standard error is worth that of {self.worth} Gaussian values and may be too "
            f"small; {self.needed:.2g} trajectories or more would tell it."
        )


def worth_in_gaussian_values(samples: int, kurtosis: np.ndarray) -> np.ndarray:
    """See `EnsembleResult.effective_samples`."""
    excess = np.maximum(kurtosis - LIGHT_KURTOSIS, 0.0)
    return np.maximum(2, samples / (1 + 0.5 * excess)).astype(int)


def tails_of(result: "EnsembleResult", share: float = 0.0) -> list[Tail]:
    """Of each row whose errors fewer than FEW_SAMPLES Gaussian values tell, where it is worst.

    share: of the largest spread of a row, that there is at the times that are looked at; what scatters by rounding
    alone never is.
    """
    real, found = result.in_real_rows(), []
    each = result.trajectories / max(result.samples, 1)
    for row, kurtosis in in_rows(result.kurtosis).items():
        seen = np.where(_fluctuates(real, row, share), kurtosis, 0.0)
        worst = int(seen.argmax())
        worth = int(worth_in_gaussian_values(result.samples, seen)[worst])
        if seen[worst] > LIGHT_KURTOSIS and worth < FEW_SAMPLES:
            carried_by = max(1, round(each * result.samples / (seen[worst] + 3)))
            needed = each * FEW_SAMPLES * (1 + 0.5 * (seen[worst] - LIGHT_KURTOSIS))
            found.append(Tail(row, float(result.times[worst]), float(seen[worst]), worth, carried_by, needed))
    return found


def _fluctuates(real: "EnsembleResult", row: str, share: float) -> np.ndarray:
    """Where trajectories differ by more than a hundred-thousandth of the largest values, and by this share, (T,)."""
    spread = np.sqrt(real.variance[row])
    largest = float(spread.max())
    return (spread > STILL * max(largest, float(np.abs(real.mean[row]).max()))) & (spread >= share * largest)


def warn_about_tails(result: "EnsembleResult") -> None:
    """Say where standard errors are known to worse than a tenth, of the row where they are known worst."""
    tails = [tail for tail in tails_of(result, LARGE_SPREAD) if tail.is_uncertain]
    uncertain = sorted(tails, key=lambda tail: tail.worth)
    if uncertain:
        others = ", ".join(tail.row for tail in uncertain[1:])
        warnings.warn(
            f"{uncertain[0]}" + (f" Heavy tails as well: {others}." if others else ""), stacklevel=users_line()
        )
