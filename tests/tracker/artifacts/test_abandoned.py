"""Uploads that nobody commits are removed, and no others."""

from __future__ import annotations

from tests.tracker.artifact_world import COMMIT, Writer, md5
from tests.tracker.worlds import Site
from tracker.app import clear


def kept(site: Site) -> tuple[int, int, int, int]:
    """Versions, manifests, rows of their files, and contents on disk."""
    with site.store.read() as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("artifacts", "manifests", "artifact_files")
        ]
    on_disk = sum(path.is_file() for path in (site.folder / "blobs").glob("??/*"))
    return counts[0], counts[1], counts[2], on_disk


def clear_after(site: Site, seconds: float) -> None:
    site.now += seconds
    clear(site.server)


def test_an_upload_that_nobody_commits_is_removed_when_its_grace_is_over(writer: Writer):
    site, grace = writer.site, writer.site.settings.upload_grace
    writer.log("ds", {"a": b"0", "shared": b"both"})
    whole = kept(site)
    made = writer.create("ds", "d1")
    writer.upload(made["id"], {"b": b"1", "shared": b"both"})
    writer.manifest(made["id"], {"b": {"digest": md5(b"1"), "size": 1}})
    site.stream(complete=True, exitcode=1)
    clear_after(site, grace - 1)
    assert kept(site) == (2, 2, 4, whole[3] + 2)
    clear_after(site, 2)
    assert kept(site) == whole
    assert "no such artifact" in site.refused(COMMIT, id=made["id"])
    assert writer.log("ds", {"b": b"1"})["versionIndex"] == 1  # it can be logged again


def test_a_slow_upload_is_not_removed(writer: Writer):
    """Each part that comes keeps it; so does the run that makes it, while it lives."""
    site, grace = writer.site, writer.site.settings.upload_grace
    made = writer.create("ds", "d1")
    clear_after(site, 2 * grace)
    site.stream(complete=True, exitcode=0)
    for i in range(4):
        writer.upload(made["id"], {f"f{i}": str(i).encode()})
        clear_after(site, grace * 0.9)
    contents = {f"f{i}": {"digest": md5(str(i).encode()), "size": 1} for i in range(4)}
    writer.manifest(made["id"], contents)
    clear_after(site, grace * 0.9)
    assert writer.commit(made["id"])["state"] == "COMMITTED"
    clear_after(site, 9 * grace)
    assert kept(site)[:3] == (1, 1, 4)


def test_a_clock_that_was_set_back_does_not_keep_an_upload(writer: Writer):
    site, grace = writer.site, writer.site.settings.upload_grace
    made = writer.create("ds", "d1")
    writer.upload(made["id"], {"b": b"1"})
    site.stream(complete=True, exitcode=1)
    site.tick(-1e7)
    clear_after(site, grace + 1)
    assert kept(site) == (0, 0, 0, 0)
