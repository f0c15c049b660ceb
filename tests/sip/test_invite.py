"""An INVITE that we accept: its dialog, its ACK, and the BYE when there is none."""

from collections.abc import Sequence

import pytest

from dragoman.errors import LocalError
from dragoman.sip.dialog import Dialog
from dragoman.sip.endpoint import (
    AckArrived,
    AckMissing,
    Limits,
    RequestArrived,
    ResponseArrived,
    ServerTransaction,
)
from dragoman.sip.invite import Acceptances, Bye
from dragoman.sip.message import Header, Request, Response, SipError, build_request, response_to
from tests.pair import STORM, Weather, Wire
from tests.sip.desk import NEAR, Desk, WireEnd, heading, request

CONTACT = ("Contact", "<sip:romeo@gateway.example>")
THEIRS = ("Contact", "<sip:juliet@192.0.2.1:5070>")
RECORD = ("Record-Route", "<sip:p1.example.net;lr>, <sip:p2.example.net;lr>")


class House:
    """A desk whose user accepts what comes."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.desk = Desk(limits)
        self.acceptances = Acceptances(self.desk.endpoint)

    def accepts(
        self, branch: str = "z9hG4bK1", more: Sequence[Header] = (THEIRS, RECORD)
    ) -> tuple[ServerTransaction, Dialog, Response]:
        transaction = self.desk.arrives(request("INVITE", branch, more=more))
        response = response_to(transaction.request, 200, headers=[CONTACT])
        dialog = self.acceptances.accept(transaction, response, self.desk.now)
        (sent,) = self.desk.says()
        assert isinstance(sent, Response)
        return transaction, dialog, sent

    def hears_ack(self, response: Response) -> object:
        to = response.get("To") or ""
        self.desk.hears(request("ACK", "z9hG4bKack", To=to, Call_ID=response.call_id))
        (event,) = self.desk.endpoint.events()
        assert isinstance(event, AckArrived)
        return self.acceptances.acknowledged(event)

    def misses(self) -> list[Bye | None]:
        """Let 64*T1 pass."""
        self.desk.waits(self.desk.now + 32.0)
        found = []
        for event in self.desk.endpoint.events():
            assert isinstance(event, AckMissing)
            found.append(self.acceptances.missing(event))
        return found


@pytest.mark.spec("NET-21")
def test_a_missing_ack_ends_in_bye() -> None:
    house = House()
    _, dialog, sent = house.accepts()
    (bye,) = house.misses()
    assert bye is not None
    assert (bye.request.method, bye.request.target) == ("BYE", "sip:juliet@192.0.2.1:5070")
    assert bye.request.get_all("Route") == ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]
    assert str(bye.hop) == "sip:p1.example.net;lr"
    assert (bye.request.call_id, bye.request.to.tag) == (sent.call_id, sent.from_.tag)
    assert (bye.request.from_.tag, bye.request.get("CSeq")) == (sent.to.tag, "1 BYE")
    assert bye.dialog == dialog.request("BYE")[0]
    assert (len(house.acceptances), house.misses()) == (0, [])
    house.desk.endpoint.send(bye.request, [NEAR], "bye", house.desk.now)
    assert [heading(each) for each in house.desk.says()] == ["BYE"]


@pytest.mark.spec("NET-21")
def test_an_ack_in_time_confirms_the_dialog_and_no_bye_follows() -> None:
    house = House()
    _, dialog, sent = house.accepts()
    house.desk.waits(20.0)
    assert house.hears_ack(sent) == dialog
    assert house.hears_ack(sent) is None, "an ACK that comes again is no news"
    assert (len(house.acceptances), house.misses()) == (0, [])


@pytest.mark.spec("NET-21")
@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_bye_of_who_was_called_waits_for_the_ack(acknowledged: bool) -> None:
    """§15: not before the ACK has come, or the transaction has timed out."""
    house = House()
    transaction, _, sent = house.accepts()
    house.acceptances.end(transaction)
    assert house.desk.says() == []
    if acknowledged:
        found = house.hears_ack(sent)
    else:
        (found,) = house.misses()
    assert isinstance(found, Bye)
    assert found.request.get("CSeq") == "1 BYE"
    assert (len(house.acceptances), house.misses()) == (0, [])


def test_requests_in_the_dialog_before_its_ack_are_counted() -> None:
    house = House()
    transaction, dialog, _ = house.accepts()
    house.acceptances.keep(transaction, dialog.request("INFO")[0])
    (bye,) = house.misses()
    assert bye is not None
    assert bye.request.get("CSeq") == "2 BYE"


def test_no_bye_answers_a_bye() -> None:
    house = House()
    transaction, dialog, _ = house.accepts()
    house.acceptances.forget(transaction)
    house.acceptances.keep(transaction, dialog)
    house.acceptances.end(transaction)
    assert (house.misses(), len(house.acceptances)) == ([None], 0)


def test_an_invite_in_a_dialog_keeps_it() -> None:
    house = House()
    _, dialog, sent = house.accepts()
    house.hears_ack(sent)
    to = sent.get("To") or ""
    again = request("INVITE", "z9hG4bK2", more=[THEIRS], To=to, CSeq="2 INVITE")
    transaction = house.desk.arrives(again)
    after = dialog.request("INFO")[0].received(transaction.request, refresh=True)
    response = response_to(transaction.request, 200, headers=[CONTACT])
    assert house.acceptances.accept(transaction, response, house.desk.now, after) == after
    (bye,) = house.misses()
    assert bye is not None
    assert (bye.request.get("CSeq"), bye.request.from_.tag) == ("2 BYE", sent.to.tag)


def test_a_refusal_without_ack_ends_no_session() -> None:
    house = House()
    house.desk.answers(house.desk.arrives(request("INVITE")), 486)
    assert house.misses() == [None]


def test_an_invite_without_contact_cannot_be_accepted() -> None:
    house = House()
    with pytest.raises(SipError):
        house.accepts(more=())
    assert (house.desk.says(), len(house.acceptances)) == ([], 0)


@pytest.mark.parametrize(
    ("method", "status", "headers"),
    [("INVITE", 200, []), ("INVITE", 183, [CONTACT]), ("MESSAGE", 200, [CONTACT])],
)
def test_only_an_invite_is_accepted_and_only_by_a_2xx_with_contact(
    method: str, status: int, headers: list[Header]
) -> None:
    house = House()
    transaction = house.desk.arrives(request(method, more=[THEIRS]))
    response = response_to(transaction.request, status, headers=headers)
    with pytest.raises(LocalError, match="Contact"):
        house.acceptances.accept(transaction, response, 0.0)


def test_what_waits_is_bounded_as_the_invites_are() -> None:
    house = House(Limits(pending=2))
    for number in (1, 2):
        house.accepts(f"z9hG4bK{number}")
    assert house.desk.statuses(request("INVITE", "z9hG4bK3", more=[THEIRS])) == [503]
    assert len(house.acceptances) == 2
    assert len(house.misses()) == 2
    assert len(house.acceptances) == 0


# On the wire


class Line(WireEnd):
    """One end of calls: sends INVITEs and acknowledges them, or accepts those that come."""

    def __init__(self, name: str, *, silent: bool = False) -> None:
        super().__init__(name, allow=("INVITE", "ACK", "CANCEL", "BYE"))
        self.acceptances = Acceptances(self.endpoint)
        self.silent = silent

    def calls(self, number: int, now: float) -> None:
        invite = request("INVITE", f"z9hG4bK{number}", without="Via", more=[THEIRS])
        self.endpoint.send(invite, [NEAR], number, now)

    def react(self, now: float) -> None:
        for event in self.endpoint.events():
            match event:
                case RequestArrived(given, _, transaction):
                    self.heard.append(given.method)
                    if given.method == "INVITE":
                        response = response_to(given, 200, headers=[CONTACT])
                        self.acceptances.accept(transaction, response, now)
                    else:
                        self.endpoint.respond(transaction, response_to(given, 200), now)
                case AckArrived():
                    assert not isinstance(self.acceptances.acknowledged(event), Bye)
                case AckMissing():
                    bye = self.acceptances.missing(event)
                    assert bye is not None
                    self.endpoint.send(bye.request, [NEAR], "bye", now)
                case ResponseArrived(handle, response):
                    self.heard.append(f"{response.status} {response.cseq.method}")
                    if response.cseq.method == "INVITE" and not self.silent:
                        self.endpoint.acknowledge(ack_for(response), [NEAR], handle, now)
                case _:
                    raise AssertionError(event)


def ack_for(response: Response) -> Request:
    """Return the ACK of the user for a 2xx."""
    same = [each for each in response.headers if each[0] in {"From", "To", "Call-ID"}]
    number = ("CSeq", f"{response.cseq.number} ACK")
    return build_request("ACK", "sip:romeo@gateway.example", [*same, number])


def methods(wire: Wire, side: str) -> list[tuple[float, bytes]]:
    return [(round(when, 2), data.split()[0]) for when, each, data in wire.sent if each == side]


@pytest.mark.spec("NET-21")
def test_a_2xx_survives_the_loss_of_two_copies_and_two_acks() -> None:
    """The third copy gets there; its ACK and the next are lost, and each copy gets the same ACK."""
    caller, called = Line("left"), Line("right")
    caller.calls(1, 0.0)
    flight = ["INVITE", "200 lost", "INVITE", "200 lost", "INVITE", "200", "ACK lost"]
    flight += ["200", "ACK lost", "200", "ACK"]
    wire = Wire(caller, called, lose=["lost" in each for each in flight])
    wire.run(until=100.0)
    assert [when for when, what in methods(wire, "right") if what == b"SIP/2.0"] == [
        *(0.01, 0.51, 1.51, 3.51, 7.51)
    ]
    acks = [data for _, side, data in wire.sent if side == "left" and data[:3] == b"ACK"]
    assert (len(acks), len(set(acks))) == (3, 1)
    assert (caller.heard, called.heard) == (["200 INVITE"], ["INVITE"])
    assert (caller.next_timer(), called.next_timer()) == (None, None)


@pytest.mark.spec("NET-21")
def test_a_caller_who_never_acknowledges_gets_bye() -> None:
    caller, called = Line("left", silent=True), Line("right")
    caller.calls(1, 0.0)
    wire = Wire(caller, called)
    wire.run(until=100.0)
    assert caller.heard[-1] == "BYE"
    assert [(when, what) for when, what in methods(wire, "right") if what == b"BYE"] == [
        (32.01, b"BYE")
    ]
    assert called.heard == ["INVITE", "200 BYE"]
    assert (caller.next_timer(), called.next_timer()) == (None, None)


@pytest.mark.spec("NET-21")
@pytest.mark.parametrize("seed", range(20))
def test_a_storm_neither_ends_nor_doubles_calls(seed: int) -> None:
    caller, called = Line("left"), Line("right")
    wire = Wire(caller, called, weather=STORM, seed=seed)
    for number in range(30):
        caller.calls(number, number * 0.1)
    wire.run(until=200.0)
    assert called.heard == ["INVITE"] * 30, str(wire)
    assert caller.heard == ["200 INVITE"] * 30, str(wire)
    assert len(called.acceptances) == 0, str(wire)
    assert (caller.next_timer(), called.next_timer()) == (None, None), str(wire)


@pytest.mark.spec("NET-21")
def test_every_caller_who_never_acknowledges_gets_bye() -> None:
    caller, called = Line("left", silent=True), Line("right")
    weather = Weather(repeated=0.3, delay=(0.001, 0.3))
    wire = Wire(caller, called, weather=weather, seed=3)
    for number in range(10):
        caller.calls(number, 0.0)
    wire.run(until=200.0)
    assert caller.heard.count("BYE") == 10, str(wire)
    assert (len(called.acceptances), called.heard.count("200 BYE")) == (0, 10), str(wire)
