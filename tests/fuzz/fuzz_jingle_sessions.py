"""Fuzz target: whatever stanzas say of calls, sessions are few, answered at once, and end.

The input is stanzas in jabber:client, one a line; `@` as an id answers the latest request of ours.
"""

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext.jingle import Action, Content, Reason, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.session import (
    Added,
    Ended,
    Event,
    Initiated,
    Migrated,
    Proceeded,
    Proposed,
    Replaced,
)
from dragoman.xmpp.sessions import Bounds, Full, Sessions
from dragoman.xmpp.stanza import IQ, payload

if TYPE_CHECKING:
    from dragoman.xmpp.jingle import Session

US, THEM = Jid.parse("d@e/f"), Jid.parse("a@b/c")
AUDIO = Rtp("audio", (PayloadType(96, "opus"),))
VOICE = Content("v", description=AUDIO, transport=IceUdp("u", "p"))
FACE = Content("w", description=Rtp("video"), transport=IceUdp("u", "p"))

_CLIENT = "xmlns='jabber:client' from='a@b/c' to='d@e/f'"
_ICE = "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'/>"
_RTP = (
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>"
    "<payload-type id='96' name='opus' clockrate='48000'/></description>"
)
_CONTENT = f"<content creator='initiator' name='v'>{_RTP}{_ICE}</content>"
_VIDEO = _CONTENT.replace("'v'", "'w'").replace("audio", "video")
_THEIRS = _VIDEO.replace("initiator", "responder")


def _ask(action: str, inner: str = _CONTENT, sid: str = "s") -> str:
    return (
        f"<iq {_CLIENT} type='set' id='1'><jingle xmlns='urn:xmpp:jingle:1' action='{action}'"
        f" sid='{sid}'>{inner}</jingle></iq>"
    )


def _say(step: str, sid: str = "s", inner: str = "") -> str:
    return (
        f"<message {_CLIENT} type='chat' id='m'><{step} xmlns='urn:xmpp:jingle-message:0'"
        f" id='{sid}'>{inner}</{step}><store xmlns='urn:xmpp:hints'/></message>"
    )


def _lines(*stanzas: str) -> bytes:
    return "\n".join(stanzas).encode()


_OK = f"<iq {_CLIENT} type='result' id='@'/>"
_NO = (
    f"<iq {_CLIENT} type='error' id='@'><error type='cancel'>"
    "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    "<unknown-session xmlns='urn:xmpp:jingle:errors:1'/></error></iq>"
)
_BACK = (
    f"<message {_CLIENT} type='error' id='propose-t1'><error type='cancel'>"
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
)
_REASON = "<reason><busy/><text>not now</text></reason>"
_WHY = "<reason xmlns='urn:xmpp:jingle:1'><busy/></reason>"
_HOLD = "<hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>"

SEEDS = (
    _lines(_say("ringing", "t1"), _say("proceed", "t1"), _OK, _ask("session-accept", sid="t1")),
    _lines(_say("propose", inner=_RTP), _ask("session-initiate"), _OK, _say("finish", inner=_WHY)),
    _lines(_ask("session-initiate"), _OK, _ask("transport-info"), _ask("session-info", _HOLD)),
    _lines(_ask("session-initiate"), _OK, _ask("content-add", _VIDEO), _OK, _ask("content-remove")),
    _lines(_ask("session-initiate"), _OK, _ask("transport-replace"), _NO),
    _lines(_ask("session-initiate"), _OK, _OK, _ask("content-accept", _THEIRS), _NO),
    _lines(_ask("session-initiate", sid="t0"), _ask("session-terminate", _REASON, "t0")),
    _lines(_say("propose", "s0", _RTP), _say("retract", "s0", _WHY + "<tie-break/>")),
    _lines(_say("propose", "s0", _RTP), _ask("session-initiate", sid="s0"), _say("propose", "s1")),
    _lines(_say("reject", "t1", _WHY), _BACK, _ask("security-info"), _ask("session-info", "")),
    _lines(_ask("session-accept", sid="t2"), _ask("content-modify", sid="t2"), _NO, _NO),
)
TOKENS = (
    *(f"{each}".encode() for each in Action),
    *(b"propose", b"proceed", b"reject", b"retract", b"finish", b"<migrated to='s'/>", b"ringing"),
    *(b"'t1'", b"'t2'", b"'t3'", b"'s'", b"'s0'", b"creator='responder'", b"senders='none'"),
    *(b"type='result'", b"type='error'", b"id='@'", b"from='a@b/x'", b"from='d@e/f'", b"to='d@e'"),
    *(b"<content/>", b"name='w'", b"<tie-break/>", b"<description/>", b"<transport/>", b"\n"),
    *(_CONTENT.encode(), _VIDEO.encode(), _THEIRS.encode(), _OK.encode(), _NO.encode()),
)


class Play:
    """Sessions, and a user who takes everything."""

    def __init__(self) -> None:
        numbers = count(1)
        self.sessions = Sessions(lambda: f"t{next(numbers)}", Bounds(4, 4, 4))
        self.asked: list[str] = []
        self.ended: set[Session] = set()
        self.unanswered = 0

    def takes(self, stanza: Element, now: float) -> None:
        if stanza.get("id") == "@" and self.asked:
            stanza.attributes["id"] = self.asked.pop()
        taken = self.sessions.on_stanza(stanza, now)
        if taken and stanza.name == IQ and stanza.get("type") == "set":
            first = [each.stanza for each in self.sessions.actions()]
            self.unanswered += 1
            asks = payload(stanza)
            assert asks is not None
            if first or asks.get("action") != Action.TRANSPORT_INFO:  # which may wait
                assert first[0].get("id") == stanza.get("id"), "a request is answered first"
                assert first[0].get("type") in {"result", "error"}
            self.sends(first)
        self.settle(now)

    def sends(self, stanzas: list[Element]) -> None:
        for each in stanzas:
            to_xml(each)
            if each.get("type") == "set":
                self.asked.append(each.get("id", ""))
            elif each.name == IQ:
                self.unanswered -= 1

    def settle(self, now: float) -> None:
        while True:
            actions, events = self.sessions.actions(), self.sessions.events()
            self.sends([each.stanza for each in actions])
            for event in events:
                with suppress(LocalError, Full):
                    self.hears(event, now)
            if not actions and not events:
                break
        assert len(self.sessions) <= 4
        assert len(self.sessions._past) <= 4

    def hears(self, event: Event, now: float) -> None:
        session = event.session
        assert session not in self.ended, "nothing comes after the end"
        match event:
            case Proposed():
                session.ring(now)
                session.proceed(Jid("d", "e", "f"), now)
            case Proceeded():
                session.start((VOICE,), (), now)
            case Initiated(_, contents, groups):
                session.ring(now)
                session.accept(contents, groups, now)
                if "0" in session.sid:
                    session.replace(contents, now)
                else:
                    session.add((FACE,), now)
            case Added(_, contents) | Replaced(_, contents):
                session.agree(contents, now)
            case Migrated(_, old):
                self.ended.add(old)
            case Ended():
                self.ended.add(session)


def one_input(data: bytes) -> None:
    play = Play()
    play.sessions.propose(US, THEM, (AUDIO,), 0.0)
    session = play.sessions.initiate(US, Jid("a", "b", "x"), (VOICE,), (), 0.0)
    play.settle(0.0)
    now = 0.0
    for line in data.split(b"\n")[:10]:
        now += 0.7
        play.sessions.on_timer(now)
        play.settle(now)
        try:
            stanza = parse_document(line)
        except StreamError:
            continue
        play.takes(stanza, now)
    play.ended.add(session)
    session.end(Reason(Why.CANCEL), now)
    play.settle(now)
    finish(play)


def finish(play: Play) -> None:
    """Have time pass: without a word of the peer's every session ends."""
    for _ in range(200):
        when = play.sessions.next_timer()
        if when is None:
            break
        play.sessions.on_timer(when)
        play.settle(when)
    assert len(play.sessions) == 0, play.sessions.describe()
    assert play.unanswered == 0, "every request is answered, once"
    assert play.sessions._by_pair == {}
    assert play.sessions._outlet.asked == {}


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
