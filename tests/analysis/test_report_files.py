"""The report's files: their twins, exit codes, and that nothing is left behind or overwritten."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from analysis import report as reports
from analysis.read import snapshot
from analysis.report import IncompleteError, NothingComparableError, ReportError
from contract import places
from tests.analysis.test_report import ablation, messy, render, text_of


def test_csv_twins_hold_what_the_json_holds(sweep, tmp_path: Path) -> None:
    written = render(ablation(sweep), tmp_path / "r")
    content = json.loads(written.with_name("report.json").read_text())
    with written.with_name("contrasts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(content["contrasts"])
    for row, contrast in zip(rows, content["contrasts"], strict=True):
        assert float(row["delta"]) == contrast["delta"]
        assert float(row["crossed_low"]) == contrast["crossed"]["low"]
    with written.with_name("runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == content["provenance"]["runs"]


def test_exit_codes(sweep, tmp_path: Path) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs.pop()
    assert render(made, tmp_path / "partial").is_file()
    with pytest.raises(IncompleteError, match="5 of 6") as incomplete:
        render(made, tmp_path / "strict", strict=True)
    assert incomplete.value.exit_code == 3 and incomplete.value.written.is_file()
    for run in made.runs:
        run.provenance["test_hash"] = run.config["fusion"]
    with pytest.raises(NothingComparableError, match="test_hash") as nothing:
        render(made, tmp_path / "nothing")
    assert nothing.value.exit_code == 4 and nothing.value.written.is_file()
    with pytest.raises(ReportError, match="SWEEP is missing"):
        reports.report(None)
    with pytest.raises(ReportError, match="holds sweep"):
        reports.report("other", tmp_path, offline=tmp_path / "partial.json.gz")


def test_nothing_is_left_behind_where_the_report_cannot_be_made(sweep, tmp_path) -> None:
    file = tmp_path / "a file"
    file.write_text("x")
    with pytest.raises(ReportError, match="cannot be written to"):
        reports.write(sweep(seeds=1), file / "report")
    made = sweep(seeds=1)
    made.sweep["config"]["parameters"] = "none"
    with pytest.raises(snapshot.SnapshotError):
        reports.write(made, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_sweep_without_any_finished_run_still_gives_a_report(sweep, tmp_path: Path) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    made.runs = []
    with pytest.raises(NothingComparableError):
        render(made, tmp_path / "r")
    assert "No run has finished" in (tmp_path / "r" / "report.md").read_text()


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_give_values_and_no_inference(sweep, seeds: int) -> None:
    text = text_of(sweep(seeds=seeds))
    assert f"Only {seeds} paired seeds; no inference." in text
    assert "higher than" not in text


def test_names_from_outside_cannot_break_the_page(sweep, tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    written = render(messy(sweep), tmp_path / "r")
    page = written.with_name("report.html").read_text()
    assert "<i>" not in page
    assert 'href="http://e"' not in page
    assert "a|b *c* &lt;i&gt;" in page
    tokens = MarkdownIt("commonmark").enable("table").parse(written.read_text())
    widths = [0]
    for token in tokens:
        if token.type == "tr_open":
            widths.append(0)
        widths[-1] += token.type in ("td_open", "th_open")
    assert min(widths[1:]) >= 2


def test_an_older_report_of_another_sweep_moves_aside(sweep, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(places.HOME, str(tmp_path))
    one, two = sweep(seeds=1), sweep(seeds=2)
    one.sweep["id"], two.sweep["id"] = "first", "second"
    paths = [tmp_path / f"{made.sweep['id']}.gz" for made in (one, two)]
    for made, path in zip((one, two), paths, strict=True):
        snapshot.save(made, path)
    name = one.sweep["name"]
    assert reports.report(None, offline=paths[0]).parent == tmp_path / "reports" / name
    assert reports.report(None, offline=paths[1]).parent == tmp_path / "reports" / name
    aside = tmp_path / "reports" / f"{name}-first"
    assert (aside / "report.md").is_file()
    assert reports.report(None, offline=paths[0]).parent == aside


def test_an_older_report_stays_where_the_new_one_cannot_be_made(sweep, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME, str(tmp_path))
    made = sweep(seeds=1)
    made.sweep["id"] = "first"
    folder = render(made, tmp_path / "reports" / made.sweep["name"]).parent
    made.sweep["id"] = "second"
    assert reports.folder_of(made) == folder
    made.sweep["config"]["parameters"] = "none"
    with pytest.raises(snapshot.SnapshotError):
        reports.write(made, folder, keep=True)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
