"""A step of two programs: one leaves a child, the other is there when its driver dies."""

from __future__ import annotations

import os

from holdfast import sh, step, workflow


@step
def linger() -> None:
    sh("sh", "-c", 'sleep 60 >/dev/null 2>&1 & echo "$!" >>"$LEFT"')
    sh("sh", os.environ["WORK"])


@workflow
def lingers() -> None:
    linger()
