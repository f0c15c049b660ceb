"""Conferences in calls: a phone that mixes, and a client that does (RFC 4575, XEP-0298)."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.bridge.attendance import PACE, PATIENCE
from dragoman.bridge.conference import Conferring
from dragoman.bridge.hosting import MOST_A_CALL
from dragoman.mapping.conference import LARGEST, MEDIA_TYPE, Document
from dragoman.mapping.document import read_document
from dragoman.sip.flow import Cause
from dragoman.sip.message import Header, Request, build_request, response_to
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin, disco, jmi
from dragoman.xmpp.ext.jingle import JINGLE, Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_features import CALLS
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import error_reply, iq, reply
from tests.bridge.test_calls import CLIENT, JULIET, OPUS, PCMU, ROMEO, Gateway, Transaction, sdp
from tests.bridge.test_calls import audio as sound
from tests.mapping.rfc4575 import BASIC, COIN

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

FOCUS = "sip:conf233@sip.example"
PHONE = f"{JULIET}/phone"
NS = coin.DOCUMENT_NS
AUDIO = sound(OPUS, PCMU)
BEGIN = Jingle(Action.SESSION_INITIATE, "s1", (AUDIO,), initiator=CLIENT)
EVENT = ("Event", "conference")


def change(name: str, version: int, entity: str = FOCUS) -> bytes:
    """Return a document by which somebody joins."""
    told = f"entity='{entity}' state='partial' version='{version}'"
    within = f"<users state='partial'><user entity='sip:{name}@a.example'/></users>"
    return f"<conference-info xmlns='{NS}' {told}>{within}</conference-info>".encode()


class Room(Gateway):
    """A gateway in the middle of a conference; its client answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.features = None

    # -- the phone mixes

    def asked_of(self, method: str) -> list[Request]:
        return [request for request, _ in self.sent if request.method == method]

    def focus_says(
        self,
        body: bytes = b"",
        number: int = 1,
        state: str = "active;expires=3600",
        kind: str = MEDIA_TYPE,
        headers: Sequence[Header] = (("Contact", f"<{FOCUS}>"),),
    ) -> int:
        """Send a NOTIFY in the dialog of our first SUBSCRIBE; return what it was answered."""
        asked = self.asked_of("SUBSCRIBE")[0]
        said = [
            ("Via", f"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKn{number}"),
            ("From", f"{asked.to};tag=focus"),
            ("To", str(asked.from_)),
            ("Call-ID", asked.call_id),
            ("CSeq", f"{number} NOTIFY"),
            ("Max-Forwards", "70"),
            EVENT,
            ("Subscription-State", state),
            *headers,
            *([("Content-Type", kind)] if body else []),
        ]
        return self.asks("NOTIFY", asked.contacts[0].uri, said, body)

    def focus_answers(self, status: int, headers: Sequence[Header] = ()) -> None:
        """Answer our last SUBSCRIBE."""
        asked, handle = next(each for each in reversed(self.sent) if each[0].method == "SUBSCRIBE")
        assert isinstance(handle, Conferring)
        response = response_to(asked, status, "", headers, b"", "focus")
        self.calls.conferences.on_response(handle, response, self.now)

    # -- the phone subscribes

    def phone_subscribes(
        self,
        target: str = "",
        number: int = 1,
        expires: int = 3600,
        headers: Sequence[Header] = (),
        to_tag: str = "",
        call_id: str = "sub-1",
        sender: str = JULIET,
    ) -> int:
        target = target or f"sip:{ROMEO}"
        said = [
            ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKs{number}{call_id}"),
            ("From", f"<sip:{sender}>;tag=watcher"),
            ("To", f"<{target}>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", f"{number} SUBSCRIBE"),
            ("Contact", f"<sip:{sender}>"),
            ("Max-Forwards", "70"),
            EVENT,
            ("Expires", str(expires)),
            *headers,
        ]
        return self.asks("SUBSCRIBE", Uri.parse(target), said, sender=sender)

    def asks(
        self,
        method: str,
        target: Uri,
        said: Sequence[Header],
        body: bytes = b"",
        sender: str = JULIET,
    ) -> int:
        request = build_request(method, str(target), said, body)
        assert self.calls.conferences.takes(request)
        arrived = cast("ServerTransaction", Transaction(request))
        conferences = self.calls.conferences
        conferences.on_request(request, arrived, Uri.parse(f"sip:{sender}"), self.now)
        return self.responses[-1].status

    def notified(self) -> Request:
        """Return our last NOTIFY, which is answered."""
        request, handle = next(e for e in reversed(self.sent) if e[0].method == "NOTIFY")
        assert isinstance(handle, Conferring)
        self.calls.conferences.on_response(handle, response_to(request, 200), self.now)
        return request

    # -- the client

    @property
    def asked(self) -> Element:
        """The last iq to the client that is not of Jingle."""
        if self.questions:
            return self.questions[-1]
        return next(
            each
            for each in reversed(self.stanzas)
            if each.get("type") == "set" and each.elements[0].namespace == NS
        )

    def told(self) -> list[Document]:
        """Return the documents that the client got."""
        found = (each.find(coin.DOCUMENT) for each in self.stanzas if each.get("type") == "set")
        return [Document.of(each) for each in found if each is not None]

    def client_answers(self, *features: str) -> None:
        """Answer our last request: disco with these features, anything else with a result."""
        asked, query = self.asked, disco.Info(features=frozenset(features)).query()
        self.questions.clear()
        children = (query,) if asked.get("type") == "get" else ()
        assert self.calls.on_stanza(reply(asked, children), self.now)

    def client_refuses(self, condition: Condition) -> None:
        answer = error_reply(self.asked, StanzaError(condition))
        self.questions.clear()
        assert answer is not None
        assert self.calls.on_stanza(answer, self.now)

    def client_tells(self, document: bytes, to: str = PHONE, from_: str = CLIENT) -> Element:
        """Have the client tell of its conference; return the answer."""
        stanza = iq(to, from_, id="i9", type="set", children=(read_document(document, LARGEST),))
        assert self.calls.on_stanza(stanza, self.now)
        return self.stanzas[-1]

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.calls.on_timer(self.now)
        self.calls.conferences.on_timer(self.now)

    def people(self, document: Document) -> list[str]:
        found = document.root.find(f"{{{NS}}}users")
        return [] if found is None else [each.get("entity", "") for each in found.elements]


def calling_a_focus(*, proposed: bool = False) -> Room:
    """A client has called a phone that mixes, and they talk."""
    room = Room()
    room.contact = f"<{FOCUS}>;audio;isfocus"
    if proposed:
        room.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
        room.phone_answers(200, sdp())
        room.client_says(BEGIN, PHONE)
    else:
        room.client_says(BEGIN, PHONE)
        room.phone_answers(200, sdp())
    accept = next(each for each in reversed(room.stanzas) if each.find(JINGLE) is not None)
    assert room.calls.on_stanza(reply(accept), room.now)
    return room


def subscribed() -> Room:
    """A client in a phone's conference that wants to hear of it, to which we subscribed."""
    room = calling_a_focus()
    room.client_answers(coin.NS)
    room.focus_answers(200, [("Expires", "3600")])
    return room


def heard() -> Room:
    """The same, and it has heard the first document."""
    room = subscribed()
    assert room.focus_says(BASIC) == 200
    room.client_answers()
    return room


def hosting() -> Room:
    """A client that mixes has called a phone, and they talk."""
    room = Room()
    room.client_says(replace(BEGIN, info=coin.focus()), PHONE)
    room.phone_answers(200, sdp())
    return room


# -- the phone mixes ------------------------------------------------------------------------------


@pytest.mark.spec("MED-30")
@pytest.mark.parametrize("proposed", [True, False])
def test_a_phone_that_mixes_says_so_in_the_session_accept(proposed: bool) -> None:
    room = calling_a_focus(proposed=proposed)
    (accepted,) = room.actions
    assert (accepted.action, coin.is_focus(accepted)) == (Action.SESSION_ACCEPT, True)


@pytest.mark.spec("MED-30")
def test_a_phone_that_mixes_says_so_in_the_session_initiate() -> None:
    room = Room()
    room.contact = f"<{FOCUS}>;isfocus"
    invite = room.phone_says(body=sdp())
    room.client_says(Initiation(Step.PROCEED, room.sid()), PHONE)
    room.client_answers(*CALLS)
    (begun,) = room.actions
    assert (begun.action, coin.is_focus(begun)) == (Action.SESSION_INITIATE, True)
    accept = Jingle(Action.SESSION_ACCEPT, room.sid(), (sound(PCMU),), responder=CLIENT)
    room.client_says(accept, PHONE)
    room.phone_acknowledges(invite)
    room.client_answers(coin.NS)
    (subscribe,) = room.asked_of("SUBSCRIBE")
    assert subscribe.target == FOCUS


def test_a_phone_that_does_not_mix_says_nothing() -> None:
    room = Room()
    room.client_says(BEGIN, PHONE)
    room.phone_answers(200, sdp())
    (accepted,) = room.actions
    assert coin.is_focus(accepted) is None
    assert room.questions == []


@pytest.mark.spec("MED-30")
def test_a_call_becomes_a_conference_and_a_call_again() -> None:
    room = Room()
    invite = room.phone_says(body=sdp())
    room.client_says(Initiation(Step.PROCEED, room.sid()), PHONE)
    room.client_answers(*CALLS)
    accept = Jingle(Action.SESSION_ACCEPT, room.sid(), (sound(PCMU),), responder=CLIENT)
    room.client_says(accept, PHONE)
    room.phone_acknowledges(invite)
    for number, contact, mixes in [(2, f"<{FOCUS}>;isfocus", True), (3, f"<{FOCUS}>", False)]:
        room.contact = contact
        again = room.phone_says(body=sdp(version=number), number=number)
        room.phone_acknowledges(again)
        said = room.actions[-1]
        assert (said.action, coin.is_focus(said)) == (Action.SESSION_INFO, mixes)
        if mixes:
            room.client_answers(coin.NS)
            room.focus_answers(200)
            assert room.focus_says(BASIC) == 200
            room.responses.pop()  # the next request of the phone has the tag of the call
    assert [each.get("Expires") for each in room.asked_of("SUBSCRIBE")] == ["3600", "0"]


@pytest.mark.spec("MED-30")
def test_we_subscribe_for_a_client_that_lists_coin() -> None:
    room = calling_a_focus()
    assert room.asked.find(f"{{{disco.INFO}}}query") is not None
    assert (room.asked.get("from"), room.asked.get("to")) == (PHONE, CLIENT)
    assert room.asked_of("SUBSCRIBE") == []
    room.client_answers("urn:example:other", coin.NS)
    (subscribe,) = room.asked_of("SUBSCRIBE")
    assert (subscribe.target, str(subscribe.to)) == (FOCUS, f"<{FOCUS}>")
    assert (subscribe.get("Event"), subscribe.get("Accept")) == ("conference", MEDIA_TYPE)
    assert subscribe.get("Last-Notify-Version") == "0"  # Linphone dies of what is without
    assert str(subscribe.from_.uri) == f"sip:{ROMEO}"
    assert subscribe.contacts[0].uri.user == "romeo"
    (invite,) = room.asked_of("INVITE")
    assert subscribe.call_id != invite.call_id


@pytest.mark.spec("MED-30")
def test_for_others_we_do_not() -> None:
    room = calling_a_focus()
    room.client_answers("urn:xmpp:jingle:1")
    assert room.asked_of("SUBSCRIBE") == []


def test_nor_for_one_that_refuses_disco_or_does_not_answer() -> None:
    room = calling_a_focus()
    room.client_refuses(Condition.SERVICE_UNAVAILABLE)
    silent = calling_a_focus()
    silent.passes(PATIENCE)
    late = reply(silent.asked, (disco.Info(features=frozenset({coin.NS})).query(),))
    assert not silent.calls.on_stanza(late, silent.now)
    assert room.asked_of("SUBSCRIBE") + silent.asked_of("SUBSCRIBE") == []


def test_nor_because_of_an_answer_from_somebody_else() -> None:
    room = calling_a_focus()
    answer = reply(room.asked, (disco.Info(features=frozenset({coin.NS})).query(),))
    answer.attributes["from"] = "mallory@xmpp.example/x"
    assert not room.calls.on_stanza(answer, room.now)
    assert room.asked_of("SUBSCRIBE") == []


def test_a_question_that_reaches_nobody() -> None:
    room = calling_a_focus()
    error = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND)
    assert room.calls.undelivered(room.asked, error, room.now)
    assert not room.calls.undelivered(room.asked, error, room.now)
    assert room.asked_of("SUBSCRIBE") == []


@pytest.mark.spec("MED-30")
def test_the_client_hears_what_the_focus_tells() -> None:
    room = subscribed()
    assert room.focus_says(BASIC) == 200
    (document,) = room.told()
    assert room.people(document) == ["sip:bob@example.com", "sip:alice@example.com"]
    assert (document.root.get("entity"), document.version) == ("sips:conf233@example.com", 1)
    assert (room.asked.get("from"), room.asked.get("to")) == (PHONE, CLIENT)
    assert [each.name for each in room.asked.elements] == [coin.DOCUMENT]


@pytest.mark.spec("MED-30")
def test_the_client_hears_of_changes_as_whole_documents() -> None:
    room = heard()
    room.passes(PACE)
    assert room.focus_says(change("carol", 2), 2) == 200
    document = room.told()[-1]
    assert (document.state.value, document.version) == ("full", 2)
    assert room.people(document)[1:] == ["sip:alice@example.com", "sip:carol@a.example"]
    assert b"33" in BASIC


def test_linphone_leaves_its_contact_out_and_compresses() -> None:
    room = subscribed()
    deflated = [("Content-Encoding", "deflate")]
    assert room.focus_says(zlib.compress(BASIC), headers=deflated) == 200
    assert len(room.told()) == 1
    assert room.focus_says(change("carol", 3), 2, headers=()) == 200
    assert room.asked_of("SUBSCRIBE")[-1].target == FOCUS


def test_an_old_document_is_not_told_again() -> None:
    room = heard()
    room.passes(PACE)
    assert room.focus_says(BASIC, 2) == 200
    assert len(room.told()) == 1


@pytest.mark.spec("MED-30")
def test_where_a_change_is_missing_all_is_asked_for() -> None:
    room = heard()
    room.passes(PACE)
    assert room.focus_says(change("carol", 3), 2) == 200
    assert len(room.told()) == 1
    first, again = room.asked_of("SUBSCRIBE")
    assert (again.call_id, again.to.tag) == (first.call_id, "focus")
    assert again.get("Expires") == "3600"


def test_a_client_is_told_at_a_pace_and_of_the_latest() -> None:
    room = heard()
    for number in range(2, 8):
        assert room.focus_says(change(f"u{number}", number), number) == 200
    assert len(room.told()) == 1
    room.passes(PACE)
    assert len(room.told()) == 2
    assert len(room.people(room.told()[-1])) == 2 + 6
    room.passes(PACE)
    assert len(room.told()) == 2


def test_a_client_that_has_not_answered_is_told_no_more_until_it_has() -> None:
    room = subscribed()
    room.focus_says(BASIC)
    room.passes(PACE)
    room.focus_says(change("carol", 2), 2)
    assert len(room.told()) == 1
    room.client_answers()
    assert len(room.told()) == 2
    room.focus_says(change("dave", 3), 3)
    room.passes(PATIENCE)
    assert len(room.told()) == 3


@pytest.mark.parametrize(
    ("condition", "left"),
    [(Condition.SERVICE_UNAVAILABLE, True), (Condition.RESOURCE_CONSTRAINT, False)],
)
def test_a_client_that_does_not_want_to_hear(condition: Condition, left: bool) -> None:
    room = subscribed()
    room.focus_says(BASIC)
    room.client_refuses(condition)
    assert [each.get("Expires") for each in room.asked_of("SUBSCRIBE")[1:]] == ["0"] * left
    room.passes(PACE)
    room.focus_says(change("carol", 2), 2)
    assert len(room.told()) == (1 if left else 2)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", MEDIA_TYPE, 200),
        (b"x", "text/plain", 415),
        (b"<x/>", MEDIA_TYPE, 400),
        (b" " * (LARGEST + 1), MEDIA_TYPE, 413),
        (b"<!DOCTYPE a><a/>", MEDIA_TYPE, 400),
    ],
)
def test_a_notify_that_tells_nothing(body: bytes, kind: str, status: int) -> None:
    room = subscribed()
    assert room.focus_says(body, kind=kind) == status
    assert room.told() == []
    assert room.responses[-1].get("Accept") == (MEDIA_TYPE if status == 415 else None)
    assert room.focus_says(BASIC, 2) == 200
    assert len(room.told()) == 1


def test_a_notify_of_nobody() -> None:
    room = subscribed()
    strange = [("From", "<sip:a@b.example>;tag=x"), ("To", "<sip:c@d.example>;tag=y")]
    said = [
        ("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKn"),
        *strange,
        ("Call-ID", "other"),
        ("CSeq", "1 NOTIFY"),
        EVENT,
        ("Subscription-State", "active"),
    ]
    assert room.asks("NOTIFY", Uri.parse(f"sip:{ROMEO}"), said) == 481
    assert room.asked_of("SUBSCRIBE")[0].from_.tag != "y"


@pytest.mark.parametrize("status", [489, 403, 404, 500])
def test_a_refused_subscription_leaves_the_call_as_it_is(status: int) -> None:
    room = calling_a_focus()
    room.client_answers(coin.NS)
    room.focus_answers(status)
    assert room.asked_of("BYE") == []
    assert len(room.asked_of("SUBSCRIBE")) == 1


def test_a_focus_that_does_not_answer() -> None:
    room = calling_a_focus()
    room.client_answers(coin.NS)
    _, handle = room.sent[-1]
    assert isinstance(handle, Conferring)
    room.calls.conferences.on_failure(handle, Cause.TIMEOUT, room.now)
    assert room.asked_of("BYE") == []
    assert room.calls.describe()["subscriptions"] == 0


def test_a_subscription_that_the_focus_ends() -> None:
    room = heard()
    assert room.focus_says(change("carol", 2), 2, "terminated;reason=noresource") == 200
    assert room.calls.describe()["subscriptions"] == 0
    room.passes(PACE)
    assert len(room.told()) == 2


def test_one_that_it_ends_by_what_nobody_can_read() -> None:
    room = heard()
    assert room.focus_says(b"x", 2, "terminated;reason=noresource") == 400
    assert room.calls.describe()["subscriptions"] == 0


def test_a_conference_that_has_ceased_to_exist() -> None:
    room = heard()
    room.passes(PACE)
    gone = f"<conference-info xmlns='{NS}' entity='{FOCUS}' state='deleted' version='2'/>"
    room.focus_says(gone.encode(), 2)
    assert room.told()[-1].state.value == "deleted"
    assert room.asked_of("SUBSCRIBE")[-1].get("Expires") == "0"


@pytest.mark.spec("MED-30")
def test_the_subscription_is_refreshed_and_ends_with_the_call() -> None:
    room = subscribed()
    assert room.focus_says(BASIC, state="active;expires=100") == 200
    room.client_answers()
    room.passes(50)
    room.focus_answers(200, [("Expires", "3600")])
    room.client_says(Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.SUCCESS)), PHONE)
    assert [each.get("Expires") for each in room.asked_of("SUBSCRIBE")] == ["3600", "3600", "0"]
    assert room.calls.describe()["attended"] == 0
    room.focus_answers(200)
    assert room.focus_says(change("carol", 2), 2, "terminated;reason=timeout") == 200
    assert len(room.told()) == 1
    assert room.calls.describe()["subscriptions"] == 0


def test_another_device_that_takes_the_call_over_is_asked_anew() -> None:
    room = heard()
    balcony = f"{ROMEO}/balcony"
    propose = Initiation(Step.PROPOSE, "s2", (Rtp("audio"),))
    assert room.calls.on_stanza(jmi.carrier(JULIET, balcony, propose, "p2"), room.now)
    assert room.asked_of("SUBSCRIBE")[-1].get("Expires") == "0"
    begin = replace(BEGIN, sid="s2", initiator=balcony)
    stanza = iq(PHONE, balcony, id="b2", type="set", children=(begin.element(),))
    assert room.calls.on_stanza(stanza, room.now)
    assert (room.asked.get("type"), room.asked.get("to")) == ("get", balcony)


# -- the client mixes -----------------------------------------------------------------------------


@pytest.mark.spec("MED-30")
def test_a_client_that_mixes_says_so_to_the_phone_it_calls() -> None:
    room = hosting()
    (invite,) = room.asked_of("INVITE")
    assert invite.contacts[0].param("isfocus") == ""
    assert invite.contacts[0].param("audio") == ""


@pytest.mark.spec("MED-30")
def test_a_client_that_mixes_says_so_to_the_phone_that_calls() -> None:
    room = Room()
    room.phone_says(body=sdp())
    room.client_says(Initiation(Step.RINGING, room.sid()), PHONE)
    room.client_says(Initiation(Step.PROCEED, room.sid()), PHONE)
    room.client_answers(*CALLS)
    accept = Jingle(Action.SESSION_ACCEPT, room.sid(), (sound(PCMU),), responder=CLIENT)
    room.client_says(replace(accept, info=coin.focus()), PHONE)
    assert [each.contacts[0].param("isfocus") for each in room.responses] == [None, ""]


def test_one_that_does_not_says_nothing() -> None:
    room = Room()
    room.client_says(BEGIN, PHONE)
    room.phone_answers(200, sdp())
    (invite,) = room.asked_of("INVITE")
    assert invite.contacts[0].param("isfocus") is None
    assert len(room.asked_of("INVITE")) == 1


@pytest.mark.spec("MED-30")
def test_a_client_that_proposed_says_so_by_a_reinvite() -> None:
    """The phone was called before the client said anything."""
    room = Room()
    room.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    room.phone_answers(200, sdp())
    room.client_says(replace(BEGIN, info=coin.focus()), PHONE)
    told = [each.contacts[0].param("isfocus") for each in room.asked_of("INVITE")]
    assert told == [None, ""]
    room.phone_answers(200, sdp(version=2), -1)
    assert [each.action for each in room.actions] == [Action.SESSION_ACCEPT]
    assert room.phone_subscribes() == 200


@pytest.mark.spec("MED-30")
def test_a_client_that_begins_to_mix_and_ceases_to() -> None:
    room = Room()
    room.client_says(BEGIN, PHONE)
    room.phone_answers(200, sdp())
    for version, mixes in [(2, True), (3, False)]:
        marker = coin.focus(is_focus=mixes)
        room.client_says(Jingle(Action.SESSION_INFO, "s1", info=marker), PHONE)
        again = room.asked_of("INVITE")[-1]
        assert (again.contacts[0].param("isfocus") == "") is mixes
        last = [number for number, sent in enumerate(room.sent) if sent[0].method == "INVITE"][-1]
        room.phone_answers(200, sdp(version=version), last)
        assert room.phone_subscribes(call_id=f"sub-{version}") == (200 if mixes else 404)
        told = (room.notified().get("Subscription-State") or "").partition(";")[0]
        assert told == ("active" if mixes else "terminated")


@pytest.mark.spec("MED-30")
def test_the_phone_hears_what_the_client_tells() -> None:
    room = hosting()
    told = parse_document(COIN)
    told.attributes |= {"to": PHONE, "from": CLIENT}
    told.elements[0].attributes["sid"] = "s1"
    assert room.calls.on_stanza(told, room.now)
    assert (room.stanzas[-1].get("type"), room.stanzas[-1].get("to")) == ("result", CLIENT)
    (invite,) = room.asked_of("INVITE")
    assert room.phone_subscribes(str(invite.contacts[0].uri)) == 200
    assert room.responses[-1].get("Expires") == "3600"
    notify = room.notified()
    assert notify.get("Event") == "conference"
    assert (notify.get("Subscription-State") or "").startswith("active;expires=")
    document = Document.parse(notify.body)
    assert (document.state.value, document.version) == ("full", 1)
    assert document.root.get("entity") == str(invite.contacts[0].uri)
    assert len(room.people(document)) == 3


@pytest.mark.spec("MED-30")
def test_the_phone_hears_of_changes_at_a_pace() -> None:
    room = hosting()
    assert room.client_tells(BASIC).get("type") == "result"
    assert room.phone_subscribes() == 200
    room.notified()
    for version in (2, 3):
        assert room.client_tells(change("carol", version)).get("type") == "result"
    assert len(room.asked_of("NOTIFY")) == 1
    room.passes(5)
    document = Document.parse(room.notified().body)
    assert (document.version, len(room.people(document))) == (2, 3)
    room.passes(5)
    assert len(room.asked_of("NOTIFY")) == 2


def test_a_phone_may_subscribe_before_there_is_something_to_tell() -> None:
    room = hosting()
    assert room.phone_subscribes() == 200
    assert room.notified().body == b""
    room.client_tells(BASIC)
    room.passes(5)
    assert len(room.people(Document.parse(room.notified().body))) == 2


def test_a_phone_may_ask_once() -> None:
    room = hosting()
    room.client_tells(BASIC)
    assert room.phone_subscribes(expires=0) == 200
    notify = room.notified()
    assert notify.get("Subscription-State") == "terminated;reason=timeout"
    assert len(room.people(Document.parse(notify.body))) == 2
    assert room.calls.describe()["subscribers"] == 0


def test_a_phone_may_leave() -> None:
    room = hosting()
    room.client_tells(BASIC)
    room.phone_subscribes()
    room.notified()
    tag = room.responses[-1].to.tag or ""
    assert room.phone_subscribes(number=2, to_tag=tag) == 200
    assert len(room.people(Document.parse(room.notified().body))) == 2
    assert room.phone_subscribes(number=3, to_tag=tag, expires=0) == 200
    assert room.notified().get("Subscription-State") == "terminated;reason=timeout"
    assert room.phone_subscribes(number=4, to_tag=tag) == 481


@pytest.mark.spec("MED-30")
def test_subscriptions_end_with_the_call() -> None:
    room = hosting()
    room.client_tells(BASIC)
    room.phone_subscribes()
    room.notified()
    room.client_says(Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.SUCCESS)), PHONE)
    assert room.notified().get("Subscription-State") == "terminated;reason=noresource"
    assert room.phone_subscribes(call_id="sub-2") == 404
    assert room.calls.describe()["hosted"] == 0


@pytest.mark.spec("MED-30")
def test_who_is_not_in_the_conference_may_not_subscribe() -> None:
    room = hosting()
    assert room.phone_subscribes(sender="mallory@sip.example") == 404
    assert room.phone_subscribes("sip:mercutio@xmpp.example") == 404
    assert room.phone_subscribes(headers=[("Accept", "application/pidf+xml")]) == 406
    assert room.phone_subscribes(number=2, to_tag="nobody") == 481
    assert room.asked_of("NOTIFY") == []


@pytest.mark.spec("MED-30")
def test_where_nobody_mixes_there_is_no_conference() -> None:
    room = Room()
    room.client_says(BEGIN, PHONE)
    room.phone_answers(200, sdp())
    assert room.phone_subscribes() == 404


def test_a_subscription_in_the_dialog_of_the_call_is_refused_and_the_call_goes_on() -> None:
    room = hosting()
    (invite,) = room.asked_of("INVITE")
    status = room.phone_subscribes(to_tag=invite.from_.tag or "", call_id=invite.call_id)
    assert status == 403


def test_there_are_so_many_subscriptions_to_a_call() -> None:
    room = hosting()
    statuses = [room.phone_subscribes(call_id=f"sub-{n}") for n in range(MOST_A_CALL + 1)]
    assert statuses == [200] * MOST_A_CALL + [500]


@pytest.mark.parametrize(
    ("document", "to", "from_", "condition"),
    [
        (BASIC, PHONE, "mallory@xmpp.example/x", Condition.ITEM_NOT_FOUND),
        (BASIC, "other@sip.example", CLIENT, Condition.ITEM_NOT_FOUND),
        (change("carol", 2), PHONE, CLIENT, Condition.UNEXPECTED_REQUEST),
    ],
)
def test_documents_that_are_refused(
    document: bytes, to: str, from_: str, condition: Condition
) -> None:
    answer = hosting().client_tells(document, to, from_)
    assert StanzaError.parse(answer).condition is condition


def test_a_document_that_is_too_large_is_refused() -> None:
    room = hosting()
    users = "".join(f"<user entity='sip:{n}'/>" for n in range(501))
    root = f"<conference-info xmlns='{NS}' entity='a'><users>{users}</users></conference-info>"
    answer = room.client_tells(root.encode())
    assert StanzaError.parse(answer).condition is Condition.RESOURCE_CONSTRAINT


def test_a_document_of_a_client_that_does_not_mix() -> None:
    room = Room()
    room.client_says(BEGIN, PHONE)
    room.phone_answers(200, sdp())
    answer = room.client_tells(BASIC)
    assert StanzaError.parse(answer).condition is Condition.ITEM_NOT_FOUND


def test_a_document_of_another_session() -> None:
    room = hosting()
    told = parse_document(COIN)
    told.attributes |= {"to": PHONE, "from": CLIENT}
    assert room.calls.on_stanza(told, room.now)
    assert StanzaError.parse(room.stanzas[-1]).condition is Condition.ITEM_NOT_FOUND
