"""Sharing rows out among threads."""

from __future__ import annotations

import threading

import pytest

from gfcompare.system import threads


@pytest.mark.parametrize("rows", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("pieces", [1, 8])
def test_every_row_is_worked_on_once(rows: int, count: int, pieces: int) -> None:
    found: list[int] = []
    threads.share_rows(rows, lambda s: found.extend(range(s.start, s.stop)), threads=count, pieces=pieces)
    assert sorted(found) == list(range(rows))


def test_a_slow_row_does_not_hold_up_the_others() -> None:
    others = threading.Semaphore(0)

    def work(rows: slice) -> None:
        if rows.start == 0:  # the slow row waits until the other thread has done all that is left
            for _ in range(15):
                assert others.acquire(timeout=600)
        else:
            others.release()

    threads.share_rows(16, work, threads=2, pieces=8)


def test_linear_algebra_uses_one_thread_within_and_as_many_as_before_after() -> None:
    libraries = threads._linear_algebra()
    assert libraries
    before = [library.get_num_threads() for library in libraries]
    try:
        for library in libraries:
            library.set_num_threads(2)
        with pytest.raises(ZeroDivisionError), threads.single_thread_of_linear_algebra():
            with threads.single_thread_of_linear_algebra():
                assert all(library.get_num_threads() == 1 for library in libraries)
            assert all(library.get_num_threads() == 1 for library in libraries)
            _ = 1 / 0
        assert all(library.get_num_threads() == 2 for library in libraries)
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_num_threads(count)
