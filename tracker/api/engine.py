"""GraphQL: parse, bound, validate, execute. Resolvers are plain functions `(source, info, **args)`
registered by type and field name; a field without one is read from its source, a mapping whose
keys are the field's name in snake_case.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    MiddlewareManager,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    execute_sync,
    get_argument_values,
    get_named_type,
    get_operation_ast,
    is_leaf_type,
    parse,
    type_from_ast,
    validate,
)

from tracker import documents
from tracker.context import Context
from tracker.errors import RequestError
from tracker.store.passing import passing
from tracker.work import EndedError, weigh

log = logging.getLogger(__name__)

Resolvers = Mapping[str, Mapping[str, Callable[..., Any]]]

MAX_QUERY_CHARS = 100_000
MAX_TOKENS = 10_000
MAX_DEPTH = 20  # the client's deepest query has 11, a full introspection 13
MAX_FIELDS = 1_000  # fragments expanded; the client's largest query has about 90
MAX_ALIASES = 30
CACHED_QUERIES = 128  # the client has about a hundred
CACHED_CHARS = 10_000  # of a query; parsed, each takes a hundred times as much


def load_schema(*parts: Resolvers) -> GraphQLSchema:
    """The SDL with its resolvers; a resolver for a field that the SDL lacks is an error."""
    schema = build_schema((Path(__file__).with_name("schema.graphql")).read_text())
    for resolvers in parts:
        for type_name, fields in resolvers.items():
            target = schema.type_map[type_name]
            if isinstance(target, (GraphQLInterfaceType, GraphQLUnionType)):
                target.resolve_type = fields["__resolve_type__"]
                continue
            assert isinstance(target, GraphQLObjectType), type_name
            for name, resolver in fields.items():
                target.fields[name].resolve = resolver
    scalar(schema, "DateTime").serialize = format_time
    scalar(schema, "JSONString").parse_value = read_json_text
    return schema


def scalar(schema: GraphQLSchema, name: str) -> GraphQLScalarType:
    found = schema.type_map[name]
    assert isinstance(found, GraphQLScalarType)
    return found


def read_json_text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError(f"a JSON document in a text is wanted, not {value!r:.80}")
    return documents.cleaned(value)


def format_time(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """`displayName` -> `display_name`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", name).lower()


def read_field(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """The default resolver: the column, in snake_case, of a row; called where it is a function."""
    value = source.get(snake_case(info.field_name)) if isinstance(source, Mapping) else None
    return value(info, **arguments) if callable(value) else value


def sibling_arguments(info: GraphQLResolveInfo, name: str) -> dict[str, Any]:
    """Arguments that the query gives to field `name` of the object that is being resolved.

    Clients take some counts (`fileCount`, `totalSweeps`) for the length of a list beside it, which
    has a filter that the count has no argument for. {} where the list is not asked for, or is in
    several ways.
    """
    selections = [info.operation.selection_set]
    for key in info.path.as_list()[:-1]:
        if isinstance(key, str):
            fields = [field for part in selections for field in fields_of(part, info.fragments)]
            selections = [
                field.selection_set
                for field in fields
                if field.selection_set and key == (field.alias or field.name).value
            ]
    definition = info.parent_type.fields[name]
    found = [
        get_argument_values(definition, field, info.variable_values)
        for part in selections
        for field in fields_of(part, info.fragments)
        if field.name.value == name
    ]
    return found[0] if found and all(one == found[0] for one in found) else {}


def fields_of(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """The fields of a selection, those of its fragments included."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from fields_of(node.selection_set, fragments)
        elif isinstance(node, FragmentSpreadNode):
            yield from fields_of(fragments[node.name.value].selection_set, fragments)


def count_work(
    resolve: Callable[..., Any], source: Any, info: GraphQLResolveInfo, **arguments: Any
) -> Any:
    """Around every resolver: charges its value to the query's budget."""
    work = info.context.work
    work.step()
    value = resolve(source, info, **arguments)
    if isinstance(value, str):
        work.chars -= len(value)
    elif isinstance(value, (list, dict)) and is_leaf_type(get_named_type(info.return_type)):
        work.chars -= weigh(value)  # rows of objects are charged field by field
    return value


class QueryEngine:
    """Executes queries against one schema; parsing and validation are cached by query text."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._prepare_cached = lru_cache(maxsize=CACHED_QUERIES)(self._prepare_uncached)
        self._count_work = MiddlewareManager(count_work)

    def _prepare(self, query: str) -> DocumentNode:
        cached = len(query) <= CACHED_CHARS
        return self._prepare_cached(query) if cached else self._prepare_uncached(query)

    def _prepare_uncached(self, query: str) -> DocumentNode:
        document = parse(query, no_location=True, max_tokens=MAX_TOKENS)
        check_bounds(document)
        errors = validate(self.schema, document, max_errors=5)
        if errors:
            raise InvalidError(errors)
        return document

    def run(self, body: Any, context: Context) -> tuple[int, dict[str, Any]]:
        """HTTP status and answer for a request body: 5xx, on which clients try again almost for
        ever, only where that may help, or where the server ends.
        """
        try:
            query, variables, operation_name = read_request(body)
            document = self._prepare(query)
            operation = get_operation_ast(document, operation_name)
            if operation is None:
                raise RequestError("operationName names no operation of this document")
            variables = prune_variables(self.schema, operation, variables)
        except InvalidError as error:
            return 400, {"errors": [{"message": e.message} for e in error.errors]}
        except (GraphQLError, RequestError, RecursionError) as error:
            message = error.message if isinstance(error, GraphQLError) else str(error)
            return 400, {"errors": [{"message": message}]}
        try:
            context.work.begin()
            with context.store.bounded(context.work.over):
                result = execute_sync(
                    self.schema,
                    document,
                    context_value=replace(context, operation_name=operation_name or ""),
                    variable_values=variables,
                    operation_name=operation_name,
                    field_resolver=read_field,
                    middleware=self._count_work,
                )
            context.work.check()
        except EndedError as error:
            return error.status, {"errors": [{"message": str(error)}]}
        return answer(result)


class InvalidError(Exception):
    def __init__(self, errors: Iterable[GraphQLError]) -> None:
        self.errors = list(errors)


def answer(result: ExecutionResult) -> tuple[int, dict[str, Any]]:
    """HTTP status and answer for what was executed; errors of the program are logged."""
    if not result.errors:
        return 200, {"data": result.data}
    status, messages = 400, []
    for error in result.errors:
        cause = error.original_error
        if isinstance(cause, RequestError):
            status = max(status, cause.status)
        elif isinstance(cause, OverflowError):
            error.message = f"a number is out of range: {cause}"
        elif isinstance(cause, UnicodeEncodeError):
            half = ord(cause.object[cause.start])
            error.message = f"half of a character (U+{half:X}) is not text"
        elif again := passing(cause):
            status = max(status, again)
            log.error("resolver %s: %s", error.path, cause)
        elif cause is not None and error.path:
            log.error("resolver %s failed", error.path, exc_info=cause)
        text = str(cause) if isinstance(cause, RequestError) else error.message
        messages.append({"message": text, "path": error.path})
    return status, {"data": result.data, "errors": messages}


def read_request(body: Any) -> tuple[str, dict[str, Any], str | None]:
    """Query, variables and operation name of a request body."""
    if not isinstance(body, dict):
        raise RequestError("expected one JSON object with `query`; batches are not served")
    query, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(query, str) or not query.strip():
        raise RequestError("`query` is missing")
    if len(query) > MAX_QUERY_CHARS:
        raise RequestError(f"`query` is longer than {MAX_QUERY_CHARS} characters")
    if not isinstance(variables, dict):
        raise RequestError("`variables` must be an object")
    return query, variables, body.get("operationName") or None


def check_bounds(document: DocumentNode) -> None:
    """Refuses what would be costly to validate or execute, before either is tried."""
    fragments = {
        node.name.value: node.selection_set
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    measured: dict[str, tuple[int, int, int]] = {}

    def measure(selections: SelectionSetNode, open_names: tuple[str, ...]) -> tuple[int, int, int]:
        fields = aliases = depth = 0
        for node in selections.selections:
            inner: tuple[int, int, int] = (0, 0, 0)
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name in open_names:
                    raise RequestError(f"fragment {name} contains itself")
                if name in fragments and name not in measured:
                    measured[name] = measure(fragments[name], (*open_names, name))
                inner = measured.get(name, inner)
            elif isinstance(node, (FieldNode, InlineFragmentNode)) and node.selection_set:
                inner = measure(node.selection_set, open_names)
            own = isinstance(node, FieldNode)
            fields += inner[0] + own
            aliases += inner[1] + (own and node.alias is not None)
            depth = max(depth, inner[2] + own)
        return fields, aliases, depth

    for node in document.definitions:  # fragments too: one that is not used is validated as well
        if isinstance(node, (OperationDefinitionNode, FragmentDefinitionNode)):
            fields, aliases, depth = measure(node.selection_set, ())
            for what, found, limit in (
                ("aliases", aliases, MAX_ALIASES),
                ("fields", fields, MAX_FIELDS),
                ("levels", depth, MAX_DEPTH),
            ):
                if found > limit:
                    raise RequestError(f"the query has {found} {what}; at most {limit} are served")


def prune_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: dict[str, Any]
) -> dict[str, Any]:
    """Drops input-object fields that the SDL lacks: newer clients send all that they know of."""
    kept = dict(variables)
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in kept:
            kept[name] = prune(kept[name], type_from_ast(schema, definition.type))
    return kept


def prune(value: Any, kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(kind, GraphQLList) and isinstance(value, list):
        return [prune(item, kind.of_type) for item in value]
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        return {k: prune(v, kind.fields[k].type) for k, v in value.items() if k in kind.fields}
    return value
