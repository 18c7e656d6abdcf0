"""Jobs over a resource that each process opens for itself, in this process or in several.

A job is a function and its arguments; it is called with the process's resource, a function to tell how many entries it
has done, and the arguments. In several processes all of these are pickled.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypeVar

from ledger.errors import Unavailable

_T = TypeVar("_T")
Job: TypeAlias = "tuple[Callable[..., _T], tuple[Any, ...]]"


class Pool(Protocol):
    """Runs jobs until left."""

    def run(self, jobs: Iterable[Job[_T]], tell: Callable[[int], None]) -> list[_T]:
        """Results in the order of the jobs; ``tell`` hears how many entries are done."""

    def __enter__(self) -> Pool: ...

    def __exit__(self, *exc: object) -> None: ...


def pool(open_resource: Callable[[], Any], resource: Any, processes: int) -> Pool:
    """Workers over ``resource``, or over what ``open_resource`` gives each of several processes."""
    return _Alone(resource) if processes == 1 else _Several(open_resource, processes)


class _Alone:
    """Everything in this process. The collector would walk millions of objects that hold no cycles: it waits."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource
        self._collecting = gc.isenabled()

    def __enter__(self) -> _Alone:
        gc.disable()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._collecting:
            gc.enable()

    def run(self, jobs: Iterable[Job[_T]], tell: Callable[[int], None]) -> list[_T]:
        done = 0

        def count(entries: int) -> None:
            nonlocal done
            done += entries
            tell(done)

        return [function(self._resource, count, *arguments) for function, arguments in jobs]


_mine: Any = None  # in a worker: its reader, and how it counts


def _begin(open_resource: Callable[[], Any], counter: Any) -> None:
    global _mine
    gc.disable()

    def count(entries: int) -> None:
        with counter.get_lock():
            counter.value += entries

    _mine = open_resource(), count


def _work(job: Job[_T]) -> _T:
    function, arguments = job
    return function(*_mine, *arguments)


class _Several:
    """Processes of their own, which share nothing with this one: it may have threads, and they must not be forked."""

    def __init__(self, open_resource: Callable[[], Any], processes: int) -> None:
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        self._counter = context.Value("q", 0)
        self._ahead = 2 * processes
        self._executor = ProcessPoolExecutor(processes, context, _begin, (open_resource, self._counter))

    def __enter__(self) -> _Several:
        return self

    def __exit__(self, *exc: object) -> None:
        self._executor.shutdown(cancel_futures=True)
        if isinstance(exc[1], BrokenExecutor):
            raise Unavailable("a process of the audit died; nothing is known of the log") from None

    def run(self, jobs: Iterable[Job[_T]], tell: Callable[[int], None]) -> list[_T]:
        waiting: dict[Future[_T], int] = {}
        results: dict[int, _T] = {}
        queue = enumerate(jobs)
        while True:
            # A job holds its arguments: only so many are made ahead as keep every process busy.
            for number, job in islice(queue, self._ahead - len(waiting)):
                waiting[self._executor.submit(_work, job)] = number
            if not waiting:
                return [results[number] for number in sorted(results)]
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                results[waiting.pop(future)] = future.result()
            tell(self._counter.value)
