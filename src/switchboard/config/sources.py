"""Sources: the settings of one, and a source as the ETL gets it, with every default filled in."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from switchboard.config.declare import HidesSecrets, setting
from switchboard.config.limits import Limits, for_source
from switchboard.config.masks import mask_url


class ColumnSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The meaning of the columns of a source's CSV. The dialect, found by the header, knows the columns not named."""

    switch: Annotated[str, setting("column that names the switch")] = ""
    port: Annotated[str, setting("column that names the port; `-`: there is none")] = ""
    timestamp: Annotated[str, setting("column with the time of the row; `-`: rows get the time of the scrape")] = ""
    timestamp_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        setting("unit of numeric times; auto: for each, the unit that puts it between the year 2000 and now + 10 min"),
    ] = "auto"
    timestamp_zone: Annotated[
        str,
        setting(
            "time zone of dates and times without an offset: `UTC`, `+01:00` or `Europe/Berlin`; empty: their rows are "
            "left out"
        ),
    ] = ""
    labels: Annotated[tuple[str, ...], setting("columns to keep as text, in addition to those of the dialect")] = ()
    metrics: Annotated[
        tuple[str, ...],
        setting("columns of numbers, whatever most cells say; a cell that is no number is left out"),
    ] = ()
    units: Annotated[
        dict[str, str],
        setting(
            'units of metrics: `{ Module_Temperature = "C" }`; a cell may have the unit behind its number, as in `37C`'
        ),
    ] = {}
    counters: Annotated[
        tuple[str, ...], setting("metrics that only grow until a reset, in addition to the known counters")
    ] = ()
    gauges: Annotated[tuple[str, ...], setting("metrics that go up and down, in addition to the known gauges")] = ()
    charset: Annotated[
        str,
        setting("encoding of the text, as `windows-1252`; empty: what the source declares, else UTF-8"),
    ] = ""
    delimiter: Annotated[
        Literal[",", ";", "\t", "|"], setting('what stands between two cells; a tab is written `"\\t"`')
    ] = ","
    comment: Annotated[
        str, setting("beginning of lines to leave out, as `#`; empty: every line is the header or a row")
    ] = ""
    skip_lines: Annotated[int, setting("number of lines before the header to leave out", ge=0, le=1000)] = 0
    missing: Annotated[
        tuple[str, ...], setting("words for a missing number, in addition to NA, N/A and an empty cell")
    ] = ()
    trailing_delimiter: Annotated[bool, setting("every row ends in a delimiter, and the header does not")] = False
    rename: Annotated[dict[str, str], setting('columns to keep under another name: `{ old = "new" }`')] = {}
    exclude: Annotated[tuple[str, ...], setting("columns to leave out")] = ()


class Access(HidesSecrets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credentials and TLS for a source. Paths of files are relative to the working directory."""

    headers: Annotated[
        dict[str, str],
        setting("headers to send, as a table `[sources.headers]`; the values are kept secret", hides="all"),
    ] = msgspec.field(default_factory=dict)
    token: Annotated[str, setting("token to send as `Authorization: Bearer`; better in a file", hides="all")] = ""
    token_file: Annotated[str, setting("file with the token; read at every scrape, so the token can be replaced")] = ""
    user: Annotated[str, setting("user name for `Authorization: Basic`")] = ""
    password_file: Annotated[str, setting("file with the password of `user`; read at every scrape")] = ""
    ca_file: Annotated[str, setting("certificates (PEM) to trust instead of the system's")] = ""
    client_cert: Annotated[str, setting("client certificate (PEM, with its chain) to show to the source")] = ""
    client_key: Annotated[
        str, setting("key of `client_cert` (PEM, not encrypted); default: in the file of the certificate")
    ] = ""
    verify: Annotated[bool, setting("check the source's certificate; `false` is for laboratories")] = True


class SourceSettings(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one source. 0 in ``interval``, ``timeout`` or ``ttl`` stands for the general setting."""

    url: Annotated[str, setting("URL of the CSV; http or https, without user or password", hides="url")]
    name: Annotated[str, setting("name of the source in keys, logs and answers; default: host-port of the URL")] = ""
    interval: Annotated[float, setting("time between two scrapes", "s", ge=0)] = 0
    timeout: Annotated[float, setting("longest time for one scrape", "s", ge=0)] = 0
    ttl: Annotated[float, setting("time after which a snapshot that was not confirmed expires", "s", ge=0)] = 0
    max_data_age: Annotated[
        str, setting("answers are `stale` if the newest row is older than this; empty: as in general", "s")
    ] = ""
    max_body_mib: Annotated[int, for_source("max_body_mib")] = 0
    max_rows: Annotated[int, for_source("max_rows")] = 0
    max_switches: Annotated[int, for_source("max_switches")] = 0
    max_columns: Annotated[int, for_source("max_columns")] = 0
    max_spread: Annotated[float, for_source("max_spread")] = 0
    allow_empty: Annotated[bool, setting("accept a header without rows, as an empty snapshot")] = False
    content_types: Annotated[
        tuple[str, ...],
        setting(
            "types of a body (Content-Type) that are taken for CSV although they name HTML, JSON or XML: "
            '`["text/html"]`, as small web frameworks say by default'
        ),
    ] = ()
    allow_unframed: Annotated[
        bool,
        setting(
            "accept a body that ends with the connection, with neither Content-Length nor chunks; if it is cut short, "
            "rows are missing and nobody notices (gzip has an end of its own, and is accepted anyway)"
        ),
    ] = False
    labels: Annotated[
        dict[str, str],
        setting("labels of the source, as a table `[sources.labels]`; ListSources shows them"),
    ] = msgspec.field(default_factory=dict)
    columns: Annotated[ColumnSettings, setting("mapping of the columns")] = ColumnSettings()


class Source(HidesSecrets, frozen=True, kw_only=True):
    """A source as the ETL gets it, with every default filled in. All times are in seconds."""

    name: str
    url: Annotated[str, setting("its query may hold secrets", hides="url")]
    interval: float
    timeout: float
    ttl: float
    max_data_age: float | None = None
    """Data is old if its newest row is older than this; 0: never, None: the ETL finds the limit."""
    columns: ColumnSettings
    limits: Limits
    content_types: tuple[str, ...] = ()
    """Types of a body, in small letters, that are taken for CSV although they name something else."""
    allow_unframed: bool = False
    """Whether a body may end with the connection."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    access: Access = Access()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def shown_url(self) -> str:
        """The URL for logs and answers."""
        return mask_url(self.url)
