"""Named, described building blocks: what plugins announce and study files choose by name."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any, ClassVar

from gfcompare.errors import InputError


class Component:
    """Base of everything that is chosen by name: targets, measures, initialisations, integrators.

    A concrete component is a frozen dataclass. Its class attribute `name` is what a study file says,
    its fields are its options, the first line of its docstring is what `gfcompare list` shows.
    """

    name: ClassVar[str]

    def options(self) -> dict[str, Any]:
        """Return the fields that take part in the identity of the component, by name."""
        return {key: getattr(self, key) for key in self.fields()}

    @classmethod
    def fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """Return the options of the component, the fields of its dataclass, by name."""
        if not hasattr(cls, "__dataclass_fields__"):
            return {}
        return {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def require(condition: bool, message: str) -> None:
    """Raise InputError with `message` unless the condition holds."""
    if not condition:
        raise InputError(message)
