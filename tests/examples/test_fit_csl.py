"""The example that fits both parameters of CSL finds them, with the errors that the data allow."""

import re

import numpy as np
import pytest

import stochq as sq
from tests.examples.loading import EXAMPLES, load_example

PATH = EXAMPLES / "fit-csl.py"


@pytest.mark.release
def test_both_parameters_are_found_as_in_the_committed_output(capsys):
    example = load_example(PATH)
    fit = sq.fit(example.predict, example.measure(), example.logs(example.START))
    for name, bound in {"rate": 0.019, "length": 0.014}.items():
        # Cramér and Rao's bound of these data, in relative errors.
        assert abs(fit.stderr[name] / bound - 1) < 0.1
        assert abs(fit.parameters[name] - np.log(example.TRUTH[name])) < 3 * fit.stderr[name]
    example.report(fit)
    texts = capsys.readouterr().out, PATH.with_suffix(".txt").read_text()
    found, committed = (np.array(re.findall(r"\d+\.\d+", text), float) for text in texts)
    np.testing.assert_allclose(found, committed, atol=0.02, rtol=1e-3)
