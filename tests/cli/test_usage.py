"""What a person gets who mistypes: one line that names it and says what is known."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("trian",), "'trian'; did you mean 'train'?"),
        (("data", "make"), "'ROOT' (see `runner.py data make --help`)"),
        (("data", "make", "x", "--profile", "fusin"), "'--profile': 'fusin' is not one of 'study'"),
        (("data", "make", "x", "--pair", "20"), "'--pair'. Did you mean '--pairs'?"),
        (("data", "make", "x", "--pairs", "7"), "--pairs 7: an even number"),
        (("sweep", "x.yaml", "--agents", "0"), "'--agents': 0"),
        (("train", "--tracking", "of"), "'--tracking': 'of' is not one of 'online'"),
    ],
)
def test_errors_of_usage_are_one_line(runner, words, named):
    done = runner(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr


def test_without_a_command_help_is_shown(runner):
    done = runner()
    assert done.returncode == 2 and "Commands:" in done.stderr
