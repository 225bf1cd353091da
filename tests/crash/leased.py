"""Run or go on with a run as `holdfast run` does, but with a lease of a test's choosing.

python leased.py LEASE_S FILE:WORKFLOW RUN [JSON PARAMETERS]
"""

from __future__ import annotations

import json
import sys

from holdfast.app.loading import load_workflow
from holdfast.app.nobody import Nobody
from holdfast.app.starting import Setting, start
from holdfast.cli.live import Lines
from holdfast.errors import HoldfastError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.ownership import this_person
from holdfast.wiring import open_store


def main(lease: str, script: str, run: str, params: str = "{}") -> int:
    lease_s, lines = float(lease), Lines(sys.stderr)
    try:
        store = open_store(lease_s=lease_s)
        setting = Setting(
            store,
            SystemClock(),
            Nobody(),
            this_person(),
            (lines,),
            lines.note,
            lines.begin,
            lease_s=lease_s,
        )
        outcome = start(setting, load_workflow(script), json.loads(params), id=run)
        store.close()
    except HoldfastError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    print(outcome.status, outcome.reason, file=sys.stderr)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
