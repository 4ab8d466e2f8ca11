"""`stochq reproduce lattice-transport`: every claim holds, and its table says what the picture shows."""

import numpy as np
import pytest

from stochq.papers import PAPERS, lattice_transport
from stochq.papers.lattice_transport import CLAIMS, reproduce, setting
from stochq.papers.lattice_transport.square import lattice
from tests.gaussian.networks import dense_steady_state
from tests.papers.reading import columns, numbers

PARAMETERS = {"fig2a": "coupling", "fig2b": "coupling", "fig2c": "probe_rate", "fig2d": "sites"}


def test_the_claims_are_all_there():
    figures = ["fig2a", "fig2b", "fig2c", "fig2d", "fig3"]
    assert list(CLAIMS) == [*figures, "square-lattice", "disordered-chain", "temperature"]
    assert PAPERS["lattice-transport"] is lattice_transport.reproduce


def judged(name, folder, effort=1.0):
    for check in reproduce(folder, name, effort):
        assert check.passed, check
    made = folder / "lattice-transport"
    assert (made / f"{name}.png").stat().st_size > 10_000
    return made / f"{name}.csv"


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_the_profiles(name, tmp_path):
    table = numbers(judged(name, tmp_path))
    assert list(table) == ["site", "occupation", PARAMETERS[name]]
    curves = np.unique(table[PARAMETERS[name]])
    assert len(curves) == 4
    for value in curves:
        profile = table["occupation"][table[PARAMETERS[name]] == value]
        assert np.all(np.diff(profile) >= -1e-11) and profile.sum() == pytest.approx(1.5 * len(profile))


def test_a_profile_against_a_dense_solution(tmp_path):
    """Self-consistent baths at the occupations written in the table: the dense steady state has the same."""
    table = numbers(judged("fig2b", tmp_path))
    for coupling in (1e-6, 1e-4):
        profile = table["occupation"][table["coupling"] == coupling]
        hopping = 1j * coupling * np.eye(10, k=1)
        reservoirs, ends = np.zeros(10), np.zeros(10)
        reservoirs[[0, -1]], ends[[0, -1]] = 1e-5, (1.0, 2.0)
        total = reservoirs + 1e-6
        mean = (reservoirs * ends + 1e-6 * profile) / total
        # In units of 1e-5, in which the solver is at home.
        steady = dense_steady_state((hopping + hopping.conj().T) / 1e-5, total / 1e-5, mean)
        np.testing.assert_allclose(np.diagonal(steady).real, profile, atol=1e-10)


def test_the_entropies(tmp_path):
    table = numbers(judged("fig3", tmp_path))
    assert list(table) == ["L", "reservoirs", "self_consistent"]
    assert table["L"][0] == 2 and table["L"][-1] == 3000
    at = {int(length): row for length, *row in zip(*table.values(), strict=True)}
    assert at[10] == pytest.approx([1.304613e-8, 8.192812e-9], rel=5e-7)
    assert at[100] == pytest.approx([5.672859e-10, 3.695592e-9], rel=5e-7)
    bottom = 4 * 9e-14 + 1e-12 + 1e-13 * 2999
    assert sum(at[3000]) == pytest.approx(2 * 9e-14 * 1e-6 / bottom * (1 / 1.5 - 1 / 2.5), rel=1e-8)


def test_the_cut_through_temperature(tmp_path):
    table = numbers(judged("temperature", tmp_path))
    total = table["reservoirs"] + table["self_consistent"]
    assert np.all(total <= table["clausius"])
    assert np.all(np.diff(total / table["clausius"]) > 0)


def test_the_square_lattice(tmp_path):
    table = columns(judged("square-lattice", tmp_path, effort=0.1))
    cells = [index for index, part in enumerate(table["part"]) if part == "map"]
    occupation = np.array([float(table["occupation"][index]) for index in cells]).reshape(15, 15)
    np.testing.assert_allclose(occupation, occupation.T, atol=1e-9)
    np.testing.assert_allclose(occupation + occupation[::-1, ::-1], 3.0, atol=1e-9)
    grown = [float(table["self_consistent"][index]) for index in range(len(table["part"])) if index not in cells]
    assert np.all(np.diff(grown) > 0)


def test_the_lattice_joins_neighbours_only():
    couplings = lattice(3, 2) / setting.COUPLING
    place = [(x, y) for x in range(3) for y in range(2)]
    expected = [[float(abs(a - c) + abs(b - d) == 1) for c, d in place] for a, b in place]
    np.testing.assert_array_equal(couplings, expected)


def test_the_disordered_chain(tmp_path):
    table = numbers(judged("disordered-chain", tmp_path, effort=0.1))
    clean = table["disorder"] == 0
    assert np.all(table["current_stderr"][clean] == 0) and np.all(table["current_stderr"][~clean] > 0)
    # The same rates and lengths in the same order.
    of = {d: table["current"][table["disorder"] == d][:5] for d in (0, 5, 20)}
    assert np.all(of[0] > of[5]) and np.all(of[5] > of[20])
