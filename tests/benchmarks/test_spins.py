"""The benchmark of many spins: what a program holds, and the page that is written of the results."""

import pytest

from benchmarks import spins, spins_page
from benchmarks.results import load
from benchmarks.spins_counted import states_per_column


def test_the_page_shows_the_results():
    text = spins_page.PAGE.read_text(encoding="utf-8")
    results = load("spins")
    assert results is not None
    between = text.partition(spins_page.START)[2].partition(spins_page.END)[0]
    assert between.strip() == spins_page.page_tables(results)


# Several columns side by side, and one alone.
@pytest.mark.release
@pytest.mark.parametrize("sites", [14, 17])
@pytest.mark.parametrize("title", spins.MODELS)
def test_a_program_holds_at_most_six_states_for_each_column(title, sites):
    equation, trajectories = spins.MODELS[title](sites), spins.trajectories_of(sites)
    start = spins.all_up(equation.dim)
    assert states_per_column(equation, start, spins.DT, spins.STEPS, trajectories) <= spins.MOST_STATES
