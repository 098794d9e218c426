"""What the keys of filters and orders of artifacts stand for."""

from __future__ import annotations

from tracker.api.operands import Operand, column_operand, document_operand, read_time

TAGS = Operand(
    "(SELECT json_group_array(name) FROM collection_tags WHERE collection_id = collections.id)",
    is_list=True,
)
collection_key = column_operand(
    {
        "id": Operand("id"),
        "name": Operand("name"),
        "description": Operand("description"),
        "createdat": Operand("created_at", read=read_time),
        "updatedat": Operand("updated_at", read=read_time),
        "type": Operand("(SELECT name FROM artifact_types WHERE artifact_types.id = type_id)"),
        "tag": TAGS,
        "tags": TAGS,
    }
)
VERSION_COLUMNS = {
    "id": Operand("id"),
    "state": Operand("state"),
    "digest": Operand("digest"),
    "size": Operand("size"),
    "filecount": Operand("file_count"),
    "description": Operand("description"),
    "versionindex": Operand("membership_index"),
    "createdat": Operand("created_at", read=read_time),
    "updatedat": Operand("updated_at", read=read_time),
    "tag": Operand(
        "(SELECT json_group_array(name) FROM artifact_tags WHERE artifact_id = version.id)",
        is_list=True,
    ),
    "alias": Operand(
        "(SELECT json_group_array(alias) FROM aliases WHERE artifact_id = version.id"
        " AND collection_id = member_of)",
        is_list=True,
    ),
}
VERSION_COLUMNS |= {"tags": VERSION_COLUMNS["tag"], "aliases": VERSION_COLUMNS["alias"]}


def version_key(key: str) -> Operand:
    """What a key of a version, such as `alias` or `metadata.rows`, stands for."""
    head, _, rest = key.partition(".")
    if head == "metadata" and rest:
        return document_operand("metadata", rest)
    return column_operand(VERSION_COLUMNS)(key)
