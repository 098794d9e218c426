"""Plans: found beside the sweep, strict, with the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import places
from contract.plan import Plan, PlanError, load, plan_of
from contract.sweepfile.file import SweepFile

SHIPPED = places.shipped()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_sweep_has_a_plan_of_its_own_axes_and_metrics(file: Path) -> None:
    plan = plan_of({"name": file.stem})
    parameters = SweepFile(file).config["parameters"]
    assert plan is not None and plan.name == file.stem
    assert plan.baseline in parameters[plan.axis]["values"]
    assert set(plan.metrics) <= set(plan.facts)
    for pair in plan.contrasts:
        assert {pair.a, pair.b} <= set(parameters[plan.axis]["values"])
    for claim in plan.claims:
        assert (
            claim.metric in {"", *plan.facts} and (places.SWEEPS / f"{claim.sweep}.yaml").is_file()
        )
        for contrast in claim.contrasts if claim.sweep == plan.name else []:
            for cell in (contrast.a, contrast.b):
                assert all(value in parameters[axis]["values"] for axis, value in cell.items())


def test_claims_of_several_sweeps_stand_together_in_each_of_their_plans() -> None:
    plans = [plan for file in SHIPPED if (plan := plan_of({"name": file.stem})) and plan.claims]
    assert len(plans) == 4
    for plan in plans:
        assert plan.claims == plans[0].claims and plan.name in {c.sweep for c in plan.claims}
    assert [claim.id for claim in plans[0].claims] == list(range(1, 9))


def test_a_plan_is_found_by_name_by_name_and_suffix_or_by_project() -> None:
    for name, project in (("label_efficiency", ""), ("label_efficiency-smoke-2", "x"),
                          ("mine", "label_efficiency"), ("", "label_efficiency")):  # fmt: skip
        found = plan_of({"name": name, "project": project})
        assert found is not None and found.name == "label_efficiency"
    for name in ("label_efficiency2", "mine", "../sweeps/label_efficiency", "a" * 5000, "\0", ""):
        assert plan_of({"name": name, "project": "label_efficiency-smoke"}) is None


def test_a_program_has_a_plan_for_all_of_its_sweeps() -> None:
    def found(command: list[str]) -> Plan | None:
        return plan_of({"name": "mine", "program": "runner.py", "command": command})

    train, pretrain = (
        found(["${env}", "python3", "${program}", word, "--quiet", "${args}"])
        for word in ("train", "pretrain")
    )
    assert train is not None and train.name == "runner-train" and train.axis == ""
    assert pretrain is not None and pretrain.budgets == places.SWEEPS / "budgets" / "pretrain"
    assert train.study == pretrain.study == "fusion.study:STUDY"
    assert plan_of({"name": "mine", "program": "other.py"}) is None


def test_a_plan_beside_the_sweep_comes_first_then_the_current_folder_and_its_sweeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    (here / "sweeps").mkdir(parents=True)
    beside.mkdir()
    monkeypatch.chdir(here)

    def question() -> str:
        found = plan_of({"name": "label_efficiency"}, beside)
        assert found is not None
        return found.question

    assert question().startswith("How many labels")
    for folder in (here / "sweeps", here, beside):
        (folder / "label_efficiency.plan.yaml").write_text(f"kind: ablation\nquestion: {folder}\n")
        assert question() == str(folder)


def test_what_plans_share_stands_once_and_their_own_word_counts(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("kind: ablation\naxis: a\nfacts: {loss: {unit: nats}}\n")
    file = tmp_path / "x.plan.yaml"
    file.write_text("base: base.yaml\naxis: b\n")
    plan = load(file)
    assert (plan.name, plan.axis, plan.facts["loss"].unit) == ("x", "b", "nats")
    (tmp_path / "base.yaml").write_text("kind: ablation\nfacts: {loss: {unti: nats}}\n")
    with pytest.raises(PlanError, match=r"base.yaml:2: facts.loss.unti: .*did you mean 'unit'"):
        load(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ablatio", "1: kind: 'ablatio' is not one of architecture, ablation, search; did"),
        ("kind: ablation\naxs: x", "2: axs: unknown key; did you mean 'axis'?"),
        ("kind: ablation\nnam: x", "2: nam: unknown key"),
        ("kind: ablation\nname: x", "2: name: is that of the file; leave it out"),
        ("kind: ablation\nkind: search", "2: key 'kind' stands here a second time"),
        ("kind: ablation\nbudgets: none", "2: budgets: {folder}/none is no folder"),
        ("kind: ablation\nbase: none", "2: base: 'none' is no file beside this one"),
        ("kind: ablation\nbeside: [a]", "2: beside[0]: {folder}/a.plan.yaml does not exist"),
        ("metrics: [accuracy]\nmargins: {acuracy: 1}",
         "2: margins.acuracy: not among the metrics; did"),
        ("kind: ablation\nmargins: {loss: x}", "2: margins.loss: 'x': it should be a valid number"),
        ("kind: ablation\nstudy: a.b", "2: study: 'a.b' is no package.module:attribute"),
        ("kind: ablation\nfacts:\n  f1: {better: hihger}",
         "3: facts.f1.better: 'hihger' is not one of lower, higher; did you mean 'higher'?"),
        ("kind: ablation\nclaims:\n- id: 1\n  text: x\n  contrasts:\n  - {a: {}, expect: lower}",
         "6: claims[0].contrasts[0].b: is missing"),
        ("[a", ": not readable YAML"),
        ("a: &a [*a]", ": not a readable YAML file"),
        ("x", ": must be a mapping, not 'x'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.plan.yaml"
    file.write_text(text)
    with pytest.raises(PlanError) as error:
        load(file)
    separator = "" if message.startswith(":") else ":"
    expected = f"{file}{separator}{message.replace('{folder}', str(tmp_path))}"
    assert str(error.value).startswith(expected) and error.value.exit_code == 2
