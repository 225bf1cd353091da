"""The deliverer in this very process: how often it tries, when it gives up, what it leaves."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from pathlib import Path

import pytest

from holdfast.cli.doctor import diagnose, doctor_lines
from holdfast.integrations import channels, notify, post, spool
from holdfast.integrations.deliver import STALE_S_MAX, deliver
from holdfast.integrations.errand import Errand, Limits, load_errand
from holdfast.integrations.spool import Spool, SpoolFull, undelivered
from holdfast.model.notice import Notify
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.notifiers import sample_notice

QUICK = Limits(pauses_s=(0.01, 0.01), attempt_s=10.0, total_s=20.0, idle_s=0.05)
NOTICE = sample_notice("hold")
TEXT = json.dumps(NOTICE.as_json())
HANGS = "cat >/dev/null; echo $$ >{pids}; sleep 600 & echo $! >>{pids}; wait"


def errand(folder: Path, script: str, limits: Limits = QUICK) -> Errand:
    return Errand(folder / "notices", (), ("sh", "-c", script), str(folder), limits)


def delivered(sent: Errand, *texts: str) -> list[dict[str, str]]:
    """Deliver notices for a driver that is gone already; return the lines about failures."""
    kept = Spool(sent.folder, sent.address)
    for text in texts or (TEXT,):
        kept.put(text)
    ours, theirs = socket.socketpair()
    ours.close()
    deliver(sent, theirs.detach())
    assert [] == list(sent.folder.glob("*.json"))
    failed = sent.folder / spool.FAILED
    return [json.loads(line) for line in failed.read_text().splitlines()] if failed.exists() else []


def test_a_command_reads_the_notice_in_the_folder_of_the_driver(tmp_path):
    """The whole document on stdin, and the working directory that the driver had."""
    assert [] == delivered(errand(tmp_path, "cat >got.json"))

    assert NOTICE.as_json() == json.loads((tmp_path / "got.json").read_text())


def test_a_failing_command_is_tried_a_few_times(tmp_path):
    """Then it is given up, and one line says what it said last; nothing of the notice is left."""
    (line,) = delivered(errand(tmp_path, "echo x >>tries; echo no route >&2; exit 3"))

    assert 3 == len((tmp_path / "tries").read_text().split())
    assert ("r:3:hold", "hold", "r", "command sh", 3, "exit 3: no route") == tuple(
        line[name] for name in ("id", "event", "run", "to", "attempts", "why")
    )


def test_a_command_that_works_again_is_not_given_up(tmp_path):
    """The second attempt delivers it."""
    assert [] == delivered(errand(tmp_path, "test -e tried || { touch tried; exit 1; }"))


def test_a_hopeless_command_is_not_tried_again(tmp_path):
    """Status 69 says that another attempt is of no use."""
    (line,) = delivered(errand(tmp_path, "exit 69"))

    assert (1, "exit 69") == (line["attempts"], line["why"])


def test_a_command_that_is_not_there_is_one_line(tmp_path):
    """A typing error in the configuration fails no run and loops for nobody."""
    wrong = Errand(tmp_path / "n", (), ("no-such-program",), "/", QUICK)
    (line,) = delivered(wrong)

    assert "cannot be started" in line["why"]


def test_a_hanging_command_is_killed_with_its_children(tmp_path):
    """When its time is over its whole group ends, and the deliverer with it."""
    pids = tmp_path / "pids"
    limits = Limits(pauses_s=(), attempt_s=1.0, total_s=5.0, idle_s=0.05)
    (line,) = delivered(errand(tmp_path, HANGS.format(pids=pids), limits))

    assert "it did not end within 1 s" == line["why"]
    assert all(has_ended(int(pid)) for pid in pids.read_text().split())


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that is nobody's here; it was killed a moment ago."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 20.0)[0])
    finally:
        os.close(handle)


def test_what_a_command_leaves_behind_is_killed(tmp_path):
    """A child in the background does not live on, and holds nothing up."""
    pids = tmp_path / "pids"
    assert [] == delivered(errand(tmp_path, f"sleep 600 & echo $! >{pids}"))

    assert has_ended(int(pids.read_text()))


def test_all_attempts_have_one_time_limit(tmp_path):
    """However long the pauses are: the deliverer ends in time."""
    limits = Limits(pauses_s=(600.0,), attempt_s=5.0, total_s=0.2, idle_s=0.05)
    (line,) = delivered(errand(tmp_path, "exit 1", limits))

    assert (1, "exit 1") == (line["attempts"], line["why"])


@pytest.mark.slow
def test_a_channel_that_fails_keeps_no_other_from_its_notice(tmp_path):
    """A command gets the notice once, whatever becomes of a URL beside it."""
    sent = Errand(
        tmp_path / "n", ("nonsense://s3cret",), ("sh", "-c", "echo x >>got"), str(tmp_path), QUICK
    )
    (line,) = delivered(sent)

    assert "x\n" == (tmp_path / "got").read_text()
    assert ("URL 1 (nonsense:)", 1) == (line["to"], line["attempts"])
    assert "s3cret" not in str(line)


@pytest.mark.slow
def test_a_channel_that_hangs_takes_no_others_time(tmp_path):
    """However many notices it holds up, a command has each of them."""
    limits = Limits(pauses_s=(), attempt_s=3.0, total_s=3.0, at_once=1, idle_s=0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/"
        command = ("sh", "-c", "echo x >>got")
        sent = Errand(tmp_path / "n", (url,), command, str(tmp_path), limits)
        lines = delivered(sent, *[TEXT] * 5)

    assert "x\n" * 5 == (tmp_path / "got").read_text()
    assert ["URL 1 (json:)"] * 5 == [line["to"] for line in lines]


def test_a_torn_notice_is_one_line(tmp_path):
    """What a power loss left of a file stops nothing, and does not stay."""
    sent = Errand(tmp_path / "n", ("json://127.0.0.1/",), (), "/", QUICK)
    (line,) = delivered(sent, '{"id": "r:')

    assert line["why"].startswith("JSONDecodeError")


def test_a_stale_notice_is_dropped(tmp_path):
    """What was left a day ago is of no use: it is a line, and no command runs for it."""
    sent = errand(tmp_path, "touch ran")
    Spool(sent.folder, sent.address).put(TEXT)
    (path,) = sent.folder.glob("*.json")
    os.utime(path, times=(0, path.stat().st_mtime - STALE_S_MAX - 1))
    ours, theirs = socket.socketpair()
    ours.close()
    deliver(sent, theirs.detach())

    assert not (tmp_path / "ran").exists()
    assert "over a day old" in (sent.folder / spool.FAILED).read_text()


def test_a_deliverer_with_nothing_to_do_ends(tmp_path):
    """A driver that lives on, and says nothing, keeps no deliverer."""
    ours, theirs = socket.socketpair()
    with ours:
        deliver(errand(tmp_path, "true"), theirs.detach())

        with pytest.raises(ConnectionError):
            ours.send(b"\n", socket.MSG_NOSIGNAL)


def test_a_wake_brings_the_next_notice(tmp_path):
    """A deliverer that has nothing left is told of the next one, and delivers it."""
    sent = errand(tmp_path, "cat >>got; echo >>got", Limits(idle_s=20.0))
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=deliver, args=(sent, theirs.detach()))
    thread.start()
    with ours:
        Spool(sent.folder, sent.address).put(TEXT)
        ours.send(b"\n")
    thread.join(20.0)

    assert NOTICE.as_json() == json.loads((tmp_path / "got").read_text())


def test_no_notice_falls_between_two_deliverers(tmp_path, monkeypatch):
    """A wake that comes when a deliverer has decided to end is followed by one more look."""
    sent = errand(tmp_path, "cat >got")
    ours, theirs = socket.socketpair()

    def quiet_too_early(wakes: int, idle_s: float) -> None:
        Spool(sent.folder, sent.address).put(TEXT)
        ours.send(b"\n")

    monkeypatch.setattr("holdfast.integrations.deliver._next_wake", quiet_too_early)
    with ours:
        deliver(sent, theirs.detach())

    assert NOTICE.as_json() == json.loads((tmp_path / "got").read_text())


def test_two_deliverers_share_what_waits(tmp_path):
    """A notice that one works on is left alone by the other; each goes out once."""
    sent = errand(tmp_path, "cat >/dev/null; echo x >>got")
    kept = Spool(sent.folder, sent.address)
    for _ in range(8):
        kept.put(TEXT)
    ends = [socket.socketpair() for _ in range(2)]
    threads = [threading.Thread(target=deliver, args=(sent, t.detach())) for _, t in ends]
    for (ours, _), thread in zip(ends, threads, strict=True):
        ours.close()
        thread.start()
    for thread in threads:
        thread.join(20.0)

    assert ["x"] * 8 == (tmp_path / "got").read_text().split()


def test_notices_for_others_are_left_alone(tmp_path):
    """In one folder each deliverer takes what goes to its own receivers."""
    other = errand(tmp_path, "touch wrong")
    Spool(other.folder, other.address).put(TEXT)
    mine = errand(tmp_path, "touch right")
    kept = Spool(mine.folder, mine.address)
    kept.put(TEXT)

    assert 1 == len(list(kept.take()))


def test_the_folder_is_bounded(tmp_path, monkeypatch):
    """When receivers are gone for good, no more than so many notices pile up."""
    monkeypatch.setattr(spool, "WAITING_MAX", 3)
    kept = Spool(tmp_path / "n", "a")
    for _ in range(3):
        kept.put(TEXT)

    with pytest.raises(SpoolFull):
        kept.put(TEXT)


def test_lines_about_failures_are_bounded(tmp_path, monkeypatch):
    """The file begins anew when it is full; the one before it is kept, and no other."""
    monkeypatch.setattr(spool, "FAILED_BYTES_MAX", 1_000)
    kept = Spool(tmp_path, "a")
    for n in range(100):
        kept.note_failed(TEXT.encode(), "command x", n, "w" * 5_000)

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert 2 == len(sizes)
    assert max(sizes) < 3_000


def test_what_a_killed_writer_left_is_no_notice(tmp_path):
    """A half-written file is not delivered, and goes away later."""
    kept = Spool(tmp_path, "a")
    part = tmp_path / "a.1-2-3.part"
    part.write_text("{")
    kept.tidy()
    assert part.exists()
    os.utime(part, times=(0, 0))
    kept.tidy()

    assert [] == list(kept.take())
    assert not part.exists()


def test_an_errand_travels_whole(tmp_path):
    """What the deliverer reads is what the driver meant."""
    sent = Errand(tmp_path, ("json://h",), ("a", "b"), "/tmp", Limits(pauses_s=(1.0,)))

    assert sent == load_errand(sent.dump())


def test_a_folder_tells_nothing_of_its_receivers(tmp_path):
    """No password of a URL is in the name of a file, or in the file."""
    sent = Errand(tmp_path, ("slack://s3cret",))
    Spool(tmp_path, sent.address).put(TEXT)
    (path,) = tmp_path.iterdir()

    assert "s3cret" not in path.name + path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777


def test_without_apprise_there_is_one_clear_note(tmp_path, monkeypatch):
    """URLs are not sent, a person reads why, and a command beside them works."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    notes: list[str] = []
    only_urls = Notify(urls=("json://127.0.0.1/",))

    assert notify.open_notifier(only_urls, tmp_path, notes.append) is None
    both = Notify(urls=("json://127.0.0.1/",), command=("true",))
    assert notify.open_notifier(both, tmp_path, notes.append) is not None
    assert 2 == len(notes)
    assert "install holdfast[notify]" in notes[0]


def test_events_that_nobody_wants_go_nowhere(tmp_path):
    """`on` says which events are told."""
    opened = notify.open_notifier(Notify(command=("true",), on=("failed",)), tmp_path, pytest.fail)
    assert opened is not None
    opened.notify(NOTICE)

    assert [] == list(tmp_path.iterdir())


def test_a_program_that_cannot_be_started_is_a_note(tmp_path, monkeypatch):
    """Without a shell, or processes, the run is told once and goes on."""
    notes: list[str] = []
    monkeypatch.setattr(notify, "SHELL", "/no/such/shell")
    opened = notify.open_notifier(Notify(command=("true",)), tmp_path, notes.append)
    assert opened is not None
    opened.notify(NOTICE)
    opened.notify(NOTICE)

    assert 1 == len(notes)
    assert 2 == len(list(tmp_path.iterdir()))


def test_doctor_speaks_of_what_was_not_delivered(tmp_path):
    """A store is healthy all the same; what was given up, and what lies there, is mentioned."""
    place = tmp_path / "h.db"
    SqliteStore(place).close()
    folder = tmp_path / "h.db.notices"
    kept = Spool(folder, "a")
    kept.put(TEXT)
    kept.note_failed(TEXT.encode(), "command sh", 3, "exit 3: no route")
    (old,) = folder.glob("*.json")
    os.utime(old, times=(0, 0))
    folder.chmod(0o700)
    found = diagnose(str(place))

    shown = "\n".join(doctor_lines(found))
    assert found.is_healthy
    assert "1 notice could not be delivered, the last 2" in shown
    assert "hold of r to command sh: exit 3: no route" in shown
    assert f"1 notice in {folder} nobody delivers now" in shown


def test_what_is_being_delivered_is_not_missed(tmp_path):
    """A young notice is on its way; an absent folder holds none."""
    Spool(tmp_path, "a").put(TEXT)

    assert 0 == undelivered(tmp_path, 60.0).waiting
    assert (0, "", 0) == (lambda u: (u.failed, u.last, u.waiting))(
        undelivered(tmp_path / "none", 60.0)
    )


def test_a_url_that_hangs_costs_one_program(tmp_path):
    """Whatever a library does, an attempt is a program with a time limit."""
    with pytest.raises(channels.Undeliverable, match="within 0 s"):
        channels.run(("sh", "-c", "sleep 600"), b"", "/", 0.05)


def test_no_part_of_a_url_is_in_a_line_about_it():
    """Neither as it is written there nor as a service shows what it was given."""
    url = "mailtos://ana:hunt%2Fer2@mail.example.org?to=ops%40example.org"
    said = post._without(url, "login of ana with hunt/er2 (hunt%2Fer2) for\nops@example.org failed")

    assert "login of ana with … (…) for … failed" == said
