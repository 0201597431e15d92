"""How a setting is declared: its meaning, unit and limits, and which part of its value is secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from switchboard.config.masks import MASK, mask_url

Hidden = Literal["", "all", "url"]
"""Part of a value that must not be shown: nothing, all of it, or the secrets in a URL."""

PANELS = ("Options", "API", "Sources", "Limits", "Logs")
"""Groups of the general settings, in the order in which people see them."""


def setting(meaning: str, unit: str = "", *, panel: str = "Options", hides: Hidden = "", **limits: Any) -> Meta:
    """Describe one setting. ``panel`` is its group in --help; ``limits`` go to msgspec.Meta (ge, le, …)."""
    return Meta(description=meaning, extra={"unit": unit, "panel": panel, "hides": hides}, **limits)


class HidesSecrets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A struct whose repr shows no secrets: fields declared with ``hides`` are masked."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in shown_fields(self))
        return f"{type(self).__name__}({fields})"


def shown_fields(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Names and values of a struct's fields, secrets masked."""
    for field in msgspec.structs.fields(type(struct)):
        value = getattr(struct, field.name)
        meta = get_args(field.type)[1] if get_origin(field.type) is Annotated else None
        yield field.name, shown_value(value, (meta.extra or {}).get("hides", "") if meta else "")


def shown_value(value: Any, hides: Hidden) -> Any:
    """A value with its secrets masked: a text is masked as a whole; of a table the values, of a URL its secrets."""
    if not hides or not value:
        return value
    if hides == "url":
        return mask_url(value)
    return dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK
