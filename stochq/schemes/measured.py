"""Which way of drawing the noise is faster, as `python -m benchmarks schemes` measures it (docs/benchmarks.md)."""

from stochq.channels.flows.kraus import KrausFlow
from stochq.equation import Equation

# Flows whose noise takes few values, and how many times faster an average is had by them than by Gaussian increments,
# at equal error: the lowest and the highest of the measured problems.
FASTER_FOR_AVERAGES: dict[type, tuple[float, float]] = {KrausFlow: (2.5, 6.0)}


def faster_for_averages(equation: Equation) -> bool:
    """Whether averages are had faster with outcomes of few values than with Gaussian increments."""
    flows = (channel.discrete_flow(channel.law) for channel in equation.channels if not channel.law.counts)
    return any(type(flow.unmodulated) in FASTER_FOR_AVERAGES for flow in flows)
