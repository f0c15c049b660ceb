"""A conversation as a ladder: what went between which two, in order, from the tap."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dragoman.trace import Direction, Protocol, Seen

ARROW: Final = {True: "───▶", False: "◀───"}
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
        chosen = [seen for seen in self.seen if seen.protocol in set(wanted)]
        table = Table(box=None, pad_edge=False, expand=False)
        table.add_column("ms", justify="right", style="dim")
        table.add_column("exchange", style="dim")
        table.add_column("XMPP", justify="left", ratio=1)
        table.add_column("", justify="center")
        table.add_column("gateway", justify="center", style="bold")
        table.add_column("", justify="center")
        table.add_column("SIP", justify="left", ratio=1)
        start = chosen[0].at if chosen else 0.0
        for seen in chosen:
            table.add_row(*_rung(seen, start))
        console.print(table)


def _rung(seen: Seen, start: float) -> Sequence[str | Text]:
    told = Text(summary(seen), style=COLOURS[seen.protocol])
    arrow = ARROW[(seen.protocol is Protocol.XMPP) is (seen.direction is Direction.IN)]
    at = f"{(seen.at - start) * 1000:.0f}"
    if seen.protocol is Protocol.XMPP:
        return at, seen.exchange, told, arrow, "│", "", ""
    return at, seen.exchange, "", "", "│", arrow, told


def summary(seen: Seen) -> str:
    """Return one line that says what the message is: its first line and its text."""
    if seen.protocol is Protocol.XMPP:
        return seen.text
    head, _, body = seen.text.replace("\r\n", "\n").partition("\n\n")
    first = head.partition("\n")[0].removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")
    return f"{first}  {body.strip()}" if body.strip() else first
