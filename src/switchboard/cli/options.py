"""Command-line options, made from the declarations of the settings.

Values stay text here: ``config/layers.py`` converts them, so that errors are the same for flags, variables and the
file. typer parses the command line and prints --help; variables and defaults are only text to it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from switchboard.config.layers import CONFIG_VARIABLE, DEFAULT_FILE, SOURCES_VARIABLE, Given, Setting

Command = Callable[..., int | None]
"""Returns its exit code; None is 0."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of one command."""

    key: str
    """Key of the setting; ``sources`` and ``config`` are keys too."""
    name: str
    annotation: Any
    option: Any
    """The result of typer.Option."""
    negative: bool = False
    """Whether the flag sets the value to false."""

    @property
    def parameter(self) -> inspect.Parameter:
        """The parameter for this flag, of the function that typer calls."""
        name = self.name.removeprefix("--").replace("-", "_")
        return inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=self.option, annotation=self.annotation
        )


def flags_for(settings: Iterable[Setting], *, long: bool, sources: bool) -> list[Flag]:
    """The options of a command with these settings; ``long``: names have their section, as in --generator-port."""
    flags = [_SOURCE] if sources else []
    for setting in settings:
        flags += _flags(setting, setting.long_flag if long else setting.flag)
    return [*flags, _CONFIG]


def takes(flags: Sequence[Flag]) -> Callable[[Command], Command]:
    """Give a command these options; its first argument is a dict of the options that were given, by key."""

    def decorate(function: Command) -> Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        by_parameter = {flag.parameter.name: flag for flag in flags}

        @functools.wraps(function)
        def command(**values: Any) -> int | None:
            given = {
                flag.key: Given(False if flag.negative else values[name], flag.name)
                for name, flag in by_parameter.items()
                if values[name] not in (None, [], False)
            }
            return function(given, **{parameter.name: values[parameter.name] for parameter in own})

        parameters = [*(flag.parameter for flag in flags), *own]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
        command.__annotations__ = {}
        return command

    return decorate


def _flags(setting: Setting, name: str) -> list[Flag]:
    # Choices are part of the text: as a metavar they would widen a column of the whole panel.
    meaning = f"{setting.meaning} ({', '.join(setting.choices)})" if setting.choices else setting.meaning
    help_text = _help(meaning, _shown_default(setting), setting.variable)
    if setting.base is not bool:
        option = _option(name, help_text, setting.panel, metavar=_metavar(setting))
        return [Flag(setting.key, name, str | None, option)]
    no = f"--no-{name.removeprefix('--')}"
    # Two options, because rich would give the negative one a column of its own. The hidden one can overrule the file.
    return [
        Flag(setting.key, name, bool, _option(name, help_text, setting.panel, metavar="", default=False)),
        Flag(setting.key, no, bool, _option(no, "", setting.panel, default=False, hidden=True), negative=True),
    ]


def _option(
    name: str, help_text: str, panel: str, *, metavar: str | None = None, default: Any = None, hidden: bool = False
) -> Any:
    return typer.Option(
        default, name, help=help_text, metavar=metavar, rich_help_panel=panel, show_default=False, hidden=hidden
    )


def _help(meaning: str, default: str, variable: str) -> str:
    facts = f"default {default}, {variable}" if default else variable
    return f"{_escape(meaning[:1].upper() + meaning[1:])}.\n\n[dim]{_escape(facts)}[/dim]"


def _shown_default(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return "yes" if setting.default else "no"
    # With blanks, at which lines can break.
    return f"{str(setting.default).replace(',', ', ')} {setting.unit}".strip()


def _metavar(setting: Setting) -> str:
    if setting.choices or setting.base is str:
        return setting.name.rpartition("_")[2].upper()
    return {"s": "SECONDS", "MiB": "MIB"}.get(setting.unit, "N")


def _escape(text: str) -> str:
    return text.replace("[", "\\[")  # rich's markup


_SOURCE = Flag(
    "sources",
    "--source",
    list[str],
    _option(
        "--source",
        _help("source to scrape; repeat the flag for several", "", SOURCES_VARIABLE),
        "Sources",
        metavar="[NAME=]URL",
        default=[],
    ),
)
_CONFIG = Flag(
    "config",
    "--config",
    str | None,
    _option(
        "--config",
        _help("file with settings", f"./{DEFAULT_FILE} if it exists", CONFIG_VARIABLE),
        "Options",
        metavar="FILE",
    ),
)
