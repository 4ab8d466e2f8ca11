"""Objects of QuTiP are refused with the repair, at the doors through which arrays come."""

import pytest
import qutip

from stochq.exact.inputs import operator_matrix
from stochq.operators import check_state_function
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.states import check_density, check_state


@pytest.mark.parametrize(
    "door",
    [
        lambda: shape_of("psi0", qutip.sigmax()),
        lambda: check_finite("psi0", qutip.sigmax()),
        lambda: check_state_function("psi0", qutip.sigmaz(), 2),
        lambda: check_state.__wrapped__(qutip.basis(2, 0), 2),
        lambda: check_density.__wrapped__("psi0", qutip.ket2dm(qutip.basis(2, 0)), 2),
        lambda: operator_matrix("psi0", qutip.sigmax(), 2),
    ],
)
def test_what_is_no_array_is_refused_with_the_repair(door):
    with pytest.raises(ValueError, match=r"psi0: expected an array; got QuTiP's Qobj. Write .full\(\)"):
        door()
