"""Pictures: bounded, deterministic, and drawn for any report."""

from __future__ import annotations

import math

import numpy as np

from analysis.build import arrange, build
from analysis.show.pictures import cost as cost_plot
from analysis.show.pictures import curves, forest, panels
from analysis.show.pictures import results as plots
from analysis.show.pictures.results import real


def test_a_huge_sweep_has_pictures_of_a_readable_size(sweep) -> None:
    axes = {"fusion": [f"arm {i}" for i in range(80)], "downsample": ["a", "b"]}
    made = sweep(axes, seeds=2, n=20, quality=lambda _: 1.0)
    report, (grid, _) = build(made), arrange(made)
    for picture in (
        plots.results(report), forest.forest(report), cost_plot.cost(report),
        curves.curves(report, grid), panels.grid_map(report),
    ):  # fmt: skip
        assert picture is not None
        assert max(picture.get_size_inches()) <= 26


def test_a_picture_is_the_same_bytes_every_time(sweep) -> None:
    report = build(sweep({"fusion": ["late", "add"]}, seeds=3))
    files = []
    for _ in range(2):
        picture = plots.results(report)
        assert picture is not None
        files.append(plots.png(picture))
    assert files[0] == files[1]
    assert b"matplotlib" not in files[0].lower()


def test_the_users_matplotlib_settings_do_not_matter(sweep) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 40, "axes.facecolor": "black"}):
        picture = plots.results(build(sweep({"fusion": ["late", "add"]}, seeds=2)))
        assert mpl.rcParams["font.size"] == 40
    assert picture is not None
    assert picture.axes[0].get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_intervals_wider_than_what_is_possible_are_cut_off_with_an_arrow(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    for number, run in enumerate(made.runs):
        run.summary["test/accuracy"] = 0.9 if number % 2 else 0.5 + 0.1 * number
        run.summary["epoch_seconds"] = 1.0 + number
    report = build(made)
    picture = plots.results(report)
    assert picture is not None
    accuracy, loss, _ = picture.axes
    assert loss.get_xlim()[0] >= 0
    assert accuracy.get_xlim()[0] >= -0.02 and accuracy.get_xlim()[1] <= 1.02
    assert any(line.get_marker() in ("<", ">") for line in accuracy.lines)
    picture = cost_plot.cost(report)
    assert picture is not None and picture.axes[0].get_xlim()[0] >= 0
    differences = forest.forest(report)
    assert differences is not None
    assert differences.axes[0].get_xlim()[0] >= -1.02 and differences.axes[0].get_xlim()[1] <= 1.02


def test_the_forest_names_only_verdicts_that_it_shows(sweep) -> None:
    picture = forest.forest(build(sweep({"fusion": ["late", "add"]}, seeds=2)))
    assert picture is not None
    words = [text.get_text() for text in picture.legends[0].get_texts()]
    assert "INSUFFICIENT: no inference" in words and "DIFFERENT" not in words


def test_the_mean_curve_needs_every_run() -> None:
    long = (np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    short = (np.array([1.0, 2.0]), np.array([5.0, 4.0]))
    found = curves.mean_curve([long, short])
    assert found is not None
    x, mean, low, high = found
    assert x.tolist() == [1.0, 2.0] and mean.tolist() == [4.0, 3.0]
    assert np.all(low < mean) and np.all(mean < high)
    assert curves.mean_curve([long]) is None


def test_sparse_and_odd_histories_are_drawn(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].history = {}
    made.runs[1].history = {"val/loss": np.array([math.nan, 0.5, math.nan])}
    made.runs[2].history["val/loss"] = np.array([math.inf] * 6)
    picture = curves.curves(build(made), arrange(made)[0])
    assert picture is not None
    picture.canvas.draw()


def test_nothing_to_draw_is_no_picture(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    made.runs = []
    report = build(made)
    assert plots.results(report) is None and forest.forest(report) is None
    assert cost_plot.cost(report) is None
    assert curves.curves(report, arrange(made)[0]) is None
    assert panels.grid_map(report) is not None


def test_dollar_signs_are_no_mathematics(sweep) -> None:
    made = sweep({"fusion": ["$x^{", "a$b$"]}, seeds=2)
    picture = plots.results(build(made))
    assert picture is not None
    picture.canvas.draw()


def test_curves_stand_as_the_design_is(sweep) -> None:
    axes = {"fusion": ["late", "concat", "add"], "downsample": ["maxpool", "strided_append"]}
    made = sweep(axes, seeds=3, name="maxpool_vs_strided_ablation")
    picture = curves.curves(build(made), arrange(made)[0])
    assert picture is not None
    titles = [axis.get_title("left").split("  ")[0] for axis in picture.axes]
    assert titles == ["maxpool", "strided_append"] * 3
    assert [a.get_ylabel() for a in picture.axes[::2]] == ["late", "concat", "add"]
    made.runs = [r for r in made.runs if r.config["fusion"] != "add" or r.config["seed"] > 9]
    made.runs += [r for r in sweep(axes, seeds=3).runs if r.config["fusion"] == "add"][:1]
    picture = curves.curves(build(made), arrange(made)[0])
    assert picture is not None
    assert [a.get_visible() for a in picture.axes] == [True] * 5 + [False]


def test_a_band_that_leaves_a_logarithmic_axis_is_marked(sweep) -> None:
    axes = {"fusion": ["late"], "downsample": ["maxpool", "strided_append"]}
    made = sweep(axes, seeds=3, name="maxpool_vs_strided_ablation")
    for run in made.runs:
        run.history["val/loss"] = 10.0 ** -(run.history["epoch"] + run.config["seed"])
    picture = curves.curves(build(made), arrange(made)[0])
    assert picture is not None
    picture.canvas.draw()
    panel = picture.axes[0]
    assert panel.get_yscale() == "log" and panel.get_ylim()[0] > 1e-10
    assert any(line.get_marker() == "v" for line in panel.lines)
    assert "arrows" in picture.legends[0].get_title().get_text()


def test_an_interval_below_zero_is_cut_on_a_logarithmic_axis(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    for run in made.runs:
        run.summary["test/loss"] = 10.0 ** -(1 + run.config["seed"])
    picture = plots.results(build(made))
    assert picture is not None
    panel = picture.axes[1]
    assert panel.get_xscale() == "log" and panel.get_xlim()[0] > 1e-6
    assert any(line.get_marker() == "<" for line in panel.lines)


def test_the_forest_draws_what_decides_and_nothing_without_inference(sweep) -> None:
    report = build(sweep({"fusion": ["late", "add", "concat"]}, seeds=5))
    picture = forest.forest(report)
    assert picture is not None
    item = next(c for c in report.contrasts if c.metric == report.primary)
    drawn = [np.asarray(line.get_xdata()).tolist() for line in picture.axes[0].lines]
    assert [item.decides_low, item.decides_high] in drawn
    words = [text.get_text() for text in picture.legends[0].get_texts()]
    assert "95 % after correction: decides" in words
    few = forest.forest(build(sweep({"fusion": ["late", "add"]}, seeds=2)))
    assert few is not None
    assert "95 % after correction: decides" not in [
        t.get_text() for t in few.legends[0].get_texts()
    ]


def test_every_picture_says_which_way_is_better(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    report, (grid, _) = build(made), arrange(made)
    results, cost = plots.results(report), cost_plot.cost(report)
    assert results is not None and cost is not None
    assert [axis.get_xlabel().split("\n")[1] for axis in results.axes] == [
        "higher is better →", "← lower is better", "higher is better →",
    ]  # fmt: skip
    assert "higher is better →" in cost.axes[0].get_ylabel()
    drawn = curves.curves(report, grid)
    assert drawn is not None and "higher is better" in drawn.get_supylabel()


def test_the_front_holds_no_mean_that_another_passes_in_both(sweep) -> None:
    report = build(sweep(seeds=3))
    cost, loss = report.metric("parameters"), report.metric("test/loss")
    front = cost_plot.front(cost, loss, report.cells)
    found = [c.metrics for c in report.cells]
    means = [(real(m[cost.name].mean), real(m[loss.name].mean)) for m in found]
    assert front == sorted(front) and len(front) > 1
    for x, y in means:
        assert any(fx <= x and fy <= y for fx, fy in front)
        assert ((x, y) in front) == (
            not any((a <= x and b <= y) and (a, b) != (x, y) for a, b in means)
        )
