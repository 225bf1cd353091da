"""JSON patches that first test what they change, and images and variables as they stand in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdfast.errors import UsageError
from holdfast.integrations.kubernetes.refusals import NotFound
from holdfast.model.json import Json

ABSENT: Final = object()
"""What `at` returns for a path that leads nowhere."""
RESOURCE_VERSION: Final = "/metadata/resourceVersion"
_LISTS: Final = ("containers", "initContainers")


def at(whole: object, pointer: str) -> Any:
    """Return the value at a JSON pointer (RFC 6901), or ABSENT. Raises UsageError for a text that
    is none."""
    if not pointer.startswith("/"):
        raise UsageError(f"{pointer!r} is no JSON pointer: write it as /spec/replicas")
    place: Any = whole
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return ABSENT
    return place


def guarded(
    whole: object, change: Mapping[str, Json], test: Mapping[str, Json]
) -> list[dict[str, Json]]:
    """Return the operations that make `change` true where `test` still is. In both, None is a
    path that leads nowhere. Raises UsageError."""
    tests = {pointer: value for pointer, value in test.items() if value is not None}
    if len(tests) < len(test) and at(whole, RESOURCE_VERSION) is not ABSENT:
        # JSON patch cannot test that nothing is there: `holds` has looked, at this version.
        tests[RESOURCE_VERSION] = at(whole, RESOURCE_VERSION)
    operations: list[dict[str, Json]] = [
        {"op": "test", "path": pointer, "value": value} for pointer, value in tests.items()
    ]
    for pointer, value in change.items():
        is_there = at(whole, pointer) is not ABSENT
        if value is not None:
            name = "replace" if is_there else "add"
            operations.append({"op": name, "path": pointer, "value": value})
        elif is_there:
            operations.append({"op": "remove", "path": pointer})
    return operations


def holds(whole: object, values: Mapping[str, Json]) -> bool:
    """Whether each path has its value, and nothing where that is None."""
    return all(_kept(at(whole, pointer)) == value for pointer, value in values.items())


def seen(whole: object, pointers: Mapping[str, object]) -> dict[str, Json]:
    """Return what stands at each of these paths now, None where nothing does."""
    return {pointer: _kept(at(whole, pointer)) for pointer in pointers}


def container_path(whole: dict[str, Any], container: str | None) -> str:
    """Return the JSON pointer of a container of a pod or workload; without a name, of its only
    one. Raises NotFound and UsageError."""
    base = "/spec" if whole["kind"] == "Pod" else "/spec/template/spec"
    called = f"{whole['kind'].lower()}/{whole['metadata']['name']}"
    found = {
        each["name"]: f"{base}/{kind}/{number}"
        for kind in _LISTS
        for number, each in enumerate(_list(at(whole, f"{base}/{kind}")))
    }
    mains = [name for name, path in found.items() if path.startswith(f"{base}/containers")]
    if container is None:
        if len(mains) != 1:
            raise UsageError(f"{called} has the containers {', '.join(mains)}: give container=")
        return found[mains[0]]
    if container not in found:
        raise NotFound(f"{called} has no container {container!r}: it has {', '.join(found)}")
    return found[container]


def entries(env: Mapping[str, str | None]) -> dict[str, dict[str, Json] | None]:
    """Return variables as they stand in a container, None for those that are not to be there."""
    return {n: None if value is None else {"name": n, "value": value} for n, value in env.items()}


def entries_of(
    whole: dict[str, Any], container: str | None, names: Mapping[str, object]
) -> dict[str, dict[str, Json] | None]:
    """Return the entries of these variables as they are now. Raises NotFound and UsageError."""
    found = at(whole, f"{container_path(whole, container)}/env")
    there = {each["name"]: dict(each) for each in _list(found)}
    return {name: there.get(name) for name in names}


def with_entries(
    found: object, wanted: Mapping[str, dict[str, Json] | None]
) -> list[dict[str, Json]]:
    """Return `env` with these entries in the place of those of the same name; None removes."""
    entries = [dict(each) for each in _list(found)]
    names = [each["name"] for each in entries]
    placed = [wanted.get(each["name"], each) for each in entries]
    new = [each for name, each in wanted.items() if name not in names]
    return [each for each in (*placed, *new) if each is not None]


def _kept(value: Any) -> Json:
    kept: Json = None if value is ABSENT else value
    return kept


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
