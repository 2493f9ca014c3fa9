"""The interface of executors: submit a task, gather answers, also those of tasks whose workers were lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from gfcompare.study.jobs import Done, Task

#: How a worker was lost that was ended because it did not answer any more.
NO_ANSWER = "it did not answer any more"
#: How a worker of a cluster was lost, of which no more is known than where it was.
LOST = "the worker was lost"


@dataclass(frozen=True)
class Answer:
    """An executor's report on a task.

    Attributes
    ----------
    ticket : of the task, as `Executor.submit` returned it
    done : what became of each job, in their order; None if the worker was lost
    lost : how the worker was lost, as far as that is known, such as "exit code 7"
    error : that concerns the task as a whole, such as a plugin that a worker lacks
    """

    ticket: int
    done: tuple[Done, ...] | None = None
    lost: str = ""
    error: Exception | None = None


class Executor(ABC):
    """Computes tasks somewhere, several at once.

    A task is done once or reported lost: whoever submitted it decides whether it is tried again. Nothing is
    written: what workers return is bytes, and no file system is shared.
    """

    #: Whether tasks are computed in this process.
    is_here: ClassVar[bool] = False
    #: Seconds that the quick cells of one task take together, and how many they are, at the most.
    pack_seconds: ClassVar[float] = 0.3
    pack_cells: ClassVar[int] = 64

    @property
    @abstractmethod
    def slots(self) -> int:
        """Return the number of tasks computed concurrently; further ones wait."""

    @abstractmethod
    def submit(self, task: Task) -> int:
        """Take a task, and return a ticket for it."""

    @abstractmethod
    def gather(self, timeout: float) -> list[Answer]:
        """Return the answers to tasks that are done or lost, after so many seconds at the latest."""

    @abstractmethod
    def close(self, orderly: bool) -> None:
        """Let workers end; in the middle of their tasks, unless it is orderly."""
