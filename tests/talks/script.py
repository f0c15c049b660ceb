"""Talks: conversations as scripts anyone can read, one statement a line.

alice to carol@sip.test: TEXT      the XMPP user writes     (`carol to ...` the SIP user)
alice sends carol@sip.test: XML    her client sends this <message>, to which addresses are added
carol sends alice@xmpp.test as TYPE: BODY   a body of that type, with \\n where a line ends
carol receives: TEXT               the next thing that arrives is this, and nothing before it;
                                   a line break is written as \\n
carol receives in parts: TEXT      the same, of a text that came in several messages, each numbered
carol takes text/plain             from now on her phone refuses other types of bodies (415)
alice asks carol@sip.test: TEXT    the same, and wants to hear what becomes of it
alice confirms delivered           she, or her client, tells that of what came last; or displayed
alice learns delivered             that is what she hears of what she wrote last; or displayed
alice is composing to carol@sip.test   a chat state; for carol one of isComposing: active, idle
alice sees composing               the state is what arrives next
carol hears 202                    the status of what she wrote last
alice hears item-not-found         the condition of the error for what she wrote last
"""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

from dragoman.app.demo import CAROL
from dragoman.testing.siptext import SipText
from dragoman.testing.stream import body_of, condition_of, shown
from tests.house import ALICE, House

RECEIPTS: Final = "urn:xmpp:receipts"
MARKERS: Final = "urn:xmpp:chat-markers:0"
STATES: Final = "http://jabber.org/protocol/chatstates"
CONFIRMED: Final = {"delivered": ("received", RECEIPTS), "displayed": ("displayed", MARKERS)}
IMDN_NS: Final = "urn:ietf:params:imdn"
IMDN: Final = "urn:ietf:params:xml:ns:imdn"
COMPOSING: Final = "urn:ietf:params:xml:ns:im-iscomposing"
ABOUT: Final = re.compile(r"<message-id>([^<]*)</message-id>")
STATUS: Final = re.compile(r"<status>\s*<([a-z]+)\s*/>")
PART: Final = re.compile(r"\((\d)/(\d)\) (.*)", re.DOTALL)
STATE: Final = re.compile(r"<state>([a-z]+)</state>")

STATEMENT: Final = re.compile(
    r"(?P<who>alice|carol) (?:(?P<verb>to|sends|asks) (?P<to>\S+)"
    r"(?: as (?P<media>\S+))?: (?P<said>.*)|"
    r"(?P<gets>receives(?: in parts)?): (?P<text>.*)|(?P<does>is) (?P<state>\S+) to (?P<whom>\S+)|"
    r"(?P<hears>hears|sees|learns|confirms|takes) (?P<word>\S+))"
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
    media: str = ""


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
        verb = match["verb"] or match["gets"] or match["hears"] or match["does"]
        what = match["said"] or match["text"] or match["word"] or match["state"] or ""
        to = match["to"] or match["whom"] or ""
        found.append(Statement(place, match["who"], verb, what, to, match["media"] or ""))
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
    asked: str = ""
    """The id of the last message whose sender wants to hear of it."""
    came: Element | None = None
    """What alice received last."""
    letter: dict[str, str] = field(default_factory=dict)
    """The headers around what carol received last."""

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
            ("carol", "receives in parts"): self._carol_receives_in_parts,
            ("carol", "takes"): self._carol_takes,
            ("alice", "hears"): self._alice_hears,
            ("carol", "sends"): self._carol_as,
            ("carol", "hears"): self._carol_hears,
            ("alice", "asks"): self._alice_asks,
            ("carol", "asks"): self._carol_asks,
            ("alice", "confirms"): self._alice_confirms,
            ("carol", "confirms"): self._carol_confirms,
            ("alice", "learns"): self._alice_learns,
            ("carol", "learns"): self._carol_learns,
            ("alice", "is"): self._alice_is,
            ("carol", "is"): self._carol_is,
            ("alice", "sees"): self._alice_sees,
            ("carol", "sees"): self._carol_sees,
        }

    async def _alice_to(self, said: Statement) -> None:
        self.house.domain.message(ALICE, said.to, said.what)

    async def _alice_sends(self, said: Statement) -> None:
        addressed = f"<message from='{ALICE}' to='{said.to}' type='chat'"
        self.house.domain.send(said.what.replace("<message", addressed, 1), said.to)

    async def _carol_to(self, said: Statement) -> None:
        self.status = await self.house.says(said.to, said.what)

    async def _alice_receives(self, said: Statement) -> None:
        self.came = await self.house.domain.next_stanza()
        self._expect(said, (body_of(self.came) or "").replace("\n", "\\n"))

    async def _carol_receives(self, said: Statement) -> None:
        text = letter((await self._next_request()).text, self.letter)
        self._expect(said, text.replace("\n", "\\n"))

    async def _carol_receives_in_parts(self, said: Statement) -> None:
        parts: list[str] = []
        count = 0
        while not count or len(parts) < count:
            text = letter((await self._next_request()).text, self.letter)
            found = PART.fullmatch(text)
            if found is None or int(found[1]) != len(parts) + 1:
                raise TalkError(f"{said.place}: no part: {text[:80]!r}{self._ladder()}")
            parts.append(found[3])
            count = int(found[2])
        if count < 2:
            raise TalkError(f"{said.place}: it came whole")
        self._expect(said, " ".join(parts))

    async def _carol_takes(self, said: Statement) -> None:
        self.house.phone.core.accepts = frozenset(said.what.split(","))

    async def _next_request(self) -> SipText:
        self._received["carol"] += 1
        return await self.house.phone.next_request()

    # -- what becomes of messages, and who is writing ----------------------------------------

    async def _alice_asks(self, said: Statement) -> None:
        self.asked = f"a{len(self.house.seen)}"
        self.house.domain.send(
            f"<message from='{ALICE}' to='{said.to}' type='chat' id='{self.asked}'>"
            f"<body>{said.what}</body><request xmlns='{RECEIPTS}'/>"
            f"<markable xmlns='{MARKERS}'/></message>",
            said.to,
        )

    async def _carol_asks(self, said: Statement) -> None:
        self.asked = f"c{len(self.house.seen)}"
        wants = "positive-delivery, negative-delivery, display"
        body = cpim(f"imdn.Message-ID: {self.asked}", f"imdn.Disposition-Notification: {wants}")
        body += f"Content-Type: text/plain\r\n\r\n{said.what}"
        self.status = await self._carol_sends(said.to, body, "message/cpim")

    async def _carol_as(self, said: Statement) -> None:
        self.status = await self._carol_sends(said.to, said.what.replace("\\n", "\r\n"), said.media)

    async def _carol_sends(self, to: str, body: str, media: str) -> int | None:
        sent = await self.house.phone.send(f"sip:{CAROL}", f"sip:{to}", body, content_type=media)
        return sent.status

    async def _alice_confirms(self, said: Statement) -> None:
        assert self.came is not None
        to, word = self.came.attrib["from"], CONFIRMED[said.what]
        self.house.domain.send(
            f"<message from='{ALICE}' to='{to}' type='chat' id='r{len(self.house.seen)}'>"
            f"<{word[0]} xmlns='{word[1]}' id='{self.came.get('id')}'/></message>",
            to,
        )

    async def _carol_confirms(self, said: Statement) -> None:
        kind = "delivery" if said.what == "delivered" else "display"
        body = cpim("imdn.Message-ID: other") + (
            "Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n"
            f"<imdn xmlns='{IMDN}'><message-id>{self.letter['imdn.Message-ID']}</message-id>"
            f"<datetime>{self.letter['DateTime']}</datetime>"
            f"<{kind}-notification><status><{said.what}/></status></{kind}-notification></imdn>"
        )
        self.status = await self._carol_sends(ALICE.partition("/")[0], body, "message/cpim")

    async def _alice_learns(self, said: Statement) -> None:
        stanza = await self.house.domain.next_stanza()
        found = [word for word, name in CONFIRMED.items() if _of(stanza, name) == self.asked]
        self._expect(said, found[0] if found else shown(stanza))

    async def _carol_learns(self, said: Statement) -> None:
        text = (await self._next_request()).text
        about, word = ABOUT.search(text), STATUS.search(text)
        if about is None or word is None or about[1] != self.asked:
            raise TalkError(f"{said.place}: no word of {self.asked!r}{self._ladder()}")
        self._expect(said, word[1])

    async def _alice_is(self, said: Statement) -> None:
        self.house.domain.send(
            f"<message from='{ALICE}' to='{said.to}' type='chat'>"
            f"<{said.what} xmlns='{STATES}'/></message>",
            said.to,
        )

    async def _carol_is(self, said: Statement) -> None:
        body = f"<isComposing xmlns='{COMPOSING}'><state>{said.what}</state></isComposing>"
        self.status = await self._carol_sends(said.to, body, "application/im-iscomposing+xml")

    async def _alice_sees(self, said: Statement) -> None:
        stanza = await self.house.domain.next_stanza()
        states = [each.tag.rpartition("}")[2] for each in stanza if STATES in each.tag]
        self._expect(said, states[0] if states else shown(stanza))

    async def _carol_sees(self, said: Statement) -> None:
        found = STATE.search((await self._next_request()).text)
        self._expect(said, found[1] if found else None)

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


def cpim(*headers: str) -> str:
    """Return the beginning of a message/cpim, up to its content's headers (RFC 3862)."""
    head = (f"From: <sip:{CAROL}>", "DateTime: 2026-11-26T10:00:00Z", f"NS: imdn <{IMDN_NS}>")
    return "".join(f"{each}\r\n" for each in (*head, *headers)) + "\r\n"


def letter(text: str, headers: dict[str, str]) -> str:
    """Return what is in a message/cpim, and note its headers; any other text as it is."""
    if not text.startswith("From: "):
        return text
    head, _, content = text.partition("\r\n\r\n")
    for each in head.split("\r\n"):
        name, _, headers[name] = each.partition(": ")
    return content.partition("\r\n\r\n")[2]


def _of(stanza: Element, name: tuple[str, str]) -> str | None:
    """Return which message a stanza tells that of."""
    found = stanza.find(f"{{{name[1]}}}{name[0]}")
    return None if found is None else found.get("id")


def talks() -> list[Path]:
    """Return the talks of the project."""
    return sorted((Path(__file__).resolve().parents[2] / "talks").glob("*.talk"))
