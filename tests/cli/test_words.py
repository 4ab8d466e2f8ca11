"""What the library says in Python is said in the words of the file, with its key."""

import re

import pytest

from stochq.cli.build import build
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError, located
from stochq.cli.models import Suv
from tests.cli.test_build import CSL, LEVELS, PACKET, PARTICLE, RUN, SUV, job_of


def test_arguments_that_are_tables_are_told_as_these():
    with pytest.raises(ConfigError) as caught, located("f.toml", {"model": Suv(kind="suv", strength=1.0)}):
        raise ValueError("psi0: expected another one; got None.")
    assert str(caught.value) == "f.toml: state: expected another one; got nothing."


@pytest.mark.parametrize(
    ("system", "model", "told"),
    [
        (
            LEVELS,
            SUV | {"colour": {"kind": "ornstein_uhlenbeck", "correlation_time": 1.0}},
            "f.toml: model.colour: coloured real noise would need memory terms, a random potential none. Use noise = "
            '"unitary" with collapse operators, or no colour.',
        ),
        (
            LEVELS,
            {"kind": "monitored", "detectors": {"a": {"kind": "homodyne", "rate": 1, "operator": "energy", "gain": 0}}},
            "f.toml: model.detectors.a.gain: expected a number other than 0",
        ),
        (
            LEVELS,
            {"kind": "monitored", "detectors": {"a": {"kind": "unread", "rate": 1, "operator": "energy"}}},
            'f.toml: model.detectors: expected one that is read; all are unread. Use a model of kind "unravel".',
        ),
    ],
)
def test_advice_of_the_library_is_in_the_words_of_the_file(system, model, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        job_of(system, model, {"kind": "eigenstate", "index": 0})


def test_localization_of_a_driven_particle_is_refused():
    drive = {"kind": "cosine", "operator": "position", "amplitude": 1, "frequency": 1}
    data = {"system": PARTICLE, "model": CSL, "state": PACKET, "run": RUN, "drives": [drive]}
    with pytest.raises(ConfigError, match=r"f\.toml: drives\n  expected: no tables \[\[drives\]\] with"):
        build(check_config(data, "f.toml"), "f.toml")
