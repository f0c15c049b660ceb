"""RFC 6665 §4.1: subscriptions of ours."""

from collections.abc import Callable
from itertools import count

import pytest

from dragoman.sip.dialog import Dialog
from dragoman.sip.endpoint import Cause
from dragoman.sip.failure import SipError
from dragoman.sip.message import Header, Request, Response, build_request, response_to
from dragoman.sip.subscriber import (
    GONE,
    TIMER_N,
    Due,
    Failed,
    Left,
    Lost,
    Package,
    Parties,
    Refused,
    Subscriber,
    Subscribing,
)

PIDF = "application/pidf+xml"
PARTIES = Parties(
    "sip:romeo@example.net",
    "<sip:juliet@example.com>",
    "<sip:romeo@example.net>",
    "<sip:juliet@example.com;gr=balcony>",
)


class Talk:
    """A subscriber, and a far end that answers as it is told."""

    def __init__(self, chance: Callable[[float, float], float] | None = None) -> None:
        """Have no subscription."""
        numbers = count(1)
        middle: Callable[[float, float], float] = lambda low, high: (low + high) / 2  # noqa: E731
        package = Package("presence", PIDF, 3600)
        self.core: Subscriber[str] = Subscriber(
            package, lambda: f"token{next(numbers)}", chance or middle
        )
        self.last: Request = build_request("NONE", "", ())
        self.handle = Subscribing(0)
        self.cseq = 0

    def sent(self) -> Request:
        """Return the one SUBSCRIBE that went out."""
        [(self.last, self.route, self.handle)] = self.core.to_send()
        return self.last

    def answer(self, status: int, now: float, *headers: Header, tag: str = "far") -> None:
        """Answer it."""
        response = response_to(self.last, status, headers=headers, to_tag=tag)
        self.core.on_response(self.handle, response, now)

    def notify(
        self,
        state: str,
        *,
        tag: str = "far",
        cseq: int = 0,
        event: str | None = "presence",
        contact: str | None = "<sip:ps.example.net>",
        to_tag: str | None = None,
        via: str = "SIP/2.0/UDP ps.example.net;branch=z9hG4bK1",
        route: str = "<sip:p1.example.net;lr>, <sip:p2.example.net;lr>",
    ) -> Request:
        """Return a NOTIFY."""
        self.cseq = cseq or self.cseq + 1
        ours = self.last.from_.tag if to_tag is None else to_tag
        headers = [
            ("Via", via),
            ("From", f"<sip:romeo@example.net>;tag={tag}"),
            ("To", f"<sip:juliet@example.com>;tag={ours}"),
            ("Call-ID", self.last.call_id),
            ("CSeq", f"{self.cseq} NOTIFY"),
            ("Subscription-State", state),
        ]
        headers += [("Record-Route", route)] if route else []
        headers += [] if event is None else [("Event", event)]
        headers += [] if contact is None else [("Contact", contact)]
        return build_request("NOTIFY", "sip:juliet@example.com;gr=balcony", headers)

    def hear(self, state: str, now: float, *, tag: str = "far") -> bool:
        """Take a NOTIFY; tell whether it was the first."""
        request = self.notify(state, tag=tag)
        assert self.core.match(request) == "pair"
        return self.core.take(request, now).first

    def established(self) -> "Talk":
        """Have a subscription of 3600 s that is active since 1."""
        self.core.subscribe("pair", PARTIES, 0.0)
        self.sent()
        self.answer(200, 0.5, ("Expires", "3600"))
        self.hear("active;expires=3600", 1.0)
        return self

    def due(self) -> float:
        """Go to the time of the refresh, and ask for it."""
        when = self.core.next_timer() or 0.0
        self.core.on_timer(when)
        assert self.core.events() == [Due("pair")]
        self.core.refresh("pair")
        return when


@pytest.mark.spec("PRES-01")
def test_subscribe_as_rfc_8048_prints_it() -> None:
    """RFC 8048 §5.2.1, example 2."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    request = talk.sent()
    assert request.start_line == "SUBSCRIBE sip:romeo@example.net SIP/2.0"
    assert dict(request.headers) == {
        "From": "<sip:juliet@example.com>;tag=token1",
        "To": "<sip:romeo@example.net>",
        "Call-ID": "token2",
        "CSeq": "1 SUBSCRIBE",
        "Max-Forwards": "70",
        "Contact": "<sip:juliet@example.com;gr=balcony>",
        "Event": "presence",
        "Accept": PIDF,
        "Expires": "3600",
    }


def test_the_notify_makes_the_dialog() -> None:
    """§4.4.1: its Contact is the target, its Record-Route the route, and its From has the tag."""
    talk = Talk().established()
    talk.due()
    request = talk.sent()
    assert request.target == "sip:ps.example.net"
    assert request.to.tag == "far"
    assert request.get("CSeq") == "2 SUBSCRIBE"
    assert [str(each.uri) for each in talk.route.hops] == [
        "sip:p1.example.net;lr",
        "sip:p2.example.net;lr",
    ]


@pytest.mark.spec("PRES-30")
def test_a_notify_may_overtake_the_response() -> None:
    """§4.1.2.4: the first NOTIFY is taken before the 2xx, and both give one subscription."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    assert talk.hear("active;expires=600", 0.1)
    talk.answer(200, 0.2, ("Expires", "600"))
    assert not talk.hear("active;expires=599", 0.3)
    assert talk.core.events() == []
    assert 300 < (talk.core.next_timer() or 0.0) < 560


@pytest.mark.spec("PRES-29")
def test_timer_n_ends_an_attempt() -> None:
    """§4.1.2.4: 64*T1 without a NOTIFY, whatever was answered."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 5.0)
    talk.sent()
    talk.answer(200, 6.0)
    assert talk.core.next_timer() == 5.0 + TIMER_N
    talk.core.on_timer(5.0 + TIMER_N)
    assert talk.core.events() == [Failed("pair", None)]
    assert len(talk.core) == 0
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("active"))
    assert caught.value.status == 481


def test_no_response_ends_an_attempt() -> None:
    """The cause is told."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.core.on_failure(talk.handle, Cause.UNREACHABLE, 1.0)
    assert talk.core.events() == [Failed("pair", Cause.UNREACHABLE)]
    assert talk.core.next_timer() is None


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"to_tag": "other"}, 481),
        ({"tag": "fork"}, 481),
        ({"event": None}, 489),
        ({"event": "dialog"}, 489),
        ({"event": "presence;id=3"}, 489),
        ({"event": ";"}, 400),
        ({"contact": "<tel:+1>"}, 400),
        ({"contact": "*"}, 400),
        ({"cseq": 1}, 500),
    ],
)
def test_what_is_no_notify_of_ours_is_refused(changed: dict[str, object], status: int) -> None:
    """§4.1.3, and RFC 3261 §12.2.2 for what is out of order."""
    talk = Talk().established()
    talk.hear("active", 2.0)
    before = talk.core.keep("pair", 2.0)
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("active", **changed))  # type: ignore[arg-type]
    assert caught.value.status == status
    assert talk.core.keep("pair", 2.0) == before


@pytest.mark.spec("PRES-39")
def test_what_is_older_changes_nothing() -> None:
    """RFC 3856 §6.8: 500 for a NOTIFY with a lower CSeq than one that was taken."""
    talk = Talk().established()
    talk.core.take(talk.notify("active", cseq=9), 2.0)
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("terminated", cseq=8))
    assert caught.value.status == 500
    assert "pair" in talk.core


@pytest.mark.parametrize("state", ["", ";reason=timeout", "active;expires=x"])
def test_a_state_has_to_be_told(state: str) -> None:
    """§4.1.3: Subscription-State is mandatory."""
    talk = Talk().established()
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify(state))
    assert caught.value.status == 400


@pytest.mark.parametrize("contact", [None, "*", "<tel:+1>", "<sip:a.example>, <sip:b.example>"])
def test_the_first_notify_needs_a_contact(contact: str | None) -> None:
    """There would be nobody to refresh with."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("active", contact=contact))
    assert caught.value.status == 400


@pytest.mark.parametrize("header", [("Contact", "*"), ("Contact", "<tel:+1>"), ("To", "<")])
def test_an_answer_that_cannot_be_read_moves_nobody(header: Header) -> None:
    """What it grants counts all the same."""
    talk = Talk().established()
    when = talk.due()
    request = talk.sent()
    response = response_to(request, 200, headers=[("Expires", "3600")])
    headers = [each for each in response.headers if each[0] != header[0]]
    response = Response(200, "OK", [*headers, header])
    talk.core.on_response(talk.handle, response, when)
    talk.due()
    assert talk.sent().target == request.target


def test_a_refresh_comes_in_time() -> None:
    """Between 60 and 85 of 100 parts of the time, by chance."""
    talk = Talk().established()
    when = talk.due()
    assert 0.6 * 3600 <= when - 1.0 <= 0.85 * 3600
    request = talk.sent()
    assert request.get("Expires") == "3600"
    talk.answer(200, when, ("Expires", "1800"))
    assert 0.6 * 1800 <= (talk.core.next_timer() or 0.0) - when <= 0.85 * 1800


@pytest.mark.parametrize(
    ("name", "value"), [("To", "<"), ("To", ""), ("Contact", "<tel:1>"), ("Contact", "<")]
)
def test_an_answer_that_cannot_be_read_refreshes_all_the_same(name: str, value: str) -> None:
    """There is no way to refuse it; the dialog is as it was."""
    talk = Talk().established()
    when = talk.due()
    target = talk.sent().target
    response = response_to(talk.last, 200, headers=[("Expires", "1800"), ("Contact", "<sip:a@b>")])
    headers = [(n, value if n == name else v) for n, v in response.headers]
    talk.core.on_response(talk.handle, Response(200, "OK", headers), when)
    talk.due()
    assert talk.sent().target == target


@pytest.mark.parametrize(
    ("expires", "earliest", "latest"),
    [(3600, 2160, 3060), (120, 56, 80), (60, 30, 40), (36, 30, 31), (5, 5, 5)],
)
def test_refreshes_are_spread(expires: int, earliest: float, latest: float) -> None:
    """Those of subscriptions made at once are not: however short they last."""
    found = []
    for part in (0.0, 1.0):
        talk = Talk(lambda low, high, part=part: low + (high - low) * part)  # type: ignore[misc]
        talk.core.subscribe("pair", PARTIES, 0.0)
        talk.sent()
        talk.answer(200, 0.0, ("Expires", str(expires)))
        talk.hear("active", 0.0)
        found.append(round(talk.core.next_timer() or 0.0))
    assert earliest <= found[0] <= found[1] <= latest
    assert found[0] < found[1] or expires == 5


def test_a_notify_says_how_long_it_lasts() -> None:
    """§4.1.2.2: its expires counts more than the response's."""
    talk = Talk().established()
    talk.hear("active;expires=200", 10.0)
    assert 110.0 < (talk.core.next_timer() or 0.0) <= 170.0


@pytest.mark.parametrize("seconds", [0, 1, 5, 29])
def test_a_far_end_cannot_have_itself_asked_all_the_time(seconds: int) -> None:
    """What is granted for less than half a minute is not refreshed: it ends."""
    talk = Talk().established()
    for now in range(2, 12):
        talk.core.match(request := talk.notify(f"active;expires={seconds}"))
        talk.core.take(request, float(now))
    assert talk.core.to_send() == []
    when = talk.core.next_timer() or 0.0
    assert when == 11 + seconds
    talk.core.on_timer(when)
    assert talk.core.events() == [Lost("pair")]
    talk = Talk().established()
    when = talk.due()
    talk.sent()
    talk.answer(200, when, ("Expires", str(seconds)))
    assert talk.core.next_timer() == when + seconds


def test_refreshes_keep_a_distance() -> None:
    """However short each grant is."""
    talk, now, asked = Talk().established(), 1.0, 0
    for _ in range(50):
        talk.core.match(request := talk.notify("active;expires=40"))
        talk.core.take(request, now)
        before, now = now, talk.core.next_timer() or 0.0
        assert now - before >= 30.0
        talk.core.on_timer(now)
        assert talk.core.events() == [Due("pair")]
        talk.core.refresh("pair")
        talk.sent()
        asked += 1
        talk.answer(200, now, ("Expires", "40"))
    assert asked == 50


def test_the_answer_never_gives_more_than_was_asked() -> None:
    """§4.2.1.1: what is more than that is not believed."""
    talk = Talk().established()
    when = talk.due()
    talk.sent()
    talk.answer(200, when, ("Expires", "9999999"))
    kept = talk.core.keep("pair", when)
    assert kept is not None
    assert kept[1] == 3600


def test_a_missing_expires_is_tolerated() -> None:
    """PRES-27: what was asked for counts."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.answer(200, 0.0)
    talk.hear("active", 0.0)
    kept = talk.core.keep("pair", 0.0)
    assert kept is not None
    assert kept[1] == 3600


@pytest.mark.spec("PRES-07")
def test_too_short_a_time_is_asked_again() -> None:
    """§4.1.2.2: 423 with Min-Expires is no refusal, first or later; it is remembered."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.answer(423, 0.1, ("Min-Expires", "7200"))
    assert talk.sent().get("Expires") == "7200"
    talk.answer(200, 0.2, ("Expires", "7200"))
    talk.hear("active;expires=7200", 0.3)
    assert talk.core.events() == []
    when = talk.due()
    assert when > 3600
    assert talk.sent().get("Expires") == "7200"


@pytest.mark.parametrize("least", ["3600", "0", "many", "86401"])
def test_a_423_that_makes_no_sense_is_final(least: str) -> None:
    """Nobody has us ask for ever."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.answer(423, 0.1, ("Min-Expires", least))
    [event] = talk.core.events()
    assert isinstance(event, Refused)
    assert talk.core.to_send() == []


def test_a_second_423_is_final() -> None:
    """One that asks for a little more each time is not followed."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    for least in ("4000", "5000"):
        talk.sent()
        talk.answer(423, 0.1, ("Min-Expires", least))
    [event] = talk.core.events()
    assert isinstance(event, Refused)


def test_a_notify_with_too_much_to_keep_is_refused() -> None:
    """513, and the attempt ends as one that nobody answers."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("active", tag="x" * 8190))
    assert caught.value.status == 513
    talk.core.on_timer(TIMER_N)
    [event] = talk.core.events()
    assert isinstance(event, Failed)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 480, 489, 500, 503, 600, 603])
def test_a_refusal_is_told(status: int) -> None:
    """Whatever it is, an attempt is over."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.answer(status, 0.1)
    [event] = talk.core.events()
    assert isinstance(event, Refused)
    assert (event.key, event.response.status) == ("pair", status)
    assert "pair" not in talk.core


@pytest.mark.spec("PRES-07")
@pytest.mark.parametrize("status", sorted(GONE))
def test_a_refresh_may_find_the_dialog_gone(status: int) -> None:
    """§4.1.2.2: it is lost, which cancels nothing."""
    talk = Talk().established()
    when = talk.due()
    talk.sent()
    talk.answer(status, when)
    assert talk.core.events() == [Lost("pair")]


@pytest.mark.parametrize("status", [403, 489, 603])
def test_a_refresh_may_be_refused_for_ever(status: int) -> None:
    """RFC 8048 §5.2.2."""
    talk = Talk().established()
    when = talk.due()
    talk.sent()
    talk.answer(status, when)
    [event] = talk.core.events()
    assert isinstance(event, Refused)


def test_another_failure_is_tried_again_until_the_end() -> None:
    """§4.1.2.2: the subscription goes on until its time is over, and is lost then."""
    talk, now, tries = Talk().established(), 0.0, 0
    while not (events := talk.core.events()) or events == [Due("pair")]:
        if events:
            tries += 1
            talk.core.refresh("pair")
            talk.sent()
            if tries % 2:
                talk.answer(500, now)
            else:
                talk.core.on_failure(talk.handle, Cause.TIMEOUT, now + 1)
        now = talk.core.next_timer() or 0.0
        talk.core.on_timer(now)
    assert events == [Lost("pair")]
    assert 3 <= tries <= 12
    assert now == 3601.0


@pytest.mark.spec("PRES-08")
def test_leaving() -> None:
    """RFC 8048 §5.2.3: Expires 0 in the dialog; the last NOTIFY is taken, and nothing sent."""
    talk = Talk().established()
    talk.core.leave("pair", 100.0)
    request = talk.sent()
    assert (request.get("Expires"), request.to.tag) == ("0", "far")
    talk.answer(200, 100.1)
    assert talk.core.events() == [Left("pair")]
    assert "pair" not in talk.core
    assert not talk.hear("terminated;reason=timeout", 100.2)
    assert (talk.core.events(), len(talk.core), talk.core.to_send()) == ([], 0, [])


def test_a_dialog_that_ends_is_not_kept() -> None:
    """Nobody goes on with it."""
    talk = Talk().established()
    assert talk.core.keep("pair", 100.0) is not None
    talk.core.leave("pair", 100.0)
    talk.sent()
    assert talk.core.keep("pair", 100.0) is None
    talk.answer(200, 100.1)
    assert talk.core.keep("pair", 100.1) is None


def test_the_last_notify_may_come_first() -> None:
    """It ends the subscription; the response then says nothing new."""
    talk = Talk().established()
    talk.core.leave("pair", 100.0)
    talk.sent()
    talk.hear("terminated", 100.1)
    assert talk.core.events() == [Left("pair")]
    talk.answer(200, 100.2)
    assert (talk.core.events(), talk.core.asking) == ([], 0)


def test_the_last_notify_is_not_awaited_for_ever() -> None:
    """64*T1, as for the first; it is told once that we left."""
    talk = Talk().established()
    talk.core.leave("pair", 100.0)
    talk.sent()
    talk.answer(200, 101.0)
    assert talk.core.events() == [Left("pair")]
    talk.core.on_timer(100.0 + TIMER_N)
    assert (talk.core.events(), len(talk.core)) == ([], 0)


@pytest.mark.parametrize("how", ["481", "silence", "nothing"])
def test_leaving_succeeds_whatever_the_far_end_says(how: str) -> None:
    """A subscription that nobody refreshes ends by itself."""
    talk = Talk().established()
    talk.core.leave("pair", 100.0)
    talk.sent()
    if how == "481":
        talk.answer(481, 100.1)
    elif how == "silence":
        talk.core.on_failure(talk.handle, Cause.TIMEOUT, 131.0)
    else:
        talk.core.on_timer(132.0)
    assert (talk.core.events(), len(talk.core)) == ([Left("pair")], 0)


def test_one_who_left_early_leaves_when_he_can() -> None:
    """Without a dialog there is nothing to end: it waits for the NOTIFY that makes one."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.core.leave("pair", 0.1)
    assert talk.core.to_send() == []
    talk.answer(200, 0.2)
    talk.hear("pending", 0.3)
    assert talk.sent().get("Expires") == "0"
    talk.answer(200, 0.4)
    assert talk.core.events() == [Left("pair")]


@pytest.mark.parametrize("how", ["404", "silence", "timer"])
def test_one_who_left_early_may_never_have_been_there(how: str) -> None:
    """He has left all the same."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.core.leave("pair", 0.1)
    if how == "404":
        talk.answer(404, 0.2)
    elif how == "silence":
        talk.core.on_failure(talk.handle, Cause.TIMEOUT, 32.0)
    else:
        talk.answer(200, 0.2)
        talk.core.on_timer(TIMER_N)
    assert talk.core.events() == [Left("pair")]


def test_leaving_waits_for_a_refresh_under_way() -> None:
    """One request at a time."""
    talk = Talk().established()
    when = talk.due()
    talk.sent()
    talk.core.leave("pair", when)
    assert talk.core.to_send() == []
    talk.answer(200, when + 1)
    assert talk.sent().get("Expires") == "0"


def test_asking_once() -> None:
    """§4.4.3: Expires 0 in a new dialog, and one NOTIFY."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0, expires=0)
    assert talk.sent().get("Expires") == "0"
    talk.answer(200, 0.1, ("Expires", "0"))
    notice = talk.core.take(talk.notify("terminated;reason=timeout"), 0.2)
    assert (notice.first, notice.state.state) == (True, "terminated")
    assert (talk.core.events(), len(talk.core)) == ([], 0)


def test_one_branch_of_a_fork_is_taken() -> None:
    """RFC 3856 §6.9: the first that notifies; another may, once that is over."""
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.hear("active", 0.1, tag="one")
    talk.answer(200, 0.2, ("Contact", "<sip:two.example.net>"), tag="two")
    with pytest.raises(SipError) as caught:
        talk.core.match(talk.notify("active", tag="two"))
    assert caught.value.status == 481
    talk.due()
    assert talk.sent().target == "sip:ps.example.net"


def test_the_next_subscription_takes_the_place_of_the_first() -> None:
    """What comes of the old one is nobody's."""
    talk = Talk().established()
    old = talk.notify("active")
    talk.core.subscribe("pair", PARTIES, 5.0)
    with pytest.raises(SipError):
        talk.core.match(old)
    assert len(talk.core) == 1


@pytest.mark.spec("PRES-33")
def test_it_goes_on_after_a_restart() -> None:
    """The dialog is spoken in with a CSeq that was certainly not used."""
    talk = Talk().established()
    kept = talk.core.keep("pair", 600.0)
    assert kept is not None
    text, left = kept
    assert left == 3001.0
    other = Talk()
    other.last, other.cseq = talk.last, talk.cseq
    other.core.restore("pair", text, left, 0.0)
    assert other.core.to_send() == []
    assert other.hear("active;expires=3000", 1.0) is False
    other.core.refresh("pair")
    assert other.sent().cseq.number > Dialog.from_text(text).local_cseq + 1


def test_what_goes_on_after_a_restart_is_refreshed_in_time() -> None:
    """Though nobody has said so."""
    talk = Talk().established()
    text, left = talk.core.keep("pair", 600.0) or ("", 0.0)
    other = Talk()
    other.core.restore("pair", text, left, 600.0)
    when = other.core.next_timer() or 0.0
    assert 600 < when < 600 + left
    other.core.on_timer(when)
    assert other.core.events() == [Due("pair")]


def test_a_damaged_dialog_is_an_error() -> None:
    """And there is no subscription of it."""
    talk = Talk()
    with pytest.raises(SipError):
        talk.core.restore("pair", "{}", 9.0, 0.0)
    assert len(talk.core) == 0


def test_a_challenge_moves_the_number() -> None:
    """The request that answered it had the next CSeq; the one after it has another."""
    talk = Talk().established()
    when = talk.due()
    request = talk.sent()
    again = [(n, "3 SUBSCRIBE") if n == "CSeq" else (n, v) for n, v in request.headers]
    talk.last = build_request("SUBSCRIBE", request.target, again)
    talk.answer(200, when)
    talk.core.leave("pair", when)
    assert talk.sent().get("CSeq") == "4 SUBSCRIBE"


def test_deferring() -> None:
    """`Due` is told again, but not after the end."""
    talk = Talk().established()
    when = talk.core.next_timer() or 0.0
    talk.core.on_timer(when)
    assert talk.core.events() == [Due("pair")]
    talk.core.defer("pair", when + 10)
    assert talk.core.next_timer() == when + 10
    talk.core.on_timer(when + 10)
    assert talk.core.events() == [Due("pair")]
    talk.core.defer("pair", 1e9)
    talk.core.on_timer(talk.core.next_timer() or 0.0)
    assert talk.core.events() == [Lost("pair")]


@pytest.mark.spec("PRES-09")
def test_a_subscriber_sends_nothing_but_subscribe() -> None:
    """RFC 6665 §4.2: to notify is the far end's part."""
    talk = Talk().established()
    talk.due()
    requests = [talk.sent()]
    talk.answer(200, 3000.0)
    talk.core.leave("pair", 3001.0)
    requests.append(talk.sent())
    talk.answer(200, 3002.0)
    talk.hear("terminated", 3003.0)
    requests += [each[0] for each in talk.core.to_send()]
    assert [each.method for each in requests] == ["SUBSCRIBE", "SUBSCRIBE"]


PHONE = "<sip:romeo@192.168.1.7:5066;gr=x>"


@pytest.mark.parametrize(
    ("contact", "via", "route", "target"),
    [
        (PHONE, "UDP 8.8.4.4:5061", "", "sip:romeo@8.8.4.4:5061;gr=x"),
        (
            PHONE,
            "UDP 192.168.1.7:5066;received=8.8.4.4;rport=9999",
            "",
            "sip:romeo@8.8.4.4:9999;gr=x",
        ),
        (PHONE, "TCP 192.168.1.7;received=8.8.4.4;rport=9999", "", "sip:romeo@8.8.4.4:5066;gr=x"),
        (PHONE, "UDP [2a00::1]", "", "sip:romeo@[2a00::1]:5066;gr=x"),
        ("<sip:127.0.0.1>", "UDP 8.8.4.4", "", "sip:8.8.4.4"),
        ("<sip:localhost>", "UDP 8.8.4.4", "", "sip:8.8.4.4"),
        ("<sip:[::1]>", "UDP 8.8.4.4", "", "sip:8.8.4.4"),
        (PHONE, "UDP 8.8.4.4", "<sip:p1.example.net;lr>", "sip:romeo@192.168.1.7:5066;gr=x"),
        (PHONE, "UDP 10.0.0.9", "", "sip:romeo@192.168.1.7:5066;gr=x"),
        (PHONE, "UDP ps.example.net", "", "sip:romeo@192.168.1.7:5066;gr=x"),
        ("<sip:ps.example.net>", "UDP 8.8.4.4", "", "sip:ps.example.net"),
        ("<sip:1.1.1.1>", "UDP 8.8.4.4", "", "sip:1.1.1.1"),
    ],
)
def test_a_contact_of_another_network_is_not_dialled(
    contact: str, via: str, route: str, target: str
) -> None:
    """A peer who was seen at a public address is asked there, whatever network he names.

    An answer, of which nobody knows where it came from, moves him to none either.
    """
    talk = Talk()
    talk.core.subscribe("pair", PARTIES, 0.0)
    talk.sent()
    talk.answer(200, 0.0)
    talk.core.match(
        request := talk.notify(
            "active;expires=3600",
            contact=contact,
            via=f"SIP/2.0/{via};branch=z9hG4bK1",
            route=route,
        )
    )
    talk.core.take(request, 0.0)
    when = talk.due()
    assert talk.sent().target == target
    talk.answer(200, when, ("Expires", "3600"), ("Contact", "<sip:10.9.8.7>"))
    talk.due()
    inner = "192.168" in target
    assert talk.sent().target == ("sip:10.9.8.7" if inner else target)
