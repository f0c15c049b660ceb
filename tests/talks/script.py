"""Talks: conversations as scripts anyone can read, one statement a line.

alice to carol@sip.test: TEXT      the XMPP user writes     (`carol to ...` the SIP user)
alice sends carol@sip.test: XML    her client sends this <message>, to which addresses are added
carol receives: TEXT               the next thing that arrives is this, and nothing before it;
                                   a line break is written as \\n
carol hears 202                    the status of what she wrote last
alice hears item-not-found         the condition of the error for what she wrote last
"""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dragoman.testing.stream import body_of, condition_of
from tests.house import ALICE, House

STATEMENT: Final = re.compile(
    r"(?P<who>alice|carol) (?:(?P<verb>to|sends) (?P<to>\S+): (?P<said>.*)|"
    r"(?P<gets>receives): (?P<text>.*)|(?P<hears>hears) (?P<word>\S+))"
)


class TalkError(AssertionError):
    """A line that is not understood, or that did not come true; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of a talk."""

    place: str
    who: str
    verb: str
    what: str
    to: str = ""


def parse(name: str, text: str) -> list[Statement]:
    """Return the statements of a talk; TalkError for a line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{name}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        match = STATEMENT.fullmatch(line)
        if match is None:
            raise TalkError(f"{place}: not understood: {line!r}")
        verb = match["verb"] or match["gets"] or match["hears"]
        what = match["said"] or match["text"] or match["word"] or ""
        found.append(Statement(place, match["who"], verb, what, match["to"] or ""))
    return found


def rows(text: str) -> list[str]:
    """Return the checklist rows that a talk says it proves."""
    return [
        row
        for line in text.splitlines()
        if line.startswith("# proves:")
        for row in line.split()[2:]
    ]


@dataclass(slots=True)
class Talk:
    """A talk being held in a house."""

    house: House
    status: int | None = None
    unheard: list[str] = field(default_factory=list)

    async def hold(self, statements: list[Statement]) -> None:
        """Do what is said, line by line, and see that nothing else arrived."""
        for each in statements:
            step = self._steps()[each.who, each.verb]
            try:
                await step(each)
            except TimeoutError:
                raise TalkError(f"{each.place}: nothing came{self._ladder()}") from None
        left = len(self.house.phone.received) - self._received["carol"]
        if left:
            raise TalkError(f"carol received {left} more than the talk tells{self._ladder()}")

    _received: dict[str, int] = field(default_factory=lambda: {"carol": 0})

    def _steps(
        self,
    ) -> dict[tuple[str, str], Callable[[Statement], Coroutine[Any, Any, None]]]:
        return {
            ("alice", "to"): self._alice_to,
            ("alice", "sends"): self._alice_sends,
            ("carol", "to"): self._carol_to,
            ("alice", "receives"): self._alice_receives,
            ("carol", "receives"): self._carol_receives,
            ("alice", "hears"): self._alice_hears,
            ("carol", "hears"): self._carol_hears,
        }

    async def _alice_to(self, said: Statement) -> None:
        self.house.domain.message(ALICE, said.to, said.what)

    async def _alice_sends(self, said: Statement) -> None:
        addressed = f"<message from='{ALICE}' to='{said.to}' type='chat'"
        self.house.domain.send(said.what.replace("<message", addressed, 1), said.to)

    async def _carol_to(self, said: Statement) -> None:
        self.status = await self.house.says(said.to, said.what)

    async def _alice_receives(self, said: Statement) -> None:
        self._expect(said, body_of(await self.house.domain.next_stanza()))

    async def _carol_receives(self, said: Statement) -> None:
        self._received["carol"] += 1
        text = (await self.house.phone.next_request()).text
        self._expect(said, text.replace("\n", "\\n"))

    async def _alice_hears(self, said: Statement) -> None:
        stanza = await self.house.domain.next_stanza()
        self._expect(said, condition_of(stanza))
        if not stanza.get("to", "").startswith(ALICE.partition("/")[0]):
            raise TalkError(f"{said.place}: it was for {stanza.get('to')}")

    async def _carol_hears(self, said: Statement) -> None:
        self._expect(said, str(self.status))

    def _expect(self, said: Statement, found: str | None) -> None:
        if found != said.what:
            raise TalkError(f"{said.place}: not {said.what!r} but {found!r}{self._ladder()}")

    def _ladder(self) -> str:
        return "".join(
            f"\n  {each.direction} {each.text[:200]!r}" for each in self.house.seen[-12:]
        )


def talks() -> list[Path]:
    """Return the talks of the project."""
    return sorted((Path(__file__).resolve().parents[2] / "talks").glob("*.talk"))
