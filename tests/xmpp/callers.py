"""A user of ours and an XMPP user who call each other, without any wire between them."""

from collections import deque
from collections.abc import Callable
from itertools import count

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.hints import STORE
from dragoman.xmpp.ext.jingle import Action, Content, Jingle, Reason
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.initiation import heard
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.overtaking import PATIENCE
from dragoman.xmpp.session import Event
from dragoman.xmpp.sessions import Bounds, Sessions
from dragoman.xmpp.stanza import IQ, MESSAGE, iq, message

ROMEO = Jid.parse("romeo@sip.example/gw")
"""Our user, as he speaks."""
JULIET = Jid.parse("juliet@capulet.example")
BALCONY = Jid.parse("juliet@capulet.example/balcony")
PHONE = Jid.parse("juliet@capulet.example/phone")

AUDIO = Rtp("audio", (PayloadType(96, "opus"),))
VIDEO = Rtp("video", (PayloadType(97, "VP8"),))
ICE = IceUdp("abcd", "secretsecretsecretsecret")
VOICE = Content("voice", description=AUDIO, transport=ICE)
FACE = Content("face", description=VIDEO, transport=ICE)


def of(creator: Creator, content: Content) -> Content:
    """Return a content as somebody else's."""
    return Content(
        content.name,
        creator,
        content.senders,
        content.description,
        content.transport,
    )


class Desk:
    """Our sessions, and a peer who writes stanzas by hand."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        numbers = count(1)
        self.sessions = Sessions(lambda: f"t{next(numbers)}", bounds)
        self.now = 0.0
        self._ids = count(1)

    def sent(self) -> list[Element]:
        return [each.stanza for each in self.sessions.actions()]

    def told(self) -> list[Event]:
        return self.sessions.events()

    def says(
        self, said: Initiation, device: Jid = BALCONY, to: Jid = ROMEO, kind: str = "chat"
    ) -> bool:
        stanza = message(str(to), str(device), type=kind, children=[said.element()])
        return self.sessions.on_stanza(stanza, self.now)

    def asks(self, jingle: Jingle, device: Jid = BALCONY, to: Jid = ROMEO) -> Element:
        """Have the peer ask something, and return the answer: the first stanza after it.

        Candidates without a session are answered once they have waited for one.
        """
        stanza = self.puts(jingle, device, to)
        if not (sent := self.sent()):
            self.waits(PATIENCE)
            sent = self.sent()
        answer, *self.after = sent
        assert (answer.get("id"), answer.get("to")) == (stanza.get("id"), str(device))
        assert answer.get("from") == str(to)
        return answer

    def puts(self, jingle: Jingle, device: Jid = BALCONY, to: Jid = ROMEO) -> Element:
        """Have the peer ask something, and return what it said, not what is answered."""
        self.held = self.sent()
        stanza = iq(
            str(to), str(device), id=f"q{next(self._ids)}", type="set", children=[jingle.element()]
        )
        assert self.sessions.on_stanza(stanza, self.now)
        return stanza

    def answers(self, request: Element, error: StanzaError | None = None) -> bool:
        """Have the peer answer a request of ours."""
        children = [] if error is None else [error.element()]
        kind = "result" if error is None else "error"
        to, from_ = request.get("from", ""), request.get("to", "")
        answer = iq(to, from_, id=request.get("id", ""), type=kind, children=children)
        return self.sessions.on_stanza(answer, self.now)

    def waits(self, seconds: float) -> None:
        """Have time pass, each alarm in its turn."""
        until = self.now + seconds
        while (when := self.sessions.next_timer()) is not None and when <= until:
            self.now = when
            self.sessions.on_timer(when)
        self.now = until


def jingle_of(stanza: Element) -> Jingle:
    assert stanza.name == IQ
    assert stanza.get("type") == "set"
    return Jingle.parse(stanza.elements[0])


def said_of(stanza: Element) -> Initiation:
    assert stanza.name == MESSAGE
    assert stanza.get("type") == "chat"
    assert stanza.find(STORE) is not None
    said = heard(stanza)
    assert said is not None
    return said


def words(stanza: Element) -> str:
    """Return what a stanza is, in one word or two."""
    if stanza.name == MESSAGE:
        return str(said_of(stanza).step)
    if stanza.get("type") == "set":
        return str(jingle_of(stanza).action)
    if stanza.get("type") == "result":
        return "result"
    error = StanzaError.parse(stanza)
    own = "" if error.application is None else f" {error.application.local_name}"
    return f"{error.condition}{own}"


def propose(sid: str = "c1", *descriptions: Rtp) -> Initiation:
    return Initiation(Step.PROPOSE, sid, descriptions or (AUDIO,))


def initiate(sid: str = "c1", *contents: Content) -> Jingle:
    return Jingle(Action.SESSION_INITIATE, sid, contents or (VOICE,), str(BALCONY))


def request(action: Action, sid: str = "c1", *contents: Content, reason: Reason | None = None,
            info: Element | None = None) -> Jingle:  # fmt: skip
    return Jingle(action, sid, contents, reason=reason, info=info)


class Caller:
    """One end of two, with the user's answers to what it hears."""

    def __init__(self, jid: Jid, letter: str, does: Callable[[Event, float], None]) -> None:
        numbers = count(1)
        self.jid = jid
        self.sessions = Sessions(lambda: f"{letter}{next(numbers)}")
        self.does = does
        self.told: list[Event] = []

    def heard_of(self) -> list[str]:
        return [type(each).__name__ for each in self.told]


class Line:
    """Stanzas between two ends, each way in order; `loses` tells which of them are lost."""

    def __init__(self, left: Caller, right: Caller, loses: Callable[[], bool] = bool) -> None:
        self.left, self.right, self.loses = left, right, loses
        self.queues: dict[Caller, deque[Element]] = {left: deque(), right: deque()}
        self.now = 0.0

    def gather(self) -> None:
        """Put what the ends want to say on the line."""
        for end, other in ((self.left, self.right), (self.right, self.left)):
            while True:
                actions, events = end.sessions.actions(), end.sessions.events()
                self.queues[other] += [each.stanza for each in actions if not self.loses()]
                for event in events:
                    end.told.append(event)
                    end.does(event, self.now)
                if not actions and not events:
                    break

    def run(self, seconds: float = 0.0) -> None:
        """Carry all that is said, and have time pass."""
        until = self.now + seconds
        while True:
            self.gather()
            if not self.carry():
                times = [each.sessions.next_timer() for each in (self.left, self.right)]
                when = min((each for each in times if each is not None), default=None)
                if when is None or when > until:
                    break
                self.now = when
                self.left.sessions.on_timer(when)
                self.right.sessions.on_timer(when)
        self.now = until

    def carry(self) -> bool:
        """Deliver one stanza each way."""
        moved = False
        for end in (self.left, self.right):
            if self.queues[end]:
                stanza = self.queues[end].popleft()
                end.sessions.on_stanza(stanza, self.now)
                moved = True
        return moved
