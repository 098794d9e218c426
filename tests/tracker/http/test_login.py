"""Links that log a browser in, once."""

from __future__ import annotations

import string
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.tracker.http.test_gate import VIEWER
from tests.tracker.worlds import KEY, Site, Tracker
from tracker.http import logins, signing
from tracker.server import make_link


def link(site: Site, expires: float = 900.0) -> str:
    token = signing.Signer(KEY).token("login", {"nonce": "n"}, site.now + expires)
    return f"/login?key={token}"


def test_a_link_logs_a_browser_in_once(site: Site):
    nobody = {"Authorization": ""}
    answer = site.http.get(link(site), headers=nobody)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert KEY not in cookie
    session = {"Authorization": "", "Cookie": cookie.partition(";")[0]}
    site.http.client.cookies.clear()
    assert site.http.get("/", headers=session).status_code == 200
    assert site.http.get(link(site), headers=nobody).status_code == 401  # used
    site.http.client.cookies.clear()
    # the session opens pages, nothing that changes state
    assert site.http.post("/graphql", json=VIEWER, headers=session).status_code == 401
    site.now += 31 * 24 * 3600
    assert site.http.get("/", headers=session).status_code == 401


def spellings(token: str) -> set[str]:
    """Other texts that a lenient reader would take for the token."""
    found = set()
    for i, part in enumerate(token.split(".")):
        for other in (
            *(part[:-1] + last for last in string.ascii_letters + string.digits + "-_+/"),
            *(part + more for more in ("=", "==", "%3D", "%0A", "%20", "A", "AA", ".", "%00")),
            *(more + part for more in ("=", "%20", "%0A")),
            part.replace("-", "+").replace("_", "/"),
        ):
            parts = token.split(".")
            parts[i] = other
            found.add(".".join(parts))
    return found - {token}


def test_a_link_has_one_spelling(site: Site):
    for n in range(3):  # whose last characters differ
        token = signing.Signer(KEY).token("login", {"nonce": f"n{n}"}, site.now + 900)
        nobody = {"Authorization": ""}
        for other in spellings(token):
            site.http.client.cookies.clear()
            assert site.http.get(f"/login?key={other}", headers=nobody).status_code == 401, other
        assert site.http.get(f"/login?key={token}", headers=nobody).status_code == 303
        for other in spellings(token):
            site.http.client.cookies.clear()
            assert site.http.get(f"/login?key={other}", headers=nobody).status_code == 401, other


def test_two_browsers_at_once_are_not_both_let_in(tracker: Tracker):
    link = make_link(tracker.server.url, tracker.server.key)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: httpx.get(link).status_code, range(8)))
    assert sorted(statuses) == [303] + [401] * 7


def test_a_used_link_stays_used_over_a_restart(own_tracker: Tracker):
    used, fresh = (make_link(own_tracker.server.url, own_tracker.server.key) for _ in range(2))
    assert httpx.get(used).status_code == 303
    own_tracker.kill()
    own_tracker.start()
    assert httpx.get(used).status_code == 401
    assert httpx.get(fresh).status_code == 303


def test_used_links_are_forgotten_some_time_after_they_expired(site: Site):
    nobody = {"Authorization": ""}
    with site.store.write() as db:
        assert logins.use_link(db, "old", site.now)
    site.now += logins.KEPT_SECONDS + 1
    assert site.http.get(link(site), headers=nobody).status_code == 303
    with site.store.read() as db:
        assert [row[0] for row in db.execute("SELECT nonce FROM used_links")] == ["n"]


def test_an_old_or_forged_link_does_not(site: Site):
    nobody = {"Authorization": ""}
    for path in (link(site, -1), link(site)[:-2] + "AA", "/login?key=", "/login"):
        answer = site.http.get(path, headers=nobody)
        assert answer.status_code == 401
        assert "runner.py serve --link" in answer.text


def test_a_clock_that_was_set_back_does_not_prolong_a_link(site: Site):
    made = link(site)
    site.now -= 3600
    assert site.http.get(made, headers={"Authorization": ""}).status_code == 401
