"""The scripts of examples/3_paper run, each for seconds."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[1] / "examples" / "3_paper"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[ft]*[0-9]_*.py"))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Import a script as if it were run from its folder, and call its main."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.chdir(tmp_path)
    n_threads = torch.get_num_threads()
    yield lambda name, *options: importlib.import_module(name).main(list(options))
    torch.set_num_threads(n_threads)


def test_every_table_and_figure_of_the_paper_has_a_script():
    names = [f"table{number}" for number in range(1, 10)]
    names += [f"figure{number}" for number in range(2, 6)]
    assert sorted(name.split("_")[0] for name in SCRIPTS) == sorted(names)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_tells_what_is_shown_and_what_is_not(script, run, capsys, tmp_path):
    run(script, "--quick")
    out = capsys.readouterr().out
    assert "shown here: " in out
    assert script.startswith("table") or list(tmp_path.glob("figure*.png"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_its_output(script):
    assert "shown here: " in (FOLDER / "results" / f"{script}.txt").read_text()


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ([1.0, 2.5, 1.5], "shown here: .* (1.667 and 2.000; in 2 of 3 repeats)"),
        ([0.0, 2.1, 2.1], "not shown here: .* (1.400 and 2.000; in 1 of 3 repeats)"),
        ([1.9, 1.9, 5.0], "not shown here: .* (2.933 and 2.000; in 2 of 3 repeats)"),
    ],
    ids=["both", "mean alone", "repeats alone"],
)
def test_finding_needs_a_lower_mean_and_most_repeats(errors, verdict, run, capsys):
    import paper

    found = [
        ("ages", ("bMAE",), {"CLS": np.array([2.0]), "HCA": np.array([error])})
        for error in errors
    ]
    paper.lower(found, "HCA", "CLS")
    expected = verdict.replace(".*", "HCA has a lower bMAE than CLS")
    assert capsys.readouterr().out.strip() == expected


def test_count_of_an_image_is_the_sum_of_its_tiles(run):
    import paper

    class Tiles:
        groups = np.array([4, 4, 9])
        y_test = np.zeros((3, 1, 2))

    error = np.array([[[1.0, 0.0]], [[-2.0, 0.0]], [[0.0, 3.0]]])
    mae, rmse = paper.count_errors(Tiles, error)
    assert (mae, rmse) == (2.0, np.sqrt(5.0))
