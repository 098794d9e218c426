"""Logging in, and what the buttons of pages change: only in the hands of who was shown them."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import httpx
import pytest

from tests.tracker.pages.conftest import Tab
from tests.tracker.pages.test_addresses import Elements
from tests.tracker.worlds import Site, Tracker
from tracker.api import ids
from tracker.server import make_link

RUN = "/local/p/runs/r1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Person:
    """A browser without scripts, on the site, logged in by a link."""

    def __init__(self, site: Site) -> None:
        self.site = site
        token = site.app.signer.token("login", {"nonce": str(id(self))}, site.now + 900)
        site.http.client.cookies.clear()
        answer = site.http.get(f"/login?key={token}", headers={"Authorization": ""})
        self.headers = {"Authorization": "", "Cookie": answer.headers["set-cookie"].split(";")[0]}
        site.http.client.cookies.clear()

    def get(self, path: str) -> httpx.Response:
        return self.site.http.get(path, headers=self.headers)

    def token(self, path: str = RUN) -> str:
        found = Elements(self.get(path).text).found
        return next(str(a["value"]) for tag, a in found if a.get("name") == "token")

    def send(self, path: str, headers: dict[str, str] | None = None, /, **fields: str) -> int:
        answer = self.site.http.post(
            f"/-/do{path}",
            content=urlencode(fields),
            headers=self.headers | FORM | (headers or {}),
        )
        return answer.status_code


@pytest.fixture
def person(site: Site) -> Person:
    site.start_run(notes="old", tags=["one"])
    return Person(site)


def test_a_run_is_renamed_tagged_and_described(site: Site, person: Person):
    fields = {"what": "edit", "name": " New ", "tags": "a, b,,a", "notes": "*x*\r\ny"}
    assert person.send("/run/local/p/r1", token=person.token(), **fields) == 303
    run = site.run("displayName tags notes state")
    assert run == {"displayName": "New", "tags": ["a", "b"], "notes": "*x*\ny", "state": "running"}
    assert "<em>x</em>" in person.get(RUN).text


def test_a_run_is_stopped(site: Site, person: Person):
    assert person.send("/run/local/p/r1", token=person.token(), what="stop") == 303
    assert site.stream()["stopped"]
    assert "It was asked to stop." in person.get(RUN).text


def test_a_run_is_deleted_and_its_files_space_is_freed(site: Site, person: Person):
    made = site.run("id")
    assert made
    target = {"run": ids.decode("Run", made["id"]), "name": "model.bin"}
    token = site.app.signer.token("put", target, site.now + 900)
    assert site.http.put(f"/storage/{token}", content=b"weights").is_success
    stored = [path for path in (site.folder / "blobs").rglob("*") if path.is_file()]
    assert len(stored) == 1
    assert person.send("/run/local/p/r1", token=person.token(), what="delete") == 400
    assert site.run("id")
    assert person.send("/run/local/p/r1", token=person.token(), what="delete", sure="yes") == 303
    assert site.run("id") is None
    assert not stored[0].exists()


def test_a_sweep_is_paused_resumed_stopped_and_canceled(site: Site, person: Person):
    config = json.dumps({"method": "random", "parameters": {"a": {"min": 0, "max": 1.0}}})
    data = site.gql(
        "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }",
        i={"entityName": "local", "projectName": "p", "config": config},
    )
    name = data["upsertSweep"]["sweep"]["name"]
    place = f"/local/p/sweeps/{name}"
    for what, state in (
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "finished"),
        ("cancel", "canceled"),
    ):
        assert person.send(f"/sweep/local/p/{name}", token=person.token(place), what=what) == 303
        assert f">{state}</span>" in person.get(place).text
    assert person.send(f"/sweep/local/p/{name}", token=person.token(place), what="x") == 400


def test_a_form_needs_the_token_of_its_login(site: Site, person: Person):
    other = Person(site)
    for token in ("", "x.y", other.token(), site.app.signer.token("session", {}, site.now + 9)):
        assert person.send("/run/local/p/r1", token=token, what="stop") == 403
    site.now += 31 * 24 * 3600
    assert not (site.run("stopped") or {})["stopped"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "application/json"}, 415),
        ({"Cookie": ""}, 401),
    ],
)
def test_forms_of_others_are_refused(site: Site, person: Person, headers: dict, status: int):
    token = person.token()
    assert person.send("/run/local/p/r1", headers, token=token, what="stop") == status


def test_the_cookie_opens_no_graphql(site: Site, person: Person):
    for kind in FORM, {"Content-Type": "application/json"}:
        answer = site.http.post("/graphql", content="{}", headers=person.headers | kind)
        assert answer.status_code in (401, 415)


@pytest.mark.parametrize("path", ["/run/local/p/none", "/run/local/none/r1", "/sweep/local/p/none"])
def test_what_is_not_there_cannot_be_changed(site: Site, person: Person, path: str):
    assert person.send(path, token=person.token(), what="stop") == 404


def test_a_form_is_bounded(site: Site, person: Person):
    token = person.token()
    assert person.send("/run/local/p/r1", token=token, what="edit", notes="x" * 600_000) == 413
    many = {f"f{i}": "" for i in range(60)}
    assert person.send("/run/local/p/r1", token=token, **many) == 400


def test_after_the_login_one_is_where_one_clicked(own_tracker: Tracker, browser):
    tab = Tab(browser, own_tracker)
    tab.context.clear_cookies()
    own_tracker.ask(
        'mutation { upsertModel(input: {name: "p", entityName: "local"}) { inserted } }'
    )
    tab.page.goto(own_tracker.server.url + "/local/p?q=a%3D1&sort=name")
    assert tab.page.get_by_role("heading", name="Not logged in").is_visible()
    link = make_link(own_tracker.server.url, own_tracker.server.key)
    tab.page.set_content(f"<a id=l href='{link}'>a link in a mail</a>")
    tab.page.goto(link)
    assert tab.page.url == own_tracker.server.url + "/local/p?q=a%3D1&sort=name"
    cookies = {c["name"].rpartition("_")[0]: c for c in tab.context.cookies()}
    assert cookies["tracker_session"]["sameSite"] == "Lax"
    assert cookies["tracker_session"]["httpOnly"]
    tab.context.close()


@pytest.mark.parametrize(
    "place", ["//evil.example", "/\\evil.example", "https://evil.example", "x"]
)
def test_the_login_leads_nowhere_else(site: Site, place: str):
    token = site.app.signer.token("login", {"nonce": place}, site.now + 900)
    headers = {"Authorization": "", "Cookie": f"tracker_wanted_8080={place}"}
    answer = site.http.get(f"/login?key={token}", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    site.http.client.cookies.clear()
