"""The three kinds of patches of the Kubernetes API, as pure functions."""

from __future__ import annotations

import copy
from typing import Any

from kube_objects import Object, Refused

MERGE_KEYS = ("name", "type", "containerPort", "key", "uid")
"""What tells the elements of a list apart in a strategic merge patch, first match."""


def json_patched(item: Object, operations: list[Object], called: str) -> Object:
    """Return the object after a JSON patch (RFC 6902). Raises Refused (422) when a `test` or a
    path does not hold."""
    item = copy.deepcopy(item)
    for operation in operations:
        parts = [_unescaped(part) for part in operation["path"].split("/")[1:]]
        place: Any = item
        try:
            for part in parts[:-1]:
                place = place[int(part)] if isinstance(place, list) else place[part]
            _apply(operation["op"], place, parts[-1], operation.get("value"))
        except (KeyError, IndexError, ValueError, TypeError):
            told = f"the server rejected our request due to an error in our request: {called}"
            raise Refused(422, "Invalid", told) from None
    return item


def merged(item: Any, change: Any, *, is_strategic: bool = False) -> Any:
    """Return a value after a merge patch (RFC 7386), or a strategic one."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(item) if isinstance(item, dict) else {}
    for key, value in change.items():
        if is_strategic and key.startswith("$"):
            continue
        found = result.get(key)
        if value is None:
            result.pop(key, None)
        elif is_strategic and isinstance(value, list) and _merge_key(value):
            result[key] = _list_merged(found or [], value)
        else:
            result[key] = merged(found, value, is_strategic=is_strategic)
    return result


def _apply(name: str, place: Any, part: str, value: Any) -> None:
    if isinstance(place, list):
        if name == "add":
            place.insert(len(place) if part == "-" else int(part), value)
            return
        spot: Any = int(part)
    else:
        spot = part
    if name == "add":
        place[spot] = value
    elif name == "replace":
        place[spot]  # a path that is not there is an error
        place[spot] = value
    elif name == "remove":
        del place[spot]
    elif name != "test" or place[spot] != value:
        raise ValueError(name)


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _merge_key(value: list[Any]) -> str | None:
    elements = [each for each in value if isinstance(each, dict)]
    if not elements or len(elements) != len(value):
        return None
    return next((key for key in MERGE_KEYS if all(key in each for each in elements)), None)


def _list_merged(found: list[Any], change: list[Any]) -> list[Any]:
    key = _merge_key(change)
    assert key is not None
    result = {each[key]: each for each in found}
    for each in change:
        if each.get("$patch") == "delete":
            result.pop(each[key], None)
        else:
            result[each[key]] = merged(result.get(each[key]), each, is_strategic=True)
    return list(result.values())
