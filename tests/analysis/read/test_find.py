"""A sweep, several, or chosen runs of other people's programs, read with a key that only reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import choices
from analysis import report as reports
from analysis.read.ask import FetchError
from analysis.read.find import filters_of, find
from contract import places
from tests.analysis.read.doorman import Doorman, doorman
from tracker import server

CLIENT = Path(__file__).with_name("clients") / "strangers.py"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doorman]:
    """A doorman before a tracker with the runs of strangers.py, and this process pointed at it."""
    folder = tmp_path_factory.mktemp("strangers")
    running = server.ensure(folder / "tracker")
    before = dict(os.environ)
    os.environ |= {
        "WANDB_BASE_URL": running.url,
        "WANDB_API_KEY": running.key,
        "WANDB_DIR": str(folder),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "PYTHONPATH": str(places.CODE),
        "PYTHONHASHSEED": "0",
    }
    try:
        done = subprocess.run(
            [sys.executable, str(CLIENT), str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with doorman(running.url, every=7) as found:
            os.environ["WANDB_BASE_URL"] = found.url
            found.sweep = json.loads(done.stdout.strip().splitlines()[-1])["sweep"]  # type: ignore
            yield found
    finally:
        os.environ.clear()
        os.environ |= before
        server.stop(folder / "tracker")


def made(written: Path) -> dict:
    return json.loads(written.with_name("report.json").read_text())


def test_a_sweep_of_nested_parameters_and_a_seed_of_another_name(door, tmp_path) -> None:
    written = reports.report(door.sweep, tmp_path / "r")
    report = made(written)
    assert report["axes"] == {"model.name": ["resnet", "vit"]}
    assert (report["primary"], report["grid"]["done"]) == ("top1", 6)
    (contrast,) = report["contrasts"]
    assert contrast["matched"] and contrast["n"] == 3 and contrast["a"] == {"model.name": "vit"}
    assert contrast["verdict"] == "DIFFERENT" and contrast["crossed"]["examples"] == 400
    assert {"--seed-key", "--metric", "--better"} <= {c["flag"] for c in report["choices"]}
    assert "random\\_seed" in written.read_text() or "random_seed" in written.read_text()
    assert door.writes == [] and door.refused > 0


def test_runs_of_a_project_by_group_and_tag_with_terms_in_files(door, tmp_path) -> None:
    query = {"group": ["files"], "tag": ["paper", "none"]}
    said = choices.said({"metric": ["top1"], "better": ["higher"]})
    written = reports.report("theirs", tmp_path / "r", query=query, said=said)
    report = made(written)
    assert report["axes"] == {"model.name": ["resnet", "vit"]} and report["grid"]["done"] == 4
    (contrast,) = report["contrasts"]
    assert not contrast["matched"] and contrast["n"] == 2
    assert contrast["crossed"] is not None
    command = report["provenance"]["source_command"]
    assert command.endswith(
        "local/theirs --group=files --tag=paper --tag=none --metric top1 --better higher"
    )
    again = reports.report(None, tmp_path / "off", offline=written.with_name("snapshot.json.gz"))
    for path in written.parent.iterdir():
        assert again.with_name(path.name).read_bytes() == path.read_bytes(), path.name
    assert door.writes == []


def test_all_runs_of_a_project_are_read_where_it_is_no_sweep(door, tmp_path) -> None:
    said = choices.said({"metric": ["top1"], "seed_key": "none"})
    report = made(reports.report("local/theirs", tmp_path / "r", said=said))
    assert report["grid"]["done"] == 10 and report["contrasts"][0]["n"] == 5
    assert door.writes == []


def test_what_is_not_there_is_said(door, tmp_path) -> None:
    with pytest.raises(reports.ReportError, match=r"no run of the project fits .*--group=none"):
        reports.report("theirs", tmp_path / "r", query={"group": ["none"]})
    with pytest.raises(FetchError, match="no such project"):
        reports.report("nowhere", tmp_path / "r", query={"group": ["none"]})
    with pytest.raises(FetchError, match="choose runs of one project"):
        find("a/b/c", query={"tag": ["x"]})
    assert not (tmp_path / "r").exists()


def test_filters_are_wandbs() -> None:
    filters = filters_of({"filter": [{"config.lr": 0.1}], "tag": ["a", "b"], "name": ["^x"]})
    assert filters == {
        "$and": [
            {"config.lr": 0.1},
            {"tags": {"$in": ["a", "b"]}},
            {"$or": [{"display_name": {"$regex": "^x"}}]},
        ]
    }
    assert filters_of({"group": ["g"]}) == {"group": {"$in": ["g"]}} and filters_of({}) == {}
