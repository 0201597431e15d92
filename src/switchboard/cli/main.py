"""The command line: each command reads the settings, and runs.

A mistake of the user ends in one or two lines on standard error and exit code 2, never in a traceback.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from typer.main import get_command

from switchboard import __version__
from switchboard.cli.options import flags_for, takes
from switchboard.cli.streams import open_closed_streams
from switchboard.config.layers import GENERAL, GENERATOR, Given, Loaded, load
from switchboard.config.redis import check_redis
from switchboard.config.resolve import resolve_sources
from switchboard.config.secrets import check_access
from switchboard.errors import ConfigError, PortTaken, SwitchboardError
from switchboard.log import configure_logging
from switchboard.process.worker import EXIT_CONFIG, new_event_loop

_LOGS = [setting for setting in GENERAL if setting.panel == "Logs"]
_OF_UP = [setting for setting in GENERAL if setting.key not in {"role", "etl_port"}]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake of the user, 1 for any other failure."""
    open_closed_streams()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = get_command(app).main(args=words, prog_name="switchboard", standalone_mode=False)
    except typer.TyperException as error:
        _complain(error.format_message())
        context = getattr(error, "ctx", None)
        if context is not None:
            print(f"Try: {context.command_path} --help", file=sys.stderr)
        return error.exit_code
    except (ConfigError, PortTaken) as error:
        _complain(str(error))
        return EXIT_CONFIG
    except SwitchboardError as error:
        _complain(str(error))
        return 1
    except (typer.Abort, KeyboardInterrupt):  # Ctrl-C before the signal handler was set
        return 130
    return code if isinstance(code, int) else 0


@app.callback(invoke_without_command=True)
def _switchboard(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", metavar="", show_default=False)
    ] = False,
) -> None:
    """Telemetry infrastructure for network fabrics.

    Pulls counters from switches, keeps the latest complete snapshot in Redis, and answers questions about it over HTTP.

    Start with:  switchboard up
    """
    if version:
        print(f"switchboard {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
@takes(flags_for([*_OF_UP, *GENERATOR], long=True, sources=True))
def up(
    flags: dict[str, Given],
    no_generator: Annotated[
        bool,
        typer.Option(
            "--no-generator",
            help="Do not start the generator; name your sources.",
            metavar="",
            rich_help_panel="Generator",
        ),
    ] = False,
) -> None:
    """Run everything on this machine: a private Redis, the generator, and the ingester.

    Prints the addresses and some commands to try, once the API answers. Ctrl-C stops everything.

    switchboard up
    switchboard up --port 8081 --generator-switches 10000
    switchboard up --no-generator --source http://ufm.example:9001/csv/cset/low_freq
    """
    loaded = _load(flags, "up")
    if no_generator and "sources" not in loaded.origins:
        raise ConfigError(
            "--no-generator leaves nothing to scrape: name a source with --source [NAME=]URL, "
            "SWITCHBOARD_SOURCES or [[sources]] in the file"
        )
    from switchboard.process.services import run_up

    _run(run_up(loaded.settings, generator=not no_generator, sources_given="sources" in loaded.origins))


@app.command()
@takes(flags_for([*GENERATOR, *_LOGS], long=False, sources=False))
def generator(flags: dict[str, Given]) -> None:
    """Simulate switches and serve their counters as CSV over HTTP.

    switchboard generator
    switchboard generator --port 9002 --switches leaf1,leaf2,spine1 --hold 2
    curl http://127.0.0.1:9001/counters
    """
    loaded = _load(flags, "generator")
    from switchboard.process.services import run_generator

    _run(run_generator(loaded.settings), new_event_loop)


@app.command()
@takes(flags_for(GENERAL, long=True, sources=True))
def ingester(flags: dict[str, Given]) -> None:
    """Pull counters from the sources, keep them in Redis, and serve the query API.

    Needs a Redis or Valkey server. You may run several: each as a whole, or some as the ETL and some as the API.

    switchboard ingester --redis-url redis://localhost:6379/0 --source http://localhost:9001/counters
    switchboard ingester --role api --workers 4
    """
    loaded = _load(flags, "ingester")
    from switchboard.process.services import run_ingester

    _run(run_ingester(loaded.settings))


@app.command()
@takes(flags_for([*GENERAL, *GENERATOR], long=True, sources=True))
def config(
    flags: dict[str, Given],
    reference: Annotated[
        bool, typer.Option("--reference", help="Describe all settings, as Markdown.", metavar="", show_default=False)
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print warnings only; the exit code is 0 if the settings can be used, else 2.",
            metavar="",
            show_default=False,
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="With --check: the exit code is 1 if something is ignored, such as a variable of no setting.",
            metavar="",
            show_default=False,
        ),
    ] = False,
) -> int:
    """Print the effective settings, and where each value comes from; secrets are masked.

    Takes every flag of the other commands, and shows its effect.

    switchboard config
    SWITCHBOARD_INTERVAL=5 switchboard config --config prod.toml
    """
    from switchboard.cli.reference import render_reference, render_settings

    if reference:
        print(render_reference(), end="")
        return 0
    if strict and not check:
        raise ConfigError("--strict is for --check: add it")
    loaded = _read(flags)
    warnings = list(loaded.warnings)
    if check:
        warnings += check_access(resolve_sources(loaded.settings))
        check_redis(loaded.settings)
        from switchboard.generator.service import create_service

        create_service(loaded.settings.generator)
    else:
        print(render_settings(loaded), end="")
    for warning in warnings:
        _complain(warning)
    return int(strict and bool(loaded.warnings))


@app.command()
def openapi(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As Markdown, for people.", metavar="", show_default=False)
    ] = False,
) -> None:
    """Print the description of the query API: the OpenAPI document that /openapi.json serves.

    switchboard openapi > openapi.json
    switchboard openapi --markdown
    """
    from switchboard.api.describe.markdown import render_markdown
    from switchboard.api.describe.openapi import describe, encoded_document
    from switchboard.api.endpoints import ENDPOINTS

    print(render_markdown(describe(ENDPOINTS)) if markdown else encoded_document(ENDPOINTS).decode(), end="")


def _read(flags: dict[str, Given]) -> Loaded:
    return load(flags, os.environ, Path.cwd())


def _load(flags: dict[str, Given], service: str) -> Loaded:
    """Read the settings for a service, and configure its logs."""
    loaded = _read(flags)
    configure_logging(service, level=loaded.settings.log_level, form=loaded.settings.log_format)
    for warning in loaded.warnings:
        structlog.get_logger().warning(warning)
    return loaded


def _run(
    work: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)


def _complain(message: str) -> None:
    print(f"switchboard: {message}", file=sys.stderr)
