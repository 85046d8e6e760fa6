"""A request's query, checked against its method's parameters; either spelling of a name is known by the document's."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from infra.emulator.discovery import Document, Method
from infra.emulator.scalars import UnfitError, scalar
from infra.emulator.spelling import snake_case
from infra.emulator.validation import Check


def checked_query(
    document: Document, method: Method, query: Sequence[tuple[str, str]], *, lenient: bool = False
) -> dict[str, list[str]]:
    """Return the query by the document's names; raises ApiError 400 for names that it lacks."""
    if not query:
        return {}
    in_query = tuple(name for name, schema in method.parameters.items() if schema.get("location") == "query")
    names = _spellings(in_query)
    check = Check({}, keep_nulls=False, lenient=lenient or document.api == "storage")  # storage ignores unknown names
    known: dict[str, list[str]] = {}
    for name, value in query:
        if parameter := names.get(name):
            known.setdefault(parameter, []).append(_parameter(check, method, parameter, value))
        elif not _is_system(document, name):
            _unknown_parameter(check, name)
    check.finish()
    return known


def _parameter(check: Check, method: Method, name: str, value: str) -> str:
    try:
        checked = scalar(method.parameters[name], value) if value else value
        return str(checked).lower() if isinstance(checked, bool) else str(checked)
    except UnfitError as error:
        check.refuse(snake_case(name), f"Invalid value at '{snake_case(name)}' ({error.kind}), {error.tail}")
        return value


def _unknown_parameter(check: Check, name: str) -> None:
    problem = f"Cannot bind query parameter. Field '{name}' could not be found in request message."
    message = f'Invalid JSON payload received. Unknown name "{name}": {problem}'
    if not check.lenient:
        check.refuse("", message)


@lru_cache(maxsize=1024)
def _spellings(names: tuple[str, ...]) -> Mapping[str, str]:
    return {spelling: name for name in names for spelling in (name, snake_case(name))}


def _is_system(document: Document, name: str) -> bool:
    return name.startswith("$") or name in document.system_parameters
