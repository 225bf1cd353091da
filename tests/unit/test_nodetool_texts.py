"""What three releases of nodetool print is read exactly, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit import nodetool_texts as t

from holdfast.integrations.nodetool import (
    Schema,
    UnreadableOutput,
    info_of,
    is_running,
    made_at,
    mode_of,
    release_of,
    ring_of,
    schema_of,
    snapshots_of,
)


@pytest.mark.parametrize(
    ("text", "expected", "agrees"),
    [
        (t.CLUSTER_311, Schema({t.A: ("10.0.0.1", "10.0.0.2", "10.0.0.3")}, ()), True),
        (
            t.CLUSTER_311_SPLIT,
            Schema({t.A: ("10.0.0.1",), t.B: ("10.0.0.2",)}, ("10.0.0.3", "10.0.0.4")),
            False,
        ),
        (
            t.CLUSTER_40,
            Schema({t.A: ("127.0.0.1:9000", "127.0.0.1:7000")}, ("127.0.0.1:8100",)),
            False,
        ),
        (t.CLUSTER_41, Schema({t.A: ("10.0.0.1", "10.0.0.2")}, ()), True),
    ],
)
def test_schema_versions_and_who_cannot_be_reached(
    text: str, expected: Schema, agrees: bool
) -> None:
    """Of 3.11, 4.0 with ports, and 4.1; nobody agrees with a node that cannot be asked."""
    found = schema_of(text)

    assert expected == found
    assert agrees is found.agrees


def test_the_nodes_of_two_data_centres_in_every_state() -> None:
    """Racks and data centres may have spaces; unknown load and ownership are no numbers."""
    found = ring_of(t.STATUS_TWO_DCS)

    assert ["UN", "DN", "UJ", "UL", "UM", "?N"] == [m.status + m.state for m in found]
    assert ["eu west"] * 3 + ["us"] * 3 == [m.datacenter for m in found]
    assert ["rack one", "rack one", "r2", "r1", "r1", "r1"] == [m.rack for m in found]
    assert [256, 256, 16, 256, 256, 256] == [m.tokens for m in found]
    assert {None} == {m.owns for m in found}
    assert ["10.0.0.1"] == [m.address for m in found if m.is_up_normal]


@pytest.mark.parametrize(
    ("text", "owns", "tokens"),
    [(t.STATUS_OWNS, [66.7, 33.3], [4, 16]), (t.STATUS_NO_VNODES, [None], [1])],
)
def test_columns_change_with_ownership_and_tokens(
    text: str, owns: list[float | None], tokens: list[int]
) -> None:
    """With a keyspace there is a percentage, without vnodes a token; a comma is a decimal point."""
    found = ring_of(text)

    assert owns == [m.owns for m in found]
    assert tokens == [m.tokens for m in found]
    assert all(m.is_up_normal for m in found)


@pytest.mark.parametrize(
    ("text", "tags", "made"),
    [
        (t.SNAPSHOTS_NONE, [], []),
        (
            t.SNAPSHOTS_311,
            ["1700000000000", "nightly", "truncated-1514764800-ordersshop"],
            [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), None, None],
        ),
        (t.SNAPSHOTS_40, ["nightly-20240115"], [None]),
        (
            t.SNAPSHOTS_41,
            ["nightly-1", "brief", "old"],
            [
                datetime(2024, 1, 15, 10, 30, 0, 123000, tzinfo=UTC),
                datetime(2024, 1, 16, 10, 30, tzinfo=UTC),
                None,
            ],
        ),
    ],
)
def test_snapshots_and_when_they_were_made(
    text: str, tags: list[str], made: list[datetime | None]
) -> None:
    """4.1 says when; before, only a tag that nobody chose does. A long tag of 3.11 is readable."""
    found = snapshots_of(text)

    assert tags == [kept.tag for kept in found]
    assert made == [made_at(kept) for kept in found]


def test_info_of_old_and_new_releases() -> None:
    """Thrift is gone; what cannot be told is None."""
    old, new = info_of(t.INFO_311), info_of(t.INFO_41)

    assert (True, True, "eu west", "rack one", 8231, 2) == (
        old.gossip, old.native, old.datacenter, old.rack, old.uptime_s, old.exceptions
    )  # fmt: skip
    assert (False, False, None, None) == (new.gossip, new.native, new.uptime_s, new.exceptions)


def test_words_of_one_line() -> None:
    """Release, mode and whether a service runs."""
    assert "4.1.3" == release_of("ReleaseVersion: 4.1.3\n")
    assert "DRAINED" == mode_of(t.NETSTATS.format("DRAINED"))
    assert [True, False] == [is_running("x", says) for says in ("running\n", "not running\n")]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (schema_of, ""),
        (schema_of, "\tSchema versions:\n\t\tUNREACHABLE: [10.0.0.3]\n"),
        (schema_of, "\tSchema versions:\nStats for all nodes:\n"),
        (ring_of, ""),
        (ring_of, t.STATUS_TWO_DCS.replace("142.02 KiB", "lots")),
        (ring_of, "UN  10.0.0.1   142.02 KiB  256          ?       id  r\n"),
        (snapshots_of, ""),
        (snapshots_of, t.SNAPSHOTS_311.partition("Total")[0]),
        (snapshots_of, t.SNAPSHOTS_41.replace("5.09 KiB", "some")),
        (release_of, "4.1.3"),
        (mode_of, "Not sending any streams."),
        (lambda text: is_running("statusbinary", text), "maybe"),
        (info_of, t.INFO_41.replace("false", "perhaps")),
        (info_of, ""),
    ],
)
def test_what_no_release_prints_is_refused(read: Callable[[str], Any], text: str) -> None:
    """Also what was cut short: nothing is guessed about a database."""
    with pytest.raises(UnreadableOutput):
        read(text)
