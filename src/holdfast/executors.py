"""Executors of other systems for `each(executor=…)`, set so that they repeat nothing themselves.

A batch counts what an item's attempts cost; a scheduler that runs an item again by itself would
undo that. So these hand every failure back at once, and a worker that died as what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client


def dask(client: Client) -> Executor:
    """Return an executor whose items are done by the workers of a Dask cluster.

    It does as many chunks at once as the cluster has threads now; say another number with
    `at_once=`. The scheduler is told, for all its clients, to give up a task whose worker died
    (allowed-failures 0): the batch runs what such a worker had in hand alone, in a process on the
    driver's machine. `each` refuses a `timeout=` with it: nobody can end what a worker is at. The
    workers must have this version of holdfast and be able to load the script; the client stays the
    caller's to close.
    """
    untyped: Any = client
    untyped.run_on_scheduler(_allow_no_failures)
    return _Dask(untyped)


def _allow_no_failures(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0


class _Dask(Executor):
    """A cluster as an executor. `_max_workers` is where a batch looks for its size."""

    def __init__(self, client: Any) -> None:
        self._inner: Executor = client.get_executor(pure=False, retries=0)
        self._max_workers = max(1, sum(client.nthreads().values()))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        told: Future[Any] = Future()
        told.set_running_or_notify_cancel()
        self._inner.submit(fn, *args, **kwargs).add_done_callback(lambda done: _tell(done, told))
        return told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster as it is: it is the caller's."""


def _tell(done: Future[Any], told: Future[Any]) -> None:
    """Hand on what came of a task, a dead worker in the words of every pool."""
    from distributed import KilledWorker

    try:
        told.set_result(done.result())
    except KilledWorker as error:
        gone = BrokenExecutor(f"its worker {error.last_worker} died")
        gone.__cause__ = error
        told.set_exception(gone)
    except BaseException as error:
        told.set_exception(error)
