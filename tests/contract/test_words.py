"""Words for people."""

from __future__ import annotations

from contract.words import called, identifier, slug, suggest


def test_a_near_word_is_suggested_else_all_are_listed() -> None:
    assert suggest("epoch", ["epochs", "seed"]) == "; did you mean 'epochs'?"
    assert suggest("zzz", ["epochs", "seed"]) == "; known: epochs, seed"


def test_commands_are_named_as_their_reader_calls_them() -> None:
    text = 'start it with `runner.py serve` or eval "$(python runner.py env)"; `runner.py`'
    assert called(text) == called(text, "runner.py") == text
    assert called(text, "fusion-runner") == (
        'start it with `fusion-runner serve` or eval "$(fusion-runner env)"; `runner.py`'
    )


def test_a_slug_stays_in_its_folder() -> None:
    assert slug("my sweep: 1/2") == "my-sweep-1-2"
    assert slug("../../etc") == "etc"
    assert slug(".hidden") == "hidden"
    assert slug("a" * 200) == "a" * 80


def test_an_identifier_of_a_label() -> None:
    assert identifier("Concat · strided_append") == "concat_strided_append"
