"""Kraus maps over steps in which levels decay many times over: the mean keeps its trace, and all stays finite."""

import numpy as np
import pytest

from stochq.channels import BandedOperators, DenseOperators
from stochq.laws import REAL

LADDER = np.diag(np.sqrt(np.arange(1.0, 4)), 1)
BAND = np.append(np.sqrt(np.arange(1.0, 4)), 0.0)
FAMILIES = {
    "dense": lambda rate: DenseOperators(np.sqrt(rate) * (LADDER + 0.3 * LADDER.T)[None]),
    "one band": lambda rate: BandedOperators((1,), np.sqrt(rate) * BAND[None, None]),
}


@pytest.mark.parametrize("rate", [1.0, 30.0, 1e3, 1e5])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_beyond_the_rates_keeps_the_trace(family, rate):
    flow = FAMILIES[family](rate).discrete_flow(REAL)
    after = flow.mean_flow(1.0, False)(np.diag([0.1, 0.2, 0.3, 0.4]).astype(complex))
    # Single precision, and e^-12 for the norm that is restored.
    np.testing.assert_allclose(np.trace(after).real, 1.0, atol=0.02)
    assert np.linalg.eigvalsh(after).min() > -1e-3
