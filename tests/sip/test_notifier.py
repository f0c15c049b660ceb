"""RFC 6665 §4.2: subscriptions to us."""

import pytest

from dragoman.sip.failure import SipError
from dragoman.sip.message import Header, Request, Response, build_request, response_to
from dragoman.sip.notifier import (
    GONE,
    PATIENCE,
    SLOWEST,
    Body,
    Granted,
    Notifier,
    Notifying,
    Over,
    Terms,
    Unacceptable,
)

US = "<sip:juliet@example.com;gr=balcony>"
CLOSED = Body((("Content-Type", "text/plain"),), b"closed")


class Talk:
    """A notifier, a subscriber, and what is to be told."""

    def __init__(self, **terms: float) -> None:
        """Have no subscription."""
        self.text = "open"
        self.asked = 0
        self.core = Notifier(Terms("presence", **terms), self._document)  # type: ignore[arg-type]
        self.cseq = 0
        self.handle = Notifying(0)
        self.request = build_request("NONE", "", ())

    def _document(self, key: int) -> Body | None:
        self.asked += 1
        return Body((("Content-Type", "text/plain"),), self.text.encode()) if self.text else None

    def ask(
        self,
        expires: int | None = 3600,
        now: float = 0.0,
        *,
        event: str | None = "presence",
        to_tag: str = "",
        call_id: str = "call",
        cseq: int = 0,
        contact: str = "<sip:romeo@phone.example>",
        owner: str = "",
    ) -> Granted:
        """Send a SUBSCRIBE."""
        self.cseq = cseq or self.cseq + 1
        headers = [
            ("Via", "SIP/2.0/UDP phone.example;branch=z9hG4bK1"),
            ("From", "<sip:romeo@example.net>;tag=far"),
            ("To", f"<sip:juliet@example.com>{to_tag and ';tag=' + to_tag}"),
            ("Call-ID", call_id),
            ("CSeq", f"{self.cseq} SUBSCRIBE"),
            ("Contact", contact),
        ]
        headers += [] if event is None else [("Event", event)]
        headers += [] if expires is None else [("Expires", str(expires))]
        request = build_request("SUBSCRIBE", "sip:juliet@example.com", headers)
        return self.core.subscribe(request, "near", US, now, owner)

    def told(self, now: float) -> tuple[str, str]:
        """Return state and body of the one NOTIFY that goes out."""
        [(self.request, _, self.handle)] = self.core.to_send(now)
        return self.request.get("Subscription-State") or "", self.request.body.decode()

    def silent(self, now: float) -> bool:
        """Tell whether nothing goes out."""
        self.core.on_timer(now)
        return self.core.to_send(now) == []

    def answer(self, now: float, status: int = 200, *headers: Header) -> None:
        """Answer the last NOTIFY."""
        response = response_to(self.request, status, headers=headers)
        self.core.on_response(self.handle, response, now)

    def active(self) -> "Talk":
        """Have an active subscription that was told at 0."""
        self.core.activate(self.ask().key, 0.0)
        self.told(0.0)
        self.answer(0.1)
        return self


def test_a_notify_as_rfc_3856_prints_it() -> None:
    """RFC 3856 §10, F3: within the dialog, to the subscriber's Contact."""
    talk = Talk()
    granted = talk.ask(600, event="presence;id=7")
    assert granted.headers == (("Expires", "600"), ("Contact", US))
    assert talk.told(0.0) == ("pending;expires=600", "")
    assert talk.request.start_line == "NOTIFY sip:romeo@phone.example SIP/2.0"
    assert dict(talk.request.headers) == {
        "From": "<sip:juliet@example.com>;tag=near",
        "To": "<sip:romeo@example.net>;tag=far",
        "Call-ID": "call",
        "CSeq": "1 NOTIFY",
        "Max-Forwards": "70",
        "Contact": US,
        "Event": "presence;id=7",
        "Subscription-State": "pending;expires=600",
    }


@pytest.mark.spec("PRES-26")
@pytest.mark.parametrize(
    ("asked", "granted"), [(None, 3600), (60, 60), (600, 600), (3600, 3600), (86400, 3600)]
)
def test_a_time_is_granted(asked: int | None, granted: int) -> None:
    """§4.2.1.1: never more than asked for, never more than the longest."""
    assert Talk().ask(asked).expires == granted


@pytest.mark.spec("PRES-26")
@pytest.mark.parametrize("asked", [1, 59])
def test_too_short_a_time_is_refused(asked: int) -> None:
    """§4.2.1.1: 423 with Min-Expires, in a dialog too; what there was stays."""
    talk = Talk().active()
    for tag, call_id in (("", "other"), ("near", "call")):
        with pytest.raises(Unacceptable) as caught:
            talk.ask(asked, to_tag=tag, call_id=call_id)
        assert (caught.value.status, caught.value.headers) == (423, (("Min-Expires", "60"),))
    assert len(talk.core) == 1


@pytest.mark.spec("PRES-25")
@pytest.mark.parametrize("event", [None, "dialog", "presence.winfo", "Presence"])
def test_another_event_is_refused(event: str | None) -> None:
    """§4.2.1.1: 489 with what there is."""
    with pytest.raises(Unacceptable) as caught:
        Talk().ask(event=event)
    assert (caught.value.status, caught.value.headers) == (489, (("Allow-Events", "presence"),))


@pytest.mark.parametrize(
    ("tag", "call_id", "event"),
    [
        ("near", "other", "presence"),
        ("else", "call", "presence"),
        ("near", "call", "presence;id=1"),
    ],
)
def test_no_subscription_is_refreshed_that_is_not_there(tag: str, call_id: str, event: str) -> None:
    """§4.2.1.2: 481."""
    talk = Talk().active()
    with pytest.raises(Unacceptable) as caught:
        talk.ask(to_tag=tag, call_id=call_id, event=event)
    assert caught.value.status == 481


def test_what_is_older_is_refused() -> None:
    """RFC 3261 §12.2.2."""
    talk = Talk().active()
    talk.ask(to_tag="near", cseq=9)
    with pytest.raises(SipError) as caught:
        talk.ask(0, to_tag="near", cseq=8)
    assert caught.value.status == 500
    assert talk.core.state(1) == "active"


@pytest.mark.spec("PRES-27")
def test_every_notify_says_how_long_it_lasts() -> None:
    """§4.2.2: expires in pending and active, as much as is left."""
    talk = Talk()
    key = talk.ask(600).key
    assert talk.told(0.0)[0] == "pending;expires=600"
    talk.answer(1.0)
    talk.core.activate(key, 100.0)
    assert talk.told(100.0)[0] == "active;expires=500"
    talk.answer(100.0)
    talk.core.change(key, 200.0)
    assert talk.told(200.0)[0] == "active;expires=400"


def test_a_refresh_is_told_at_once() -> None:
    """§4.2.1.2: a NOTIFY follows, whatever the pace; the subscriber may have moved."""
    talk = Talk().active()
    granted = talk.ask(1800, 1.0, to_tag="near", contact="<sip:romeo@elsewhere.example>")
    assert (granted.first, granted.expires) == (False, 1800)
    assert talk.told(1.0) == ("active;expires=1800", "open")
    assert talk.request.target == "sip:romeo@elsewhere.example"


@pytest.mark.spec("PRES-26")
@pytest.mark.parametrize(("asked", "granted"), [(60, 60), (600, 600), (7200, 3600), (None, 3600)])
@pytest.mark.parametrize("late", [0.0, 0.4, 0.6, 59.9])
def test_no_notify_promises_more_than_was_granted(
    asked: int | None, granted: int, late: float
) -> None:
    """RFC 6665 §4.2.2: what is left of it, in the first as after a refresh to less or to more."""
    talk = Talk()
    for round_, before in enumerate((None, 1800, 60)):
        begin = 100.0 * round_
        if before is not None:
            talk.ask(before, begin - 1.0, to_tag="near")
            talk.core.to_send(begin - 1.0)
        talk.ask(asked, begin, to_tag="" if before is None else "near")
        if before is not None:
            talk.core.on_response(
                Notifying(2 * round_), response_to(talk.request, 200), begin + late
            )
        state, _ = talk.told(begin + late)
        promised = int(state.partition("expires=")[2])
        assert abs(granted - late - promised) <= 0.5
        assert promised <= granted
        talk.answer(begin + late + 0.1)


def test_nothing_known_is_told_by_no_body() -> None:
    """RFC 8048 §5.3.2: a refresh before anything is known."""
    talk = Talk().active()
    talk.text = ""
    talk.ask(1800, 1.0, to_tag="near")
    assert talk.told(1.0) == ("active;expires=1800", "")
    assert talk.request.get("Content-Type") is None


@pytest.mark.spec("PRES-35")
def test_changes_are_told_at_a_pace() -> None:
    """RFC 3856 §6.10: at most one in 5 s, the last state, which is written once."""
    talk = Talk().active()
    talk.asked = 0
    for tenth in range(1, 40):
        talk.text = f"state {tenth}"
        talk.core.change(1, tenth / 10)
        assert talk.silent(tenth / 10)
    assert talk.core.next_timer() == 5.0
    talk.core.on_timer(5.0)
    assert talk.told(5.0)[1] == "state 39"
    assert talk.asked == 1


@pytest.mark.spec("PRES-35")
def test_one_notify_at_a_time() -> None:
    """The next has a higher CSeq and waits for the answer, even one for a SUBSCRIBE."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    first = talk.request.cseq.number
    talk.core.change(1, 20.0)
    assert talk.silent(20.0)
    talk.ask(1800, 21.0, to_tag="near")
    assert talk.silent(21.0)
    talk.answer(22.0)
    talk.told(22.0)
    assert talk.request.cseq.number == first + 1


def test_a_refresh_is_told_after_the_notify_under_way() -> None:
    """At once after its answer, though nothing is new; a provisional one is none."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.ask(1800, 10.1, to_tag="near")
    talk.answer(10.2, 100)
    assert talk.silent(10.2)
    talk.answer(10.3)
    assert talk.told(10.3) == ("active;expires=1800", "open")


def test_an_answer_may_tell_of_a_higher_number_and_of_a_move() -> None:
    """RFC 3261 §8.1.3.5, §12.2.1.2: a challenge was met; the Contact is the target from then on."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    number = talk.request.cseq.number + 1
    response = response_to(talk.request, 200, headers=[("Contact", "<sip:romeo@new.example>")])
    moved = [(n, f"{number} NOTIFY") if n == "CSeq" else (n, v) for n, v in response.headers]
    talk.core.on_response(talk.handle, Response(200, "OK", moved), 10.1)
    talk.core.change(1, 20.0)
    talk.told(20.0)
    assert talk.request.cseq.number == number + 1
    assert talk.request.target == "sip:romeo@new.example"


def test_a_longer_interval_is_granted() -> None:
    """RFC 6446 §4: max-rate is in notifications a second."""
    talk = Talk()
    talk.core.activate(talk.ask(event="presence;max-rate=0.05").key, 0.0)
    talk.told(0.0)
    talk.answer(0.1)
    talk.core.change(1, 1.0)
    assert talk.core.next_timer() == 20.0


def test_an_interval_is_asked_for_again_or_no_more() -> None:
    """RFC 6446 §4: each SUBSCRIBE says it anew."""
    talk = Talk().active()
    for event, when in (("presence;max-rate=0.05", 30.0), ("presence", 15.0)):
        talk.ask(1800, 10.0, to_tag="near", event=event)
        talk.told(10.0)
        talk.answer(10.1)
        talk.core.change(1, 11.0)
        assert talk.core.next_timer() == when


def test_who_may_not_know_is_told_of_no_change() -> None:
    """There would be nothing in it; with consent all is told."""
    talk = Talk()
    key = talk.ask().key
    talk.told(0.0)
    talk.answer(0.1)
    talk.core.change(key, 10.0)
    assert talk.silent(100.0)
    talk.core.activate(key, 100.0)
    assert talk.told(100.0) == ("active;expires=3500", "open")


def test_a_dialog_is_found_and_left_as_it_is() -> None:
    """Whose it is can be asked before a SUBSCRIBE in it is taken."""
    talk = Talk().active()
    request = talk.request
    ours = build_request("SUBSCRIBE", "", [("Call-ID", "call"), *_ends("far", "near")])
    theirs = build_request("SUBSCRIBE", "", [("Call-ID", "call"), *_ends("near", "far")])
    assert (talk.core.find(ours), talk.core.find(theirs)) == (1, None)
    assert talk.silent(1.0)
    assert talk.request is request


def _ends(from_: str, to: str) -> list[Header]:
    return [("From", f"<sip:a@b.example>;tag={from_}"), ("To", f"<sip:c@d.example>;tag={to}")]


def test_the_longest_interval_is_bounded() -> None:
    """Who asks for next to nothing is told once an hour."""
    talk = Talk(longest=86_400)
    talk.core.activate(talk.ask(86_400, event="presence;max-rate=0.000001").key, 0.0)
    talk.told(0.0)
    talk.answer(0.1)
    talk.core.change(1, 1.0)
    assert talk.core.next_timer() == SLOWEST


@pytest.mark.parametrize("rate", ["0", "-1", "x", "inf", "nan", "1000", ""])
def test_a_rate_that_makes_no_sense_changes_nothing(rate: str) -> None:
    """Ours is kept."""
    talk = Talk()
    talk.core.activate(talk.ask(event=f"presence;max-rate={rate}").key, 0.0)
    talk.told(0.0)
    talk.answer(0.1)
    talk.core.change(1, 1.0)
    assert talk.core.next_timer() == 5.0


@pytest.mark.spec("PRES-24")
def test_asking_once_is_answered_once() -> None:
    """§4.4.3: one NOTIFY, which ends it, as soon as there is something to tell."""
    talk = Talk()
    granted = talk.ask(0)
    assert (granted.expires, granted.first) == (0, True)
    assert talk.silent(0.0)
    for _ in range(2):
        talk.core.ready(granted.key, 2.0)
        assert not talk.core.is_once(granted.key)
    assert talk.core.events() == [Over(1)]
    assert talk.told(2.0) == ("terminated;reason=timeout", "open")
    assert (len(talk.core), talk.core.next_timer()) == (0, None)


@pytest.mark.spec("PRES-24")
def test_asking_once_is_answered_with_all_there_is() -> None:
    """What is known may be more in a moment; further word does not put the answer off."""
    talk = Talk()
    key = talk.ask(0).key
    assert talk.core.is_once(key)
    talk.core.ready(key, 2.0, 0.5)
    talk.core.ready(key, 2.4, 0.5)
    talk.text = "all"
    assert (talk.silent(2.4), talk.core.next_timer()) == (True, 2.5)
    talk.core.on_timer(2.5)
    assert talk.told(2.5) == ("terminated;reason=timeout", "all")


@pytest.mark.spec("PRES-24")
def test_asking_once_is_answered_in_time() -> None:
    """What is not known after 5 s is not told."""
    talk = Talk()
    talk.ask(0)
    assert talk.core.next_timer() == 0.0
    assert talk.silent(0.0)
    assert talk.core.next_timer() == PATIENCE
    talk.core.on_timer(PATIENCE)
    assert talk.told(PATIENCE) == ("terminated;reason=timeout", "")
    assert talk.core.events() == [Over(1)]


def test_what_was_asked_once_cannot_be_refreshed() -> None:
    """There is no subscription in that dialog."""
    talk = Talk()
    talk.ask(0)
    with pytest.raises(Unacceptable) as caught:
        talk.ask(600, to_tag="near")
    assert caught.value.status == 481


def test_a_time_that_is_over() -> None:
    """§4.2.1.4: the subscriber is told, and so is the user."""
    talk = Talk().active()
    assert talk.core.next_timer() == 3600.0
    talk.core.on_timer(3600.0)
    assert talk.core.events() == [Over(1)]
    assert talk.told(3600.0) == ("terminated;reason=timeout", "")
    assert (len(talk.core), talk.core.next_timer()) == (0, None)


def test_an_end_with_reason() -> None:
    """§4.2.2, with the document if there is one to give."""
    talk = Talk().active()
    talk.core.end(1, "timeout", 5.0, body=CLOSED)
    assert talk.core.state(1) == "terminated"
    assert talk.told(5.0) == ("terminated;reason=timeout", "closed")
    other = Talk().active()
    other.core.end(1, "giveup", 5.0, retry_after=300)
    assert other.told(5.0) == ("terminated;reason=giveup;retry-after=300", "")
    with pytest.raises(Unacceptable):
        other.ask(to_tag="near")


def test_an_end_waits_for_a_notify_under_way() -> None:
    """One at a time, the last one too; it has ended all the same, and for the first reason."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.core.change(1, 10.0)
    talk.core.end(1, "rejected", 10.0)
    talk.core.end(1, "giveup", 10.0)
    assert talk.silent(10.0)
    with pytest.raises(Unacceptable) as caught:
        talk.ask(to_tag="near", now=10.5)
    assert caught.value.status == 481
    talk.answer(11.0)
    assert talk.told(11.0) == ("terminated;reason=rejected", "")


@pytest.mark.spec("PRES-34")
@pytest.mark.parametrize("status", sorted(GONE))
def test_a_notify_may_find_nobody(status: int) -> None:
    """§4.2.2: the subscription is removed, and nothing more is sent."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.answer(10.1, status)
    assert talk.core.events() == [Over(1)]
    assert (len(talk.core), talk.silent(4000.0)) == (0, True)


def test_who_ended_it_is_not_told_of_its_end() -> None:
    """And nobody gets a last NOTIFY where nobody is."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.core.end(1, "rejected", 10.0)
    talk.answer(10.1, 481)
    assert (talk.core.events(), talk.silent(4000.0), len(talk.core)) == ([], True, 0)


@pytest.mark.spec("PRES-34")
def test_a_notify_may_get_no_answer() -> None:
    """Timer F counts as nobody there."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.core.on_failure(talk.handle)
    assert talk.core.events() == [Over(1)]
    talk.core.on_failure(talk.handle)
    assert talk.core.events() == []


@pytest.mark.parametrize("status", [400, 401, 403, 408, 500, 503, 600])
def test_another_refusal_does_not_end_it(status: int) -> None:
    """§4.2.2: the next change is told again."""
    talk = Talk().active()
    talk.core.change(1, 10.0)
    talk.told(10.0)
    talk.answer(10.1, status)
    talk.core.change(1, 11.0)
    talk.core.on_timer(15.0)
    assert talk.told(15.0)[1] == "open"


def test_there_is_room_for_so_many() -> None:
    """Beyond, it is 500 with Retry-After; who leaves makes room."""
    talk = Talk(most=2)
    for number in range(2):
        talk.ask(call_id=str(number))
    with pytest.raises(Unacceptable) as caught:
        talk.ask(call_id="3")
    assert (caught.value.status, caught.value.headers) == (500, (("Retry-After", "60"),))
    talk.core.forget(1)
    assert talk.ask(call_id="3").key == 3


def test_a_subscribe_needs_a_contact() -> None:
    """There would be nobody to notify."""
    talk = Talk()
    with pytest.raises(SipError) as caught:
        talk.ask(contact="*")
    assert (caught.value.status, len(talk.core)) == (400, 0)


def test_a_time_that_is_no_number() -> None:
    """400, and nothing is made of it."""
    talk = Talk()
    headers = [("Expires", "soon"), ("Event", "presence"), ("To", "<sip:a@b.example>")]
    with pytest.raises(SipError):
        talk.core.subscribe(Request("SUBSCRIBE", "sip:a@b.example", headers), "near", US, 0.0)
    assert len(talk.core) == 0


def test_who_is_pending_is_told_of_no_change() -> None:
    """There is nothing in it for him."""
    talk = Talk()
    key = talk.ask().key
    talk.told(0.0)
    talk.answer(0.1)
    talk.core.change(key, 1.0)
    assert talk.silent(60.0)
    talk.core.activate(key, 61.0)
    assert talk.told(61.0)[1] == "open"


def test_pending_is_told_before_active() -> None:
    """What becomes active before the first NOTIFY went is told once."""
    talk = Talk()
    key = talk.ask().key
    talk.core.activate(key, 0.0)
    assert talk.told(0.0)[0].startswith("active")
    talk.answer(0.1)
    talk.core.activate(key, 1.0)
    assert talk.silent(1.0)


def test_one_owner_has_a_share_of_the_dialogs() -> None:
    """Those count that are over, as long as their last NOTIFY waits for the one before."""
    talk = Talk(most=4, share=2)
    first = talk.ask(call_id="1", owner="a.example").key
    talk.ask(call_id="2", owner="a.example")
    talk.core.to_send(0.0)
    talk.core.end(first, "timeout", 1.0)
    with pytest.raises(Unacceptable) as caught:
        talk.ask(call_id="3", owner="a.example")
    assert (caught.value.status, caught.value.headers) == (500, (("Retry-After", "60"),))
    talk.ask(call_id="4", owner="b.example")
    talk.core.on_failure(Notifying(1))
    talk.ask(call_id="5", owner="a.example")
    assert len(talk.core) == 3
