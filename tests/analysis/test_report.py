"""The report as files: same bytes from the same snapshot, no number that is not in the JSON."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from analysis import report as reports
from analysis.build import build
from analysis.read import snapshot
from analysis.show.render import markdown

GOLDEN = Path(__file__).with_name("golden")
ABLATION = {
    "fusion": ["late", "concat", "add", "matmul"],
    "downsample": ["maxpool", "strided_append", "strided_replace"],
}
FORBIDDEN = (
    "outperforms", "significantly", "significant", "consistently", "best", "superior", "robust",
    "clearly", "winner", "worse", "worst",
)  # fmt: skip
TOKEN = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w%])")


def ablation(sweep, **options: Any):
    return sweep(
        ABLATION,
        name="maxpool_vs_strided_ablation",
        quality=lambda c: 1.5 - 0.3 * (c["downsample"] != "maxpool" and c["fusion"] == "add"),
        **options,
    )


def messy(sweep):
    """Every state, duplicates, divergence, leaks, unicode and markup in names."""
    made = sweep(
        {"fusion": ["late", "a|b *c* <i>", "$x$ _y_ [z](http://e)", "añd"], "lr": ["1e-3", 0.1]},
        seeds=4, name="odd `name` | *sweep* #1", project="p",
    )  # fmt: skip
    states = ["failed", "crashed", "running", "killed"]
    for run, state in zip(made.runs, states, strict=False):
        run.state = state
    made.runs[5].summary |= {"diverged": True, "test/loss": "NaN"}
    made.runs[6].summary = {}
    made.runs[7].config["seed"] = 77
    made.runs[8].config["learning_rate"] = 0.5
    again = copy.deepcopy(made.runs[9])
    again.id = "again"
    made.runs.append(again)
    del made.runs[10]
    return made


def render(made, folder: Path, **options: Any) -> Path:
    path = folder.with_name(f"{folder.name}.json.gz")
    snapshot.save(made, path)
    return reports.report(None, folder, offline=path, **options)


def text_of(made) -> str:
    """The Markdown alone, without pictures."""
    return markdown(build(made), [])


MAKERS = {
    "architecture": lambda sweep: sweep({"fusion": ["late", "concat", "add", "rgb"]}, seeds=4),
    "ablation": ablation,
    "messy": messy,
}


@pytest.fixture(scope="module", params=MAKERS)
def rendered(request, sweep, tmp_path_factory) -> Path:
    """report.md of a whole report."""
    folder = tmp_path_factory.mktemp(request.param) / "report"
    return render(MAKERS[request.param](sweep), folder)


def numbers_of(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for key, item in value.items() for n in [*numbers_of(key), *numbers_of(item)]]
    if isinstance(value, list):
        return [n for item in value for n in numbers_of(item)]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, str):
        return [float(token) for token in TOKEN.findall(value)]
    return [abs(float(value))]


def foreign_numbers(markdown: str, content: Any) -> list[str]:
    """Numbers of the text that no number of the JSON rounds to."""
    known = sorted(set(numbers_of(content)))
    text = re.sub(r"\]\([^)]*\)", "]", markdown)
    return [token for token in TOKEN.findall(text) if not any(_rounds(k, token) for k in known)]


def _rounds(number: float, token: str) -> bool:
    digits = token.split("e")[0]
    decimals = len(digits.partition(".")[2])
    exponent = int(token.split("e")[1]) if "e" in token else 0
    return abs(number - float(token)) <= 0.5000001 * 10.0 ** (exponent - decimals)


def test_every_number_of_the_text_stands_in_the_json(rendered: Path) -> None:
    text = rendered.read_text()
    content = json.loads(rendered.with_name("report.json").read_text())
    assert foreign_numbers(text, content) == []
    assert foreign_numbers(text + "\n0.987654", content) == ["0.987654"]


def test_no_ranking_words(rendered: Path) -> None:
    text = rendered.read_text().lower()
    for word in FORBIDDEN:
        assert not re.search(rf"\b{word}\b", text), word


def test_a_snapshot_renders_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    again = reports.report(None, tmp_path, offline=rendered.with_name("snapshot.json.gz"))
    files = sorted(path.name for path in again.parent.iterdir())
    assert {"results.png", "grid.png", "report.json", "runs.csv"} <= set(files)
    for name in files:
        assert again.with_name(name).read_bytes() == rendered.with_name(name).read_bytes(), name


def test_the_page_is_self_contained(rendered: Path) -> None:
    page = rendered.with_name("report.html").read_text()
    assert page.count('src="data:image/png;base64,') >= 4
    assert 'src="results.png"' not in page and "<table>" in page
    assert page.count("<details><summary>") == page.count("</details>") >= 6
    assert "&lt;details" not in page


def test_golden(sweep, tmp_path: Path) -> None:
    """A stored snapshot gives the stored text. UPDATE_GOLDEN=1 renders it anew: read the diff."""
    if os.environ.get("UPDATE_GOLDEN"):
        made = sweep({"fusion": ["late", "concat", "add"]}, seeds=4, n=60)
        made.runs[-1].state = "failed"
        snapshot.save(made, GOLDEN / "snapshot.json.gz")
    written = reports.report(None, tmp_path, offline=GOLDEN / "snapshot.json.gz")
    for name in ("report.md", "report.json", "contrasts.csv"):
        if os.environ.get("UPDATE_GOLDEN"):
            (GOLDEN / name).write_bytes(written.with_name(name).read_bytes())
        assert written.with_name(name).read_bytes() == (GOLDEN / name).read_bytes(), name


def test_completeness_stands_above_everything_that_folds_away(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].state = "running"
    made.runs.pop()
    text = text_of(made)
    said = "**4 of 6 cells × seeds are done** (0 failed, 1 running, 1 missing)"
    assert text.index(said) < text.index("<details>")
    assert "Incomplete" not in text
    command = "`python runner.py sweep sweeps/fusion_architecture_comparison.yaml`"
    assert command in text


def test_pooled_effects_come_first_and_are_means_of_the_contrasts(sweep) -> None:
    content = build(ablation(sweep)).model_dump()
    text = text_of(ablation(sweep))
    assert text.index("*strided_append, all 4 levels*") < text.index("| late · maxpool |")
    assert "<summary>Pooled effects</summary>" in text and "interaction F" in text
    effect = next(e for e in content["effects"] if e["metric"] == "test/loss")
    deltas = [
        c["delta"]
        for c in content["contrasts"]
        if c["metric"] == "test/loss" and c["a"]["downsample"] == effect["a"]
    ]
    assert len(deltas) == effect["strata"] == 4
    assert effect["delta"] == pytest.approx(sum(deltas) / 4)
    assert effect["largest"] == pytest.approx(max(deltas)) and effect["largest_in"] == "add"


def test_contrasts_can_be_recomputed_from_the_values_of_the_cells(sweep) -> None:
    from scipy import stats

    content = build(ablation(sweep)).model_dump()
    values = {json.dumps(c["config"], sort_keys=True): c["metrics"] for c in content["cells"]}
    for contrast in content["contrasts"]:
        a, b = (
            values[json.dumps(contrast[side], sort_keys=True)][contrast["metric"]]["values"]
            for side in "ab"
        )
        result = stats.ttest_rel(list(a.values()), list(b.values()))
        interval = result.confidence_interval(0.95)
        assert contrast["low"] == pytest.approx(interval.low)
        assert contrast["high"] == pytest.approx(interval.high)


def test_the_correction_is_holms_over_each_metrics_contrasts_and_effects(sweep) -> None:
    content = build(ablation(sweep)).model_dump()
    for metric in ("test/loss", "test/accuracy"):
        members = [m for m in content["effects"] + content["contrasts"] if m["metric"] == metric]
        assert {m["family"] for m in members} == {len(members)} == {10}
        assert sum(m["share"] for m in members) == pytest.approx(1)
        highest, left = 0.0, 1.0
        for member in sorted(members, key=lambda m: m["p_family"] / m["share"]):
            assert member["p_family"] == max(member["p"], member["crossed"]["p"])
            highest = max(highest, min(1.0, left / member["share"] * member["p_family"]))
            assert member["p_holm"] == pytest.approx(highest)
            left -= member["share"]


def unfolded(text: str) -> str:
    """What a reader sees before opening anything."""
    inner = re.compile(r"<details>(?:(?!<details>).)*?</details>", re.DOTALL)
    while inner.search(text):
        text = inner.sub("", text)
    return text


def test_the_answer_is_two_sentences_and_the_rest_folds_away(sweep) -> None:
    text = text_of(ablation(sweep))
    assert len(unfolded(text).split()) <= 900 and len(text.split()) <= 4048
    lines = [line for line in text.splitlines() if line]
    assert lines[2].startswith(
        "**Averaged over fusion, on test loss (lower is better): not resolved: strided\\_append"
        if "strided\\_" in lines[2]
        else "**Averaged over fusion, on test loss (lower is better): not resolved: strided_append"
    )
    assert lines[3].startswith("Level by level, of 8 contrasts: in add, ")
    assert lines[3].endswith("not resolved.")
    assert lines[4].startswith("| Δ against downsample = maxpool | test loss")


def test_what_is_open_says_what_is_excluded_and_what_the_correction_costs(sweep) -> None:
    content = build(ablation(sweep))
    text = text_of(ablation(sweep))
    open_ = [c for c in content.contrasts if c.verdict == "INCONCLUSIVE"]
    assert open_
    for contrast in open_:
        assert contrast.statement.excluded is not None and "are excluded." in contrast.sentence
        assert contrast.statement.excluded >= max(abs(contrast.low or 0), abs(contrast.high or 0))
        alone = (contrast.p_family or 1) < 0.05 <= (contrast.p_holm or 1)
        assert alone == ("alone yes (p " in contrast.sentence)
        if contrast.metric == content.primary:
            assert contrast.sentence in text.replace("\\", "")
    assert any("after 10 comparisons no (" in c.sentence for c in open_)


def test_without_a_test_part_the_table_shows_the_validation_part(sweep) -> None:
    made = sweep({"fusion": ["late", "concat"]}, seeds=3)
    for run in made.runs:
        run.summary = {k: v for k, v in run.summary.items() if not k.startswith("test/")}
        run.predictions = None
    text = text_of(made)
    assert "| cell | parameters | FLOPs" in text
    assert "| validation accuracy | Δ | validation loss [nats] | Δ | validation F1 | Δ |" in text
    assert "There is no test split" in text


def test_two_seeds_open_with_no_interval(sweep) -> None:
    text = text_of(ablation(sweep, seeds=2))
    lines = [line for line in text.splitlines() if line]
    assert "without inference" in lines[2] and lines[3].endswith("8 without inference.")
    assert "95 % CI" not in unfolded(text)
    assert "At least 3 seeds of both cells where fewer are matched." in text
    assert text.count("At least 3 seeds") == 1


def test_the_public_format(sweep) -> None:
    content = build(sweep()).model_dump(by_alias=True)
    assert content["schema"].startswith("fusion-runner/report/2.")
    assert {"id", "name", "project", "url"} <= set(content["sweep"])
    assert {"expected", "done", "failed", "running", "missing", "duplicates"} <= set(
        content["grid"]
    )
    cell = content["cells"][0]
    assert cell["config"] == {"fusion": "early"}
    assert set(cell["metrics"]["test/loss"]) >= {"n", "mean", "low", "high", "values"}
    assert list(cell["metrics"]["test/loss"]["values"]) == ["0", "1", "2", "3", "4"]
    assert {"a", "b", "metric", "n", "delta", "low", "high"} <= set(content["contrasts"][0])
    assert "NaN" not in json.dumps(content)


def test_the_samples_behind_a_contrast_are_one_command_away(sweep) -> None:
    made = ablation(sweep)
    text = text_of(made)
    command = re.search(r"`python runner\.py explore ([^`]+)`", text)
    assert command is not None
    _, runs, _, row = shlex.split(command[1])
    assert runs == "/".join(made.sweep[name] for name in ("entity", "project", "id"))
    assert f"| {row} |" in text
    for run in made.runs:
        run.predictions = None
    assert "explore" not in text_of(made)


def test_a_foreign_sweep_gets_a_report(sweep, tmp_path: Path) -> None:
    made = sweep({"dropout": [0.1, 0.5], "width": [1, 2]}, seeds=4, name="mine", project="other")
    made.sweep["config"]["metric"] = {"name": "score", "goal": "maximize"}
    for run in made.runs:
        run.summary = {
            "score": run.summary["test/accuracy"],
            "steps": 10,
            "text": "x",
            "m": math.inf,
        }
        run.predictions, run.provenance = None, {}
        run.history = {"_step": run.history["epoch"], "score": run.history["val/accuracy"]}
    written = render(made, tmp_path / "r")
    content = json.loads(written.with_name("report.json").read_text())
    assert content["primary"] == "score" and not content["claims"]
    assert not content["declared"] and content["baseline"] == {"dropout": 0.1}
    assert {e["axis"] for e in content["effects"]} == {"dropout", "width"}
    assert "No comparison is declared" in written.read_text()
    assert (written.parent / "curves.png").is_file()


def test_a_random_search_is_shown_and_not_compared(sweep, tmp_path: Path) -> None:
    made = sweep({"learning_rate": [0.01, 0.002, 0.3, 0.05]}, seeds=1, name="search")
    made.sweep["config"]["method"] = "random"
    made.sweep["config"]["parameters"]["learning_rate"] = {"min": 0.001, "max": 0.5}
    written = render(made, tmp_path / "r")
    content = json.loads(written.with_name("report.json").read_text())
    assert content["kind"] == "search" and content["contrasts"] == []
    assert len(content["cells"]) == 4
    assert (written.parent / "search.png").is_file()


def test_undecided_contrasts_say_how_many_more_seeds(sweep) -> None:
    made = sweep({"fusion": ["late", "concat"]}, quality=lambda _: 1.4, own_sd=0.05, seed_sd=0.3)
    report = build(made)
    for contrast in report.contrasts:
        if contrast.verdict == "INCONCLUSIVE":
            assert contrast.detectable is not None and contrast.detectable > 0
            assert contrast.needs
    text = text_of(made)
    assert "<summary>How many more seeds</summary>" in text and "INCONCLUSIVE" in text
    assert "--until-decided --max-seeds" in text
