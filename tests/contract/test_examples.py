"""The table of terms per example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contract import examples


def test_what_is_written_is_read_in_the_order_of_ids(tmp_path: Path) -> None:
    file = tmp_path / "examples.csv"
    top1, loss = np.array([1, 0]), np.array([0.1, 2.5])
    examples.write(file, ["b, 1", "a"], {"test/top1": top1, "test/loss": loss})
    ids, columns = examples.read(file)
    assert ids == ("a", "b, 1") and list(columns) == ["test/top1", "test/loss"]
    assert columns["test/top1"].tolist() == [0, 1]
    assert columns["test/loss"].tolist() == [2.5, 0.1]


def test_predictions_are_the_same_table_under_other_names(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    columns = {"label": np.array([0, 1]), "logit": np.array([-1.5, 0.25], dtype=np.float32)}
    examples.write(file, ["x/1", "y/1"], columns, examples.PREDICTIONS)
    assert file.read_text() == "pair,label,logit\nx/1,0,-1.5\ny/1,1,0.25\n"
    assert examples.read(file, examples.PREDICTIONS)[0] == ("x/1", "y/1")
    with pytest.raises(ValueError, match="'example'"):
        examples.read(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'example'"),
        ("example,a,a\nx,1,2\n", "'example'"),
        ("example,a\n", "value for each"),
        ("example,a\nx\n", "value for each"),
        ("example,a\nx,1\nx,2\n", "twice"),
        ("example,a\nx,one\n", "one"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "examples.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        examples.read(file)
