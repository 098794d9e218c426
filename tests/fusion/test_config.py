"""RunConfig: what is accepted, what is refused and how, and that the names never change unseen."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.config import DOWNSAMPLES, FUSIONS, RunConfig
from fusion.contrastive.config import PretrainConfig
from fusion.training.config import Config, ConfigError, allowed, check


def problems(**values: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        check(values, RunConfig)
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_fields_and_defaults_are_frozen():
    # Sweep files, stored runs and reports use these names: changing one is a breaking change.
    assert RunConfig().model_dump() == {
        "data": "fusion:3000:0",
        "split": "default",
        "train_pairs": 0,
        "align": False,
        "fusion": "concat",
        "downsample": "maxpool",
        "width": 0.16,
        "seed": 0,
        "epochs": 8,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "init": "lecun",
    }


def test_every_field_has_a_help_text():
    assert all(field.description for field in RunConfig.model_fields.values())


@pytest.mark.parametrize(
    ("key", "given", "meant"),
    [
        ("learning_rate", "1e-4", 1e-4),  # YAML reads 1e-4 as a string
        ("learning_rate", "0.001", 0.001),
        ("width", 1, 1.0),
        ("epochs", "20", 20),
        ("epochs", 20.0, 20),
        ("epochs", "2e1", 20),
        ("align", "True", True),
        ("align", "false", False),
        ("align", 1, True),
        ("data", "data/mine", "data/mine"),
        ("data", "/mnt/a:b/mine", "/mnt/a:b/mine"),
        ("data", "study:19998", "study:19998"),
        ("downsample", "blurpool", "blurpool"),
    ],
)
def test_values_in_any_notation(key, given, meant):
    value = getattr(check({key: given}, RunConfig), key)
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", 8.5),
        ("epochs", "many"),
        ("epochs", True),
        ("epochs", None),
        ("epochs", [1, 2]),
        ("batch_size", -1),
        ("seed", -1),
        ("seed", 2**32),
        ("width", 0),
        ("width", 5),
        ("learning_rate", "nan"),
        ("learning_rate", "inf"),
        ("learning_rate", False),
        ("train_pairs", -1),
        ("align", "maybe"),
        ("fusion", "film"),
        ("data", ""),
        ("data", 5),
        ("data", "fusion:"),
        ("data", "fusion:many"),
        ("data", "fusion:41"),
        ("data", "fusion:18"),
        ("data", "fusion:4000:0:0"),
    ],
)
def test_impossible_values_name_key_value_and_what_is_allowed(key, value):
    text = problems(**{key: value})[key]
    assert repr(value) in text
    assert allowed(key, RunConfig) in text


def test_all_problems_are_listed_at_once_with_suggestions():
    found = problems(fushion="late", fusion="concta", data="fusoin:4000", epochs=0, zzz=1)
    assert set(found) == {"fushion", "fusion", "data", "epochs", "zzz"}
    assert "did you mean 'fusion'" in found["fushion"]
    assert "did you mean 'concat'" in found["fusion"]
    assert "did you mean 'fusion:4000'" in found["data"]
    assert "train_pairs" in found["zzz"]  # no near word: all known ones


def test_frozen():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 1


@given(
    st.sampled_from([*FUSIONS]),
    st.sampled_from(DOWNSAMPLES),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1, exclude_min=True),
)
def test_a_config_survives_the_command_line(fusion, downsample, seed, learning_rate):
    config = RunConfig(fusion=fusion, downsample=downsample, seed=seed, learning_rate=learning_rate)
    again = check({key: str(value) for key, value in config.model_dump().items()}, RunConfig)
    assert again == config
    assert again.digest == config.digest


def test_digest_tells_configurations_apart():
    configs = [RunConfig(), RunConfig(seed=1), RunConfig(width=1), RunConfig(align=True)]
    assert len({config.digest for config in configs}) == len(configs)
    assert RunConfig(width=1) == check({"width": "1.0"}, RunConfig)


# As they were before fields could be added: kept folders are found by these
KEPT = {
    RunConfig: "1f49caefb677ae460269a013e0e407e4082e74f88eeb6a0f74ad0004f82bd0d5",
    PretrainConfig: "74d721317d21b6dff3f468eb090e47f07e08fc3ee34c98d14ac2ea41020adcfd",
}


@pytest.mark.parametrize("kind", [RunConfig, PretrainConfig])
def test_a_field_that_is_added_renames_no_folder(kind: type[Config]):
    class More(kind):
        added: float = 0.5

    assert kind().digest == KEPT[kind]
    assert set(kind.NAMED.split()) <= set(kind.model_fields)
    assert (
        More().digest == kind().digest and More(**{"seed": 1}).digest == kind(**{"seed": 1}).digest
    )
    assert More(added=0.1).digest != kind().digest
    assert More().decisive() == kind().decisive()


def test_config_needs_neither_torch_nor_wandb():
    code = "import sys, fusion.config; print({'torch', 'wandb', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
