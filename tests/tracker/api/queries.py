"""The query of the tests of filters."""

from __future__ import annotations

import json
from typing import Any

from tests.tracker.worlds import Site

QUERY = """query($f: JSONString, $o: String, $n: Int, $after: String) {
  project(name: "p", entityName: "local") {
    runCount(filters: $f)
    runs(filters: $f, order: $o, first: $n, after: $after) {
      totalCount edges { node { name } cursor } pageInfo { hasNextPage endCursor }
    }
  }
}"""


def found(site: Site, filter: Any, order: str | None = None, page: int = 2) -> str:
    """Names of the matching runs, read page by page."""
    names, after = "", None
    while True:
        text = json.dumps(filter)
        answer = site.gql(QUERY, f=text, o=order, n=page, after=after)["project"]
        names += "".join(edge["node"]["name"] for edge in answer["runs"]["edges"])
        after = answer["runs"]["pageInfo"]["endCursor"]
        if not answer["runs"]["pageInfo"]["hasNextPage"]:
            break
    assert answer["runCount"] == answer["runs"]["totalCount"] == len(names)
    return names
