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
        (("sweep", "x.yaml", "--agents", "0"), "is not in the range x>=1 (see `runner.py sweep -"),
        (("sweep", "run", "x.yaml", "--seeds", "0"), "x>=1 (see `runner.py sweep run --help`)"),
        (("sweep", "explain"), "'SWEEP' (see `runner.py sweep explain --help`)"),
        (("data", "make", "/proc/x"), "/proc/x cannot be written"),
        (
            ("sweep", "label_efficiency.yaml", "--set", "data=nowhere"),
            "--data 'nowhere' is neither",
        ),
        (
            ("sweep", "label_efficiency.yaml", "--set=data=study:40:7", "--set=train_pairs=99"),
            "--train-pairs 99: allowed are 2 to 28",
        ),
        (("train", "--tracking", "of"), "'--tracking': 'of' is not one of 'online'"),
    ],
)
def test_errors_of_usage_are_one_line(runner, words, named):
    done = runner(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr


@pytest.mark.parametrize("words", [("sweep",), ("sweep", "run"), ("sweep", "explain")])
def test_help_shows_what_was_typed(runner, words):
    usage = runner(*words, "--help").stdout.splitlines()[0]
    assert usage.startswith(f"Usage: runner.py {' '.join(words)} [OPTIONS] ")


def test_without_a_command_help_is_shown(runner):
    done = runner()
    assert done.returncode == 2 and "Commands:" in done.stderr
