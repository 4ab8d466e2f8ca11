"""QuTiP's words: its stochastic solvers, with its arguments and results, on stochq's ensembles.

    from stochq.qutip import ssesolve

in the place of `from qutip import ssesolve` is all that changes.
"""

try:
    from stochq.qutip.jump_result import JumpResult as JumpResult
    from stochq.qutip.mc import mcsolve as mcsolve
    from stochq.qutip.result import MultiTrajectoryResult as MultiTrajectoryResult
    from stochq.qutip.sme import smesolve as smesolve
    from stochq.qutip.sse import ssesolve as ssesolve
    from stochq.qutip.stochastic_result import StochasticResult as StochasticResult
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "qutip":
        raise
    raise ImportError(
        'stochq.qutip: expected QuTiP beside stochq; it is not installed. Install it by pip install "stochq[qutip]".'
    ) from error

__all__ = ["JumpResult", "MultiTrajectoryResult", "StochasticResult", "mcsolve", "smesolve", "ssesolve"]
