"""Threads that work ahead and behind: order, bounds, and errors that cross over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from scorrnet_cli.batch.threads import Behind, ahead, together


def test_items_are_got_ahead_but_not_too_far() -> None:
    got = []

    def items() -> Iterator[int]:
        for number in range(20):
            got.append(number)
            yield number

    taken = ahead(items(), 2)
    assert next(taken) == 0
    time.sleep(0.2)
    assert len(got) <= 4  # one taken, two that wait, one in hand
    assert list(taken) == list(range(1, 20))


def test_an_error_of_the_iteration_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("here")

    found = []
    with pytest.raises(ZeroDivisionError, match="here"):
        for item in ahead(items(), 3):
            found.append(item)  # noqa: PERF402
    assert found == [1]


def test_closing_ends_the_thread_and_the_iteration() -> None:
    closed = threading.Event()
    waiting = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            yield 2
            waiting.wait(10)
        finally:
            closed.set()

    before = threading.active_count()
    taken = ahead(items(), 5, waiting.set)
    assert next(taken) == 1
    taken.close()
    assert closed.is_set()
    assert threading.active_count() == before


def test_work_is_done_in_order_and_finished_at_the_end() -> None:
    done: list[int] = []
    with Behind(done.append, 2) as behind:
        for number in range(10):
            behind.give(number)
    assert done == list(range(10))


def test_work_is_finished_when_the_block_fails() -> None:
    done = []

    def work(number: int) -> None:
        time.sleep(0.05)
        done.append(number)

    with pytest.raises(KeyboardInterrupt), Behind(work, 5) as behind:
        for number in range(3):
            behind.give(number)
        raise KeyboardInterrupt
    assert done == [0, 1, 2]


def test_an_error_of_the_work_ends_the_giving() -> None:
    done = []

    def work(number: int) -> None:
        if number == 2:
            raise OSError("full")
        done.append(number)

    with pytest.raises(OSError, match="full"), Behind(work, 1) as behind:
        for number in range(100):
            behind.give(number)
            time.sleep(0.01)
    assert done == [0, 1]
    with pytest.raises(OSError, match="full"), Behind(work, 3) as behind:
        behind.give(2)


class TestTogether:
    def test_results_come_in_order_though_work_ends_out_of_order(self) -> None:
        def work(item: int) -> int:
            time.sleep(0.02 * (item % 3))
            return item * item

        assert list(together(work, range(9), 3)) == [item * item for item in range(9)]

    def test_as_many_at_once_as_are_asked_for(self) -> None:
        meet = threading.Barrier(3, timeout=10)
        assert list(together(lambda item: meet.wait() >= 0, range(6), 3)) == [True] * 6

    def test_one_at_a_time_stays_in_this_thread(self) -> None:
        assert set(together(lambda _: threading.get_ident(), range(3), 1)) == {threading.get_ident()}

    def test_an_error_is_raised_in_its_place(self) -> None:
        found = together(lambda item: 6 // item, [3, 2, 0, 1], 2)
        assert [next(found), next(found)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(found)
