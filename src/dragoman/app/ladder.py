"""A conversation as a ladder: what went between which two, in order, as the tap saw it."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dragoman.errors import RemoteError
from dragoman.trace import Direction, Protocol, Seen
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import BODY, payload

RIGHT: Final = "───▶"
LEFT: Final = "◀───"
COLOURS: Final = {Protocol.SIP: "cyan", Protocol.XMPP: "magenta"}


class Ladder:
    """A reader of the tap that keeps what it saw, up to `most` messages, and draws it."""

    def __init__(self, most: int = 1000) -> None:
        """Start empty."""
        self.seen: list[Seen] = []
        self._most = most

    def __call__(self, seen: Seen) -> None:
        """Keep a message."""
        if len(self.seen) < self._most:
            self.seen.append(seen)

    def draw(self, console: Console, wanted: Iterable[Protocol] = tuple(Protocol)) -> None:
        """Print the ladder: XMPP on the left, the gateway in the middle, SIP on the right."""
        protocols = frozenset(wanted)
        chosen = [seen for seen in self.seen if seen.protocol in protocols]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("ms", justify="right", style="dim")
        table.add_column("exchange", style="dim")
        table.add_column("XMPP", justify="right")
        table.add_column("", no_wrap=True)
        table.add_column("gateway", justify="center", style="dim", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("SIP")
        for seen in chosen:
            table.add_row(*_rung(seen, chosen[0].at))
        console.print(table)


def _rung(seen: Seen, start: float) -> Sequence[str | Text]:
    told = Text(summary(seen), style="red" if is_failure(seen) else COLOURS[seen.protocol])
    toward_sip = (seen.protocol is Protocol.XMPP) is (seen.direction is Direction.IN)
    arrow = RIGHT if toward_sip else LEFT
    at = f"{(seen.at - start) * 1000:.0f}"
    if seen.protocol is Protocol.XMPP:
        return at, seen.exchange, told, arrow, "│", "", ""
    return at, seen.exchange, "", "", "│", arrow, told


def summary(seen: Seen) -> str:
    """Return in a few words what the message is: its kind, whom it is for, and its text."""
    return _stanza(seen.text) if seen.protocol is Protocol.XMPP else _sip(seen.text)


def is_failure(seen: Seen) -> bool:
    """Tell whether the message says that something did not work."""
    if seen.protocol is Protocol.SIP:
        return seen.text.startswith("SIP/2.0 ") and seen.text[8:9] in "3456"
    return "type='error'" in seen.text.partition(">")[0]


def _sip(text: str) -> str:
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first = head.partition("\n")[0].removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")
    return f"{first} “{body.strip()}”" if body.strip() else first


def _stanza(text: str) -> str:
    try:
        stanza = parse_document(text.encode())
    except RemoteError:
        return text
    kind, type_ = stanza.local_name, stanza.get("type", "")
    if type_ == "error":
        return f"{StanzaError.parse(stanza).reason} to {stanza.get('to')}"
    body = stanza.find(BODY)
    said = f" “{body.text}”" if body is not None else ""
    return f"{kind} {_about(stanza) or type_} to {stanza.get('to')}{said}".replace("  ", " ")


def _about(stanza: Element) -> str:
    """Return what an iq asks for, in its payload's name; "" for other stanzas and answers."""
    asked = payload(stanza) if stanza.local_name == "iq" else None
    return asked.local_name if asked is not None else ""
