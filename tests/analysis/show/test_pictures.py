"""Pictures: bounded, deterministic, and drawn for any report."""

from __future__ import annotations

import math

import numpy as np

from analysis.build import arrange, build
from analysis.show.pictures import cost as cost_plot
from analysis.show.pictures import forest, panels
from analysis.show.pictures import results as plots


def test_a_huge_sweep_has_pictures_of_a_readable_size(sweep) -> None:
    axes = {"fusion": [f"arm {i}" for i in range(80)], "downsample": ["a", "b"]}
    made = sweep(axes, seeds=2, n=20, quality=lambda _: 1.0)
    report, (grid, _) = build(made), arrange(made)
    for picture in (
        plots.results(report), forest.forest(report), cost_plot.cost(report),
        panels.curves(report, grid), panels.grid_map(report),
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
    loss, _, accuracy = picture.axes
    assert loss.get_xlim()[0] >= 0
    assert accuracy.get_xlim()[0] >= -0.02 and accuracy.get_xlim()[1] <= 1.02
    assert any(line.get_marker() in ("<", ">") for line in accuracy.lines)
    picture = cost_plot.cost(report)
    assert picture is not None and picture.axes[0].get_xlim()[0] >= 0
    differences = forest.forest(report)
    assert differences is not None
    assert differences.axes[2].get_xlim()[0] >= -1.02 and differences.axes[2].get_xlim()[1] <= 1.02


def test_the_forest_names_only_verdicts_that_it_shows(sweep) -> None:
    picture = forest.forest(build(sweep({"fusion": ["late", "add"]}, seeds=2)))
    assert picture is not None
    words = [text.get_text() for text in picture.legends[0].get_texts()]
    assert "INSUFFICIENT" in words and "DIFFERENT" not in words


def test_the_mean_curve_needs_every_run() -> None:
    long = (np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    short = (np.array([1.0, 2.0]), np.array([5.0, 4.0]))
    found = panels.mean_curve([long, short])
    assert found is not None
    x, mean, low, high = found
    assert x.tolist() == [1.0, 2.0] and mean.tolist() == [4.0, 3.0]
    assert np.all(low < mean) and np.all(mean < high)
    assert panels.mean_curve([long]) is None


def test_sparse_and_odd_histories_are_drawn(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=3)
    made.runs[0].history = {}
    made.runs[1].history = {"val/loss": np.array([math.nan, 0.5, math.nan])}
    made.runs[2].history["val/loss"] = np.array([math.inf] * 6)
    picture = panels.curves(build(made), arrange(made)[0])
    assert picture is not None
    picture.canvas.draw()


def test_nothing_to_draw_is_no_picture(sweep) -> None:
    made = sweep({"fusion": ["late", "add"]}, seeds=2)
    made.runs = []
    report = build(made)
    assert plots.results(report) is None and forest.forest(report) is None
    assert cost_plot.cost(report) is None
    assert panels.curves(report, arrange(made)[0]) is None
    assert panels.grid_map(report) is not None


def test_dollar_signs_are_no_mathematics(sweep) -> None:
    made = sweep({"fusion": ["$x^{", "a$b$"]}, seeds=2)
    picture = plots.results(build(made))
    assert picture is not None
    picture.canvas.draw()
