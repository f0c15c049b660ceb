"""Who is let in to be heard: rates, what is refused at a glance, scanners, and all bounds."""

from collections.abc import Callable
from itertools import count

import pytest

from dragoman.sip import guard as module
from dragoman.sip.glance import SILENCE, Answer
from dragoman.sip.guard import FEW, KNOWN, MINUTE, Answering, Bucket, Guard, Rules, Sign
from dragoman.sip.message import Request, encode, parse
from dragoman.sip.overload import Marks
from tests.sip.desk import request

PROXY, STRANGER, TRUNK = "192.0.2.30", "203.0.113.66", "198.51.100.1"
FREE = Rules(rate=0, total=0)
numbers = count(1)


class Watch:
    """A guard with a clock; what it lets in is None, silence is 0, else the status."""

    def __init__(self, rules: Rules = FREE) -> None:
        self.now = 1000.0
        self.pending: set[str] = set()
        self.guard = Guard(
            rules,
            TRUNK.__eq__,
            lambda branch, sent_by, method: f"{branch}.{method}",
            lambda branch, sent_by, method: branch in self.pending,
            lambda branch, method: (branch, method) == ("z9hG4bKours", "MESSAGE"),
        )

    def hears(self, data: bytes | Request, address: str = STRANGER) -> int | None:
        raw = data if isinstance(data, bytes) else encode(data)
        found = self.guard.look(raw, (address, 5060), self.now)
        return None if found is None else status(found)

    def falls_behind(self) -> None:
        self.guard.overload.waited(1.0, self.now)
        self.guard.overload.waited(1.0, self.now + Marks().lasting + 0.05)


def status(answer: Answer) -> int:
    return 0 if answer is SILENCE else int(answer.data[8:11])


def asks(method: str = "MESSAGE", domain: str = "b.example", **more: str) -> Request:
    extra = [(name.replace("_", "-"), value) for name, value in more.items()]
    sender = f"<sip:a@{domain}>;tag=1"
    return request(method, f"z9hG4bK{next(numbers)}", more=extra, From=sender)


def scans(method: str = "OPTIONS") -> Request:
    return asks(method, User_Agent="friendly-scanner")


# -- who is not believed -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "OPTIONS"])
def test_what_was_refused_is_refused_again_at_a_glance(method: str) -> None:
    watch = Watch()
    assert watch.hears(asks(method)) is None
    watch.guard.refused(STRANGER, "B.example", watch.now + 30)
    assert watch.hears(asks(method)) == 403
    assert watch.hears(asks("ACK")) == 0
    assert watch.hears(asks(method), PROXY) is None
    assert watch.hears(asks(method, "other.example")) is None
    watch.now += 31
    assert watch.hears(asks(method)) is None
    assert watch.guard.describe()["refused"] == 0


def test_silence_is_kept_where_it_is_wished_for() -> None:
    watch = Watch(Rules(unbelieved=Answering.SILENCE, rate=0, total=0))
    watch.guard.refused(STRANGER, "b.example", watch.now + 30)
    assert watch.hears(asks()) == 0
    assert watch.hears(scans()) == 0
    assert watch.guard.quiet(STRANGER, watch.now)
    watch.guard.believed(STRANGER, watch.now)
    assert not watch.guard.quiet(STRANGER, watch.now)
    assert not watch.guard.quiet(TRUNK, watch.now)


def test_an_address_that_many_share_is_refused_for_the_one_domain_only() -> None:
    watch = Watch()
    watch.guard.believed(PROXY, watch.now)
    watch.guard.refused(PROXY, "bad.example", watch.now + 30)
    assert watch.hears(asks(domain="good.example"), PROXY) is None
    assert watch.hears(asks(domain="bad.example"), PROXY) == 403


def test_what_is_over_is_forgotten_so_that_nobody_pays_for_it() -> None:
    watch = Watch()
    watch.guard.believed(PROXY, watch.now)
    watch.guard.refused(PROXY, "bad.example", watch.now + 30)
    watch.guard.refused(PROXY, "worse.example", watch.now + 40)
    watch.now += 35
    assert watch.hears(asks(domain="good.example"), PROXY) is None
    assert watch.hears(asks(domain="bad.example"), PROXY) is None
    assert watch.hears(asks(domain="worse.example"), PROXY) == 403
    assert watch.guard.describe()["refused"] == 1
    watch.now += 5
    assert watch.hears(asks(domain="good.example"), PROXY) is None
    assert watch.guard.describe()["refused"] == 0


def test_an_asserted_identity_has_to_be_looked_at() -> None:
    watch = Watch()
    watch.guard.refused(STRANGER, "b.example", watch.now + 30)
    assert watch.hears(asks(P_Asserted_Identity="<sip:c@good.example>")) is None


# -- rates -----------------------------------------------------------------------------------


def test_a_bucket_lets_two_seconds_worth_through_and_then_its_rate() -> None:
    bucket = Bucket(10, 0.0)
    assert [bucket.take(0.0) for _ in range(21)] == [True] * 20 + [False]
    assert [bucket.take(0.15) for _ in range(2)] == [True, False]
    assert sum(bucket.take(100.0) for _ in range(50)) == 20
    assert all(Bucket(0, 0.0).take(0.0) for _ in range(100))


def test_what_is_lent_has_to_be_paid_back() -> None:
    bucket = Bucket(10, 0.0)
    assert [bucket.owe(0.0) for _ in range(20)] == [0.0] * 20
    assert [round(bucket.owe(0.0), 3) for _ in range(2)] == [0.1, 0.2]
    assert round(bucket.owe(0.2), 3) == 0.1
    assert Bucket(0, 0.0).owe(0.0) == 0.0


@pytest.mark.spec("NET-38")
def test_a_stranger_has_a_rate_and_who_was_let_in_has_none() -> None:
    watch = Watch(Rules(rate=2, total=0))
    assert [watch.hears(asks()) for _ in range(5)] == [None] * 4 + [0]
    assert [watch.hears(asks(), PROXY) for _ in range(4)] == [None] * 4
    assert [watch.hears(asks(), TRUNK) for _ in range(50)] == [None] * 50
    watch.guard.believed(STRANGER, watch.now)
    assert [watch.hears(asks()) for _ in range(50)] == [None] * 50
    watch.now += KNOWN + 1
    assert [watch.hears(asks()) for _ in range(5)] == [None] * 4 + [0]
    assert watch.guard.describe()["over the rate"] == 2


@pytest.mark.spec("NET-38")
def test_all_strangers_together_have_a_rate_that_does_not_touch_others() -> None:
    watch = Watch(Rules(rate=20, total=5))
    heard = [watch.hears(asks(), f"203.0.113.{number}") for number in range(20)]
    assert heard == [None] * 10 + [0] * 10
    watch.guard.believed(PROXY, watch.now)
    assert watch.hears(asks(), PROXY) is None
    assert watch.hears(asks(), TRUNK) is None


def test_refusals_at_a_glance_have_the_addresss_rate_too() -> None:
    watch = Watch(Rules(rate=2, total=0))
    watch.guard.believed(PROXY, watch.now)
    for address in (STRANGER, PROXY):
        watch.guard.refused(address, "b.example", watch.now + 30)
        assert [watch.hears(asks(), address) for _ in range(5)] == [403] * 4 + [0]


@pytest.mark.parametrize("data", [b"\x01\x02", b"REGISTER", b"GET / HTTP/1.0\r\n\r\n"])
def test_junk_is_dropped_and_uses_nobodys_rate(data: bytes) -> None:
    watch = Watch(Rules(rate=1, total=1))
    assert [watch.hears(data) for _ in range(50)] == [0] * 50
    assert watch.guard.describe()["strangers"] == 0
    assert watch.hears(asks()) is None


def test_signs_of_life_pass_within_the_rate() -> None:
    watch = Watch(Rules(rate=1, total=1))
    assert [watch.hears(b"\r\n\r\n") for _ in range(3)] == [None, None, 0]


def test_of_responses_those_to_us_pass() -> None:
    watch = Watch()
    ours = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKours\r\nCSeq: 1 MESSAGE\r\n\r\n"
    assert watch.hears(ours) is None
    assert watch.hears(ours.replace(b"ours", b"other")) == 0
    assert watch.hears(ours.replace(b"Via", b"Bia")) == 0
    assert watch.hears(ours.replace(b"ours", b"other"), TRUNK) is None


# -- scanners ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "sign"),
    [
        (lambda: asks("OPTIONS", User_Agent="friendly-scanner"), Sign.AGENT),
        (lambda: asks("INVITE", User_Agent="sipcli/v1.8"), Sign.AGENT),
        (lambda: asks("INVITE", User_Agent="VaxSIPUserAgent/3.1"), Sign.AGENT),
        (lambda: asks("MESSAGE", User_Agent="SIPBLAST"), Sign.AGENT),
        (lambda: asks("REGISTER"), Sign.REGISTER),
        (lambda: request("INVITE", target="sip:100@192.0.2.10"), Sign.ADDRESS),
    ],
)
def test_scanners_hear_a_few_refusals_and_then_nothing(
    asked: Callable[[], Request], sign: Sign
) -> None:
    watch = Watch()
    assert [watch.hears(asked()) for _ in range(FEW + 2)] == [403] * FEW + [0, 0]
    [sighting] = watch.guard.sightings()
    assert (sighting.address, sighting.sign, sighting.count) == (STRANGER, sign, 1)
    assert watch.guard.describe()[f"scanner {sign.value}"] == FEW + 2
    assert watch.guard.sightings() == []


def test_a_scanner_is_a_line_a_minute_that_says_how_much_there_was() -> None:
    watch = Watch()
    told = []
    for second in range(150):
        watch.now = 1000.0 + second
        watch.hears(scans())
        told += [(second, each.count) for each in watch.guard.sightings()]
    assert told == [(0, 1), (60, 60), (120, 60)]
    assert MINUTE == 60


def test_scanners_are_refused_for_ever_where_that_is_wished_for() -> None:
    watch = Watch(Rules(scanners=Answering.REFUSE, rate=0, total=0))
    assert [watch.hears(scans()) for _ in range(10)] == [403] * 10


def test_a_scanner_silences_nobody_else_at_its_address() -> None:
    watch = Watch()
    for _ in range(10):
        watch.hears(scans())
    assert watch.hears(asks()) is None


def test_who_was_let_in_is_no_scanner() -> None:
    watch = Watch()
    watch.guard.believed(PROXY, watch.now)
    assert watch.hears(scans(), PROXY) is None
    assert watch.hears(scans(), TRUNK) is None
    assert watch.guard.sightings() == []


# -- connections -------------------------------------------------------------------------------


def test_on_a_connection_who_sends_too_much_is_not_read_for_a_while() -> None:
    watch = Watch(Rules(rate=2, total=0))
    owed = [watch.guard.owes(asks(), STRANGER, watch.now) for _ in range(6)]
    assert owed == [0, 0, 0, 0, 0.5, 1.0]
    assert watch.guard.owes(asks(), TRUNK, watch.now) == 0
    for _ in range(500):
        last = watch.guard.owes(asks(), STRANGER, watch.now)
    assert last == module.LONGEST


def test_on_a_connection_a_scanner_has_its_few_answers() -> None:
    watch = Watch()
    owed = [watch.guard.owes(scans(), STRANGER, watch.now) for _ in range(FEW + 1)]
    assert owed == [0] * FEW + [None]


# -- overload ----------------------------------------------------------------------------------


def test_when_behind_new_requests_are_503_with_a_time_to_come_back() -> None:
    watch = Watch()
    watch.guard.believed(PROXY, watch.now)
    old, new = asks(), asks()
    watch.pending = {old.via.branch or ""}
    watch.falls_behind()
    for address in (PROXY, STRANGER, TRUNK):
        assert watch.hears(new, address) == 503
        assert watch.hears(old, address) is None
        assert watch.hears(asks("ACK"), address) is None
        assert watch.hears(asks("CANCEL"), address) is None
    found = watch.guard.look(encode(new), (PROXY, 5060), watch.now)
    assert found is not None
    answer = parse(found.data)
    assert (answer.get("Retry-After"), answer.call_id) == ("1", new.call_id)
    watch.guard.overload.waited(0.0, watch.now + 1)
    assert watch.hears(asks(), PROXY) is None


# -- bounds ------------------------------------------------------------------------------------


@pytest.mark.spec("NET-38")
def test_every_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_KNOWN", "MOST_SOURCES", "MOST_REFUSED", "MOST_DOMAINS"):
        monkeypatch.setattr(module, name, 3)
    monkeypatch.setattr(module, "LINES", 1.5)
    watch = Watch()
    for number in range(10):
        address = f"192.0.2.{number}"
        watch.hears(scans(), address)
        watch.guard.believed(address, watch.now)
        for domain in range(10):
            watch.guard.refused(address, f"{domain}.example", watch.now + 30)
    found = watch.guard.describe()
    assert (found["known"], found["strangers"], found["refused"]) == (3, 3, 3)
    assert len(watch.guard.sightings()) == 3
    refused = [watch.hears(asks(domain=f"{each}.example"), "192.0.2.9") for each in range(10)]
    assert refused == [None] * 7 + [403] * 3


def test_a_response_that_is_written_unusually_is_read_within_the_rate() -> None:
    watch = Watch(Rules(rate=1, total=0))
    via = b"Via: SIP/2.0/UDP a\r\n ;branch=z9hG4bKours\r\n"
    folded = b"SIP/2.0 200 OK\r\n" + via + b"CSeq: 1 MESSAGE\r\n\r\n"
    assert [watch.hears(folded) for _ in range(3)] == [None, None, 0]


def test_who_is_over_his_own_rate_uses_nobody_elses() -> None:
    watch = Watch(Rules(rate=1, total=10))
    for _ in range(100):
        watch.guard.owes(asks(), STRANGER, watch.now)
    assert watch.hears(asks(), "203.0.113.99") is None


@pytest.mark.parametrize(
    ("agent", "scanner"),
    [("iWar", True), ("smap 0.6", True), ("Multiware 2", False), ("PrismApp/1", False)],
)
def test_short_names_of_scanners_are_whole_words(agent: str, scanner: bool) -> None:
    heard = Watch().hears(asks("OPTIONS", User_Agent=agent))
    assert heard == (403 if scanner else None)
