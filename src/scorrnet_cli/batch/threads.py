"""Work that goes on beside the measurement: getting things ready ahead of it, and putting results away behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # frames decoded before they are needed
_LOOK_S = 0.1  # how often a thread that cannot go on looks whether it should end


class _End:
    """Stands behind the last item; carries what ended it, if that was an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], depth: int = AHEAD, hurry: Callable[[], None] = lambda: None) -> Generator[T]:
    """Give the items while a thread already gets the next ones.

    Parameters
    ----------
    items : iterable
        Iterated in the thread, and closed there.
    depth : int
        How many items may wait.
    hurry : callable
        Called when no further item is wanted, so that the iteration does not wait for one.

    Yields
    ------
    object
        Each of the items in order; then what the iteration raises, if it does, is raised here.
    """
    waiting: Queue[T | _End] = Queue(depth)
    stop = Event()
    thread = Thread(target=_fill, args=(items, waiting, stop), name="scorrnet-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        hurry()
        thread.join()


def _fill(items: Iterable[T], waiting: Queue[T | _End], stop: Event) -> None:
    def put(item: T | _End) -> None:
        while not stop.is_set():
            with suppress(Full):
                waiting.put(item, timeout=_LOOK_S)
                return

    iterator = iter(items)
    try:
        for item in iterator:
            put(item)
            if stop.is_set():
                break
        put(_End())
    except BaseException as error:
        put(_End(error))
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def together(work: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    """Do some work on several items at once, each in a thread of its own; one at a time is done in this one.

    Parameters
    ----------
    work : callable
        Takes an item; must bear to run in several threads if `count` is more than 1.
    items : iterable
    count : int
        How many at once.

    Yields
    ------
    object
        What comes of each item, in their order; what the work raises is raised here.
    """
    if count == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(count, "scorrnet-together")
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) == count:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind(Generic[T]):
    """A thread that does some work on each item that it is given, in order.

    Use it as a context. At its end, however that comes about, the work on what was given before is finished. What
    the work raises is raised by the next `give` or at the end of the context, and no further work is done.

    Parameters
    ----------
    work : callable
        Takes an item.
    depth : int
        How many items may wait; beyond it, `give` waits.
    """

    def __init__(self, work: Callable[[T], None], depth: int) -> None:
        self._work = work
        self._waiting: Queue[T | _End] = Queue(depth)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="scorrnet-behind", daemon=True)

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(_End())
        self._thread.join()
        if kind is None:
            self._check()

    def give(self, item: T) -> None:
        """Have the work done on an item, soon."""
        self._check()
        self._waiting.put(item)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            if self._error is not None:
                continue  # so that nobody waits for a place
            try:
                self._work(item)
            except BaseException as error:
                self._error = error
