"""Talks of presence: hours of it in a moment, in a hub between two ends without sockets.

Alice is an XMPP user, Carol a SIP user with a presence server and phones. A statement a line:

alice asks to see carol            the presence that her client or server sends; and `stops seeing
                                   carol`, `allows carol`, `refuses carol`
alice's server probes              as it does when she comes online (from her resource `home`)
alice at home is away: TEXT        presence of a resource; `available` is without <show/>
alice at home leaves
alice's server fails: item-not-found    an error in answer to the last that it was sent
alice's server is away             it cannot be connected to, and streams to it end; `is back`
alice's server lost the last       of what it was given it has not acknowledged the last
alice hears subscribed             presence that she is sent, in order; `available orchard`,
                                   `dnd orchard: TEXT`, `unavailable`, `error item-not-found`
alice hears nothing
carol's server is asked for 3600   a SUBSCRIBE in a new dialog; in one that is there `asked again`
carol's server answers 200         or `423 Min-Expires: 7200`, or `nobody` when there is none
carol's server notifies active: orchard open, desk closed    with the tuples of a document; `...
                                   rejected by 481` where it is not taken
carol's server is left alone       it was asked for nothing
carol's phone asks for 3600        a SUBSCRIBE; `phone 2`: another one's; `asks again` in the dialog
carol's phone asks for 3600 of presence.winfo    of that package
dave asks again for 3600           another user, in the dialog of Carol's phone
carol's phone hears 200            the answer; then NOTIFYs are taken:
carol's phone is told pending      or `active: home open`; `told nothing`
carol's phone takes no more        from now on it answers 481
time passes: 40 minutes
the gateway restarts
# rows: W-01                       rows of the tables in docs/interworking/presence.md that it shows
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dragoman.bridge.message import ALLOW
from dragoman.sip.message import Header, Request, build_request, encode, response_to
from dragoman.store.subscriptions import Memory
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.header import domain_part
from dragoman.xmpp.stanza import error_reply, presence
from tests.bridge.test_watchers import tuples_of
from tests.bridge.world import ALICE, CAROL, PROXY, World
from tests.talks.script import TalkError

FOLDER: Final = Path(__file__).resolve().parents[2] / "talks" / "presence"
ASKS: Final = {
    "asks to see carol": "subscribe",
    "stops seeing carol": "unsubscribe",
    "allows carol": "subscribed",
    "refuses carol": "unsubscribed",
}
SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
PIDF: Final = "application/pidf+xml"
UNDER: Final = 0.3
"""Seconds that everything takes which takes no time."""


@dataclass(slots=True)
class Phone:
    """One phone's dialog, or attempt at one."""

    call_id: str
    tag: str = ""
    cseq: int = 0
    told: int = 0
    gone: bool = False


@dataclass(slots=True)
class PresenceTalk:
    """A talk being held."""

    store: Memory = field(default_factory=Memory)
    world: World = field(init=False)
    heard: int = 0
    asked: int = 0
    """How many SUBSCRIBEs of the gateway the talk has told of."""
    last: Request | None = None
    cseq: int = 0
    phones: dict[str, Phone] = field(default_factory=dict)
    calls: int = 0
    expected: int = 0
    """The answer to a NOTIFY that was just sent."""

    def __post_init__(self) -> None:
        """Start the gateway."""
        self.start()

    def start(self) -> None:
        """Start a gateway with what is in the store."""
        self.world = World(subscriptions=self.store, allow=ALLOW)
        self.heard = self.asked = 0
        # Refreshes come by chance: here, as late as they may.
        self.world.hub.presence.presentities._subscriber._chance = lambda _, latest: latest

    async def hold(self, name: str, text: str) -> None:
        """Do what is said, line by line, and see that nothing else was told to anybody."""
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                await self.take(line)
            except (AssertionError, ValueError) as error:
                raise TalkError(f"{name}:{number}: {line!r}: {error}") from error
        assert self._stanzas()[self.heard :] == [], "alice heard more than the talk tells"
        assert self._subscribes()[self.asked :] == [], "more was asked than the talk tells"

    async def take(self, line: str) -> None:
        """Do or check what one line says."""
        for pattern, step in STEPS:
            if (found := re.fullmatch(pattern, line)) is not None:
                done = step(self, *[each or "" for each in found.groups()])
                if done is not None:
                    await asyncio.sleep(done)
                self._check_answer()
                return
        raise ValueError("not understood")

    def _check_answer(self) -> None:
        """Check what a NOTIFY was answered, if one was sent."""
        expected, self.expected = self.expected, 0
        if expected:
            status = self.world.sip.responses[-1].status
            assert status == expected, f"it was answered {status}"

    # -- alice --------------------------------------------------------------------------------

    def alice_asks(self, what: str) -> float:
        """Send presence of a type that asks or answers."""
        return self._say(presence(CAROL, ALICE, id="p1", type=ASKS[what]))

    def alice_probes(self) -> float:
        """Send what her server does when she comes online."""
        return self._say(presence(CAROL, f"{ALICE}/home", type="probe"))

    def alice_is(self, resource: str, show: str, status: str) -> float:
        """Send presence of a resource."""
        given = {"show": "" if show == "available" else show, "status": status}
        children = [
            Element(f"{{{CLIENT}}}{name}", None, (text,)) for name, text in given.items() if text
        ]
        return self._say(presence(CAROL, f"{ALICE}/{resource}", children=children))

    def alice_leaves(self, resource: str) -> float:
        """Send what her server does when a resource is gone; `all` is the bare address."""
        from_ = ALICE if resource == "all" else f"{ALICE}/{resource}"
        return self._say(presence(CAROL, from_, type="unavailable"))

    def alice_fails(self, condition: str) -> float:
        """Answer the last presence with an error."""
        stanza = self._presences()[-1]
        reply = error_reply(stanza, StanzaError(Condition(condition)))
        assert reply is not None
        return self._say(reply)

    def server_away(self, how: str) -> float:
        """Have her server go away, or be back."""
        self.world.xmpp.refusing = how == "away"
        if how == "away":
            for far in self.world.xmpp.made:
                far.ends()
        return UNDER

    def server_lost(self) -> float:
        """Have a stream end on which the last stanza was not acknowledged."""
        last = self._presences()[-1]
        pair = domain_part(last.get("from", "")), domain_part(last.get("to", ""))
        self.world.hub.lost(pair, [last])
        return UNDER

    def _say(self, stanza: Element) -> float:
        self.world.from_xmpp(stanza)
        return UNDER

    def alice_hears(self, what: str) -> None:
        """Check the next presence that reached her."""
        found = self._stanzas()[self.heard :]
        if what == "nothing":
            assert found == [], f"she heard {found}"
            return
        assert found, "she heard nothing"
        self.heard += 1
        assert found[0] == what, f"she heard {found[0]!r}"

    def _presences(self) -> list[Element]:
        return [each for far in self.world.xmpp.made for each in far.presences]

    def _stanzas(self) -> list[str]:
        return [_shown(each) for each in self._presences()]

    # -- carol's presence server -----------------------------------------------------------------

    def _subscribes(self) -> list[Request]:
        return [each for each in self.world.sip.requests if each.method == "SUBSCRIBE"]

    def server_asked(self, again: str, expires: str) -> None:
        """Check the next SUBSCRIBE of the gateway."""
        found = self._subscribes()[self.asked :]
        assert found, "it was asked for nothing"
        self.asked += 1
        self.last = found[0]
        in_dialog = self.last.to.tag is not None
        assert self.last.get("Expires") == expires, f"it was asked for {self.last.get('Expires')}"
        assert in_dialog is bool(again), "in the dialog" if in_dialog else "in a new dialog"
        if not in_dialog:
            self.cseq = 0

    def server_alone(self) -> None:
        """Check that no SUBSCRIBE came."""
        assert len(self._subscribes()) == self.asked, "it was asked"

    def server_answers(self, status: str, name: str, value: str) -> float:
        """Answer the last SUBSCRIBE."""
        assert self.last is not None
        headers = [(name, value)] if name else []
        response = response_to(self.last, int(status), headers=headers, to_tag="far")
        self.world.sip.arrives(encode(response))
        return UNDER

    def server_notifies(self, state: str, tuples: str, refused: str) -> float:
        """Send a NOTIFY in the dialog of the last SUBSCRIBE."""
        assert self.last is not None
        self.cseq += 1
        headers: list[Header] = [
            ("Via", f"SIP/2.0/UDP {PROXY};branch=z9hG4bKn{self.cseq}{self.last.call_id}"),
            ("From", f"<sip:{CAROL}>;tag=far"),
            ("To", f"<sip:{ALICE}>;tag={self.last.from_.tag}"),
            ("Call-ID", self.last.call_id),
            ("CSeq", f"{self.cseq} NOTIFY"),
            ("Max-Forwards", "70"),
            ("Contact", f"<sip:{PROXY}>"),
            ("Event", "presence"),
            ("Subscription-State", state),
        ]
        body = b""
        if tuples:
            headers.append(("Content-Type", PIDF))
            body = _document(tuples)
        self.world.sip.arrives(encode(build_request("NOTIFY", f"sip:{ALICE}", headers, body)))
        self.expected = int(refused or 200)
        return UNDER

    # -- carol's phones ----------------------------------------------------------------------------

    def dave_asks(self, expires: str) -> float:
        """Send a SUBSCRIBE of another user in the dialog of the phone."""
        return self.phone_asks("phone", "again", expires, "presence", "dave@sip.example")

    def phone_asks(
        self, name: str, again: str, expires: str, event: str, sender: str = CAROL
    ) -> float:
        """Send a SUBSCRIBE of a phone."""
        if not again:
            self.calls += 1
            self.phones[name] = Phone(f"call{self.calls}")
        phone = self.phones[name]
        phone.cseq += 1
        tag = f";tag={phone.tag}" if again else ""
        headers: list[Header] = [
            ("Via", f"SIP/2.0/UDP {PROXY};branch=z9hG4bK{phone.call_id}{phone.cseq}"),
            ("From", f"<sip:{sender}>;tag=phone"),
            ("To", f"<sip:{ALICE}>{tag}"),
            ("Call-ID", phone.call_id),
            ("CSeq", f"{phone.cseq} SUBSCRIBE"),
            ("Max-Forwards", "70"),
            ("Contact", f"<sip:carol@{PROXY}>"),
            ("Event", event or "presence"),
            ("Expires", expires),
        ]
        self.world.sip.arrives(encode(build_request("SUBSCRIBE", f"sip:{ALICE}", headers)))
        return UNDER

    def phone_hears(self, name: str, status: str) -> None:
        """Check the answer to a phone's last SUBSCRIBE."""
        phone = self.phones[name]
        found = [each for each in self.world.sip.responses if each.call_id == phone.call_id]
        assert found, "it heard nothing"
        assert found[-1].status == int(status), f"it heard {found[-1].status}"
        phone.tag = phone.tag or found[-1].to.tag or ""

    def phone_told(self, name: str, what: str) -> float | None:
        """Check the next NOTIFY to a phone, and answer it."""
        phone = self.phones[name]
        sent = [each for each in self.world.sip.requests if each.call_id == phone.call_id]
        if what == "nothing":
            assert len(sent) == phone.told, f"it was told {tuples_of(sent[-1])}"
            return None
        assert len(sent) > phone.told, "it was told nothing"
        notify = sent[phone.told]
        phone.told += 1
        status = 481 if phone.gone else 200
        self.world.sip.arrives(encode(response_to(notify, status)))
        found = tuples_of(notify)
        assert found == what, f"it was told {found!r}"
        return UNDER

    def phone_gone(self, name: str) -> None:
        """Have a phone know nothing of its dialog any more."""
        self.phones[name].gone = True

    # -- all of them -----------------------------------------------------------------------------

    def passes(self, number: str, unit: str) -> float:
        """Let time pass."""
        return int(number) * SECONDS[unit]

    def restarts(self) -> float:
        """Take the gateway away without a word, and start another."""
        self.start()
        return UNDER


Step = Callable[..., float | None]
STEPS: Final[list[tuple[str, Step]]] = [
    (rf"alice ({'|'.join(ASKS)})", PresenceTalk.alice_asks),
    (r"alice's server probes", PresenceTalk.alice_probes),
    (r"alice's server fails: (\S+)", PresenceTalk.alice_fails),
    (r"alice's server is (away|back)", PresenceTalk.server_away),
    (r"alice's server lost the last", PresenceTalk.server_lost),
    (r"alice at (\S+) is ([a-z]+)(?:: (.*))?", PresenceTalk.alice_is),
    (r"alice at (\S+) leaves", PresenceTalk.alice_leaves),
    (r"alice hears (.*)", PresenceTalk.alice_hears),
    (r"carol's server is asked( again)? for (\d+)", PresenceTalk.server_asked),
    (r"carol's server is left alone", PresenceTalk.server_alone),
    (r"carol's server answers (\d+)(?: (\S+): (.*))?", PresenceTalk.server_answers),
    (
        r"carol's server notifies ([^ :]+)(?:: (.*?))?(?: rejected by (\d+))?",
        PresenceTalk.server_notifies,
    ),
    (r"carol's (phone(?: \d)?) asks( again)? for (\d+)(?: of (\S+))?", PresenceTalk.phone_asks),
    (r"dave asks again for (\d+)", PresenceTalk.dave_asks),
    (r"carol's (phone(?: \d)?) hears (\d+)", PresenceTalk.phone_hears),
    (r"carol's (phone(?: \d)?) is told (.*)", PresenceTalk.phone_told),
    (r"carol's (phone(?: \d)?) takes no more", PresenceTalk.phone_gone),
    (r"time passes: (\d+) (second|minute|hour)s?", PresenceTalk.passes),
    (r"the gateway restarts", PresenceTalk.restarts),
]


def _document(tuples: str) -> bytes:
    """Return a document with tuples told as `orchard open, desk closed`."""
    inner = ""
    for each in tuples.split(", "):
        id_, basic = each.split()
        inner += f"<tuple id='ID-{id_}'><status><basic>{basic}</basic></status></tuple>"
    ns = "urn:ietf:params:xml:ns:pidf"
    return f"<presence xmlns='{ns}' entity='pres:{CAROL}'>{inner}</presence>".encode()


def _shown(stanza: Element) -> str:
    """Return presence as a talk tells it."""
    kind = stanza.get("type")
    if kind == "error":
        return f"error {StanzaError.parse(stanza).condition.value}"
    show = stanza.find(f"{{{CLIENT}}}show")
    word = kind or ("available" if show is None else show.text)
    resource = stanza.get("from", "").partition("/")[2]
    return f"{word} {resource}".strip()
