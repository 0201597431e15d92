"""Layers: settings are filled from defaults, file, environment and flags; a later layer wins.

Every name is derived from the struct, because a setting is declared once: ``generator.port`` is ``port`` under
``[generator]`` in the file, ``SWITCHBOARD_GENERATOR_PORT`` in the environment, and ``--generator-port`` or, on
``switchboard generator``, ``--port``. Each value is converted by itself, because an error names the place where the
value was given. Sources are not merged: the last layer that names sources replaces the whole list.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from switchboard.config.declare import PANELS, Hidden
from switchboard.config.redis import redis_access
from switchboard.config.resolve import parse_source, resolve_sources
from switchboard.config.settings import GeneratorSettings, Settings
from switchboard.config.sources import SourceSettings
from switchboard.errors import ConfigError

PREFIX = "SWITCHBOARD_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
SOURCES_VARIABLE = f"{PREFIX}SOURCES"
DEFAULT_FILE = "switchboard.toml"

_SERVICE_LINK = re.compile(r"tcp://\S+:\d+")


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings struct, and the names and rules that are derived from it."""

    section: str
    """Its table in the file; empty at the top level."""
    name: str
    type: Any
    """Its annotation, Meta included."""
    default: Any
    """``msgspec.NODEFAULT`` if the setting is required."""

    @property
    def key(self) -> str:
        """The name with its section, as in ``generator.port``."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """The flag on a command with one section, as in ``--port``."""
        return "--" + self.name.replace("_", "-")

    @property
    def long_flag(self) -> str:
        """The flag on a command with several sections, as in ``--generator-port``."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    @property
    def base(self) -> Any:
        """The type without the Meta."""
        return get_args(self.type)[0]

    @property
    def meta(self) -> Meta:
        """The Meta that ``setting`` made."""
        meta: Meta = get_args(self.type)[1]
        return meta

    @property
    def meaning(self) -> str:
        """The description, for people."""
        return self.meta.description or ""

    @property
    def unit(self) -> str:
        """The unit of the value, or empty."""
        return str((self.meta.extra or {}).get("unit", ""))

    @property
    def panel(self) -> str:
        """The group in --help."""
        return self.section.capitalize() or str((self.meta.extra or {}).get("panel", ""))

    @property
    def hides(self) -> Hidden:
        """The part of the value that must not be shown."""
        hides: Hidden = (self.meta.extra or {}).get("hides", "")
        return hides

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values, if they are few."""
        return get_args(self.base) if get_origin(self.base) is Literal else ()

    @property
    def rule(self) -> str:
        """The allowed values in words, as the end of a sentence like ``"x" is not a whole number``."""
        if self.choices:
            return f"one of {', '.join(choice if choice.isalnum() else repr(choice) for choice in self.choices)}"
        if self.base is bool:
            return "true or false"
        if self.base is int:
            return "a whole number" + self._range()
        if self.base is float:
            return "a number" + self._range() + (f" ({self.unit})" if self.unit else "")
        if self.meta.title:
            return self.meta.title
        if self.base is str:
            return "a text" + (" with at least one character" if self.meta.min_length else "")
        if get_origin(self.base) is dict:
            return "a table of texts"
        return "a list of texts"

    def convert(self, value: Any, where: str) -> Any:
        """Convert ``value``, a text or a TOML value, to the type of the setting.

        Raises ConfigError, naming ``where``, the value (unless it is secret) and the rule.
        """
        if self.base is str and type(value) in {int, float}:
            value = str(value)  # `switches = 100` in the file
        if isinstance(value, str) and value not in self.choices:  # a choice may be a tab
            value = value.strip()
        try:
            converted = msgspec.convert(value, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise self._wrong(value, where) from error
        if isinstance(converted, float) and not math.isfinite(converted):
            raise self._wrong(value, where)
        return converted

    def _wrong(self, value: Any, where: str) -> ConfigError:
        shown = "the value (not shown: it may be secret)" if self.hides else repr(value)
        return ConfigError(f"{where}: {shown} is not {self.rule}")

    def _range(self) -> str:
        meta = self.meta
        if meta.ge is not None and meta.le is not None:
            return f" from {meta.ge:g} to {meta.le:g}"
        if meta.ge is not None:
            return f" of at least {meta.ge:g}"
        if meta.gt is not None:
            return f" above {meta.gt:g}"
        return ""


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that an annotation names, alone or in a tuple; None for plain values."""
    base = get_args(annotation)[0]
    inner = get_args(base)[0] if get_origin(base) is tuple else base
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def settings_of(struct: type[msgspec.Struct], section: str = "") -> tuple[Setting, ...]:
    """The settings that a struct declares, in order; fields that are structs, or lists of structs, are left out."""
    return tuple(
        Setting(section=section, name=field.name, type=field.type, default=_default(field))
        for field in msgspec.structs.fields(struct)
        if _struct_in(field.type) is None
    )


def _default(field: FieldInfo) -> Any:
    """The default of a field; for a mutable type, msgspec keeps a factory."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


GENERAL = tuple(sorted(settings_of(Settings), key=lambda setting: PANELS.index(setting.panel)))
GENERATOR = settings_of(GeneratorSettings, "generator")


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and the place where it was given: a flag, a variable, or a file and key."""

    value: Any
    where: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of all layers."""

    settings: Settings
    origins: dict[str, str]
    """The place of each value that is not a default, by key; ``sources`` is one key."""
    warnings: list[str]
    """Sentences for the log about variables and settings that were ignored."""


def load(flags: Mapping[str, Given], environ: Mapping[str, str], folder: Path) -> Loaded:
    """Merge the layers, and check that settings fit each other.

    Args:
        flags: by key; the value of ``sources`` is a list of ``[NAME=]URL``, that of ``config`` a path.
        environ: the environment; an empty variable counts as not set.
        folder: the folder in which ``switchboard.toml`` may be.

    Raises:
        ConfigError: names the place, the value and the rule.
    """
    known = {setting.key: setting for setting in (*GENERAL, *GENERATOR)}
    from_environment, warnings = _environment_layer(environ, known)
    given = {**_file_layer(_find_file(flags, environ, folder)), **from_environment, **flags}
    given.pop("config", None)
    values: dict[str, Any] = {
        key: known[key].convert(item.value, item.where) for key, item in given.items() if key in known
    }
    if "fast_door" in given:
        where = given["fast_door"].where
        warnings.append(f"{where}: fast_door has no effect any more, and will be refused by the next version")
    if "sources" in given:
        values["sources"] = _sources(given["sources"])
    generator = GeneratorSettings(
        **{key.removeprefix("generator."): value for key, value in values.items() if key.startswith("generator.")}
    )
    settings = Settings(
        generator=generator, **{key: value for key, value in values.items() if not key.startswith("generator.")}
    )
    try:
        redis_access(settings)
    except ConfigError as error:
        raise ConfigError(f"{given['redis_url'].where}: {error}" if settings.redis_url else str(error)) from error
    resolve_sources(settings)
    return Loaded(settings=settings, origins={key: item.where for key, item in given.items()}, warnings=warnings)


def suggest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean `x`?)`` if one of ``words`` is like ``word``, else empty."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _find_file(flags: Mapping[str, Given], environ: Mapping[str, str], folder: Path) -> Path | None:
    if "config" in flags:
        return Path(flags["config"].value)
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    default = folder / DEFAULT_FILE
    return default if default.exists() else None


def _file_layer(path: Path | None) -> dict[str, Given]:
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    layer: dict[str, Given] = {}
    generator = document.pop("generator", {})
    tables = document.pop("sources", None)
    for section, struct, table in (("", Settings, document), ("generator", GeneratorSettings, generator)):
        for name, value in _known_keys(struct, table, section, path).items():
            key = f"{section}.{name}" if section else name
            layer[key] = Given(value, f"{path}, key `{key}`")
    if tables is not None:
        if not isinstance(tables, list) or not tables:
            raise ConfigError(f'{path}: `sources` is not a list of tables: write [[sources]] and url = "http://…"')
        sources = tuple(
            _struct_of(SourceSettings, table, f"sources[{number}]", path) for number, table in enumerate(tables, 1)
        )
        layer["sources"] = Given(sources, f"{path}, key `sources`")
    return layer


def _known_keys(struct: type[msgspec.Struct], table: Any, section: str, path: Path) -> dict[str, Any]:
    """Return the table. Raises ConfigError if it is not a table, or has a key that is not a field of the struct."""
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: `{section}` is not a table")
    for key in table:
        if key not in struct.__struct_fields__:
            dotted = f"{section}.{key}" if section else key
            raise ConfigError(f"{path}: unknown key `{dotted}`{suggest(key, struct.__struct_fields__)}")
    return table


def _struct_of(struct: type[msgspec.Struct], table: Any, section: str, path: Path) -> Any:
    """Convert a table to a struct, each value by itself, because an error has to name its key."""
    values = _known_keys(struct, table, section, path)
    converted: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        key = f"{section}.{field.name}"
        if field.name not in values:
            if field.required:
                raise ConfigError(f"{path}: `{section}` has no `{field.name}`")
        elif nested := _struct_in(field.type):
            converted[field.name] = _struct_of(nested, values[field.name], key, path)
        else:
            setting = Setting(section=section, name=field.name, type=field.type, default=field.default)
            converted[field.name] = setting.convert(values[field.name], f"{path}, key `{key}`")
    return struct(**converted)


def _environment_layer(environ: Mapping[str, str], known: Mapping[str, Setting]) -> tuple[dict[str, Given], list[str]]:
    by_variable = {setting.variable: setting.key for setting in known.values()} | {SOURCES_VARIABLE: "sources"}
    layer: dict[str, Given] = {}
    ignored: list[str] = []
    for variable, text in environ.items():
        if not variable.upper().startswith(PREFIX) or variable == CONFIG_VARIABLE or not text.strip():
            continue
        if variable not in by_variable:
            ignored.append(variable + suggest(variable.upper(), (*by_variable, CONFIG_VARIABLE)))
        elif _SERVICE_LINK.fullmatch(text) and variable.endswith("_PORT"):
            # Kubernetes gives every container SWITCHBOARD_PORT=tcp://ADDRESS:PORT if a service is called `switchboard`.
            ignored.append(f"{variable}={text}")
        else:
            layer[by_variable[variable]] = Given(text, variable)
    warnings = [f"unknown variables ignored: {', '.join(sorted(ignored))}"] if ignored else []
    return layer, warnings


def _sources(given: Given) -> tuple[SourceSettings, ...]:
    """Convert the sources, given as structs (file), a list of texts (flags) or one text (environment)."""
    if isinstance(given.value, tuple):
        return given.value
    texts = given.value.split() if isinstance(given.value, str) else given.value
    return tuple(parse_source(text) for text in texts)
