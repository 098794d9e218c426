"""Which server is used: the user's own where there is one, else the embedded tracker."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from contract import places
from launch import servers
from tests import checkouts
from tracker import server as embedded


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path) -> Iterator[None]:
    """A person without any login, in a home of their own; what `choose` sets is undone at last."""
    before = dict(os.environ)
    os.environ["HOME"] = str(tmp_path)
    os.environ[places.HOME] = str(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path / ".tracker"
    embedded.stop(tmp_path / ".tracker")


@pytest.fixture(scope="module")
def yours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the user's own: a tracker of another folder is one to `choose`."""
    folder = tmp_path_factory.mktemp("yours")
    yield embedded.ensure(folder).url
    embedded.stop(folder)


def test_nobody_has_no_server_and_is_told_so():
    assert servers.user_base_url() is None
    with pytest.raises(servers.ServerError, match="wandb login"):
        servers.choose("wandb", None)


@pytest.mark.parametrize("login", ["variable", "key", "netrc", "settings"])
def test_a_login_is_used_and_nothing_is_started(login, yours, monkeypatch, tmp_path):
    if login == "variable":
        monkeypatch.setenv("WANDB_BASE_URL", yours)
    elif login == "key":
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    elif login == "netrc":
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password k\n")
    else:
        settings(tmp_path, yours)
    chosen = servers.choose(None, None, cloud=yours)
    assert chosen == servers.Chosen(yours, None)
    assert yours in chosen.line and "nothing was started" in chosen.line
    assert not places.tracker().exists()


def settings(home: Path, url: str) -> Path:
    """What `wandb login --host` writes."""
    file = home / ".config" / "wandb" / "settings"
    file.parent.mkdir(parents=True)
    file.write_text(f"[default]\nbase_url = {url}\n")
    return file


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
    monkeypatch.setenv("WANDB_BASE_URL", chosen.url)  # as `eval "$(runner.py env)"` left it
    assert servers.choose(None, None) == chosen
    assert embedded.find(folder) is not None


def test_wandb_asked_for_means_the_login_and_not_what_env_exported(
    folder, yours, monkeypatch, tmp_path
):
    chosen = servers.choose(None, folder)
    monkeypatch.setenv("WANDB_BASE_URL", chosen.url)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password k\n")
    assert servers.choose("wandb", None, cloud=yours) == servers.Chosen(yours, None)
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


@contextmanager
def answering(*parts: bytes) -> Iterator[str]:
    """The address of a server that sends `parts` to who connects, then nothing, for ever."""
    kept = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                kept.append(listening.accept()[0])
                for part in parts:
                    kept[-1].sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    for sock in kept:
        sock.close()


def http(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((), "no answer within 3.5 s"),
        ((b"HTTP/1.1 200 OK\r\nX-Never-Ends: ",), "no answer within 3.5 s"),
        ((b"SSH-2.0-OpenSSH_9.6\r\n",), "cannot be reached (BadStatusLine)"),
        ((http("404 Not Found"),), "it answers 404 to a query"),
        ((http("503 Service Unavailable"),), "it answers 503 to a query"),
    ],
)
def test_a_server_that_says_nothing_of_use_is_named(monkeypatch, parts, words):
    with answering(*parts) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        with pytest.raises(servers.ServerError) as caught:
            servers.choose(None, None)
    text = str(caught.value)
    assert text.startswith(f"WANDB_BASE_URL '{url}': ") and words in text
    assert text.endswith("or use --tracker embedded") and "\n" not in text


def test_who_said_the_address_is_named(monkeypatch, tmp_path):
    nobody = closed_port()
    with pytest.raises(servers.ServerError, match=r"/settings '.*refused"):
        settings(tmp_path, nobody)
        servers.choose(None, None)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with pytest.raises(servers.ServerError, match=r"^your W&B login '.*refused"):
        servers.choose("wandb", None, cloud=nobody)


def closed_port() -> str:
    """The address of nobody: a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        *((url, "no address of a server") for url in ("nonsense", "localhost:8080", "http://")),
        *(
            (url, "no address of a server")
            for url in ("ftp://a.b", "http://a.b:99999", "http://[::")
        ),
        *((url, "no address of a server") for url in ("http//a.b", "http://a b", " http://a.b")),
        *((url, "is https://api.wandb.ai") for url in ("https://wandb.ai", "http://api.wandb.ai")),
    ],
)
def test_a_malformed_address_is_named(monkeypatch, url, words):
    monkeypatch.setenv("WANDB_BASE_URL", url)
    with pytest.raises(servers.ServerError) as caught:
        servers.choose(None, None)
    assert str(caught.value).startswith(f"WANDB_BASE_URL '{url}': ") and words in str(caught.value)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("report", "e/p/s"), "--tracker embedded"),
        (("sweep", "sweeps/maxpool_vs_strided_ablation.yaml"), "--tracker embedded"),
        (("sweep", "explain", "e/p/s"), "--tracker embedded"),
        (("agent", "e/p/s"), "--tracker embedded"),
        (("env",), "--tracker embedded"),
        (("train",), "--tracking offline or disabled"),
        (("pretrain",), "--tracking offline or disabled"),
    ],
)
def test_every_command_that_talks_to_a_server_says_in_one_line_that_it_cannot(
    runner, checkout_copy, words, remedy
):
    url = closed_port()
    done = runner(*words, WANDB_BASE_URL=url, WANDB_API_KEY="k" * 40)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and url in done.stderr
    assert done.stderr.rstrip().endswith(f"or use {remedy}")
    assert not [name for name in checkouts.STATE if (checkout_copy / name).exists()]


def test_a_run_of_an_agent_waits_for_its_server(monkeypatch):
    """It may be the moment in which the server is started again."""
    url = closed_port()
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert servers.choose(None, None) == servers.Chosen(url, None)
