"""The command line: `dragoman run`, `dragoman config`, `dragoman doctor`,
`dragoman demo`.

Exit codes: 0 after a clean stop, 1 when something failed while running, 2 on a configuration
or a command line that cannot be used.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dragoman import __version__
from dragoman.app import logs
from dragoman.app.config import Configuration
from dragoman.app.reading import BadConfiguration, describe, load

File = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Default: /etc/dragoman/dragoman.toml."),
]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dragoman {__version__}")
        raise typer.Exit


@app.callback()
def _dragoman(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Translate between SIP and XMPP: point a domain's DNS here, and both sides talk."""


@app.command()
def run(config: File = None) -> None:
    """Run the gateway until SIGTERM; without a file, for every domain whose DNS points here."""
    configuration = _load(config)
    logs.start(configuration.log.level, configuration.log.format)
    from dragoman.app.services import serve

    raise typer.Exit(serve(configuration))


@app.command("config")
def show(config: File = None) -> None:
    """Print the configuration in effect, every key explained; secrets are masked."""
    typer.echo(describe(_load(config)), nl=False)


@app.command()
def doctor(
    words: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS|DOMAIN]...")] = None,
    config: File = None,
) -> None:
    """Say what is wrong with this installation, or with what the DNS says of a domain."""
    configuration = _load(config)
    import asyncio

    from rich.console import Console
    from rich.text import Text

    from dragoman.app.check import Level, domain_of, examine
    from dragoman.errors import LocalError

    try:
        domains = list(dict.fromkeys(domain_of(each) for each in words or []))
    except LocalError as error:
        typer.echo(f"dragoman: {error.reason}", err=True)
        raise typer.Exit(2) from None
    found = asyncio.run(examine(configuration, domains))
    styles = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red"}
    console = Console()
    for each in found:
        line = Text.assemble(
            (f"{each.level:8}", styles[each.level]), f"{each.subject}: {each.text}"
        )
        console.print(line, soft_wrap=True)
    raise typer.Exit(int(any(each.level is Level.ERROR for each in found)))


@app.command()
def demo() -> None:
    """Show a conversation between a scripted XMPP domain and a scripted SIP phone."""
    from dragoman.app.demo import show

    raise typer.Exit(show())


def _load(file: Path | None) -> Configuration:
    try:
        return load(file)
    except BadConfiguration as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(app())
