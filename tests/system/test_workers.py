"""Tasks on worker processes: each is done once, whatever happens to the workers."""

from __future__ import annotations

import os
import threading

import pytest

from gfcompare.system import workers


def squared(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def test_few_tasks_are_done_in_this_process():
    found = list(workers.completed(range(5), squared))
    assert found == [(n, (n * n, os.getpid())) for n in range(5)]


def test_nothing_is_asked_of_no_tasks():
    assert list(workers.completed([], squared, jobs=2)) == []


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for n in range(100):
            taken.append(n)
            yield n

    found = workers.completed(tasks(), squared, jobs=1)
    assert next(found)[0] == 0
    assert taken == [0]


@pytest.mark.thorough
def test_workers_do_each_task_once(monkeypatch):
    here = os.getpid()
    found = dict(workers.completed(iter(range(40)), squared, jobs=2))
    assert {n: value for n, (value, _) in found.items()} == {n: n * n for n in range(40)}
    assert here not in {process for _, process in found.values()}
    monkeypatch.setattr(workers, "_PATIENCE", 0.0)  # as after some seconds
    monkeypatch.setattr(workers.threads, "available_cores", lambda: 2)
    found = dict(workers.completed(iter(range(40)), squared))
    assert {n: value for n, (value, _) in found.items()} == {n: n * n for n in range(40)}
    assert here not in {process for _, process in found.values()}
    # Too few for the start of a worker.
    assert dict(workers.completed(range(3), squared)) == {n: (n * n, here) for n in range(3)}


@pytest.mark.thorough
def test_a_lost_worker_costs_no_result():
    here = os.getpid()

    def deadly(number: int) -> int:
        if number == 3 and os.getpid() != here:
            os._exit(11)
        return number * number

    assert dict(workers.completed(range(20), deadly, jobs=2)) == {n: n * n for n in range(20)}


@pytest.mark.thorough
def test_what_cannot_be_sent_is_done_in_this_process():
    tasks = [(n, threading.Lock() if n % 2 else None) for n in range(6)]

    def first(task) -> tuple[int, bool]:
        return task[0], task[1] is None

    found = dict(workers.completed(tasks, first, jobs=2))
    assert {n: value for n, (value, _) in found.items()} == {n: n for n in range(6)}


@pytest.mark.thorough
def test_an_error_of_a_task_is_raised():
    def wrong(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    with pytest.raises(ValueError, match="two"):
        list(workers.completed(range(10), wrong, jobs=2))
