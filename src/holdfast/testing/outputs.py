"""The contract of an output, as tests: every promise of `holdfast.ports.outputs`.

    class TestMine(OutputSuite):
        def make(self, place):
            return MyOutput(place / "results")

        def make_appending(self, place):
            return MyOutput(place / "results", append=True)

`place` is a `pathlib.Path` of an empty directory, once a relative one. An output that has no
`append=True` leaves the second one out: its tests are skipped. What a power cut would leave is not
tried: whether `sync` reaches the disk no test in one process can see.
"""

from __future__ import annotations

import resource
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from holdfast.errors import RunLocked, StoreCorrupt, StoreError, UsageError
from holdfast.flow.batches import each
from holdfast.flow.running import Outcome
from holdfast.flow.workflows import workflow
from holdfast.model.codec import Unrecordable
from holdfast.ports.outputs import KEPT_END, OutputFile
from holdfast.ports.store import Store
from holdfast.stores.memory import MemoryStore
from holdfast.testing.crash import When, live_once, sweep
from holdfast.testing.store_opening import in_threads, raised

AT_ONCE: Final = 8
EACH: Final = 25
"""How many threads write, and how many values each of them."""

ITEMS: Final = 4
"""How many items the batch has that is killed at every place."""

TORN: Final = b"torn"
"""What somebody has left of a line."""


class Outputs(ABC):
    """What the suite needs to know of the output under test, and two ways to use it."""

    @abstractmethod
    def make(self, place: Path) -> OutputFile:
        """Return an output to a file in `place`, not opened. Called again with the same place, it
        returns another one to the same file."""

    def make_appending(self, place: Path) -> OutputFile:
        """Return one to the same file that goes on after what others wrote there."""
        return pytest.skip("it writes to no file of others")

    def value(self, number: int) -> object:
        """Return a value that has a line; another one for each number."""
        return {"n": number, "text": f"line\n{number}"}

    def without_a_line(self) -> object:
        """Return a value that has no line."""
        return object()

    def written(self, out: OutputFile, *numbers: int, length: int | None = None) -> list[int]:
        """Write values from a length on, and return that and the length after each."""
        lengths = [out.open(length), *(out.write(self.value(number)) for number in numbers)]
        out.sync()
        out.close()
        return lengths

    def undisturbed(self, place: Path, *numbers: int) -> bytes:
        """Return what a file holds to which only these values were written."""
        (aside := place / "undisturbed").mkdir()
        out = self.make(aside)
        self.written(out, *numbers)
        return Path(out.path).read_bytes()


class Lines(Outputs):
    """What is written, and what is not."""

    def test_each_value_is_in_the_file_when_write_returns(self, tmp_path: Path) -> None:
        """Whoever looks sees it whole, at the length that was returned: nothing waits in this
        process, and nothing before it has changed."""
        out = self.make(tmp_path)
        assert 0 == out.open(None)
        before = b""
        for number in range(3):
            length = out.write(self.value(number))
            found = Path(out.path).read_bytes()
            assert len(before) < length == len(found)
            assert found.startswith(before) and found.endswith(b"\n")
            before = found
        out.close()

    def test_an_open_output_names_its_file(self, tmp_path: Path, monkeypatch: Any) -> None:
        """By a path that holds from any folder; it has cut off nothing of a new one."""
        monkeypatch.chdir(tmp_path)
        out = self.make(Path())
        out.open(None)
        monkeypatch.chdir("/")

        assert Path(out.path).is_absolute() and Path(out.path).is_file()
        assert 0 == out.cut_bytes
        out.close()

    def test_a_value_without_a_line_writes_nothing(self, tmp_path: Path) -> None:
        """Neither as the first one nor later, and the next value is written."""
        out = self.make(tmp_path)
        length = out.open(None)
        for number in range(2):
            raised(Unrecordable, lambda: out.write(self.without_a_line()))
            assert length == Path(out.path).stat().st_size
            length = out.write(self.value(number))
        out.close()

        assert self.undisturbed(tmp_path, 0, 1) == Path(out.path).read_bytes()

    def test_threads_may_write(self, tmp_path: Path) -> None:
        """Each value is there once and whole, and each length is that after one of them."""
        out, lengths = self.make(tmp_path), list[int]()
        out.open(None)

        def write(thread: int) -> None:
            for number in range(EACH):
                lengths.append(out.write(self.value(thread * EACH + number)))

        in_threads(*(lambda thread=thread: write(thread) for thread in range(AT_ONCE)))
        out.sync()
        out.close()
        found = Path(out.path).read_bytes()
        parts = _parts(found, [0, *sorted(lengths)])

        assert AT_ONCE * EACH == len(set(lengths)) == len(set(parts))
        assert len(found) == max(lengths) and all(part.endswith(b"\n") for part in parts)

    def test_a_full_disk_leaves_no_part_of_a_line(self, tmp_path: Path) -> None:
        """What fitted is cut off again, and with room the same output goes on; or else nothing
        more is written until it was opened anew."""
        out = self.make(tmp_path)
        lengths = [out.open(None), out.write(self.value(0))]
        with _no_room_after(lengths[-1] + 1):
            raised(StoreError, lambda: out.write(self.value(1)))
        is_cut = lengths[-1] == Path(out.path).stat().st_size
        try:
            out.write(self.value(1))
            assert is_cut
        except StoreError:
            out.close()
            self.written(out, 1, length=lengths[-1])
        out.close()

        assert self.undisturbed(tmp_path, 0, 1) == Path(out.path).read_bytes()

    def test_one_writes_at_a_time(self, tmp_path: Path) -> None:
        """Another is refused, and changes nothing, until the first has closed; twice is once."""
        first, second = self.make(tmp_path), self.make(tmp_path)
        first.open(None)
        length = first.write(self.value(0))
        first.sync()
        before = Path(first.path).read_bytes()
        raised(RunLocked, lambda: second.open(length))
        assert before == Path(first.path).read_bytes()
        first.close()
        first.close()

        assert length == second.open(length)
        second.close()


class Lengths(Outputs):
    """From where a later life goes on."""

    def test_what_no_checkpoint_knows_is_cut_off(self, tmp_path: Path) -> None:
        """Also a part of a line; what is written again is as it was, and by the same output too."""
        out = self.make(tmp_path)
        lengths = self.written(out, 0, 1, 2)
        path = Path(out.path)
        whole = path.read_bytes()
        for again in (out, self.make(tmp_path)):
            with path.open("ab") as file:
                file.write(TORN)
            assert lengths[1:] == self.written(again, 1, 2, length=lengths[1])
            assert whole == path.read_bytes()

    def test_a_batch_may_go_back_to_nothing(self, tmp_path: Path) -> None:
        """To an empty file, also where the file is missing by now."""
        out = self.make(tmp_path)
        lengths = self.written(out, 0, 1)
        path = Path(out.path)
        whole = path.read_bytes()
        assert lengths == self.written(self.make(tmp_path), 0, 1, length=0)
        assert whole == path.read_bytes()
        path.unlink()

        assert lengths == self.written(self.make(tmp_path), 0, 1, length=0)
        assert whole == path.read_bytes()

    def test_a_first_life_wants_a_file_of_its_own(self, tmp_path: Path) -> None:
        """One with something in it is refused, and stays as it is."""
        self.written(self.make(tmp_path), 0)
        self.unchanged(tmp_path, UsageError, None)

    def test_a_file_that_lost_lines_is_refused(self, tmp_path: Path) -> None:
        """Shorter than what is recorded, or gone: none is made, and nothing is changed."""
        out = self.make(tmp_path)
        lengths = self.written(out, 0, 1)
        path = Path(out.path)
        path.write_bytes(path.read_bytes()[: lengths[1]])
        self.unchanged(tmp_path, StoreCorrupt, lengths[2])
        path.unlink()
        raised(StoreCorrupt, lambda: self.make(tmp_path).open(lengths[2]))

        assert not path.exists()

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        """Where what is recorded ends within a line of it."""
        lengths = self.written(self.make(tmp_path), 0, 1)

        self.unchanged(tmp_path, StoreCorrupt, lengths[2] - 2)

    def test_what_was_added_to_a_closed_file_is_refused(self, tmp_path: Path) -> None:
        """It is somebody else's. One that is as it was left goes on."""
        out = self.make(tmp_path)
        *_, length = self.written(out, 0)
        again = self.make(tmp_path)
        assert length == again.open(length, is_closed=True)
        again.close()
        with Path(out.path).open("ab") as file:
            file.write(b"another line\n")

        self.unchanged(tmp_path, StoreCorrupt, length, is_closed=True)

    def unchanged(
        self, place: Path, error: type[Exception], length: int | None, *, is_closed: bool = False
    ) -> None:
        """Open the file, which is refused with this error and left as it is, and not locked."""
        files = [path for path in place.iterdir() if path.is_file()]
        before = {path: path.read_bytes() for path in files}
        for _ in range(2):
            raised(error, lambda: self.make(place).open(length, is_closed=is_closed))

        assert before == {path: path.read_bytes() for path in place.iterdir() if path.is_file()}


class Shared(Outputs):
    """Files to which others write too, in between."""

    def test_what_is_there_stays(self, tmp_path: Path) -> None:
        """A first life begins after the last whole line; what follows that is kept beside."""
        out = self.make_appending(tmp_path)
        *_, length = self.written(out, 0)
        path = Path(out.path)
        before = path.read_bytes()
        path.write_bytes(before + TORN)
        again = self.make_appending(tmp_path)
        assert length == again.open(None)
        assert (len(TORN), TORN) == (again.cut_bytes, self.kept(path))
        again.write(self.value(1))
        again.close()

        assert path.read_bytes().startswith(before)

    def test_lines_of_others_stay_between_lives(self, tmp_path: Path) -> None:
        """After a life that was left in order they are somebody else's, and one goes on behind
        them; after one that was killed they may be its own: cut off, and kept beside."""
        out = self.make_appending(tmp_path)
        *_, first = self.written(out, 0)
        *_, second = self.written(self.make_appending(tmp_path), 1)
        path = Path(out.path)
        whole = path.read_bytes()
        left = self.make_appending(tmp_path)
        assert second == left.open(first, is_closed=True)
        left.close()
        assert whole == path.read_bytes() and not left.cut_bytes
        killed = self.make_appending(tmp_path)
        assert first == killed.open(first)
        killed.close()

        assert (second - first, whole[first:]) == (killed.cut_bytes, self.kept(path))
        assert whole[:first] == path.read_bytes()

    def kept(self, path: Path) -> bytes:
        """Return what was last cut off the file and is kept beside it."""
        return Path(f"{path}{KEPT_END}").read_bytes().removesuffix(b"\n")


class InBatches(Outputs):
    """As the `out=` of a batch."""

    def test_each_result_is_written_once_wherever_a_batch_is_killed(self, tmp_path: Path) -> None:
        """Beside every effect of its first life, and stopped half-way in all others: in the end
        the file is as it would be without that."""
        places = (tmp_path / f"{number}" for number in count())
        out = [self._in(next(places))]

        @workflow
        def batch() -> int:
            return each(
                range(ITEMS), self.value, name="item", out=out[0], order="input", stop_after=2
            ).done

        def verdict(outcome: Outcome | None, at: int, when: When, store: Store) -> None:
            while outcome is None or outcome.status == "stopped":
                outcome, _ = live_once(batch, store)
            assert "succeeded" == outcome.status, f"killed {when} effect {at}: {outcome.reason}"
            assert whole == Path(out[0].path).read_bytes(), f"killed {when} effect {at}"

        def reset() -> None:
            out[0] = self._in(next(places))

        whole = self.undisturbed(tmp_path, *range(ITEMS))
        sweep(batch, MemoryStore, verdict, reset=reset)

    def _in(self, place: Path) -> OutputFile:
        place.mkdir()
        return self.make(place)


class OutputSuite(Lines, Lengths, Shared, InBatches):
    """Every promise of `ports.outputs`; subclass it, say how to `make`, and run it with pytest."""


def _parts(content: bytes, ends: Sequence[int]) -> list[bytes]:
    return [content[start:end] for start, end in pairwise(ends)]


@contextmanager
def _no_room_after(length: int) -> Iterator[None]:
    """Let no file of this process grow beyond a length: what a full disk does to a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
