"""What QuTiP's solvers are given."""

from collections.abc import Callable, Mapping, Sequence

from qutip import Qobj, QobjEvo

# An operator, in lists [H0, [H1, f], ...] with coefficients that are functions, strings or samples.
OperatorInTime = Qobj | QobjEvo | Callable[..., Qobj] | Sequence[object]
Operators = OperatorInTime | Sequence[OperatorInTime]
Measured = Qobj | QobjEvo | Callable[[float, Qobj], complex]
EOps = Measured | Sequence[Measured] | Mapping[str, Measured] | Mapping[int, Measured] | None
