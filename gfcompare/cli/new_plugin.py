"""gfcompare new-plugin: a distribution with one plugin, which installs, and which its author fills."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from gfcompare.cli.base import a_path, app, from_here, out, plain
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.components.versions import VERSION

TemplateKind = Literal["integrator", "target", "measure", "initialization", "diagnostic", "figure", "command"]
KINDS: tuple[TemplateKind, ...] = get_args(TemplateKind)

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 50
_NOUNS = {"integrator": "method", "measure": "input measure", "initialization": "initialisation"}
_SUMMARIES: dict[str, str] = {
    "integrator": "Gradient descent with momentum.",
    "target": "A bump as a target function.",
    "measure": "An input measure with a linear density.",
    "initialization": "Initial networks with heavy tails.",
    "diagnostic": "The largest parameter along trajectories.",
    "figure": "Final against initial risks.",
    "command": "A command that prints the smallest final risks.",
}

#: Files of a distribution, by the template that each is made of.
_FILES = {
    "pyproject.toml": "pyproject.toml.jinja",
    "README.md": "README.md.jinja",
    "study.toml": "study.toml.jinja",
    "{module}.py": "modules/{kind}.py.jinja",
    "tests/test_{short}.py": "test_plugin.py.jinja",
    ".github/workflows/tests.yml": "tests.yml.jinja",
}


@app.command("new-plugin")
def new_plugin(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the component, such as heavy-ball.", show_default=False),
    ],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help=f"What it supplies: {', '.join(KINDS)}.")
    ] = "integrator",
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="DIR", help="Folder to be made. Without it, gfcompare-NAME in this one."
        ),
    ] = None,
) -> None:
    """Write a plugin that installs and passes its tests, to be filled: module, tests, study, README, CI."""
    names = Names.of(name, kind)
    _check_free(names)
    folder = Path(names.distribution) if output is None else output
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty: remove it, or say another place with --output.")
    for path, text in files_of(names).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    module = f"{names.module}.py"
    shown = plain(str(from_here(folder)))
    out.print(f"{shown}: a plugin with {names.article} {names.noun}, {names.component}.")
    out.print(f"  cd {shown}")
    out.print('  python -m pip install -e ".\\[test]" && python -m pytest')
    if names.kind != "command":
        out.print(plain(f"  gfcompare check --plugin {module}"))
    out.print(plain(f"Write what it does into {module}."))


@dataclass(frozen=True)
class Names:
    """The names of the parts of a new plugin.

    Attributes
    ----------
    kind : of plugin
    name : as it was given, with hyphens
    """

    kind: str
    name: str

    @classmethod
    def of(cls, name: str, kind: str) -> Names:
        """Return the names of a plugin, or raise InputError for a name or kind that cannot be one."""
        singular = kind.removesuffix("s")
        if singular not in KINDS:
            raise unknown_name("kind of plugin", kind, KINDS)
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise InputError(
                f"NAME must be words of small letters and digits with hyphens between them, such as "
                f"heavy-ball, at most {_LONGEST} characters, got {name!r}."
            )
        return cls(singular, name.replace("_", "-"))

    @property
    def short(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def component(self) -> str:
        """Return the name by which users choose it; a diagnostic is a variable, and a figure a file."""
        return self.short if self.kind in ("diagnostic", "figure") else self.name

    @property
    def distribution(self) -> str:
        """Name of the distribution, and of its folder."""
        return f"gfcompare-{self.name}"

    @property
    def module(self) -> str:
        """Name of the module."""
        return f"gfcompare_{self.short}"

    @property
    def cls(self) -> str:
        """Name of the class."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def noun(self) -> str:
        """Return the kind's name in sentences."""
        return _NOUNS.get(self.kind, self.kind)

    @property
    def article(self) -> str:
        """The article of the noun."""
        return "an" if self.noun[0] in "aeiou" else "a"

    def context(self) -> dict[str, Any]:
        """Return all of them, for a template."""
        keys = ["kind", "name", "short", "component", "distribution", "module", "cls", "noun", "article"]
        study = f"{self.name}-study"
        more = {"version": VERSION, "summary": _SUMMARIES[self.kind], "study": study}
        return {key: getattr(self, key) for key in keys} | more


def files_of(names: Names) -> dict[str, str]:
    """Return the files of a new distribution: paths in its folder, and their text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gfcompare.cli", "plugin_template"),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    context = names.context()
    return {
        path.format(**context): environment.get_template(template.format(**context)).render(context)
        for path, template in _FILES.items()
    }


def _check_free(names: Names) -> None:
    """Raise InputError if something else is called so already."""
    from importlib.util import find_spec

    from gfcompare.hooks.registry import registry

    if names.kind == "command":
        from gfcompare.cli.extending import command_names

        if names.component in command_names():
            raise InputError(f"there is a command {names.component!r} already: choose another NAME.")
    else:
        kind: Any = f"{names.kind}s"
        if names.component in registry().names(kind):
            origin = registry().origin(kind, names.component)
            raise InputError(
                f"there is {names.article} {names.noun} {names.component!r} already, by {origin.label}: "
                "choose another NAME."
            )
    if find_spec(names.module) is not None:
        raise InputError(f"there is a module {names.module!r} already: choose another NAME.")
