"""The settings of a source, and a source with nothing left open."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from switchboard.config.declare import Discreet, setting
from switchboard.config.masks import mask_url


class ColumnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column of a source's CSV is what; what is left out is found by the dialect (the header tells which)."""

    switch: Annotated[str, setting("column that names the switch")] = ""
    port: Annotated[str, setting("column that names the port; `-` says that there is none")] = ""
    timestamp: Annotated[str, setting("column with the time of a row; `-`: rows get the time of the scrape")] = ""
    timestamp_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        setting("unit of that time; auto takes the one that puts it between the year 2000 and now + 10 min"),
    ] = "auto"
    labels: Annotated[tuple[str, ...], setting("columns to keep as text, beside those of the dialect")] = ()
    units: Annotated[
        dict[str, str],
        setting(
            "units of metrics; where a cell has the unit behind its number, as in `37C`, it is taken off: "
            '`{ Module_Temperature = "C" }`'
        ),
    ] = {}
    counters: Annotated[
        tuple[str, ...], setting("metrics that only grow until a reset, beside those that are known to")
    ] = ()
    gauges: Annotated[tuple[str, ...], setting("metrics that go up and down, beside those that are known to")] = ()
    missing: Annotated[tuple[str, ...], setting("words for a missing number, beside NA, N/A and nothing")] = ()
    rename: Annotated[dict[str, str], setting('columns to keep under another name: `{ old = "new" }`')] = {}
    exclude: Annotated[tuple[str, ...], setting("columns to leave out")] = ()


class Access(Discreet, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a source wants to see before it answers. Files are named by paths, relative to the working directory."""

    headers: Annotated[
        dict[str, str],
        setting("headers to send, as a table `[sources.headers]`; the values are kept secret", hides="all"),
    ] = msgspec.field(default_factory=dict)
    token: Annotated[str, setting("token to send as `Authorization: Bearer`; better in a file", hides="all")] = ""
    token_file: Annotated[str, setting("file with that token; read at every scrape, so that it can be replaced")] = ""
    user: Annotated[str, setting("user name for `Authorization: Basic`")] = ""
    password_file: Annotated[str, setting("file with the password of `user`; read at every scrape")] = ""
    ca_file: Annotated[str, setting("certificates (PEM) to trust in place of the system's")] = ""
    client_cert: Annotated[str, setting("certificate (PEM, with its chain) to show to the source")] = ""
    client_key: Annotated[str, setting("its key (PEM, not encrypted); default: in the file of the certificate")] = ""
    verify: Annotated[bool, setting("whether the source's certificate is checked; `false` is for laboratories")] = True


class SourceSettings(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source. ``interval``, ``timeout`` and ``ttl`` of 0 mean the general setting."""

    url: Annotated[str, setting("where the CSV is; http or https, without user or password", hides="url")]
    name: Annotated[str, setting("name in keys, logs and answers; default: host-port of the URL")] = ""
    interval: Annotated[float, setting("time between two scrapes", "s", ge=0)] = 0
    timeout: Annotated[float, setting("longest time for one scrape", "s", ge=0)] = 0
    ttl: Annotated[float, setting("how long a snapshot may answer without being confirmed", "s", ge=0)] = 0
    max_data_age: Annotated[
        str, setting("age of the newest row beyond which answers are `stale`; empty: as in general", "s")
    ] = ""
    max_body_mib: Annotated[int, setting("largest body, decompressed; 0: as in general", "MiB", ge=0)] = 0
    max_rows: Annotated[int, setting("most rows of a body; 0: as in general", ge=0)] = 0
    max_switches: Annotated[int, setting("most switches of a body; 0: as in general", ge=0)] = 0
    max_columns: Annotated[int, setting("most columns of a body; 0: as in general", ge=0)] = 0
    max_spread: Annotated[
        float, setting("how far apart the times of the rows of one body may be; 0: as in general", "s", ge=0)
    ] = 0
    allow_empty: Annotated[bool, setting("whether a header without rows is a snapshot, an empty one")] = False
    labels: Annotated[
        dict[str, str],
        setting("what to know about the source, as a table `[sources.labels]`: shown in ListSources"),
    ] = msgspec.field(default_factory=dict)
    columns: Annotated[ColumnSettings, setting("mapping of the columns")] = ColumnSettings()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a body of one source may be, and what the gate tolerates; names and units are those of the settings."""

    max_body_mib: int
    max_wire_mib: int
    max_ratio: int
    max_rows: int
    max_switches: int
    max_columns: int
    max_line_kib: int
    min_rate_kib: int
    max_dropped_rows: int
    max_dropped_ratio: float
    max_spread: float
    min_rows_ratio: float
    allow_empty: bool


class Source(Discreet, frozen=True, kw_only=True):
    """A source with nothing left open: what the ETL works with. All times in seconds."""

    name: str
    url: Annotated[str, setting("may hold secrets in its query", hides="url")]
    interval: float
    timeout: float
    ttl: float
    max_data_age: float | None = None
    """Age of the newest row beyond which data is called old; 0: never, None: found by the ETL."""
    columns: ColumnSettings
    limits: Limits
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    access: Access = Access()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def shown_url(self) -> str:
        """The URL for logs and answers."""
        return mask_url(self.url)
