from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from switchboard.cli.reference import render_reference, render_settings
from switchboard.config.layers import GENERAL, GENERATOR, Given, Loaded, load
from switchboard.config.masks import mask_url
from switchboard.config.resolve import resolve_sources
from switchboard.config.settings import Settings
from switchboard.config.sources import Access, SourceSettings
from switchboard.errors import ConfigError

ROOT = Path(__file__).parents[2]


def load_from(
    tmp_path: Path,
    *,
    flags: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    file: str | None = None,
) -> Loaded:
    if file is not None:
        (tmp_path / "switchboard.toml").write_text(file)
    given = {key: Given(value, "--" + key.replace(".", "-")) for key, value in (flags or {}).items()}
    return load(given, environ or {}, tmp_path)


def test_no_layer_gives_the_defaults(tmp_path: Path) -> None:
    """With no file, variable or flag the settings are the defaults, and nothing has an origin."""
    loaded = load_from(tmp_path)
    assert loaded.settings == Settings()
    assert loaded.origins == {}
    assert loaded.warnings == []


def test_a_later_layer_wins(tmp_path: Path) -> None:
    """A flag beats a variable, a variable the file, the file the default; the origin says which it was."""
    file = "interval = 20\nworkers = 2\nport = 1\n[generator]\nhold = 3.5\nport = 4\n"
    environ = {"SWITCHBOARD_WORKERS": "3", "SWITCHBOARD_PORT": "2", "SWITCHBOARD_GENERATOR_PORT": "5"}
    loaded = load_from(tmp_path, file=file, environ=environ, flags={"port": "3", "generator.port": "6"})
    settings = loaded.settings
    assert (settings.interval, settings.workers, settings.port) == (20, 3, 3)
    assert (settings.generator.hold, settings.generator.port) == (3.5, 6)
    assert loaded.origins == {
        "interval": f"{tmp_path}/switchboard.toml, key `interval`",
        "workers": "SWITCHBOARD_WORKERS",
        "port": "--port",
        "generator.hold": f"{tmp_path}/switchboard.toml, key `generator.hold`",
        "generator.port": "--generator-port",
    }


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ({"file": '[[sources]]\nurl = "http://a/"\n[[sources]]\nurl = "http://b/"\nname = "B"\n'}, ["a-80", "B"]),
        ({"environ": {"SWITCHBOARD_SOURCES": " http://a/ \n B=http://b:9/x?y=1\t"}}, ["a-80", "B"]),
        ({"flags": {"sources": ["http://a/", "B=http://b/"]}}, ["a-80", "B"]),
        ({"file": '[[sources]]\nurl = "http://a/"\n', "flags": {"sources": ["C=http://c/"]}}, ["C"]),
    ],
)
def test_sources_come_from_any_layer_and_are_replaced_whole(
    tmp_path: Path, layers: dict[str, Any], names: list[str]
) -> None:
    """Every layer can name several sources, with or without names; a later layer replaces the whole list."""
    loaded = load_from(tmp_path, **layers)
    assert [source.name for source in resolve_sources(loaded.settings)] == names
    assert "sources" in loaded.origins


def test_a_source_in_the_file_has_columns_of_its_own(tmp_path: Path) -> None:
    """The mapping of columns is read from [sources.columns]."""
    file = '[[sources]]\nurl = "http://a/"\nttl = 40\n[sources.columns]\nswitch = "guid"\nlabels = ["a", "b"]\n'
    (source,) = load_from(tmp_path, file=file).settings.sources
    assert source.ttl == 40
    assert source.columns.switch == "guid"
    assert source.columns.labels == ("a", "b")


def test_a_source_in_the_file_has_a_layout_of_its_own(tmp_path: Path) -> None:
    """A tab is a delimiter, though blanks around other values are left out; anything else is refused by name."""
    source = '[[sources]]\nurl = "http://a"\n[sources.columns]\ncomment = "#"\nskip_lines = 2\n'
    for delimiter in (",", ";", "\t", "|"):
        spelled = delimiter.replace("\t", "\\t")
        (loaded,) = load_from(tmp_path, file=f'{source}delimiter = "{spelled}"\n').settings.sources
        assert (loaded.columns.delimiter, loaded.columns.comment, loaded.columns.skip_lines) == (delimiter, "#", 2)
    with pytest.raises(ConfigError, match=r"delimiter`: ':' is not one of ',', ';', '\\t', '\|'"):
        load_from(tmp_path, file=f'{source}delimiter = ":"\n')


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_delimiter_can_be_written_in_the_file(tmp_path: Path, delimiter: str) -> None:
    """A tab is one, although blanks around other values are left out; what is printed of it can be read back."""
    file = f'[[sources]]\nurl = "http://a/b"\n[sources.columns]\ndelimiter = {json.dumps(delimiter)}\n'
    loaded = load_from(tmp_path, file=file)
    assert loaded.settings.sources[0].columns.delimiter == delimiter
    again = load_from(tmp_path, file=render_settings(loaded))
    assert resolve_sources(again.settings) == resolve_sources(loaded.settings)


def test_a_source_may_have_limits_of_its_own(tmp_path: Path) -> None:
    """A limit of a source goes before the general one, which goes before the default; all of that is printed."""
    file = (
        'max_rows = 5\nmax_columns = 7\n[[sources]]\nurl = "http://a/"\n'
        '[[sources]]\nurl = "http://b/"\nmax_rows = 6\nmax_spread = 300\nallow_empty = true\n'
    )
    loaded = load_from(tmp_path, file=file)
    a, b = (source.limits for source in resolve_sources(loaded.settings))
    assert (a.max_rows, a.max_columns, a.max_line_kib, a.max_spread, a.allow_empty) == (5, 7, 64, 0, False)
    assert (b.max_rows, b.max_columns, b.max_line_kib, b.max_spread, b.allow_empty) == (6, 7, 64, 300, True)
    again = load_from(tmp_path, file=render_settings(loaded))
    assert [source.limits for source in resolve_sources(again.settings)] == [a, b]


def test_a_source_has_options_of_its_own(tmp_path: Path) -> None:
    """Headers and labels are tables of the source, all else keys; what belongs to the access stands together."""
    file = (
        '[[sources]]\nurl = "https://a/"\ntoken_file = "t"\nclient_cert = "c"\nclient_key = "k"\nca_file = "ca"\n'
        '[sources.headers]\nX-Site = "lab"\n[sources.labels]\nsite = "lab"\n'
    )
    (source,) = resolve_sources(load_from(tmp_path, file=file).settings)
    assert source.labels == {"site": "lab"}
    assert source.access == Access(
        headers={"X-Site": "lab"}, token_file="t", client_cert="c", client_key="k", ca_file="ca"
    )


def test_ports_of_others_may_be_sources(tmp_path: Path) -> None:
    """What is ours depends on role, host and Redis: other ports here, and our ports elsewhere, are allowed."""
    for flags in (
        {"sources": ["http://10.0.0.7:8080/", "http://ufm:6379/", "http://localhost:9001/"]},
        {"sources": ["http://localhost:8080/"], "role": "etl"},
        {"sources": ["http://localhost:6379/"], "redis_url": "unix:///run/redis.sock"},
        {"sources": ["http://localhost:6379/"], "redis_url": "redis://elsewhere"},
    ):
        assert load_from(tmp_path, flags=flags).settings.sources


def test_what_is_shown_of_settings_hides_secrets() -> None:
    """Texts of settings and sources, as logs and tracebacks would have them, hold no secret, and say what is there."""
    source = SourceSettings(url="http://h/?token=hunter2&x=1", headers={"X-Key": "hunter2"}, token="hunter2")
    settings = Settings(redis_url="redis://u:hunter2@h", sources=(source,))
    (resolved,) = resolve_sources(settings)
    for shown in (repr(settings), str(source), f"{resolved}", repr([resolved.access]), repr({"x": resolved})):
        assert "hunter2" not in shown
        assert "***" in shown
    assert "X-Key" in repr(resolved)
    assert "token=***&x=1" in repr(resolved)
    assert repr(SourceSettings(url="http://h/")).startswith("SourceSettings(headers={}, token='', ")


@pytest.mark.parametrize("form", ["flag", "variable"])
def test_another_file_can_be_named(tmp_path: Path, form: str) -> None:
    """--config and SWITCHBOARD_CONFIG name a file instead of ./switchboard.toml."""
    other = tmp_path / "other.toml"
    other.write_text("interval = 7\n")
    layers: dict[str, Any] = {"flags": {"config": str(other)}}
    if form == "variable":
        layers = {"environ": {"SWITCHBOARD_CONFIG": str(other)}}
    assert load_from(tmp_path, file="interval = 99\n", **layers).settings.interval == 7


SOURCE = '[[sources]]\nurl = "http://a"\n'

# What is wrong, and all that the error must say.
MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({"flags": {"port": "99999"}}, ["--port", "'99999'", "a whole number from 0 to 65535"]),
    ({"flags": {"port": "8080.5"}}, ["--port", "'8080.5'"]),
    ({"flags": {"interval": "nan"}}, ["--interval", "'nan'", "a number above 0 (s)"]),
    ({"flags": {"interval": "inf"}}, ["--interval", "'inf'"]),
    ({"flags": {"generator.switches": ""}}, ["--generator-switches", "at least one character"]),
    (
        {"environ": {"SWITCHBOARD_LOG_LEVEL": "loud"}},
        ["SWITCHBOARD_LOG_LEVEL", "'loud'", "debug, info"],
    ),
    ({"environ": {"SWITCHBOARD_GENERATOR_UNASKED_304": "maybe"}}, ["UNASKED_304", "'maybe'", "true or false"]),
    ({"file": "intervall = 5"}, ["switchboard.toml", "unknown key `intervall`", "did you mean `interval`"]),
    ({"file": "[generator]\nhots = 5"}, ["unknown key `generator.hots`", "did you mean `host`"]),
    ({"file": 'interval = "soon"'}, ["key `interval`", "'soon'", "a number above 0"]),
    ({"file": "host = true"}, ["key `host`", "a text"]),
    ({"file": "generator = 5"}, ["`generator` is not a table"]),
    ({"file": "sources = 5"}, ["`sources` is not a list of tables"]),
    ({"file": "sources = []"}, ["`sources` is not a list of tables"]),
    ({"file": "sources = [5]"}, ["`sources[1]` is not a table"]),
    ({"file": '[[sources]]\nname = "x"'}, ["`sources[1]` has no `url`"]),
    (
        {"file": '[[sources]]\nurl = "http://a"\n[sources.columns]\nlabels = "x"'},
        ["sources[1].columns.labels", "a list"],
    ),
    (
        {"file": '[[sources]]\nurl = "http://a"\n[sources.columns]\ncounters = ["x", "y"]\ngauges = ["y"]'},
        ["'y'", "`counters`", "`gauges`"],
    ),
    (
        {"file": '[[sources]]\nurl = "http://a"\n[sources.columns]\nlabels = ["x", "y"]\nmetrics = ["y"]'},
        ["'y'", "`labels`", "`metrics`"],
    ),
    ({"file": '[[sources]]\nurl = "http://a"\n[sources.columns]\nlable = []'}, ["sources[1].columns.lable", "labels"]),
    ({"file": f'{SOURCE}headers = "X: hunter2"'}, ["sources[1].headers", "not shown", "a table of texts"]),
    ({"file": f'{SOURCE}[sources.headers]\nX-A = ["hunter2"]'}, ["sources[1].headers", "a table of texts"]),
    ({"file": f'{SOURCE}token = ["hunter2"]'}, ["sources[1].token", "not shown", "a text"]),
    ({"file": f'{SOURCE}tokn = "hunter2"'}, ["sources[1].tokn", "did you mean `token`"]),
    ({"file": f'{SOURCE}verify = "perhaps"'}, ["sources[1].verify", "true or false"]),
    ({"file": f'{SOURCE}[sources.headers]\n"X A" = "hunter2"'}, ["'a-80'", "`headers`", "'X A'", "name of a header"]),
    ({"file": f'{SOURCE}[sources.headers]\nX-A = "hunter2\\r\\nX-B: 1"'}, ["`headers`", "X-A", "printable ASCII"]),
    ({"file": f'{SOURCE}[sources.headers]\nIf-None-Match = "x"'}, ["If-None-Match", "by the scrape itself"]),
    ({"file": f'{SOURCE}token = "hunter2 hunter2"'}, ["'a-80'", "`token`", "without blanks"]),
    ({"file": f'{SOURCE}token = "hunter2"\ntoken_file = "f"'}, ["'a-80'", "`token`", "`token_file`", "two ways"]),
    (
        {"file": f'{SOURCE}token = "hunter2"\n[sources.headers]\nauthorization = "hunter2"'},
        ["`token`", "`headers.Authorization`"],
    ),
    ({"file": f'{SOURCE}user = "admin"'}, ["'a-80'", "`user`", "`password_file`"]),
    ({"file": f'{SOURCE}password_file = "f"'}, ["`password_file`", "`user`"]),
    ({"file": f'{SOURCE}user = "a:b"\npassword_file = "f"'}, ["`user`", "'a:b'", "colon"]),
    ({"file": f'{SOURCE}client_key = "f"'}, ["`client_key`", "`client_cert`"]),
    ({"file": f'{SOURCE}ca_file = "f"'}, ["'a-80'", "`ca_file`", "https://"]),
    ({"file": '[[sources]]\nurl = "https://a"\nca_file = "f"\nverify = false'}, ["`ca_file`", "`verify = false`"]),
    ({"file": f'{SOURCE}[sources.labels]\n"1st" = "x"'}, ["'a-80'", "`labels`", "'1st'"]),
    ({"file": f'{SOURCE}[sources.labels]\nsite = "a\\nb"'}, ["'a-80'", "`labels.site`", "printable"]),
    ({"flags": {"sources": ["http://169.254.169.254/"]}}, ["'169.254.169.254-80'", "`url`", "link-local"]),
    ({"flags": {"sources": ["x=http://[fe80::1%25eth0]/"]}}, ["`url`", "link-local"]),
    ({"flags": {"sources": ["http://LOCALHOST:8080/"]}}, ["`url`", "this service itself"]),
    ({"flags": {"sources": ["x=http://[::1]:81/"], "port": "81"}}, ["'x'", "`url`", "this service itself"]),
    ({"flags": {"sources": ["http://10.0.0.7:81/"], "port": "81", "host": "10.0.0.7"}}, ["this service itself"]),
    ({"flags": {"sources": ["http://localhost:9102/"], "role": "etl"}}, ["this service itself"]),
    ({"flags": {"sources": ["http://127.0.0.1:6379/"]}}, ["`url`", "the Redis of this service"]),
    ({"flags": {"sources": ["http://h:7/"], "redis_url": "redis://:hunter2@H:7"}}, ["the Redis of this service"]),
    ({"file": "interval = x\n"}, ["switchboard.toml", "not valid TOML", "line 1"]),
    ({"flags": {"config": "/nonexistent/x.toml"}}, ["/nonexistent/x.toml", "No such file"]),
    ({"flags": {"sources": ["ftp://a/"]}}, ["'ftp://a/'", "http://"]),
    (
        {"file": '[[sources]]\nurl = "http://a/"\ncontent_types = ["text/html; charset=utf-8"]\n'},
        ["'a-80'", "`content_types`", "text/html; charset=utf-8", "without parameters"],
    ),
    ({"flags": {"sources": ["store=http://a/"]}}, ["'store'", "Redis", "change its `name`"]),
    ({"flags": {"sources": ["http://u:hunter2@a/"]}}, ["user or password", "***"]),
    ({"flags": {"sources": ["http://a/\x1b[31m?token=hunter2"]}}, ["`url`", "http://a/\\x1b[31m?token=***", "control"]),
    ({"flags": {"sources": ["http://a/b\nc"]}}, ["`url`", "http://a/b\\nc"]),
    ({"flags": {"sources": ["http://a/\u202ec"]}}, ["`url`", "http://a/\\u202ec"]),
    ({"flags": {"sources": ["http://a/", "http://a/"]}}, ["two sources are called 'a-80'"]),
    ({"flags": {"ttl": "20"}}, ["TTL of 20 s", "28 s"]),
    ({"flags": {"redis_url": "http://u:hunter2@h/"}}, ["--redis_url", "http://u:***@h/", "redis://"]),
    ({"flags": {"redis_url": "redis://h:port"}}, ["--redis_url"]),
    ({"flags": {"redis_url": "redis://:hunt/er2@h:6379/0"}}, ["--redis_url", "percent-encode"]),
    ({"flags": {"redis_url": "localhost:6379"}}, ["'localhost:6379'", "write redis://"]),
    ({"flags": {"redis_url": "u:hunter2@localhost"}}, ["`redis_url`", "write redis://"]),
    ({"flags": {"redis_url": "valkey://h/"}}, ["'valkey://h/'", "write redis://", "also for Valkey"]),
    ({"flags": {"redis_url": "redis://h/?nonsense=hunter2"}}, ["--redis_url", "'nonsense'", "db, password,"]),
    ({"flags": {"redis_url": "redis://h/?socket_timeout=60"}}, ["'socket_timeout'"]),
    ({"flags": {"redis_url": "redis://h/abc"}}, ["database 'abc'", "redis://HOST:PORT/0"]),
    ({"flags": {"redis_url": "redis://h/?db=-1"}}, ["database '-1'"]),
    ({"flags": {"redis_url": "redis://h/#x"}}, ["`redis_url`"]),
    ({"flags": {"redis_url": "redis://h:0/"}}, ["no port 0"]),
    ({"flags": {"redis_url": "rediss://h/?ssl_cert_reqs=perhaps"}}, ["ssl_cert_reqs='perhaps'", "required or none"]),
    ({"flags": {"redis_url": "redis://h/?ssl_ca_certs=/x"}}, ["`redis_ca_file`", "rediss://"]),
    ({"flags": {"redis_url": "redis://h/", "redis_ca_file": "/x"}}, ["`redis_ca_file`", "rediss://", "redis://h/"]),
    ({"flags": {"redis_client_cert": "/x"}}, ["`redis_client_cert`", "rediss://"]),
    ({"flags": {"redis_url": "rediss://h/", "redis_client_key": "/x"}}, ["`redis_client_key`", "`redis_client_cert`"]),
    (
        {"flags": {"redis_url": "redis://:hunter2@h/", "redis_password_file": "/x"}},
        ["`redis_password_file`", "`redis_url`", "two ways"],
    ),
    ({"environ": {"SWITCHBOARD_REDIS_URL": "unix://"}}, ["SWITCHBOARD_REDIS_URL"]),
]


@pytest.mark.parametrize(("layers", "words"), MISTAKES, ids=[" ".join(words)[:60] for _, words in MISTAKES])
def test_a_mistake_is_explained(tmp_path: Path, layers: dict[str, Any], words: list[str]) -> None:
    """A value that cannot be used is an error with the place, the value and what is right, and no secret."""
    with pytest.raises(ConfigError) as caught:
        load_from(tmp_path, **layers)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "hunter2" not in message
    assert "\n" not in message


def test_an_unreadable_file_is_explained(tmp_path: Path) -> None:
    """Bytes that are no text, and a folder, are errors that name the file."""
    (tmp_path / "switchboard.toml").write_bytes(b"host = '\xff'")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_from(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_from(tmp_path, flags={"config": str(tmp_path)})


@pytest.mark.parametrize("given", [{"flags": {"fast_door": "false"}}, {"environ": {"SWITCHBOARD_FAST_DOOR": "true"}}])
def test_a_setting_without_effect_is_a_warning(tmp_path: Path, given: dict[str, Any]) -> None:
    """It is taken for one version, and the warning says where it was given."""
    (warning,) = load_from(tmp_path, **given).warnings
    assert "fast_door has no effect any more" in warning


def test_unknown_variables_are_a_warning(tmp_path: Path) -> None:
    """Variables that nobody knows, Kubernetes' service links among them, are named in one warning and ignored."""
    environ = {
        "SWITCHBOARD_INTERVL": "5",
        "SWITCHBOARD_SERVICE_HOST": "10.0.0.7",
        "SWITCHBOARD_PORT": "tcp://10.0.0.7:8080",
        "OTHER": "x",
    }
    loaded = load_from(tmp_path, environ=environ)
    assert loaded.settings == Settings()
    (warning,) = loaded.warnings
    assert "SWITCHBOARD_INTERVL (did you mean `SWITCHBOARD_INTERVAL`?)" in warning
    assert "SWITCHBOARD_PORT=tcp://10.0.0.7:8080" in warning
    assert "SWITCHBOARD_SERVICE_HOST" in warning


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """`SWITCHBOARD_PORT=` keeps the default, as compose files write it."""
    assert load_from(tmp_path, environ={"SWITCHBOARD_PORT": "", "SWITCHBOARD_SOURCES": " "}).settings == Settings()


def test_numbers_in_the_file_may_stand_for_texts(tmp_path: Path) -> None:
    """`switches = 5` is as good as `switches = "5"`."""
    assert load_from(tmp_path, file="[generator]\nswitches = 5\n").settings.generator.switches == "5"


def test_consents_are_of_one_source(tmp_path: Path) -> None:
    """They reach the source that they are given for, types of a body in small letters, and no other."""
    file = """
        [[sources]]
        url = "http://a/"
        content_types = ["Text/HTML"]
        allow_unframed = true
        [[sources]]
        url = "http://b/"
    """
    one, other = resolve_sources(load_from(tmp_path, file=file).settings)
    assert (one.content_types, one.allow_unframed) == (("text/html",), True)
    assert (other.content_types, other.allow_unframed) == ((), False)


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    """The printed settings are a file that gives the same sources, values and general settings again."""
    file = (
        'interval = 3.25\nlog_format = "json"\n[[sources]]\nurl = "http://a/?x=\\"y\\""\nname = "A"\n'
        'labels = { site = "lab \\"1\\"" }\ntoken_file = "t"\n'
        '[sources.columns]\nswitch = "späti\\u007f"\nlabels = ["l1", "l2"]\n[[sources]]\nurl = "https://b"\n'
        "verify = false\n"
        '[generator]\nswitches = "x,y"\nunasked_304 = true\n'
    )
    loaded = load_from(tmp_path, file=file)
    again = load_from(tmp_path, file=render_settings(loaded))
    assert resolve_sources(again.settings) == resolve_sources(loaded.settings)
    assert msgspec.structs.replace(again.settings, sources=()) == msgspec.structs.replace(loaded.settings, sources=())


def test_printed_settings_hide_secrets_and_name_origins(tmp_path: Path) -> None:
    """Passwords and tokens are masked, and a value that was set names its place."""
    flags = {"redis_url": "rediss://u:hunter2@h/0", "sources": ["http://h/?token=hunter2&x=1"], "interval": "5"}
    text = render_settings(load_from(tmp_path, flags=flags))
    assert "hunter2" not in text
    assert 'redis_url = "rediss://u:***@h/0"  # --redis_url' in text
    assert 'url = "http://h/?token=***&x=1"' in text
    assert "interval = 5  # --interval" in text
    assert "workers = 1\n" in text


def test_printed_sources_hide_tokens_and_headers(tmp_path: Path) -> None:
    """Of headers and tokens the output says that they are there."""
    file = f'{SOURCE}token = "hunter2"\n[sources.headers]\nX-Key = "hunter2"\n[sources.labels]\nsite = "lab"\n'
    text = render_settings(load_from(tmp_path, file=file))
    assert "hunter2" not in text
    assert 'token = "***"\n' in text
    assert 'headers = { "X-Key" = "***" }\n' in text
    assert 'labels = { "site" = "lab" }\n' in text


def test_reference_is_the_document() -> None:
    """docs/CONFIG.md is what `switchboard config --reference` prints."""
    assert (ROOT / "docs" / "CONFIG.md").read_text("utf-8") == render_reference()


def test_every_setting_is_described() -> None:
    """Every setting has a meaning, a variable and a flag of its own, and numbers with a dimension have a unit."""
    settings = (*GENERAL, *GENERATOR)
    assert all(setting.meaning for setting in settings)
    assert len({setting.variable for setting in settings}) == len(settings)
    assert len({setting.long_flag for setting in settings}) == len(settings)
    assert all(setting.unit for setting in settings if setting.base is float)
    assert {setting.key for setting in GENERAL} == set(Settings.__struct_fields__) - {"sources", "generator"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis://:p%40ss@h:1/2", "redis://:***@h:1/2"),
        ("redis://p@h", "redis://***@h"),
        ("http://h/a?b=c&api_key=x", "http://h/a?b=c&api_key=***"),
        ("http://[::1", "***"),
    ],
)
def test_masked_urls_stay_what_they_are(url: str, shown: str) -> None:
    """Only secrets are replaced in a URL that is shown."""
    assert mask_url(url) == shown


def test_sources_of_the_settings_are_structs() -> None:
    """The default is the generator on its default port."""
    assert Settings().sources == (SourceSettings(url="http://localhost:9001/counters"),)
