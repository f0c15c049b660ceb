"""How log lines look: key=value for people at a terminal, JSON (RFC 8259) for everything else."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from dragoman.log import about, fields_of
from dragoman.trace import Seen

_traffic = logging.getLogger("dragoman.traffic")

QUIET: Final = ("aioice", "asyncio", "dns", "OpenSSL")


class Text(logging.Formatter):
    """`2026-11-22T10:00:00.123Z info hub: stream up remote=xmpp.example`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it, indented."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in fields_of(record).items())
        level = record.levelname.lower()
        line = f"{_when(record)} {level} {_place(record)}: {_line(record.getMessage())}{fields}"
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


class Json(logging.Formatter):
    """One object a line: at, level, place, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        found = {
            "at": _when(record),
            "level": record.levelname.lower(),
            "place": _place(record),
            "event": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found, ensure_ascii=False)


def start(level: str, style: Literal["auto", "text", "json"], stream: TextIO = sys.stderr) -> None:
    """Log to `stream` from `level` on; `auto` is text when the stream is a terminal."""
    text = style == "text" or (style == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text() if text else Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def traffic(seen: Seen) -> None:
    """Log a message that the tap saw, whole: a reader of the tap, for the level debug."""
    _traffic.debug(
        "%s %s",
        seen.protocol,
        seen.direction,
        extra=about(exchange=seen.exchange, peer=seen.peer, text=seen.text),
    )


def _when(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def _place(record: logging.LogRecord) -> str:
    return record.name.removeprefix("dragoman.")


def _line(text: str) -> str:
    """Return `text` as part of one line: what a peer sent cannot begin a line of its own."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _quoted(value: str) -> str:
    plain = value.isprintable() and not any(each in value for each in ' "=')
    return value if plain else json.dumps(value, ensure_ascii=False)
