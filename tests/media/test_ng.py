import pytest

from dragoman.errors import RemoteError
from dragoman.media import bencode, ng
from dragoman.media.bencode import Written
from dragoman.media.description import Way
from dragoman.media.ng import MAX_COOKIE, Asked, Command, Fare, Reply, Result
from dragoman.media.plane import JINGLE, PLAIN, SDES, Counters, Profile, Side
from dragoman.media.remote import Remote, read
from tests.media.ngfake import CLIENT, PHONE, STANDING

MUXED_PHONE = read(PHONE)[0]


def remote(name: str) -> Remote:
    return read({"phone": PHONE, "client": CLIENT, "standing": STANDING}[name])[0]


def test_a_request_is_a_cookie_and_a_dictionary() -> None:
    assert Asked(Command.PING).encode("5323_1") == b"5323_1 d7:command4:pinge"
    asked = Asked(Command.DTMF, {"code": "5", "flags": ["a", "b"]})
    assert asked.encode("x") == b"x d4:code1:57:command9:play DTMF5:flagsl1:a1:bee"


@pytest.mark.parametrize(
    ("said", "result", "reason"),
    [
        ({"result": "pong"}, Result.PONG, ""),
        ({"result": "ok", "warning": "x"}, Result.OK, ""),
        (
            {"result": "error", "error-reason": "Unknown\r\ncall-id"},
            Result.ERROR,
            "Unknown call-id",
        ),
        ({"result": "load limit", "message": "too much"}, Result.LIMIT, "too much"),
    ],
)
def test_answers_read(said: dict[str, Written], result: Result, reason: str) -> None:
    reply = Reply.parse(bencode.encode(said))
    assert (reply.result, reply.reason) == (result, reason)
    assert reply.failed is (result in {Result.ERROR, Result.LIMIT})


@pytest.mark.parametrize("data", [b"", b"le", b"de", b"d6:resulti1ee", b"d6:result4:goode", b"d"])
def test_nothing_else_is_an_answer(data: bytes) -> None:
    with pytest.raises(RemoteError):
        Reply.parse(data)


@pytest.mark.parametrize(
    ("reply", "full", "forgotten"),
    [
        (Reply(Result.OK), False, False),
        (Reply(Result.LIMIT, "CPU usage limit exceeded"), True, False),
        (Reply(Result.ERROR, "Ran out of ports"), True, False),
        (Reply(Result.ERROR, "Parallel session limit reached"), True, False),
        (Reply(Result.ERROR, "Unknown call-id"), False, True),
        (Reply(Result.ERROR, "Failed to parse SDP"), False, False),
    ],
)
def test_why_not(reply: Reply, full: bool, forgotten: bool) -> None:
    assert (reply.full, reply.forgotten) == (full, forgotten)


def test_datagrams_are_split_at_the_first_blank() -> None:
    assert ng.split(b"c1 d1:a1: e") == ("c1", b"d1:a1: e")
    whole = b"c1 " + bytes(200)
    assert ng.split(whole) == ("c1", bytes(200))
    assert ng.split(b"c" * MAX_COOKIE + b" ")[1] == b""


@pytest.mark.parametrize(
    "data", [b"", b" ", b" d", b"c1", b"\xff d", b"c" * (MAX_COOKIE + 1) + b" d"]
)
def test_no_datagram_without_a_cookie(data: bytes) -> None:
    with pytest.raises(RemoteError):
        ng.split(data)


LITE = Profile(JINGLE.keying, ice=True, mux=True)


@pytest.mark.parametrize(
    ("who", "toward", "lite", "wanted"),
    [
        ("client", PLAIN, False, {
            "ICE": "force", "ICE-lite": "off", "transport-protocol": "RTP/AVPF",
            "rtcp-mux": ["demux"], "SDES": ["off"], "DTLS": "off",
        }),
        ("client", SDES, True, {
            "ICE": "force", "ICE-lite": "both", "transport-protocol": "RTP/SAVPF",
            "rtcp-mux": ["demux"], "DTLS": "off",
        }),
        ("client", JINGLE, True, {
            "ICE": "force", "ICE-lite": "both", "transport-protocol": "UDP/TLS/RTP/SAVPF",
            "rtcp-mux": ["require", "accept"], "SDES": ["off"], "DTLS-fingerprint": "SHA-256",
        }),
        ("phone", JINGLE, False, {
            "ICE": "force", "ICE-lite": "off", "transport-protocol": "UDP/TLS/RTP/SAVPF",
            "rtcp-mux": ["require"], "SDES": ["off"], "DTLS-fingerprint": "SHA-256",
        }),
        ("phone", LITE, True, {
            "ICE": "force", "ICE-lite": "forward", "transport-protocol": "UDP/TLS/RTP/SAVPF",
            "rtcp-mux": ["require"], "SDES": ["off"], "DTLS-fingerprint": "SHA-256",
        }),
        ("standing", Profile(feedback=True), False, {
            "ICE": "remove", "ICE-lite": "off", "transport-protocol": "RTP/AVPF",
            "rtcp-mux": ["demux"], "SDES": ["off"], "DTLS": "off",
        }),
    ],
)  # fmt: skip
def test_flags_of_offers(who: str, toward: Profile, lite: bool, wanted: dict[str, Written]) -> None:
    found = ng.offering([remote(who)], Way.offered(toward), lite=lite, dtmf=False)
    assert found.pop("flags") == ["port-latching", "strict-source"]
    assert found.pop("replace") == ["origin", "session-connection", "zero-address"]
    assert found == wanted


@pytest.mark.parametrize(
    ("who", "ice"), [("client", "force"), ("phone", "remove"), (None, "remove")]
)
def test_flags_of_answers(who: str | None, ice: str) -> None:
    back = None if who is None else Way.taken(remote(who))
    found = ng.answering(back, dtmf=True)
    assert found["ICE"] == ice
    assert found["OSRTP"] == ["accept"]
    assert found["flags"] == ["port-latching", "strict-source", "inject-DTMF"]
    assert "transport-protocol" not in found


# -- what a query tells ---------------------------------------------------------------------------


def stream(
    *flags: str, packets: int = 0, said: Written | None = None, **more: Written
) -> dict[str, Written]:
    stats = {"packets": packets, "bytes": 172 * packets, "errors": 0}
    found = {"local port": 30000, "flags": ["filled", *flags], "stats": stats, **more}
    return found if said is None else {**found, "advertised endpoint": said}


def fares(
    *streams: dict[str, Written], flags: tuple[str, ...] = (), ssrc: Written | None = None
) -> Fare:
    media: Written = {"index": 1, "flags": list(flags), "streams": list(streams)}
    leg: Written = {"tag": "xmpp", "medias": [media]}
    said: dict[str, Written] = {"result": "ok", "tags": {"xmpp": leg, "elsewhere": leg}}
    reply = Reply.parse(bencode.encode({**said, "SSRC": ssrc or {}}))
    found = ng.fares(reply)
    assert list(found) == [Side.XMPP]
    return found[Side.XMPP]


NOWHERE: Written = {"family": "IPv6", "address": "::", "port": 9}
THERE: Written = {"family": "IPv4", "address": "192.0.2.1", "port": 6000}


@pytest.mark.parametrize(
    ("one", "reached"),
    [
        (stream("RTP"), True),
        (stream("RTP", "ICE", endpoint=NOWHERE, said=NOWHERE), False),
        (stream("RTP", "ICE", endpoint=THERE, said=NOWHERE), True),
        (stream("RTP", "ICE", endpoint=THERE, said={}), True),
        (stream("RTP", "ICE", endpoint={}, said={}), False),
        (stream("RTP", "ICE", packets=1), True),
        (stream("RTCP", "ICE"), True),
    ],
)
def test_whether_ice_has_found_a_way(one: dict[str, Written], reached: bool) -> None:
    assert fares(one).reached is reached


@pytest.mark.parametrize(
    ("flags", "verified", "secured"),
    [((), (), True), (("DTLS-SRTP",), (), False), (("DTLS-SRTP",), ("RTP", "V"), True)],
)
def test_whether_there_are_keys(
    flags: tuple[str, ...], verified: tuple[str, ...], secured: bool
) -> None:
    names = ["DTLS fingerprint verified" if each == "V" else each for each in verified or ("RTP",)]
    assert fares(stream(*names), flags=flags).secured is secured


def test_counters() -> None:
    mean = {"MOS": 43, "round-trip time": 120_000, "jitter": 7, "packet loss": 1, "samples": 2}
    ssrc: Written = {"77": {"cumulative loss": 3, "average MOS": mean}}
    rtcp = stream("RTCP", packets=9)
    silent = fares(stream("RTP", packets=5), rtcp)
    assert silent.counters == Counters(5, 5 * 160)
    told = fares(stream("RTP", packets=5, SSRC=77), rtcp, ssrc=ssrc)
    assert told.counters == Counters(5, 5 * 160, 3, jitter=7.0, round_trip=120.0, mos=4.3)
    mean.update({"MOS": 0, "round-trip time": 0})
    unheard = fares(stream("RTP", SSRC=77), ssrc={"77": {"average MOS": mean}})
    assert unheard.counters == Counters(jitter=7.0)


def test_what_was_refused_counts_for_nothing() -> None:
    gone = stream("RTP", "ICE", packets=5)
    del gone["local port"]
    assert fares(gone) == Fare(Counters(), reached=True, secured=True)


def test_what_makes_no_sense_was_not_told() -> None:
    leg: Written = {"medias": [1, {"streams": [{}, {"flags": 1}, {"flags": ["RTP"]}]}]}
    strange: list[Written] = [1, [], {"sip": "x"}, {"sip": {"medias": 1}}, {"sip": leg}]
    for tags in strange:
        said: Written = {"result": "ok", "tags": tags, "SSRC": "x"}
        reply = Reply.parse(bencode.encode(said))
        assert all(each.counters == Counters() for each in ng.fares(reply).values())
    assert ng.sessions(Reply(Result.OK)) == 0
    assert ng.calls(Reply(Result.OK)) == []


def test_lists_and_loads() -> None:
    said: Written = {"currentstatistics": {"sessionstotal": 7}}
    assert ng.sessions(Reply.parse(bencode.encode({"result": "ok", "statistics": said}))) == 7
    listed = Reply.parse(bencode.encode({"result": "ok", "calls": ["a", "b"]}))
    assert ng.calls(listed) == ["a", "b"]
