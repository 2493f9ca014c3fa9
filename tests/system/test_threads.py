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
