"""Contents are kept by their hash; names are only in the database and lead nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracker.worlds import KEY, Site
from tracker.http import downloads
from tracker.http.signing import Signer
from tracker.settings import Settings
from tracker.store import blobs

CREATE = (
    'mutation($f: [String!]!) { createRunFiles(input: {entityName: "local", projectName: "p",'
    ' runName: "r1", files: $f}) { runID uploadHeaders files { name uploadUrl } } }'
)
FILES = "files(first: 100) { edges { node { id name sizeBytes md5 directUrl } } }"

NAMES = [
    "plain.txt",
    "a/b/c.txt",
    "with space.txt",
    "per%cent.txt",
    "%2e%2e%2fup.txt",
    "%252e%252e%252fup.txt",
    "hash#tag?query=1&x.txt",
    "semi;colon.txt",
    "ünïcödé/файл/文件.txt",
    "\u202egnp.txt",
    "e\u0301.txt",
    "trailing. ",
    "-rf",
    "CON",
    "'; DROP TABLE files; --",
    "<script>alert(1)</script>.html",
    "..hidden",
    "a..b/c..",
    "wandb-metadata.json",
    "a" * 900,
]
WRONG_NAMES = [
    "",
    "/etc/passwd",
    "//host/share",
    "../up.txt",
    "a/../../up.txt",
    "a/..",
    "..",
    "..\\..\\up.txt",
    "C:\\up.txt",
    "C:/up.txt",
    "C:up.txt",
    "\\up.txt",
    ".",
    "./",
    "del\x7f.txt",
    "nul\0.txt",
    "a\nb.txt",
    "\ud800.txt",
    "ü" * 600,
]


def put(site: Site, name: str, content: bytes) -> None:
    url = site.gql(CREATE, f=[name])["createRunFiles"]["files"][0]["uploadUrl"]
    assert site.http.put(url, content=content, headers={"Authorization": ""}).status_code == 200


def files(site: Site) -> dict[str, dict]:
    run = site.run(FILES)
    assert run
    return {edge["node"]["name"]: edge["node"] for edge in run["files"]["edges"]}


def disk(site: Site) -> dict[str, bytes]:
    """Everything below the data folder but the database."""
    return {
        str(path.relative_to(site.folder)): path.read_bytes()
        for path in site.folder.rglob("*")
        if path.is_file() and not path.name.startswith("tracker.db")
    }


def place(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"blobs/{digest[:2]}/{digest}"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_kept_and_touches_no_path(site: Site, name: str):
    site.start_run()
    put(site, name, b"content")
    node = files(site)[name]
    assert (node["sizeBytes"], node["md5"]) == (7, "mgNkuembtIDdJeHwKEyFVQ==")
    answer = site.http.get(node["directUrl"], headers={"Authorization": ""})
    assert answer.content == b"content"
    by_path = site.http.get("/files/local/p/r1/" + quote(name, safe=""))
    assert by_path.content == b"content"
    assert disk(site) == {place(b"content"): b"content"}


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_names_that_lead_out_of_their_folder_are_refused(site: Site, name: str):
    """The client writes files under their names when it downloads them."""
    site.start_run()
    assert "file name" in site.refused(CREATE, f=[name])
    assert not (site.folder / "blobs").exists()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(min_size=1, max_size=40), content=st.binary(max_size=50))
def test_whatever_the_name_only_blobs_are_written(site: Site, name: str, content: bytes):
    site.start_run()
    answer = site.post(CREATE, {"f": [name]})
    if answer.status_code == 200:
        url = answer.json()["data"]["createRunFiles"]["files"][0]["uploadUrl"]
        assert site.http.put(url, content=content).status_code == 200
        assert files(site)[name]["sizeBytes"] == len(content)
    for path, found in disk(site).items():
        assert path == place(found)


@pytest.mark.parametrize(
    "path",
    [
        "/storage/../tracker.db",
        "/storage/%2e%2e%2ftracker.db",
        "/storage/..%2f..%2fetc%2fpasswd",
        "/files/local/p/r1/../../../../key",
        "/files/local/p/r1/%2e%2e/%2e%2e/key",
        "/artifacts/local/..%2f..%2fkey",
        "/artifactsV2/default/local/p/c/b/%2e%2e%2fkey/x",
    ],
)
def test_addresses_that_were_not_given_lead_nowhere(site: Site, path: str):
    (site.folder / "key").write_text("secret")
    site.start_run()
    answer = site.http.get(path)
    is_page = answer.headers["content-type"].startswith("text/html")  # of an entity of that name
    assert answer.status_code in (403, 404) or is_page
    assert "secret" not in answer.text
    assert "SQLite" not in answer.text


@pytest.mark.parametrize("hash", ["", "../key", "a" * 63, "a" * 65, "A" * 64, "/" + "a" * 63])
def test_what_is_no_hash_has_no_place(tmp_path: Path, hash: str):
    assert blobs.path_of(tmp_path, "a" * 64).is_relative_to(tmp_path)
    with pytest.raises(ValueError, match="not a hash"):
        blobs.path_of(tmp_path, hash)


def test_a_link_in_the_place_of_a_blob_is_not_made_by_an_upload(site: Site):
    """Neither the folder of what comes in nor a blob's place follows a link of ours."""
    site.start_run()
    outside = site.folder / "outside"
    outside.write_text("keep")
    target = site.folder / place(b"content")
    target.parent.mkdir(parents=True)
    target.symlink_to(outside)
    put(site, "a", b"content")
    assert outside.read_text() == "keep"
    assert not target.is_symlink()
    assert target.read_bytes() == b"content"


def test_equal_contents_are_kept_once_and_removed_with_their_last_name(site: Site):
    site.start_run()
    for name in ("a", "b"):
        put(site, name, b"same")
    put(site, "a", b"other")  # written over
    put(site, "c", b"other")
    assert set(disk(site)) == {place(b"same"), place(b"other")}
    remove = "mutation($i: [ID!]!) { deleteFiles(input: {files: $i}) { success } }"
    site.gql(remove, i=[files(site)["b"]["id"]])
    assert set(disk(site)) == {place(b"other")}
    site.gql(remove, i=[files(site)[name]["id"] for name in "ac"])
    assert disk(site) == {}


def test_a_deleted_run_takes_its_files_with_it(site: Site):
    made = site.start_run()["bucket"]
    put(site, "a", b"content")
    site.gql(
        "mutation($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=made["id"]
    )
    assert disk(site) == {}


def test_contents_come_and_go_at_the_same_time(site: Site):
    """What an upload has just come to hold is not swept away."""
    site.start_run()
    url = site.gql(CREATE, f=["a"])["createRunFiles"]["files"][0]["uploadUrl"]
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            blobs.sweep_unused(site.store, site.folder / "blobs")

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    for i in range(60):
        content = str(i % 3).encode()
        assert site.http.put(url, content=content).status_code == 200
        assert site.http.get(files(site)["a"]["directUrl"]).content == content
    done.set()
    sweeper.join()


def test_an_upload_that_breaks_off_leaves_nothing(site: Site):
    site.start_run()
    url = site.gql(CREATE, f=["a"])["createRunFiles"]["files"][0]["uploadUrl"]

    async def breaks():
        yield b"begun"
        raise ConnectionError

    assert site.http.put(url, content=breaks()).status_code == 503
    assert disk(site) == {}
    assert files(site) == {}
    (site.folder / "blobs" / "incoming" / "left-by-a-kill").write_bytes(b"x")
    blobs.clear_incoming(site.folder / "blobs")
    assert disk(site) == {}


def test_a_full_disk_refuses_an_upload(tmp_path: Path):
    site = Site(tmp_path, Settings(tick_seconds=3600, min_free_bytes=1 << 60))
    site.start_run()
    url = site.gql(CREATE, f=["a"])["createRunFiles"]["files"][0]["uploadUrl"]
    answer = site.http.put(url, content=b"x")
    assert answer.status_code == 507
    assert "disk is full" in answer.text
    site.close()


# --------------------------------------------------------------------------------------- addresses


def test_an_address_opens_one_thing_for_a_day(site: Site):
    site.start_run()
    put(site, "a", b"content")
    get = files(site)["a"]["directUrl"]
    upload = site.gql(CREATE, f=["a"])["createRunFiles"]["files"][0]["uploadUrl"]
    nobody = {"Authorization": ""}
    assert site.http.get(upload, headers=nobody).status_code == 403
    assert site.http.put(get, content=b"x", headers=nobody).status_code == 403
    for forged in (get[:-3] + "abc", get[:-20], get.replace("/storage/", "/storage/x")):
        assert site.http.get(forged, headers=nobody).status_code == 403
    other = Signer("x" * 40).token("get", {"hash": "0" * 64, "name": "a"}, site.now + 99)
    assert site.http.get(f"/storage/{other}", headers=nobody).status_code == 403
    site.now += 24 * 3600 + 1
    assert site.http.get(get, headers=nobody).status_code == 403
    assert site.http.put(upload, content=b"x", headers=nobody).status_code == 403


def test_addresses_are_those_of_the_listening_server_whatever_the_host_says(site: Site):
    site.start_run()
    query = {"query": CREATE, "variables": {"f": ["a"]}}
    answer = site.http.post("/graphql", json=query, headers={"Host": "localhost:9999"}).json()
    url = answer["data"]["createRunFiles"]["files"][0]["uploadUrl"]
    assert url.startswith("http://127.0.0.1:8080/storage/")


def test_a_stored_page_is_a_download_not_a_page_of_this_server(site: Site):
    site.start_run()
    put(site, "evil.html", b"<script>alert(1)</script>")
    for path in (files(site)["evil.html"]["directUrl"], "/files/local/p/r1/evil.html"):
        headers = site.http.get(path).headers
        assert headers["content-disposition"].startswith("attachment")
        assert "sandbox" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_part_of_a_file_can_be_asked_for(site: Site):
    site.start_run()
    put(site, "a", b"0123456789")
    url = files(site)["a"]["directUrl"]
    answer = site.http.get(url, headers={"Range": "bytes=3-5"})
    assert (answer.status_code, answer.content) == (206, b"345")


def damage(site: Site, content: bytes, now: bytes | None) -> None:
    """Another content, or none, in the place of one."""
    path = site.folder / place(content)
    path.unlink()
    if now is not None:
        path.write_bytes(now)


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-2"}, {"Range": "bytes=-1"}], ids=str)
@pytest.mark.parametrize("now", [b"0123456780", b"012345678", b"0123456789x", b"", None], ids=str)
def test_what_is_not_as_it_was_stored_is_not_sent(site: Site, headers: dict, now: bytes | None):
    """Not even the part of it that is: and by a status on which clients do not try again."""
    site.start_run()
    content = b"0123456789"
    put(site, "a", content)
    urls = (files(site)["a"]["directUrl"], "/files/local/p/r1/a")
    assert all(site.http.get(url, headers=headers).is_success for url in urls)
    damage(site, content, now)
    for url in urls:
        answer = site.http.get(url, headers=headers)
        assert answer.status_code == (404 if now is None else 400), answer.text
        assert ("not stored any more" if now is None else "is damaged") in answer.json()["error"]
    put(site, "a", content)
    assert all(site.http.get(url, headers=headers).is_success for url in urls)


def test_the_parts_of_a_download_cost_one_look(site: Site):
    looked: list[Path] = []

    async def look(path: Path) -> str | None:
        looked.append(path)
        return await downloads.read_hash(path)

    site.server.looks = downloads.Looks(site.store, site.folder / "blobs", look)
    site.start_run()
    content = os.urandom(3 * downloads.PART_BYTES)
    put(site, "a", content)
    url = files(site)["a"]["directUrl"]
    with ThreadPoolExecutor(4) as pool:  # as clients get large files
        ranges = [{"Range": f"bytes={i << 20}-{(i + 1 << 20) - 1}"} for i in range(12)]
        parts = pool.map(lambda headers: site.http.get(url, headers=headers).content, ranges)
        assert b"".join(parts) == content
    assert len(looked) == 1
    site.now += downloads.FRESH_SECONDS  # later the disk may have lost it
    site.http.get(url)
    assert len(looked) == 2


def test_large_uploads_go_to_disk_in_parts(site: Site):
    site.start_run()
    content = os.urandom(5 << 20)
    put(site, "big.bin", content)
    assert disk(site)[place(content)] == content


def test_files_by_name_and_pattern(site: Site):
    site.start_run()
    for name in ("a.txt", "b.txt", "c.bin"):
        put(site, name, name.encode())
    run = site.run(
        'fileCount some: files(names: ["b.txt", "none"]) { edges { node { name sizeBytes url'
        ' up: url(upload: true) } } } like: files(pattern: "%.txt") { edges { node { name } } }'
        " page: files(first: 2) { edges { node { name } } pageInfo { hasNextPage } }"
    )
    assert run
    assert run["fileCount"] == 3
    found, missing = (edge["node"] for edge in run["some"]["edges"])
    assert (found["name"], found["sizeBytes"]) == ("b.txt", 5)
    # a name that is not there is an open place to upload to
    assert (missing["name"], missing["sizeBytes"], missing["url"]) == ("none", 0, None)
    path = missing["up"].removeprefix("http://127.0.0.1:8080")
    assert site.http.put(path, content=b"x").status_code == 200
    assert files(site)["none"]["sizeBytes"] == 1
    assert [edge["node"]["name"] for edge in run["like"]["edges"]] == ["a.txt", "b.txt"]
    assert run["page"]["pageInfo"]["hasNextPage"] is True


def test_a_file_is_found_by_a_roundabout_name(site: Site):
    site.start_run()
    (made,) = site.gql(CREATE, f=["x.txt"])["createRunFiles"]["files"]
    site.http.put(made["uploadUrl"], content=b"x")
    found = site.run('files(names: ["./x.txt"]) { edges { node { name sizeBytes } } }')
    assert found
    assert found["files"]["edges"] == [{"node": {"name": "x.txt", "sizeBytes": 1}}]


def test_the_key_is_in_no_address(site: Site):
    site.start_run()
    put(site, "a", b"x")
    assert KEY not in json.dumps(files(site))
