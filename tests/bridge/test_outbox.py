"""Outboxes: order, bounds and back-off of the stanzas for one far domain."""

from dragoman.bridge.outbox import CAPACITY, PATIENCE, RESERVE, RESTS, Outbox, State
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import iq

NOT_FOUND = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND)


def stanza(number: int) -> Element:
    return Element("{jabber:client}message", {"id": str(number)})


def outbox() -> Outbox:
    return Outbox(lambda: 1.0)


def numbers(stanzas: list[Element]) -> list[str | None]:
    return [each.get("id") for each in stanzas]


def test_the_first_stanza_asks_for_a_stream_and_all_wait_for_it_in_order() -> None:
    box = outbox()
    assert box.push(stanza(1), 0.0)
    assert not box.push(stanza(2), 0.0)
    assert box.to_send() == []
    box.up()
    assert not box.push(stanza(3), 1.0)
    assert numbers(box.to_send()) == ["1", "2", "3"]
    assert box.to_send() == []


def test_a_failure_returns_everything_with_its_cause_and_rests_longer_each_time() -> None:
    box, now = outbox(), 0.0
    for rest in (*RESTS, RESTS[-1]):
        assert box.push(stanza(1), now)
        box.failed(NOT_FOUND, now)
        assert [each.error for each in box.returned()] == [NOT_FOUND]
        if rest:
            assert not box.push(stanza(2), now + rest - 0.1)
            assert [each.error for each in box.returned()] == [NOT_FOUND]
        now += rest
    assert box.push(stanza(3), now)
    box.up()
    assert numbers(box.to_send()) == ["3"]
    assert not box.down()
    assert box.push(stanza(4), now)
    box.failed(NOT_FOUND, now)
    assert box.push(stanza(5), now), "a success ends the back-off"


def test_a_stanza_that_waits_too_long_comes_back() -> None:
    box = outbox()
    box.push(stanza(1), 0.0)
    box.push(stanza(2), 5.0)
    assert box.next_timer() == PATIENCE
    box.on_timer(PATIENCE)
    [late] = box.returned()
    assert (late.stanza.get("id"), late.error.condition) == ("1", Condition.REMOTE_SERVER_TIMEOUT)
    assert box.next_timer() == 5.0 + PATIENCE


def test_a_full_outbox_returns_what_comes_next() -> None:
    box = outbox()
    for number in range(CAPACITY):
        box.push(stanza(number), 0.0)
    assert box.returned() == []
    box.push(stanza(CAPACITY), 0.0)
    [refused] = box.returned()
    assert refused.error.condition is Condition.RESOURCE_CONSTRAINT
    assert len(box) == CAPACITY


def test_a_stream_that_ends_with_stanzas_waiting_is_made_again() -> None:
    box = outbox()
    box.push(stanza(1), 0.0)
    box.up()
    assert box.down()
    states = [box.state]
    box.up()
    assert numbers(box.to_send()) == ["1"]
    assert not box.down()
    assert [*states, box.state] == [State.DIALLING, State.IDLE]


def test_an_outbox_is_spent_when_it_remembers_nothing() -> None:
    box = outbox()
    assert box.spent(0.0)
    box.push(stanza(1), 0.0)
    assert not box.spent(0.0)
    for _ in range(2):
        box.failed(NOT_FOUND, 0.0)
    assert not box.spent(RESTS[1] - 0.1)
    assert box.spent(RESTS[1])


def test_a_ping_behind_messages_that_were_taken_finds_room() -> None:
    """Else the senders would be told that nothing is known of what is going to be delivered."""
    box = outbox()
    for number in range(CAPACITY):
        box.push(stanza(number), 0.0)
    for _ in range(RESERVE + 1):
        box.push(iq("xmpp.example", "sip.example", id="p", type="get"), 0.0)
    assert len(box) == CAPACITY + RESERVE
    assert len(box.returned()) == 1


def test_what_is_restored_goes_first_and_never_over_the_bound() -> None:
    box, room = outbox(), CAPACITY + RESERVE
    box.begin()
    box.push(stanza(3), 0.0)
    box.restore([stanza(1), stanza(2)], 0.0)
    assert numbers(box.waiting()) == ["1", "2", "3"]
    box.restore([stanza(number) for number in range(room)], 0.0)
    assert len(box) == room
    assert [each.stanza.get("id") for each in box.returned()] == [
        str(number) for number in range(room - 3, room)
    ]
