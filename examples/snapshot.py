"""Change a directory of settings, and put all of it back when they turn out to be wrong.

holdfast run examples/snapshot.py
holdfast run examples/snapshot.py -p port=80   # refused: the directory is as it was
holdfast resume RUN                            # after a kill -9 anywhere
"""

from pathlib import Path

from holdfast import preflight, require, step, workflow
from holdfast.ops import snapshot

SETTINGS = Path("settings")
FILES = [SETTINGS / name for name in ("web", "mail", "search")]


@step("write the settings", check=lambda: all(path.exists() for path in FILES))
def build():
    SETTINGS.mkdir(exist_ok=True)
    for path in FILES:
        path.write_text("port = 8000\n")


@step("move everything to port {port}")
def move(port):
    for path in sorted(SETTINGS.iterdir()):
        path.write_text(f"port = {port}\n")
    (SETTINGS / "moved").write_text(str(port))


@workflow
def settings(port: int = 8080):
    build()
    with preflight():
        snapshot(SETTINGS, label="keep the settings")
        move(port)
        require("no port of the system", lambda: port >= 1024)
    return {"port": port}
