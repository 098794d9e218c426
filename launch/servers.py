"""Which W&B server a command talks to: the user's own where there is one, else the embedded one."""

from __future__ import annotations

import configparser
import netrc
import os
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contract import places

WANDB_CLOUD = "https://api.wandb.ai"
WANDB_PAGES = ("wandb.ai", "www.wandb.ai", "app.wandb.ai")  # of its browsers, not of its clients
# Seconds in which a server that is not ours has to answer something.
ANSWER_SECONDS = 3.5


class ServerError(Exception):
    """No server can be used as asked for."""

    exit_code = 2


@dataclass(frozen=True)
class Chosen:
    """The server in use. `data_dir` is None for a server that is not ours."""

    url: str
    data_dir: Path | None

    @property
    def line(self) -> str:
        """The first line that every command prints."""
        if self.data_dir is None:
            return f"W&B server: {self.url} (yours; nothing was started)"
        return f"W&B server: {self.url} (embedded tracker, data in {self.data_dir})"

    def keep_alive(self) -> None:
        """Start the embedded tracker again where it has died; its clients retry until then."""
        from tracker import server as embedded

        if self.data_dir is not None:
            embedded.ensure(self.data_dir)


def user_base_url(cloud: str = WANDB_CLOUD) -> str | None:
    """Return the address of the user's own W&B server, or None where the user has none.

    Read from the places where the wandb client looks, without importing it: `WANDB_BASE_URL`, the
    settings file of `wandb login --host`, a key in `WANDB_API_KEY`, or an entry in the netrc file.
    """
    url = os.environ.get("WANDB_BASE_URL") or _settings_base_url()
    if url:
        return url
    if os.environ.get("WANDB_API_KEY") or _netrc_has(cloud):
        return cloud
    return None


def _settings_file() -> Path:
    folder = Path(os.environ.get("WANDB_CONFIG_DIR", Path.home() / ".config" / "wandb"))
    return folder / "settings"


def _settings_base_url() -> str | None:
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(_settings_file())
    except configparser.Error:
        return None
    return settings.get("default", "base_url", fallback=None)


def _netrc_has(url: str) -> bool:
    paths = [os.environ.get("NETRC"), Path.home() / ".netrc", Path.home() / "_netrc"]
    path = next((Path(p) for p in paths if p and Path(p).is_file()), None)
    if path is None:
        return False
    try:
        return netrc.netrc(path).authenticators(urlsplit(url).hostname or "") is not None
    except (netrc.NetrcParseError, OSError):
        return False


def require_answer(url: str, otherwise: str) -> None:
    """Raise ServerError where no W&B server answers at `url` in time; `otherwise` says what else.

    The client would retry for a minute without a word, and then blame a process of its own. Any
    answer to a query is enough, a refusal too: the client says what is wrong with a login.
    """
    if os.environ.get("WANDB_BASE_URL"):
        source = "WANDB_BASE_URL"
    else:
        source = f"base_url in {_settings_file()}" if _settings_base_url() else "your W&B login"
    if fault := _malformed(url) or _silent(url):
        raise ServerError(
            f"{source} {url!r}: {fault}; mend the address or the connection, or {otherwise}"
        )


def _malformed(url: str) -> str:
    """Return what is wrong with the address of a server, "" for nothing."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        good = False
    if not good or url != "".join(url.split()):
        return "no address of a server; write https://HOST or http://HOST:PORT"
    if parts.hostname in WANDB_PAGES or (parts.scheme, parts.netloc) == ("http", "api.wandb.ai"):
        return f"W&B's own server is {WANDB_CLOUD}"
    return ""


def _silent(url: str) -> str:
    """Return why no W&B server can be talked to at `url`, "" where one answers.

    In a thread, because no time limit of a socket holds for a name that is looked up, or for an
    answer that comes byte by byte.
    """
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(_ask(url)), daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return found[0] if found else f"no answer within {ANSWER_SECONDS} s"


def _ask(url: str) -> str:
    import requests

    try:
        answer = requests.post(
            f"{url.rstrip('/')}/graphql",
            json={"query": "{ viewer { id } }"},
            timeout=2 * ANSWER_SECONDS,  # who asked has not waited for as long
            allow_redirects=False,
        )
    except requests.RequestException as error:
        cause = _first_cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ""  # somebody is there, and the client may trust whom this process does not
        return f"cannot be reached ({getattr(cause, 'strerror', None) or type(cause).__name__})"
    if answer.status_code in (404, 405) or answer.status_code >= 500:
        return f"no W&B server, or one that is down: it answers {answer.status_code} to a query"
    return ""


def _first_cause(error: BaseException) -> BaseException:
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def choose(
    tracker: str | None,
    data_dir: Path | None,
    otherwise: str = "use --tracker embedded",
    cloud: str = WANDB_CLOUD,
) -> Chosen:
    """Decide on the server and point this process and its children at it.

    `tracker`: "embedded", "wandb", or None (the user's own server where there is one). The embedded
    server is started where it is not running. An address that `runner.py env` exported earlier is
    recognised as the embedded server's, so that a killed one is started again. Raises ServerError
    where the user's own server does not answer; `otherwise` is what else they can do then.
    `cloud`: where a login without an address belongs.
    """
    from tracker import server as embedded

    folder = (data_dir or places.tracker()).resolve()
    url = user_base_url(cloud)
    ours = url is not None and url.rstrip("/") == embedded.last_url(folder)
    if tracker == "wandb":
        if ours:  # what `runner.py env` exported hides the person's own login
            for name in ("WANDB_BASE_URL", "WANDB_API_KEY"):
                os.environ.pop(name, None)
            url = user_base_url(cloud)
        if url is None:
            raise ServerError(
                "--tracker wandb: no W&B login found; run `wandb login`, or set WANDB_BASE_URL and "
                "WANDB_API_KEY, or use --tracker embedded"
            )
        return _answering(url, otherwise)
    if tracker is None and data_dir is None and url is not None and not ours:
        return _answering(url, otherwise)
    server = embedded.ensure(folder)
    os.environ["WANDB_BASE_URL"] = server.url
    os.environ["WANDB_API_KEY"] = server.key
    # The user's default entity belongs to another server.
    os.environ.pop("WANDB_ENTITY", None)
    return Chosen(server.url, folder)


def _answering(url: str, otherwise: str) -> Chosen:
    # What an agent starts was told where to log by a server that lived a moment ago; the client
    # waits for one that is started again.
    if "WANDB_SWEEP_ID" not in os.environ:
        require_answer(url, otherwise)
    return Chosen(url, None)


def require_online() -> None:
    """Raise ServerError where WANDB_MODE would keep the runs of a sweep from its server."""
    mode = os.environ.get("WANDB_MODE", "online")
    if mode not in ("online", "run"):
        raise ServerError(
            f"WANDB_MODE={mode}: the runs of a sweep report to its server; unset it "
            "(`runner.py train` alone can be offline or disabled)"
        )
