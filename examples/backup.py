"""Back up a file: copy it in chunks with a durable cursor, check it, and hand it over.

holdfast run examples/backup.py -p source=README.md -p into=backup
holdfast resume RUN    # after a kill -9 anywhere: goes on in the middle of the file
"""

from pathlib import Path

from holdfast import Retry, attempt, progress, save, saved, sh, step, workflow

CHUNK = 4096


@step("copy {source}")
def copy(source: Path, target: Path):
    """Copy a file; after a crash go on behind the last saved byte."""
    size, at = source.stat().st_size, saved(0)
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as old, target.open("r+b" if at else "wb") as new:
        old.seek(at)
        new.seek(at)
        while chunk := old.read(CHUNK):
            new.write(chunk)
            new.flush()
            at += len(chunk)
            save(at)
            progress(at, size)
    return at


@step("compare {source} and {target}", timeout="10m")
def compare(source: Path, target: Path):
    sh("cmp", source, target)


@step("hand over {target}", retry=Retry(5, first="0.1s", on=(ConnectionError,)))
def hand_over(target: Path):
    if attempt() == 1:
        raise ConnectionError("the pretend storage is busy")
    return sh("cksum", target).out.split()[0]


@workflow
def backup(source: Path = Path(__file__), into: Path = Path("backup")):
    """Copy a file to another place, and be sure of it."""
    target = into / source.name
    size = copy(source, target)
    compare(source, target)
    return {"bytes": size, "checksum": hand_over(target)}
