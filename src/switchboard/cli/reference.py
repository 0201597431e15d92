"""The output of ``switchboard config``: the effective settings in TOML, or a reference of all settings in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from switchboard.config.declare import shown_value
from switchboard.config.layers import (
    DEFAULT_FILE,
    GENERAL,
    GENERATOR,
    PREFIX,
    SOURCES_VARIABLE,
    Loaded,
    Setting,
    settings_of,
)
from switchboard.config.resolve import resolve_sources
from switchboard.config.settings import Settings
from switchboard.config.sources import Access, ColumnSettings, Source, SourceSettings

_REFERENCE = """\
# Settings

Made by `switchboard config --reference`.

A value comes from the last of these layers that sets it:

1. the default;
2. the file `{file}` in the working directory, or the file that `--config FILE` or `{prefix}CONFIG` names;
3. the environment, `{prefix}…`;
4. the flag.

`switchboard config` shows the effective values, and where each comes from. A command has only the flags that it needs:
see its `--help`. An unknown key or flag is an error, an unknown variable a warning; an empty variable counts as not
set.

## General

Keys at the top of the file.

{general}

## `[[sources]]`

Sources to scrape: one table per source in the file, `--source [NAME=]URL` (repeatable) on the command line, or
`{sources}` with one or several `[NAME=]URL` separated by white space. Sources in a later layer replace all sources of
an earlier one. The default is one source, `{default_source}`; `switchboard up` scrapes the generator that it starts. An
`interval`, `timeout` or `ttl` of 0 stands for the general setting, and so does a `max_…` of 0.

{source_keys}

### Credentials and TLS

Keys of `[[sources]]` too, in the file only. A secret in a file of its own (`token_file`, `password_file`) is read again
at every scrape; certificates are read at the start. Secrets are never shown: not in logs, errors, answers or metrics,
nor by `switchboard config`.

{access_keys}

## `[sources.columns]`

Meaning of the columns of a source's CSV, in the file only. Columns that are not named here are found by the header.

{column_keys}

## `[generator]`

The simulator. Its flags have the prefix `--generator-` on `switchboard up`.

{generator}
"""


def render_reference() -> str:
    """The reference of all settings in Markdown: the text of docs/CONFIG.md."""
    named = ("name", "variable", "flag", "default", "unit", "meaning")
    keys = ("name", "default", "unit", "meaning")
    access = Access.__struct_fields__
    return _REFERENCE.format(
        file=DEFAULT_FILE,
        prefix=PREFIX,
        sources=SOURCES_VARIABLE,
        default_source=Settings().sources[0].url,
        general=_table(named, (_named_row(setting, setting.flag) for setting in GENERAL)),
        source_keys=_table(
            keys, (_key_row(setting) for setting in settings_of(SourceSettings) if setting.name not in access)
        ),
        access_keys=_table(keys, map(_key_row, settings_of(Access))),
        column_keys=_table(keys, map(_key_row, settings_of(ColumnSettings))),
        generator=_table(named, (_named_row(setting, setting.flag) for setting in GENERATOR)),
    )


def render_settings(loaded: Loaded) -> str:
    """The effective settings as TOML, secrets masked; a comment tells where a value was set."""
    settings = loaded.settings
    lines = [
        f"# Effective settings, in the form of {DEFAULT_FILE}. A comment says where a value comes from, if it was set."
    ]
    lines += (_assignment(setting, getattr(settings, setting.name), loaded.origins) for setting in GENERAL)
    where = loaded.origins.get("sources")
    for source in resolve_sources(settings):
        lines += ["", "[[sources]]" + (f"  # {where}" if where else ""), *_source_lines(source, settings)]
    lines += ["", "[generator]"]
    lines += (_assignment(setting, getattr(settings.generator, setting.name), loaded.origins) for setting in GENERATOR)
    return "\n".join(lines) + "\n"


def _source_lines(source: Source, general: Settings) -> Iterator[str]:
    for name in ("name", "url", "interval", "timeout", "ttl"):
        value = source.shown_url if name == "url" else getattr(source, name)
        yield f"{name} = {_toml(value)}"
    if source.max_data_age is not None:
        yield f"max_data_age = {_toml(source.max_data_age)}"
    for setting in settings_of(SourceSettings):
        limit = getattr(source.limits, setting.name, None)
        if limit is not None and limit != getattr(general, setting.name, setting.default):
            yield f"{setting.name} = {_toml(limit)}"
    yield from _changed(source.access)
    if source.labels:
        yield f"labels = {_toml(source.labels)}"
    columns = list(_changed(source.columns))
    if columns:
        yield from ("[sources.columns]", *columns)


def _changed(struct: msgspec.Struct) -> Iterator[str]:
    """Assignments of the settings whose values are not the defaults."""
    for setting in settings_of(type(struct)):
        value = getattr(struct, setting.name)
        if value not in (setting.default, {}):
            yield f"{setting.name} = {_toml(shown_value(value, setting.hides))}"


def _assignment(setting: Setting, value: Any, origins: dict[str, str]) -> str:
    shown = shown_value(value, setting.hides)
    comment = f"  # {origins[setting.key]}" if setting.key in origins else ""
    return f"{setting.name} = {_toml(shown)}{comment}"


def _toml(value: Any) -> str:
    """A TOML value. JSON's texts, numbers, booleans and arrays are TOML's too; only DEL must be escaped."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _named_row(setting: Setting, flag: str) -> tuple[str, ...]:
    if setting.base is bool:
        flag = f"{flag}` / `--no-{flag.removeprefix('--')}"
    name, *rest = _key_row(setting)
    return (name, f"`{setting.variable}`", f"`{flag}`", *rest)


def _key_row(setting: Setting) -> tuple[str, ...]:
    default = "required" if setting.default is msgspec.NODEFAULT else _markdown_default(setting.default)
    meaning = setting.meaning
    if setting.choices:
        meaning += f" ({', '.join(f'`{_shown_choice(choice)}`' for choice in setting.choices)})"
    return (f"`{setting.name}`", default, setting.unit, meaning)


def _markdown_default(value: Any) -> str:
    if value in ("", (), {}):
        return ""
    return f"`{value if isinstance(value, str) else _toml(value)}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _shown_choice(choice: str) -> str:
    return choice.replace("\t", "\\t")
