"""Which server is used: the user's own where there is one, else the embedded tracker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli import servers
from tracker import server as embedded


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person without any login, in a home of their own."""
    # Set and deleted, so that what `choose` sets is undone after the test.
    for name in [*os.environ, "WANDB_BASE_URL", "WANDB_API_KEY", "WANDB_ENTITY", "NETRC"]:
        if name.startswith("WANDB_") or name == "NETRC":
            monkeypatch.setenv(name, "x")
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(servers, "DATA_DIR", tmp_path / "never")


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path / "tracker"
    embedded.stop(tmp_path / "tracker")


def test_nobody_has_no_server_and_is_told_so():
    assert servers.user_base_url() is None
    with pytest.raises(servers.ServerError, match="wandb login"):
        servers.choose("wandb", None)


@pytest.mark.parametrize("login", ["variable", "key", "netrc", "settings"])
def test_a_login_is_used_and_nothing_is_started(login, monkeypatch, tmp_path):
    url = servers.WANDB_CLOUD
    if login == "variable":
        url = "https://wandb.example"
        monkeypatch.setenv("WANDB_BASE_URL", url)
    elif login == "key":
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    elif login == "netrc":
        (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password k\n")
    else:
        url = "https://wandb.example"
        (tmp_path / ".config" / "wandb").mkdir(parents=True)
        (tmp_path / ".config" / "wandb" / "settings").write_text(f"[default]\nbase_url = {url}\n")
    chosen = servers.choose(None, None)
    assert chosen == servers.Chosen(url, None)
    assert url in chosen.line and "nothing was started" in chosen.line
    assert not servers.DATA_DIR.exists()


def test_the_embedded_server_is_started_found_and_preferred_when_asked_for(folder, monkeypatch):
    chosen = servers.choose(None, folder)
    assert chosen.url.startswith("http://127.0.0.1:") and "embedded" in chosen.line
    assert os.environ["WANDB_BASE_URL"] == chosen.url
    assert len(os.environ["WANDB_API_KEY"]) >= 40
    first = embedded.find(folder)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
    assert servers.choose("embedded", folder) == chosen
    assert embedded.find(folder) == first


def test_an_exported_address_of_a_stopped_tracker_starts_it_again(folder, monkeypatch):
    chosen = servers.choose(None, folder)
    embedded.stop(folder)
    monkeypatch.setattr(servers, "DATA_DIR", folder)
    monkeypatch.setenv("WANDB_BASE_URL", chosen.url)  # as `eval "$(runner.py env)"` left it
    assert servers.choose(None, None) == chosen
    assert embedded.find(folder) is not None


def test_wandb_asked_for_means_the_login_and_not_what_env_exported(folder, monkeypatch, tmp_path):
    chosen = servers.choose(None, folder)
    monkeypatch.setattr(servers, "DATA_DIR", folder)
    monkeypatch.setenv("WANDB_BASE_URL", chosen.url)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password k\n")
    assert servers.choose("wandb", None) == servers.Chosen(servers.WANDB_CLOUD, None)
    assert "WANDB_API_KEY" not in os.environ
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv("WANDB_BASE_URL", chosen.url)
    with pytest.raises(servers.ServerError, match="no W&B login"):
        servers.choose("wandb", None)


@pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
def test_a_sweep_cannot_be_offline(mode, monkeypatch):
    servers.require_online()
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(servers.ServerError, match=f"WANDB_MODE={mode}: .* unset it"):
        servers.require_online()


def test_a_server_that_cannot_be_reached_is_named(monkeypatch):
    from cli import launch

    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(launch.LaunchError, match=r"127\.0\.0\.1:9 cannot be used: .*API key"):
        launch.connect()
