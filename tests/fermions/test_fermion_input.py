"""What a fermion gas refuses, and how it says so."""

import numpy as np
import pytest

import stochq as sq


def make(points=64, box=24.0, rate=0.3):
    return sq.models.fermion_gas(sq.systems.particle(points, box, 1.5), rate=rate, length=1.2)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda gas: sq.simulate_fermions(gas, [0, 0], [0, 1], trajectories=2), "occupied: expected distinct"),
        (lambda gas: sq.simulate_fermions(gas, [0.5], [0, 1], trajectories=2), "occupied: expected whole"),
        (lambda gas: gas.heating([30]), "occupied: expected |n|"),
        (lambda gas: sq.simulate_fermions(gas, [0], [0, 1, 1.7], trajectories=2, dt=0.5), "times: expected intervals"),
        (lambda gas: sq.simulate_fermions(gas, [0], [0, 1], trajectories=2, dt=-1), "dt: expected a positive"),
        (
            lambda gas: sq.simulate_fermions(gas, [0], [0, 1], trajectories=2, observables={"a": [1.0]}),
            "observables: expected 'a' as 64",
        ),
        (
            lambda gas: sq.simulate_fermions(gas, [0], [0, 1], trajectories=2, observables={"gain": np.ones(64)}),
            "names other than 'gain'",
        ),
        (lambda gas: gas.thermal(2, -1.0), "temperature: expected"),
        (lambda gas: gas.fermi_sea(0), "particles: expected"),
        (lambda gas: make(16, 24.0), "Take at least"),
        (lambda gas: make(64, 4.0), "length: expected at most"),
        (lambda gas: make(rate=-1.0), "rate: expected"),
        (
            lambda gas: sq.models.fermion_gas(
                sq.systems.particle(16, 8.0, 1.0, sq.systems.harmonic(1.0)), rate=1, length=1
            ),
            "particle: expected a free",
        ),
        (
            lambda gas: sq.models.fermion_gas(sq.systems.particle(16, 8.0, 1.0, dimensions=2), rate=1, length=1),
            "particle: expected a free",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call(make())
    assert words in str(caught.value)
