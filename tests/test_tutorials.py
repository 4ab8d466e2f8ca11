"""The scripts among the pages run, cell by cell as the site shows them; what they check agrees with their formulas."""

import ast
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
HOW_TO = sorted((ROOT / "docs" / "howto").glob("*.py"))
DISTANCE = re.compile(r"z = ([+-][\d.]+)")


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


percent_scripts, laboratory = loaded("percent_scripts"), loaded("laboratory")


@pytest.mark.usefixtures("settings_of_users")
@pytest.mark.parametrize("script", TUTORIALS + HOW_TO, ids=lambda script: script.stem)
@pytest.mark.sweep(3)
def test_a_script_becomes_a_page_whose_numbers_agree_with_its_formulas(script, tmp_path):
    page = percent_scripts.page(script, tmp_path)
    pictures = re.findall(r"!\[.*\]\((\S+)\)", page)
    assert all((tmp_path / picture).stat().st_size > 3000 for picture in pictures)
    assert pictures or script in HOW_TO
    distances = [float(z) for z in DISTANCE.findall(page)]
    assert max(map(abs, distances), default=0.0) < 4
    assert distances or script.stem == "fit-homodyne-means" or "off" in page


def test_eight_tasks_take_fifteen_lines_of_code_at_most():
    assert len(HOW_TO) == 8 and len(TUTORIALS) == 8
    for script in HOW_TO:
        code = "\n".join(cell.text for cell in percent_scripts.cells(script.read_text("utf-8")) if cell.is_code)
        lines = ast.unparse(ast.parse(code)).splitlines()  # without comments
        assert len([line for line in code.splitlines() if re.match(r"\s*[^\s#]", line)]) <= 15, script.name
        assert len([line for line in lines if line]) <= 15, script.name


def test_data_of_the_laboratory_are_what_plain_numpy_draws():
    for name, text in laboratory.files().items():
        kept, drawn = (ROOT / "docs" / name).read_text(encoding="utf-8"), text
        assert kept.splitlines()[0] == drawn.splitlines()[0]
        # Rounding may differ between processors.
        assert np.allclose(numbers(kept), numbers(drawn), atol=2e-3)


def numbers(table):
    return np.array([line.split(",") for line in table.splitlines()[1:]], dtype=float)


def test_cells_are_read_as_notebooks_read_them():
    script = '"""Not shown."""\n\n# %% [markdown]\n# # A title\n#\n# - $x$\n\n# %% column="left"\n\na = 1\n# %%\n'
    title, code = percent_scripts.cells(script)
    assert (title.text, title.is_code) == ("# A title\n\n- $x$", False)
    assert (code.text, code.line, code.column) == ("a = 1", 10, "left")
    with pytest.raises(ValueError, match="line 1"):
        percent_scripts.cells("# %% {tags}\n")


def test_an_error_names_the_line_of_the_script(tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text("# %%\na = 1\n\n# %%\n\nb = a / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        percent_scripts.page(script, tmp_path)
    assert caught.traceback[-1].lineno + 1 == 6


def test_what_is_printed_stands_below_its_cell_and_columns_beside_each_other(tmp_path):
    script = tmp_path / "small.py"
    script.write_text('# %% column="A"\nprint(1 + 1)\n# %% column="B"\n3 + 4\n# %% [markdown]\n# The end.\n')
    page = percent_scripts.page(script, tmp_path)
    assert page.index("<th>A</th><th>B</th>") < page.index("```text\n2\n```") < page.index("```text\n7\n```")
    assert page.index("</table>") < page.index("The end.")
