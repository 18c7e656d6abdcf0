"""Jobs over a resource that each process opens for itself, in this process or in several.

A job is a function and its arguments; it is called with the process's resource, a function to tell how many entries it
has done, and the arguments. In other processes all of these are pickled.
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
    """This process over ``resource``, and others over what ``open_resource`` gives each: ``processes`` in all."""
    return _Alone(resource) if processes == 1 else _Several(open_resource, resource, processes)


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


_mine: Any = None  # in another process: its resource, and how it counts


def _begin(open_resource: Callable[[], Any], counter: Any) -> None:
    global _mine
    gc.disable()
    _mine = open_resource(), _adder(counter)


def _adder(counter: Any) -> Callable[[int], None]:
    def count(entries: int) -> None:
        with counter.get_lock():
            counter.value += entries

    return count


def _work(job: Job[_T]) -> _T:
    function, arguments = job
    return function(*_mine, *arguments)


class _Several(_Alone):
    """This process and others, which share nothing with it: it may have threads, and they must not be forked."""

    def __init__(self, open_resource: Callable[[], Any], resource: Any, processes: int) -> None:
        super().__init__(resource)
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        self._counter = context.Value("q", 0)
        self._others = processes - 1
        self._executor = ProcessPoolExecutor(self._others, context, _begin, (open_resource, self._counter))

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._executor.shutdown(cancel_futures=True)
        if isinstance(exc[1], BrokenExecutor):
            raise Unavailable("a process of the audit died; nothing is known of the log") from None

    def run(self, jobs: Iterable[Job[_T]], tell: Callable[[int], None]) -> list[_T]:
        waiting: dict[Future[_T], int] = {}
        results: dict[int, _T] = {}
        queue = enumerate(jobs)
        add = _adder(self._counter)

        def count(entries: int) -> None:
            add(entries)
            tell(self._counter.value)

        while True:
            # A job holds its arguments, so none is made before there is somebody to do it.
            own = next(queue, None)
            for number, job in islice(queue, self._others - len(waiting)):
                waiting[self._executor.submit(_work, job)] = number
            if own is not None:
                number, (function, arguments) = own
                results[number] = function(self._resource, count, *arguments)
            elif not waiting:
                return [results[number] for number in sorted(results)]
            done, _ = wait(waiting, timeout=0 if own is not None else 0.2, return_when=FIRST_COMPLETED)
            for future in done:
                results[waiting.pop(future)] = future.result()
            tell(self._counter.value)
