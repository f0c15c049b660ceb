"""How sessions open and close: gateways against each other, with nothing between but an order.

Their MSRP endpoints never meet: what is looked at is who has a session with whom, and why not.
"""

import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest

from dragoman import msrp
from dragoman.bridge.chat import Chats, Rules
from dragoman.bridge.openings import Openings
from dragoman.bridge.talk import Leg
from dragoman.bridge.ways import Policy, Ways
from dragoman.mapping.chat import ACCEPTED, WRAPPED
from dragoman.msrp import Terms, Transport
from dragoman.msrp.offer import Stance
from dragoman.sdp.session import SessionDescription
from dragoman.sip.endpoint import Flow, ServerTransaction
from dragoman.sip.flow import AckArrived, CancelArrived, RequestArrived
from dragoman.sip.locate import Transport as SipTransport
from dragoman.sip.message import Request, Response
from dragoman.sip.route import RouteSet
from dragoman.sip.session import Body, SessionHandle
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.stanza import BODY, MESSAGE, THREAD, message
from tests.bridge.test_message import service

if TYPE_CHECKING:
    from dragoman.sip.usage import Session

FLOW = Flow(SipTransport.UDP, ("192.0.2.1", 5060), ("192.0.2.2", 5060))
ROMEO, JULIET = "romeo@xmpp.example", "juliet@sip.example"
TERMS = Terms(ACCEPTED, WRAPPED, 9000)


@dataclass(eq=False)
class Arrived:
    """What stands for the transaction of a request."""

    request: Request
    answered: bool = False


class Gateway:
    """A gateway that is reached by its peer's deliveries, and by nothing else."""

    def __init__(self, name: str, plain: bool = True, tls: bool = False) -> None:
        self.name = name
        self.peer: Gateway = self
        self.way: deque[Callable[[], None]] = deque()
        """What is on its way from here."""
        self.transactions: dict[Hashable, Arrived] = {}
        self.handles: dict[Arrived, Hashable] = {}
        self.offers: list[bytes] = []
        self.said: list[bytes] = []
        self.answers: list[int] = []
        self.secure = False
        self.mangles: list[tuple[bytes, bytes]] = []
        """What a middlebox makes of the next answer that comes from here."""
        self.stance = Stance(TERMS, plain=plain, tls=tls)
        tokens = iter(range(10**6))

        def token() -> str:
            return f"{name}{next(tokens):08x}{'0' * 12}"

        self.messages, self.ports = service()
        places = {
            Transport.TCP: (f"{name}.example", 2855),
            Transport.TLS: (f"{name}.example", 2856),
        }
        self.endpoint = msrp.Endpoint(places, lambda: f"{next(tokens):024x}")
        self.chats = Chats(
            self.messages, self.ports, Ways(Policy.FIRST), token, lambda: 0.0, Rules()
        )
        self.openings = Openings(
            self,
            self.messages._naming,
            self.chats,
            self.endpoint,
            lambda: self.stance,
            self.messages.ends,
            lambda: f"{next(tokens):024x}",
            random.Random(1).uniform,  # noqa: S311 - of no secret
            "gw.example",
        )
        self.chats.openings = self.openings
        self.messages.sessions = self.chats

    # -- what `SessionLine` wants

    def find(self, uri: Uri, told: Callable[[bool], None]) -> None:
        told(self.secure)

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        arrived = Arrived(request)
        self.transactions[handle] = arrived
        self.peer.handles[arrived] = handle
        if request.method == "INVITE":
            self.offers.append(request.body)
        event = RequestArrived(request, FLOW, cast("ServerTransaction", arrived))
        sender = request.from_.uri
        self.way.append(lambda: self.peer.openings.on_request(event, sender, 0.0))

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        arrived = cast("Arrived", transaction)
        if response.status >= 200:
            arrived.answered = True
            self.answers.append(response.status)
        if response.body:
            self.said.append(response.body)
            for before, after in self.mangles:
                response.body = response.body.replace(before, after)
            self.mangles = []
        handle = cast("SessionHandle", self.handles[arrived])
        self.way.append(lambda: self.peer.openings.on_response(handle, response, 0.0))

    def acknowledge(self, ack: Request, handle: Hashable, route: RouteSet) -> None:
        transaction = cast("ServerTransaction", self.transactions[handle])
        event = AckArrived(ack, FLOW, transaction)
        self.way.append(lambda: self.peer.openings.on_ack(event, 0.0))

    def cancel(self, handle: Hashable, reason: str = "") -> None:
        arrived = self.transactions[handle]

        def taken_back() -> None:
            if not arrived.answered:
                transaction = cast("ServerTransaction", arrived)
                event = CancelArrived(arrived.request, transaction)
                self.peer.openings.on_cancel(event, 0.0)

        self.way.append(taken_back)

    # -- what tests want

    def writes(self, sender: str, to: str, thread: str = "talk") -> None:
        children = [Element(BODY, None, ("hi",)), Element(THREAD, None, (thread,))]
        stanza = message(to, f"{sender}/x", id="m1", type="chat", children=children)
        self.messages.on_stanza(stanza, 0.0)

    def legs(self, user: str, peer: str) -> list[Leg]:
        return list(self.chats.talk((user, peer)).legs)

    def errors(self) -> list[str]:
        found = [each for each in self.ports.of(MESSAGE) if each.get("type") == "error"]
        return [StanzaError.parse(each).condition.value for each in found]


@dataclass
class Pair:
    """Two gateways: one has Romeo on XMPP, to the other he is on SIP."""

    here: Gateway = field(default_factory=lambda: Gateway("a"))
    there: Gateway = field(default_factory=lambda: Gateway("b"))

    def __post_init__(self) -> None:
        self.here.peer, self.there.peer = self.there, self.here

    def run(self, chance: random.Random | None = None) -> None:
        """Deliver everything, of either side in its order."""
        for _ in range(1000):
            sides = [each for each in (self.here, self.there) if each.way]
            if not sides:
                return
            side = chance.choice(sides) if chance else sides[0]
            side.way.popleft()()
        pytest.fail("they never come to an end")


def test_one_begins_and_both_have_the_session() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    assert ours.call_id == theirs.call_id
    assert ours.terms is not None
    assert ours.terms.accept_types == ACCEPTED
    assert str(theirs.remote) == f"{ROMEO}/x"


@pytest.mark.spec("MSRP-39")
@pytest.mark.parametrize("seed", range(60))
def test_two_begin_at_once_and_one_session_is_left(seed: int) -> None:
    pair, chance = Pair(), random.Random(seed)  # noqa: S311 - a seed on failure
    pair.here.writes(ROMEO, JULIET, chance.choice(["b-talk", "d-talk"]))
    pair.there.writes(JULIET, ROMEO, "c-talk")
    pair.run(chance)
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    assert ours.call_id == theirs.call_id
    for gateway in (pair.here, pair.there):
        stages = gateway.openings.describe()
        assert (stages["confirmed"], stages["sessions"] - stages["over"]) == (1, 1)
    assert not pair.here.errors() + pair.there.errors()


@pytest.mark.spec("MSRP-07")
def test_who_ends_it_ends_it_for_both() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (leg,) = pair.here.legs(ROMEO, JULIET)
    pair.here.openings.end(leg, 1.0)
    pair.here.chats.ended(leg, 1.0)
    pair.run()
    assert not pair.there.legs(JULIET, ROMEO)
    assert pair.here.openings.quiet
    assert pair.there.openings.quiet


def test_over_tls_where_sip_goes_over_tls() -> None:
    pair = Pair(Gateway("a", tls=True), Gateway("b", tls=True))
    pair.here.secure = True
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    assert b"TCP/TLS/MSRP" in pair.here.offers[0]
    (leg,) = pair.here.legs(ROMEO, JULIET)
    assert leg.wire.uri.secure


def test_the_other_transport_is_tried_once() -> None:
    pair = Pair(Gateway("a", tls=True), Gateway("b", plain=False, tls=True))
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    assert [b"TCP/TLS/MSRP" in each for each in pair.here.offers] == [False, True]
    assert pair.there.answers == [488, 200]
    assert len(pair.here.legs(ROMEO, JULIET)) == 1
    assert not pair.here.ports.requests


@pytest.mark.spec("MSRP-06")
def test_nothing_in_common_leaves_messages() -> None:
    pair = Pair(Gateway("a"), Gateway("b", plain=False, tls=True))
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    assert pair.there.answers == [488]
    assert [each.body for each, _ in pair.here.ports.requests] == [b"hi"]
    assert pair.here.openings.quiet


@pytest.mark.spec("MSRP-33")
def test_another_path_for_a_connection_that_broke() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (leg,) = pair.here.legs(ROMEO, JULIET)
    before = leg.wire.path
    assert pair.here.openings.renew(leg, 1.0)
    pair.run()
    assert pair.there.answers == [200, 200]
    (theirs,) = pair.there.legs(JULIET, ROMEO)
    assert leg.wire.path != before
    assert theirs.wire.remote == leg.wire.path
    assert leg.wire.remote == theirs.wire.path
    assert len(pair.here.openings.sessions) == 1


def test_a_request_of_no_session_is_481() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    arrived = next(iter(pair.here.transactions.values()))
    headers = [each for each in arrived.request.headers if each[0] not in {"To", "CSeq"}]
    headers += [("To", f"<sip:{JULIET}>;tag=other"), ("CSeq", "2 BYE")]
    stray = Request("BYE", f"sip:{JULIET}", headers, b"")
    transaction = Arrived(stray)
    pair.there.handles[transaction] = SessionHandle(99, 1)
    event = RequestArrived(stray, FLOW, cast("ServerTransaction", transaction))
    pair.there.openings.on_request(event, Uri.parse(f"sip:{ROMEO}"), 0.0)
    assert pair.there.answers[-1] == 481


@pytest.mark.spec("MSRP-27")
def test_a_middlebox_that_knows_no_cema_has_another_offer_made() -> None:
    pair = Pair()
    pair.here.stance = replace(pair.here.stance, cema=True)
    pair.there.mangles = [(b"c=IN IP4 b.example", b"c=IN IP4 192.0.2.99"),
                          (b"a=setup:passive", b"a=setup:active")]  # fmt: skip
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    assert [b"a=msrp-cema" in each for each in pair.here.offers] == [True, False]
    (leg,) = pair.here.legs(ROMEO, JULIET)
    assert leg.up
    assert len(pair.there.legs(JULIET, ROMEO)) == 1
    assert not pair.here.errors()


def test_an_answer_that_is_none_leaves_messages() -> None:
    pair = Pair()
    pair.there.mangles = [(b"m=message", b"m=audio")]
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    assert [each.body for each, _ in pair.here.ports.requests] == [b"hi"]
    assert pair.here.openings.quiet
    assert not pair.there.legs(JULIET, ROMEO)


def test_two_give_another_path_at_once_and_one_session_is_left() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    assert pair.here.openings.renew(ours, 1.0)
    assert pair.there.openings.renew(theirs, 1.0)
    for now in range(1, 40):
        for gateway in (pair.here, pair.there):
            gateway.openings.on_timer(float(now))
        pair.run()
    assert 491 in pair.here.answers + pair.there.answers
    assert pair.here.legs(ROMEO, JULIET) == [ours]
    assert pair.there.legs(JULIET, ROMEO) == [theirs]
    assert ours.up
    assert theirs.up
    assert (ours.wire.remote, theirs.wire.remote) == (theirs.wire.path, ours.wire.path)


def test_a_reinvite_without_an_offer_gets_ours_and_leaves_the_session_as_it_was() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    before = theirs.wire.path, theirs.wire.state
    sdp = ours.wire.path
    _, request = cast("Session", ours.dialog).dialog.request("INVITE")
    arrived = Arrived(request)
    pair.there.handles[arrived] = SessionHandle(99, 1)
    transaction = cast("ServerTransaction", arrived)
    pair.there.openings.on_request(
        RequestArrived(request, FLOW, transaction), Uri.parse(f"sip:{ROMEO}"), 1.0
    )
    offer = SessionDescription.parse(pair.there.said[-1])
    assert offer.media[0].value("setup") == "actpass"
    assert offer.media[0].value("path") == str(theirs.wire.path)
    answer = pair.here.offers[-1].replace(b"actpass", b"active")
    headers = [each for each in request.headers if each[0] != "CSeq"]
    number = request.cseq.number
    ack = Request("ACK", request.target,
                  [*headers, ("CSeq", f"{number} ACK"), ("Content-Type", "application/sdp")],
                  answer)  # fmt: skip
    pair.there.openings.on_ack(AckArrived(ack, FLOW, transaction), 1.0)
    assert theirs.up
    assert (theirs.wire.path, theirs.wire.state) == before
    assert theirs.wire.remote == sdp
    assert pair.there.openings.renew(theirs, 2.0)


@pytest.mark.spec("MSRP-25")
def test_a_refresh_of_who_was_called_is_an_offer_and_changes_nothing() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    session = cast("Session", theirs.dialog)
    assert session.refresher is not None
    body = session.refresher()
    assert body is not None
    offer = SessionDescription.parse(body.data)
    assert offer.media[0].value("setup") == "actpass"
    assert offer.media[0].value("path") == str(theirs.wire.path)
    assert offer.origin.version == SessionDescription.parse(pair.there.said[-1]).origin.version + 1
    again = session.refresher()
    assert again == body, "what was never answered is offered again"
    assert ours.up
    assert theirs.up


def test_a_reinvite_that_says_nothing_new_is_answered_by_an_answer() -> None:
    pair = Pair()
    pair.here.writes(ROMEO, JULIET)
    pair.run()
    (ours,), (theirs,) = pair.here.legs(ROMEO, JULIET), pair.there.legs(JULIET, ROMEO)
    paths = ours.wire.path, theirs.wire.path
    session = cast("Session", theirs.dialog)
    session.offer(Body(pair.there.said[-1].replace(b"a=setup:passive", b"a=setup:actpass")), 1.0)
    pair.there.openings.on_timer(1.0)
    pair.run()
    answer = SessionDescription.parse(pair.here.said[-1])
    assert answer.media[0].value("setup") in {"active", "passive"}
    assert (ours.wire.path, theirs.wire.path) == paths
    assert ours.up
