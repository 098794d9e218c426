"""Who is let in: the key on every route, the Host allow-list, no requests from other sites."""

from __future__ import annotations

import asyncio
import base64
import hmac
import sys
from types import FrameType
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from tests.tracker.worlds import KEY, URL, Site
from tracker.app import make_app, routes
from tracker.http import signing
from tracker.http.gate import API, FORM_PREFIX, OPEN, STATIC_PREFIX, TOKEN_PREFIX, split_host
from tracker.store.database import Store

VIEWER = {"query": "{ viewer { entity } }"}


BASIC = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()


# every route, with an address that fits it; a route that is not in here fails the test
EXAMPLES = {
    ("GET", "/healthz"): "/healthz",
    ("GET", "/login"): "/login",
    ("POST", "/graphql"): "/graphql",
    ("POST", "/files/{entity}/{project}/{run}/file_stream"): "/files/local/p/r1/file_stream",
    ("GET", "/files/{entity}/{project}/{run}/{name:path}"): "/files/local/p/r1/a/b.txt",
    ("GET", "/artifacts/{entity}/{digest}"): "/artifacts/local/00ff",
    (
        "GET",
        "/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name:path}",
    ): "/artifactsV2/default/local/p/c/b/00ff/a.txt",
    ("GET", "/artifactsV2/{region}/{entity}/{birth}/{digest}"): "/artifactsV2/default/local/b/00ff",
    ("GET", "/storage/{token}"): "/storage/W3t9LDFd.AAAA",
    ("PUT", "/storage/{token}"): "/storage/W3t9LDFd.AAAA",
    ("GET", "/"): "/",
    ("GET", "/-/static/{name:path}"): "/-/static/pages.css",
    ("GET", "/-/reports/{name}/"): "/-/reports/none/",
    ("GET", "/-/reports/{name}/{file}"): "/-/reports/none/a.png",
    ("POST", "/-/do/run/{entity}/{project}/{run}"): "/-/do/run/local/p/r1",
    ("POST", "/-/do/sweep/{entity}/{project}/{sweep}"): "/-/do/sweep/local/p/s",
    ("GET", "/authorize"): "/authorize",
    ("GET", "/{entity}"): "/local",
    ("GET", "/{entity}/{project}"): "/local/p",
    ("GET", "/{entity}/{project}/{tab}"): "/local/p/workspace",
    ("GET", "/{entity}/{project}/sweeps"): "/local/p/sweeps",
    ("GET", "/{entity}/{project}/artifacts"): "/local/p/artifacts",
    ("GET", "/{entity}/{project}/overview"): "/local/p/overview",
    ("GET", "/{entity}/{project}/compare"): "/local/p/compare?run=r1",
    ("GET", "/{entity}/{project}/runs.csv"): "/local/p/runs.csv",
    ("GET", "/{entity}/{project}/series"): "/local/p/series?run=r1&key=loss",
    ("GET", "/{entity}/{project}/runs/{run}/logs"): "/local/p/runs/r1/logs",
    ("GET", "/{entity}/{project}/runs/{run}/table"): "/local/p/runs/r1/table?path=a",
    ("GET", "/{entity}/{project}/runs/{run}"): "/local/p/runs/r1",
    ("GET", "/{entity}/{project}/runs/{run}/{tab:path}"): "/local/p/runs/r1/files/x",
    ("GET", "/{entity}/{project}/sweeps/{sweep}"): "/local/p/sweeps/s",
    ("GET", "/{entity}/{project}/sweeps/{sweep}/{tab:path}"): "/local/p/sweeps/s/x",
    ("GET", "/{entity}/{project}/artifacts/{kind}/{collection}"): "/local/p/artifacts/t/c",
    (
        "GET",
        "/{entity}/{project}/artifacts/{kind}/{collection}/{version}",
    ): "/local/p/artifacts/t/c/v0",
    (
        "GET",
        "/{entity}/{project}/artifacts/{kind}/{collection}/{version}/{tab:path}",
    ): "/local/p/artifacts/t/c/v0/x",
}


def table() -> list[tuple[str, str]]:
    found = []
    for route in routes():
        assert isinstance(route, Route), f"{route}: a route of another kind needs a test of its own"
        found += [(method, route.path) for method in sorted((route.methods or set()) - {"HEAD"})]
    return found


def test_the_table_of_routes_is_known():
    assert sorted(table()) == sorted(EXAMPLES)


@pytest.mark.parametrize(("method", "path"), table())
@pytest.mark.parametrize(
    "credentials",
    ["", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", "Basic !!", "Basic " + "YXBp", f"Digest {KEY}"],
    ids=["none", "short", "long", "no base64", "no colon", "scheme"],
)
def test_every_route_wants_the_key(site: Site, method: str, path: str, credentials: str):
    address = EXAMPLES[method, path]
    options: dict[str, Any] = {"headers": {"Authorization": credentials}}
    if method == "POST":
        options["data" if path.startswith(FORM_PREFIX) else "json"] = VIEWER
    answer = site.http.request(method, address, **options)
    if path == "/healthz" or path.startswith(STATIC_PREFIX):
        assert answer.status_code == 200
    elif path.startswith(TOKEN_PREFIX):
        assert answer.status_code == 403  # its token is not one of ours
    else:
        assert answer.status_code == 401
        assert KEY not in answer.text


@pytest.mark.parametrize(("method", "path"), table())
def test_every_route_is_reached_with_the_key(site: Site, method: str, path: str):
    kind = "data" if path.startswith(FORM_PREFIX) else "json"
    options: dict[str, Any] = {kind: VIEWER} if method == "POST" else {}
    answer = site.http.request(method, EXAMPLES[method, path], **options)
    assert answer.status_code in {"/login": (401,)}.get(path, (200, 400, 403, 404))


@pytest.mark.parametrize("credentials", [BASIC, BASIC.replace("Basic", "basic"), f"Bearer {KEY}"])
def test_the_key_opens(site: Site, credentials: str):
    answer = site.http.post("/graphql", json=VIEWER, headers={"Authorization": credentials})
    assert answer.json() == {"data": {"viewer": {"entity": "local"}}}


def test_keys_are_compared_in_constant_time():
    """As two MACs, which are of one length whatever was sent."""
    signer, compared = signing.Signer(KEY), []

    def watch(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function is hmac.compare_digest:
            compared.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        accepted = [signer.accepts_key(key) for key in ("", "k", KEY)]
    finally:
        sys.setprofile(None)
    assert accepted == [False, False, True]
    assert compared == ["accepts_key"] * 3


def test_health_proves_the_key_without_showing_it(site: Site):
    answer = site.http.get("/healthz?challenge=abc", headers={"Authorization": ""}).json()
    assert answer["status"] == "ok"
    assert KEY not in str(answer)
    signer = signing.Signer(KEY)
    assert answer["proof"] == signer.token("health", {"challenge": "abc"}, 0)
    assert answer["proof"] != signing.Signer("x" * 40).token("health", {"challenge": "abc"}, 0)
    # what health signs opens nothing else
    for path in (f"/login?key={answer['proof']}", f"/storage/{answer['proof']}"):
        assert site.http.get(path, headers={"Authorization": ""}).status_code in (401, 403)


GOOD_HOSTS = [
    "127.0.0.1:8080",
    "127.0.0.1",
    "localhost:9",
    "LOCALHOST:8080",
    "LocalHost",
    "[::1]:8080",
]


BAD_HOSTS = [
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example#127.0.0.1",
    "127.0.0.1@evil.example",
    "evil.example\\@127.0.0.1",
    "localhost.",
    "127.0.0.1.",
    "127.0.0.1:8080:80",
    "127.0.0.1:port",
    "[::1",
    "[::1]evil.example",
    "[::1]:x",
    "[fe80::1]:8080",
    "[::ffff:127.0.0.1]",
    "0.0.0.0:8080",
    "127.1",
    "2130706433",
    "0x7f000001",
    "10.0.0.1:8080",
    "local host",
    "",
    " ",
    ":8080",
    "локалхост",
]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_hosts_of_this_machine_are_served(site: Site, host: str):
    assert site.http.post("/graphql", json=VIEWER, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_other_hosts_are_refused_before_the_key_is_looked_at(site: Site, host: str):
    for path in ("/graphql", "/healthz"):
        answer = site.http.request(
            "POST" if path == "/graphql" else "GET",
            path,
            json=VIEWER,
            headers={"Host": host.encode()},
        )
        assert answer.status_code == 421, host


def raw(site: Site, *headers: tuple[str, str]) -> int:
    """A request with exactly these headers."""
    call = site.http.client.send(httpx.Request("GET", f"{URL}/healthz", headers=list(headers)))
    return asyncio.run_coroutine_threadsafe(call, site.http.loop).result(10).status_code


def test_exactly_one_host_is_wanted(site: Site):
    assert raw(site, ("Host", "127.0.0.1")) == 200
    assert raw(site, ("Host", "127.0.0.1"), ("Host", "127.0.0.1")) == 421
    assert raw(site, ("Host", "127.0.0.1"), ("host", "evil.example")) == 421


def test_a_host_can_be_allowed(tmp_path):
    store = Store(tmp_path / "tracker.db")
    gate = make_app(store, KEY, tmp_path / "blobs", hosts=frozenset({"gpu-box"}))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/healthz",
        "server": ("10.0.0.7", 8080),
        "headers": [],
    }
    for host in (b"gpu-box:8080", b"10.0.0.7:8080"):
        gate.check({**scope, "headers": [(b"host", host)]})
    with pytest.raises(Exception, match="not served"):
        gate.check({**scope, "headers": [(b"host", b"10.0.0.8:8080")]})
    store.close()


@pytest.mark.parametrize(
    ("value", "name"),
    [("A.B:1", "a.b"), ("[::1]", "::1"), ("[0:0::1]:5", "::1"), ("a:b", ""), ("[a]", "")],
)
def test_split_host(value: str, name: str):
    assert split_host(value) == name


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_requests_from_other_sites_change_nothing(site: Site, headers: dict[str, str]):
    """Even with the key: a browser may send it by itself."""
    body = {"query": 'mutation { upsertModel(input: {name: "x"}) { inserted } }'}
    for method, path in (("POST", "/graphql"), ("PUT", "/storage/x")):
        answer = site.http.request(method, path, json=body, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert site.gql("{ models { edges { node { name } } } }")["models"]["edges"] == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
def test_what_a_form_can_send_is_refused(site: Site, kind: str):
    for path in ("/graphql", "/files/local/p/r/file_stream"):
        answer = site.http.post(path, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415


def test_own_pages_may_send(site: Site):
    own = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    assert site.http.post("/graphql", json=VIEWER, headers=own).status_code == 200


def test_there_is_no_cors(site: Site):
    answer = site.http.request(
        "OPTIONS",
        "/graphql",
        headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_is_hardened(site: Site):
    for path in ("/", "/healthz", "/local/p/runs/none", "/files/local/p/r/none"):
        headers = site.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        # of pages, so that their own forms say where they come from
        is_page = headers["content-type"].startswith("text/html")
        assert headers["referrer-policy"] == ("same-origin" if is_page else "no-referrer")
        assert headers["cache-control"] == "no-store"


def test_telemetry_of_the_client_is_not_taken(site: Site):
    answer = site.http.post("/sdk/otel/v1/metrics", content=b"x", headers={"Authorization": ""})
    assert answer.status_code == 404  # any other status is shown to the user by the client


def test_every_open_or_tokened_path_is_meant_to_be():
    assert sorted(OPEN) == ["/healthz", "/login"]
    assert TOKEN_PREFIX in API
