"""MSRP in SDP (RFC 4975 §8, RFC 6135 §4, RFC 6714 §4)."""

from dataclasses import replace
from typing import Final

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import ConnectWanted, Endpoint, MessageArrived, Transport
from dragoman.msrp.offer import (
    ANSWERS,
    MAX_TYPES,
    Accepted,
    Peer,
    Setup,
    Stance,
    accept,
    answer,
    choose,
    decline,
    offer,
    read,
    unresolved,
)
from dragoman.msrp.terms import Meeting, Terms
from dragoman.msrp.uri import Path
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Direction, Media, Origin, SessionDescription
from tests.msrp.ends import ADDRESSES, Certificate, End, tokens
from tests.pair import Wire

RFC_4975_8_7: Final = """\
v=0
o=usera 2890844526 2890844527 IN IP4 alice.example.com
s= -
c=IN IP4 alice.example.com
t=0 0
m=message 7394 TCP/MSRP *
a=accept-types:message/cpim text/plain text/html
a=path:msrp://alice.example.com:7394/2s93i93idj;tcp
"""
RFC_4975_8_7_ANSWER: Final = """\
v=0
o=userb 2890844530 2890844532 IN IP4 bob.example.com
s= -
c=IN IP4 bob.example.com
t=0 0
m=message 8493 TCP/MSRP *
a=accept-types:message/cpim text/plain
a=path:msrp://bob.example.com:8493/si438dsaodes;tcp
"""
RFC_4976_11: Final = """\
c=IN IP4 a.example.com
m=message 1234 TCP/MSRP *
a=accept-types: message/cpim text/plain text/html
a=path:msrp://a.example.com:1234/agic456;tcp
"""
RFC_4976_11_ANSWER: Final = """\
c=IN IP4 bob.example.com
m=message 1234 TCP/TLS/MSRP *
a=accept-types: message/cpim text/plain
a=path:msrps://relay.example.com:9000/hjdhfha;tcp  msrps://bob.example.com:1234/fuige;tcp
"""
RFC_7573_3: Final = """\
c=IN IP4 s2x.example.net
m=message 12763 TCP/MSRP *
a=accept-types:text/plain
a=path:msrp://s2x.example.net:12763/kjhd37s2s20w2a;tcp
"""
RFC_7701_9_1: Final = """\
v=0
o=chat 2890844527 2890844527 IN IP4 chat.example.com
s=-
c=IN IP4 chat.example.com
m=message 12763 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain text/html *
a=path:msrp://chat.example.com:12763/kjhd37s2s20w2a;tcp
a=chatroom:nickname private-messages
"""
RFC_7977: Final = """\
c=IN IP4 a.example.com
m=message 1234 TCP/TLS/MSRP *
a=accept-types:message/cpim text/plain text/html
a=path:msrps://a.example.com:2855/jui787s2f;tcp msrps://df7jal23ls0d.invalid:2855/98cjs;ws
"""

TERMS: Final = Terms(
    ("message/cpim", "text/plain", "text/html", "application/im-iscomposing+xml"),
    ("text/plain", "text/html", "message/imdn+xml", "application/im-iscomposing+xml"),
    8976,
)
STANCE: Final = Stance(TERMS)
HIDDEN: Final = Stance(TERMS, reachable=False)
CEMA: Final = Stance(TERMS, cema=True)
GATEWAY: Final = Path.parse("msrp://gw.example.com:2855/iau39soe2843z;tcp")
SECURE: Final = Path.parse("msrps://gw.example.com:2856/iau39soe2843z;tcp")
NOWHERE: Final = Path.parse("msrp://10.0.0.7:9/iau39soe2843z;tcp")
THROUGH: Final = Path.parse(
    "msrp://relay.example.com:2855/r1;tcp msrp://gw.example.com:2855/iau39soe2843z;tcp"
)
PRINT: Final = ":".join(["AB"] * 32)


def parse(text: str) -> SessionDescription:
    return SessionDescription.parse(text.encode())


def stream(
    *attributes: str,
    line: str = "m=message 7394 TCP/MSRP *",
    path: str = "msrp://192.0.2.5:7394/2s93i93idj;tcp",
    types: str = "text/plain",
    host: str = "192.0.2.5",
) -> str:
    """Return the description of one stream, in which what is "" is not said."""
    said = [f"c=IN IP4 {host}", line]
    said += [f"a=accept-types:{types}"] if types else []
    said += [f"a=path:{path}"] if path else []
    return "".join(f"{each}\n" for each in [*said, *(f"a={each}" for each in attributes)])


def refused(text: str, stance: Stance = STANCE) -> SdpError:
    with pytest.raises(SdpError) as caught:
        choose(parse(text), stance)
    assert caught.value.status == 488
    return caught.value


def answered(text: str, stance: Stance = STANCE, path: Path = GATEWAY) -> Media:
    """Return our m= line in answer to an offer of one stream."""
    offered = parse(text)
    description, _ = answer(offered, choose(offered, stance), stance, path)
    return description.media[0]


def setup_of(media: Media) -> str | None:
    return media.value("setup")


def met(text: str, stance: Stance = STANCE, path: Path = GATEWAY) -> Meeting:
    """Return who connects after our answer to an offer."""
    offered = parse(text)
    return answer(offered, choose(offered, stance), stance, path)[1]


def accepted(
    text: str,
    stance: Stance = STANCE,
    path: Path = GATEWAY,
    addresses: dict[str, tuple[str, ...]] | None = None,
) -> Accepted:
    """Return what an answer to our offer comes to."""
    return accept(offer(stance, path), parse(text), stance, path, addresses)


# What the standards print


def test_offer_and_answer_of_rfc_4975_section_8_7() -> None:
    peer = choose(parse(RFC_4975_8_7), STANCE)
    assert peer == Peer(
        0,
        Path.parse("msrp://alice.example.com:7394/2s93i93idj;tcp"),
        Terms(("message/cpim", "text/plain", "text/html")),
        secure=False,
        setup=None,
        cema=False,
        fingerprints=(),
        address=("alice.example.com", 7394),
    )
    assert met(RFC_4975_8_7) == Meeting(active=False)
    theirs = accepted(RFC_4975_8_7_ANSWER)
    assert theirs.peer.path.last.session_id == "si438dsaodes"
    assert theirs.peer.terms == Terms(("message/cpim", "text/plain"))
    assert theirs.meeting == Meeting(active=True)
    assert not theirs.again


@pytest.mark.spec("MSRP-28")
def test_offer_and_answer_of_rfc_4976_section_11() -> None:
    """Blanks before the types and between the URIs; TLS in answer, to the relay."""
    assert choose(parse(RFC_4976_11), STANCE).terms.accept_types == (
        "message/cpim",
        "text/plain",
        "text/html",
    )
    theirs = accepted(RFC_4976_11_ANSWER).peer
    assert theirs.secure
    assert theirs.relayed
    assert theirs.path.first.host == "relay.example.com"
    assert theirs.path.last.session_id == "fuige"


@pytest.mark.parametrize("text", [RFC_7573_3, RFC_7701_9_1])
def test_descriptions_that_are_not_complete_are_read(text: str) -> None:
    peer = choose(parse(text), STANCE)
    assert peer.path.first.port == 12763
    assert peer.terms.accepts("message/cpim", "image/png") is (text is RFC_7701_9_1)


@pytest.mark.spec("MSRP-28")
def test_the_whole_path_is_kept_and_a_web_socket_may_end_it() -> None:
    peer = choose(parse(RFC_7977), STANCE)
    assert [uri.transport for uri in peer.path.uris] == ["tcp", "ws"]
    assert peer.path.first.host == "a.example.com"
    assert str(peer.path).endswith("98cjs;ws")
    # Without CEMA, c= and m= lines say nothing: the leftmost URI does (RFC 4975 §8.3).
    assert met(RFC_7977, path=SECURE) == Meeting(active=False)
    assert accepted(RFC_7977, path=SECURE).meeting == Meeting(active=True)


# What we offer


@pytest.mark.spec("MSRP-11")
def test_an_offer_is_complete() -> None:
    origin = Origin("-", "2890844557", 1, parse(RFC_4975_8_7).origin.address)
    _, offered = Negotiation(origin).offer(offer(STANCE, GATEWAY))
    assert offered.encode().decode().split("\r\n") == [
        "v=0",
        "o=- 2890844557 1 IN IP4 alice.example.com",
        "s=-",
        "c=IN IP4 gw.example.com",
        "t=0 0",
        "m=message 2855 TCP/MSRP *",
        "a=accept-types:message/cpim text/plain text/html application/im-iscomposing+xml",
        f"a=accept-wrapped-types:{' '.join(TERMS.accept_wrapped_types)}",
        "a=max-size:8976",
        "a=path:msrp://gw.example.com:2855/iau39soe2843z;tcp",
        "a=setup:actpass",
        "",
    ]


@pytest.mark.spec("MSRP-11")
def test_an_offer_reads_as_what_it_says() -> None:
    for stance, path in ((STANCE, GATEWAY), (HIDDEN, NOWHERE), (CEMA, GATEWAY), (STANCE, SECURE)):
        peer = read(offer(stance, path), 0)
        assert (peer.path, peer.terms, peer.cema) == (path, TERMS, stance.cema)
        assert peer.secure is path.first.secure


def test_an_offer_by_ipv6() -> None:
    path = Path.parse("msrp://[2001:db8::7]:2855/iau39soe2843z;tcp")
    offered = offer(STANCE, path)
    assert str(offered.connection) == "IN IP6 2001:db8::7"
    assert read(offered, 0).address == ("2001:db8::7", 2855)


def test_what_is_not_limited_is_not_said() -> None:
    (media,) = offer(Stance(Terms(("*",))), GATEWAY).media
    assert [each.name for each in media.attributes] == ["accept-types", "path", "setup"]


def test_a_fingerprint_goes_with_tls_only() -> None:
    stance = replace(STANCE, fingerprints=(f"sha-256 {PRINT}",))
    (secure,) = offer(stance, SECURE).media
    assert secure.protocol == "TCP/TLS/MSRP"
    assert secure.values("fingerprint") == (f"sha-256 {PRINT}",)
    assert offer(stance, GATEWAY).media[0].value("fingerprint") is None


@pytest.mark.parametrize(
    ("stance", "path"),
    [(STANCE, NOWHERE), (HIDDEN, GATEWAY), (STANCE, Path.parse("msrp://gw.example.com/a;tcp"))],
    ids=["reachable at port 9", "not reachable at a port", "no port"],
)
def test_a_path_that_cannot_be_offered_is_a_bug_of_ours(stance: Stance, path: Path) -> None:
    with pytest.raises(LocalError):
        offer(stance, path)


# What we refuse


@pytest.mark.spec("MSRP-12")
@pytest.mark.parametrize("types", ["", " ", "image/png", "model/* video/mp4", "nonsense"])
def test_without_a_type_that_we_know_there_is_no_session(types: str) -> None:
    assert refused(stream(types=types)).warning == 305
    with pytest.raises(SdpError) as caught:
        accepted(stream(types=types))
    assert (caught.value.status, caught.value.warning) == (488, 305)


@pytest.mark.spec("MSRP-12")
@pytest.mark.parametrize("types", ["", " ", "nonsense"])
def test_a_stream_without_types_is_none_for_whatever_purpose(types: str) -> None:
    with pytest.raises(SdpError, match="accept-types"):
        read(parse(stream(types=types)), 0)


@pytest.mark.parametrize(
    "types",
    ["*", "text/*", "image/png TEXT/Plain", "text/plain;charset=utf-8", "message/cpim", "x */* *"],
)
def test_one_type_that_we_know_is_enough(types: str) -> None:
    choose(parse(stream(types=types)), STANCE)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("v=0\n", 304),
        ("m=audio 49170 RTP/AVP 0\n", 304),
        (stream(line="m=message 0 TCP/MSRP *"), 399),
        (stream(line="m=message 7394 TCP/SCTP *"), 302),
        (stream(line="m=message 7394 TCP/MSRP 0"), 305),
        (stream(line="m=message 7394 TCP/TLS/MSRP *"), 302),
        (stream(path="msrps://192.0.2.5:7394/a;tcp"), 302),
        (stream(path=""), 399),
        (stream(path="sip:alice@example.com"), 399),
        (stream(path="msrp://192.0.2.5/a;tcp"), 399),
        (stream(path="msrp://192.0.2.5:0/a;tcp"), 399),
        (stream(path=" ".join(["msrp://192.0.2.5:7394/a;tcp"] * 17)), 399),
        (stream(types=" ".join(["text/plain"] * (MAX_TYPES + 1))), 305),
        (stream("file-selector:name:\"a.jpg\" type:image/jpeg size:9"), 399),
    ],
    ids=["no streams", "audio", "port 0", "protocol", "format", "no TLS in the path",
         "TLS in the path only", "no path", "no MSRP URI", "no port", "URI with port 0",
         "long path", "many types", "a file"],
)  # fmt: skip
def test_what_is_no_chat_over_msrp_is_refused(text: str, warning: int) -> None:
    assert refused(text).warning == warning


def test_as_many_types_as_the_bound_are_taken() -> None:
    choose(parse(stream(types=" ".join(["text/plain"] * MAX_TYPES))), STANCE)


def test_what_is_not_spoken_is_refused() -> None:
    assert refused(stream(), replace(STANCE, plain=False)).warning == 302
    assert refused(RFC_7977, replace(STANCE, tls=False)).warning == 302


def test_the_first_stream_that_can_be_taken_is() -> None:
    text = (
        "c=IN IP4 192.0.2.5\n"
        "m=audio 49170 RTP/AVP 0 8\n"
        "m=message 7394 TCP/MSRP *\na=accept-types:image/png\na=path:msrp://192.0.2.5:7394/a;tcp\n"
        "m=message 7394 TCP/MSRP *\na=accept-types:*\na=path:msrp://192.0.2.5:7394/b;tcp\n"
        "m=message 7394 TCP/MSRP *\na=accept-types:*\na=path:msrp://192.0.2.5:7394/c;tcp\n"
    )
    offered = parse(text)
    peer = choose(offered, STANCE)
    assert (peer.line, peer.path.last.session_id) == (2, "b")
    description, _ = answer(offered, peer, STANCE, GATEWAY)
    assert [str(each) for each in description.media] == [
        "audio 0 RTP/AVP 0 8",
        "message 0 TCP/MSRP *",
        "message 2855 TCP/MSRP *",
        "message 0 TCP/MSRP *",
    ]
    assert description.media[0].attributes == ()
    _, said = Negotiation(Origin()).offered(offered).answer(description)
    assert said.media == description.media


def test_the_reason_is_that_of_the_stream_that_might_have_been() -> None:
    assert refused("m=audio 49170 RTP/AVP 0\n" + stream(types="image/png")).warning == 305


# Who connects


@pytest.mark.spec("MSRP-25")
@pytest.mark.parametrize(
    ("offered", "reachable", "answers"),
    [
        ("actpass", True, "passive"),
        ("actpass", False, "active"),
        ("active", True, "passive"),
        ("active", False, None),
        ("passive", True, "active"),
        ("passive", False, "active"),
        (None, True, "passive"),
        (None, False, None),
        ("holdconn", True, "passive"),
        ("holdconn", False, None),
        ("nonsense", True, "passive"),
        (" ACTPASS ", False, "active"),
    ],
)
def test_what_we_answer_to_setup(offered: str | None, reachable: bool, answers: str | None) -> None:
    text = stream() if offered is None else stream(f"setup:{offered}")
    stance, path = (STANCE, GATEWAY) if reachable else (HIDDEN, NOWHERE)
    if answers is None:
        refused(text, stance)
        return
    assert setup_of(answered(text, stance, path)) == answers
    assert met(text, stance, path) == Meeting(active=answers == "active")


@pytest.mark.spec("MSRP-25")
@pytest.mark.parametrize("answers", [None, "holdconn", "passive", "active", "actpass"])
@pytest.mark.parametrize("reachable", [True, False])
def test_who_connects_after_an_answer(answers: str | None, reachable: bool) -> None:
    """It is the answerer where that was offered and taken; RFC 4975's offerer in any other case."""
    text = stream() if answers is None else stream(f"setup:{answers}")
    stance, path = (STANCE, GATEWAY) if reachable else (HIDDEN, NOWHERE)
    ours = accepted(text, stance, path).meeting
    assert ours == Meeting(active=not (reachable and answers == "active"))


@pytest.mark.spec("MSRP-25")
@pytest.mark.parametrize(
    ("stance", "path", "setup", "port"),
    [(STANCE, GATEWAY, "actpass", 2855), (HIDDEN, NOWHERE, "active", 9)],
)
def test_what_we_offer_as_setup(stance: Stance, path: Path, setup: str, port: int) -> None:
    (media,) = offer(stance, path).media
    assert (setup_of(media), media.port) == (setup, port)


@pytest.mark.spec("MSRP-25")
def test_an_active_answer_has_port_9() -> None:
    media = answered(stream("setup:actpass"), HIDDEN, NOWHERE)
    assert (setup_of(media), media.port) == ("active", 9)


def test_setup_may_be_said_of_the_whole_session() -> None:
    assert met("a=setup:passive\n" + stream()).active
    assert not met("a=setup:passive\n" + stream("setup:active")).active


@pytest.mark.spec("MSRP-25")
def test_both_sides_find_the_same_one_to_connect() -> None:
    for ours, our_path in ((STANCE, GATEWAY), (HIDDEN, NOWHERE)):
        offered = offer(ours, our_path)
        peer = choose(offered, STANCE)
        path = Path.parse("msrp://192.0.2.5:7394/a;tcp")
        description, theirs = answer(offered, peer, STANCE, path)
        meeting = accept(offered, description, ours, our_path).meeting
        assert meeting.active is not theirs.active
        assert meeting.active


@pytest.mark.spec("MSRP-26")
@pytest.mark.parametrize("value", ["new", "existing"])
def test_connection_is_neither_said_nor_obeyed(value: str) -> None:
    said = (f"connection:{value}", "setup:actpass")
    assert choose(parse(stream(*said)), STANCE) == choose(parse(stream(said[1])), STANCE)
    assert met(stream(*said)) == met(stream(said[1]))
    for media in (answered(stream(*said)), *offer(STANCE, GATEWAY).media):
        assert media.value("connection") is None


# TLS

TLS: Final = stream(line="m=message 7394 TCP/TLS/MSRP *", path="msrps://192.0.2.5:7394/a;tcp")
FINGERPRINTS: Final = (
    (("sha-256 " + PRINT.lower(),), (f"sha-256 {PRINT}",)),
    (("SHA-1 AA:BB", f"sha-256 {PRINT}", "sha-256 CC:DD"), (f"sha-256 {PRINT}", "sha-256 CC:DD")),
    (("md5 AA:BB", "md2 AA:BB", "x-other AA:BB"), ()),
    (("sha-256 AABB", "sha-256", "sha-256 AA:B", "sha-256 AA:GG"), ()),
)


@pytest.mark.parametrize(("said", "expected"), FINGERPRINTS)
def test_fingerprints_of_the_best_hash_function_count(
    said: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    text = TLS + "".join(f"a=fingerprint:{each}\n" for each in said)
    assert met(text, path=SECURE).fingerprints == expected
    assert accepted(text, path=SECURE).meeting.fingerprints == expected


def test_a_fingerprint_may_be_said_of_the_whole_session() -> None:
    text = f"a=fingerprint:sha-256 {PRINT}\n{TLS}"
    assert met(text, path=SECURE).fingerprints == (f"sha-256 {PRINT}",)


def test_no_fingerprint_counts_at_a_relay() -> None:
    """RFC 6135 §4.3: a relay has the certificate of neither side."""
    through = Path.parse(str(THROUGH).replace("msrp:", "msrps:"))
    for text, path in ((RFC_7977, SECURE), (TLS, through)):
        printed = f"{text}a=fingerprint:sha-256 {PRINT}\n"
        assert met(printed, path=path).fingerprints == ()
        assert accepted(printed, path=path).meeting.fingerprints == ()
    stance = replace(STANCE, fingerprints=(f"sha-256 {PRINT}",))
    assert offer(stance, through).media[0].value("fingerprint") is None


def test_without_tls_a_fingerprint_means_nothing() -> None:
    assert met(stream(f"fingerprint:sha-256 {PRINT}")).fingerprints == ()


def test_an_answer_has_the_protocol_of_the_offer() -> None:
    assert answered(RFC_7977, path=SECURE).protocol == "TCP/TLS/MSRP"
    assert answered(stream()).protocol == "TCP/MSRP"
    with pytest.raises(LocalError):
        answered(RFC_7977, path=GATEWAY)


def test_tls_that_was_offered_is_not_given_up() -> None:
    with pytest.raises(SdpError, match="TCP/MSRP in answer to TCP/TLS/MSRP") as caught:
        accepted(stream(), path=SECURE)
    assert caught.value.status == 488
    with pytest.raises(SdpError):
        accepted(RFC_4976_11_ANSWER, replace(STANCE, tls=False))


# CEMA

MIDDLEBOX: Final = "198.51.100.1"
MOVED: Final = stream(host=MIDDLEBOX)
NAMED: Final = stream(path="msrp://pc.example.com:7394/a;tcp")
RELAYED: Final = "msrp://192.0.2.9:2855/r;tcp msrp://192.0.2.5:7394/a;tcp"


@pytest.mark.spec("MSRP-27")
def test_an_offer_with_cema_says_so() -> None:
    (media,) = offer(CEMA, GATEWAY).media
    assert media.value("msrp-cema") == ""
    assert setup_of(media) == "actpass"
    assert offer(STANCE, GATEWAY).media[0].value("msrp-cema") is None


@pytest.mark.spec("MSRP-27")
def test_an_offer_with_cema_has_the_address_of_our_relay() -> None:
    offered = offer(CEMA, THROUGH)
    assert str(offered.connection) == "IN IP4 relay.example.com"
    assert setup_of(offered.media[0]) == "actpass"
    assert str(offer(STANCE, THROUGH).connection) == "IN IP4 gw.example.com"


@pytest.mark.spec("MSRP-27")
@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (stream(), True),
        (MOVED, False),
        (stream(line="m=message 4444 TCP/MSRP *"), False),
        (stream(line="m=message 9 TCP/MSRP *"), True),
        (stream("msrp-cema", host=MIDDLEBOX), True),
        (stream(path=RELAYED), True),
        (stream(path=RELAYED, line="m=message 2855 TCP/MSRP *", host="192.0.2.9"), True),
        (stream(path=RELAYED, host=MIDDLEBOX), False),
        (stream(path="msrp://[2001:DB8::0:5]:7394/a;tcp", host="2001:db8::5"), True),
        (stream(path="msrp://PC.example.com:7394/a;tcp", host="pc.Example.com"), True),
    ],
    ids=["same", "other host", "other port", "port 9", "with CEMA", "with a relay", "at the relay",
         "not at the relay", "IPv6", "same name"],
)  # fmt: skip
def test_an_offer_that_a_middlebox_changed_is_refused(text: str, taken: bool) -> None:
    """RFC 6714 §4.3; who has no CEMA does not look there (RFC 4975 §8.1)."""
    choose(parse(text), STANCE)
    if taken:
        choose(parse(text), CEMA)
    else:
        refused(text, CEMA)


@pytest.mark.spec("MSRP-27")
def test_names_are_compared_by_their_addresses() -> None:
    assert unresolved(parse(NAMED)) == {"pc.example.com"}
    for addresses, taken in (
        ({"pc.example.com": ("203.0.113.1", "192.0.2.5")}, True),
        ({"pc.example.com": ("203.0.113.1", "nonsense")}, False),
        ({}, False),
    ):
        if taken:
            choose(parse(NAMED), CEMA, addresses)
        else:
            with pytest.raises(SdpError):
                choose(parse(NAMED), CEMA, addresses)


def test_no_name_is_looked_up_in_vain() -> None:
    for text in (stream(), MOVED, stream("msrp-cema", path="msrp://a.example:1/a;tcp"), "v=0\n"):
        assert unresolved(parse(text)) == frozenset()
    both = parse(f"{NAMED}m=audio 1 RTP/AVP 0\n" + NAMED.replace("pc", "other").partition("\n")[2])
    assert unresolved(both) == {"pc.example.com"}
    assert unresolved(parse(NAMED.replace("m=message 7394", "m=message 4444"))) == frozenset()
    many = " ".join(f"msrp://h{n}.example.com:1/a;tcp" for n in range(16))
    assert (
        len(
            unresolved(
                parse(stream(path=many, host="h.example.com", line="m=message 1 TCP/MSRP *"))
            )
        )
        == 17
    )


@pytest.mark.spec("MSRP-27")
@pytest.mark.parametrize(
    ("path", "setup", "ours", "cema"),
    [
        ("", "actpass", GATEWAY, True),
        ("", "active", GATEWAY, True),
        ("", "passive", GATEWAY, True),
        (RELAYED, "actpass", GATEWAY, True),
        (RELAYED, "active", GATEWAY, False),
        (RELAYED, None, GATEWAY, False),
        (RELAYED, "actpass", THROUGH, False),
        ("", "passive", THROUGH, False),
        ("", "actpass", THROUGH, True),
    ],
)
def test_when_an_answer_has_cema(path: str, setup: str | None, ours: Path, cema: bool) -> None:
    """It has not in the three cases of RFC 6714 §4.3, nor where the offer or we have not."""
    said = ("msrp-cema", *([f"setup:{setup}"] if setup else []))
    text = stream(*said, path=path or "msrp://192.0.2.5:7394/a;tcp", host=MIDDLEBOX)
    media = answered(text, CEMA, ours)
    assert (media.value("msrp-cema") is not None) is cema
    assert answered(text, STANCE, ours).value("msrp-cema") is None
    assert setup_of(media) == ("active" if setup == "passive" else "passive")
    address = (MIDDLEBOX, 7394) if cema and setup == "passive" else None
    assert met(text, CEMA, ours) == Meeting(setup == "passive", address)


@pytest.mark.spec("MSRP-27")
def test_an_answer_with_cema_has_the_address_of_our_relay() -> None:
    offered = parse(stream("msrp-cema", "setup:actpass", host=MIDDLEBOX))
    description, _ = answer(offered, choose(offered, CEMA), CEMA, THROUGH)
    assert str(description.connection) == "IN IP4 relay.example.com"
    assert setup_of(description.media[0]) == "passive"


@pytest.mark.spec("MSRP-27")
@pytest.mark.parametrize("setup", ["passive", None])
def test_with_cema_on_both_sides_we_connect_to_the_middlebox(setup: str | None) -> None:
    said = ("msrp-cema", *([f"setup:{setup}"] if setup else []))
    result = accepted(stream(*said, host=MIDDLEBOX), CEMA)
    assert result.meeting == Meeting(active=True, address=(MIDDLEBOX, 7394))
    assert not result.again
    assert str(result.peer.path) == "msrp://192.0.2.5:7394/2s93i93idj;tcp"


@pytest.mark.spec("MSRP-27")
def test_with_cema_on_both_sides_the_active_peer_is_waited_for() -> None:
    result = accepted(stream("msrp-cema", "setup:active", host=MIDDLEBOX), CEMA)
    assert (result.meeting, result.again) == (Meeting(active=False), False)


@pytest.mark.spec("MSRP-27")
@pytest.mark.parametrize(
    ("text", "ours", "again", "address"),
    [
        (stream("setup:active", host=MIDDLEBOX), GATEWAY, True, None),
        (stream("setup:passive", host=MIDDLEBOX), THROUGH, True, None),
        (stream(host=MIDDLEBOX), THROUGH, True, None),
        (stream("setup:passive", path=RELAYED, host=MIDDLEBOX), GATEWAY, True, None),
        (stream(path=RELAYED, host=MIDDLEBOX), GATEWAY, True, None),
        (stream("setup:passive", host=MIDDLEBOX), GATEWAY, False, (MIDDLEBOX, 7394)),
        (stream(host=MIDDLEBOX), GATEWAY, False, (MIDDLEBOX, 7394)),
        (stream(path=RELAYED), GATEWAY, False, None),
        (stream("setup:active"), GATEWAY, False, None),
        (stream(), THROUGH, False, None),
    ],
)
def test_an_answer_without_cema(
    text: str, ours: Path, again: bool, address: tuple[str, int] | None
) -> None:
    """The three criteria of RFC 6714 §4.2 by which another offer is sent, and what is none."""
    result = accepted(text, CEMA, ours)
    assert (result.again, result.meeting.address) == (again, address)


@pytest.mark.spec("MSRP-27")
def test_the_other_offer_has_no_cema_and_a_version_of_its_own() -> None:
    origin = Origin("-", "7", 1)
    ours, first = Negotiation(origin).offer(offer(CEMA, GATEWAY))
    theirs = parse(stream("setup:active", host=MIDDLEBOX))
    ours = ours.answered(theirs)
    assert accept(first, theirs, CEMA, GATEWAY).again
    plain = replace(CEMA, cema=False)
    ours, second = ours.offer(offer(plain, GATEWAY, ours.local))
    assert second.media[0].value("msrp-cema") is None
    assert second.origin.version == 2
    assert not accept(second, theirs, plain, GATEWAY).again


@pytest.mark.spec("MSRP-27")
def test_an_answer_is_compared_by_addresses() -> None:
    text = stream("setup:active", path="msrp://pc.example.com:7394/a;tcp")
    assert accepted(text, CEMA).again
    assert not accepted(text, CEMA, addresses={"pc.example.com": ("192.0.2.5",)}).again


# Terms and directions


def test_types_are_read_without_their_parameters() -> None:
    text = stream("accept-wrapped-types:text/*", types='message/cpim;a="b c" TEXT/plain;x=y * 7')
    assert choose(parse(text), STANCE).terms == Terms(
        ("message/cpim", "TEXT/plain", "*"), ("text/*",)
    )


@pytest.mark.parametrize(
    ("said", "size"),
    [("2048", 2048), (" 2048 ", 2048), ("", None), ("-1", None), ("2k", None), ("9" * 20, None)],
)
def test_a_size_that_is_none_is_no_hint(said: str, size: int | None) -> None:
    assert choose(parse(stream(f"max-size:{said}")), STANCE).terms.max_size == size


SENDRECV, SENDONLY, RECVONLY, INACTIVE = Direction


@pytest.mark.spec("MSRP-38")
@pytest.mark.parametrize(
    ("offered", "wanted", "written"),
    [
        (SENDRECV, SENDRECV, None),
        (SENDONLY, SENDRECV, "recvonly"),
        (RECVONLY, SENDRECV, "sendonly"),
        (INACTIVE, SENDRECV, "inactive"),
        (SENDRECV, SENDONLY, "sendonly"),
        (SENDONLY, SENDONLY, "inactive"),
    ],
)
def test_directions_are_read_and_answered(
    offered: Direction, wanted: Direction, written: str | None
) -> None:
    text = stream(offered.value)
    stance = replace(STANCE, terms=replace(TERMS, direction=wanted))
    assert choose(parse(text), stance).terms.direction is offered
    media = answered(text, stance)
    said = {each.name for each in media.attributes} & {each.value for each in Direction}
    assert said == ({written} if written else set())


@pytest.mark.spec("MSRP-38")
@pytest.mark.parametrize("wanted", Direction)
def test_what_is_held_is_offered_so(wanted: Direction) -> None:
    description = offer(replace(STANCE, terms=replace(TERMS, direction=wanted)), GATEWAY)
    assert read(description, 0).terms.direction is wanted
    assert accepted(stream(wanted.value)).peer.terms.direction is wanted


@pytest.mark.spec("MSRP-38")
def test_who_was_held_does_not_stay_so_by_his_own_offers() -> None:
    """RFC 6337 §5.3: an offer says what we want, whatever we had to answer."""
    ours, peer = session(stream("sendonly"))
    assert ours.local is not None
    assert ours.local.media[0].value("recvonly") == ""
    _, said = ours.offer(offer(STANCE, GATEWAY, ours.local, peer.line))
    assert read(said, 0).terms.direction is SENDRECV


# Offers in a session that is there


def session(text: str = RFC_4975_8_7) -> tuple[Negotiation, Peer]:
    """Return a dialog in which we answered an offer."""
    offered = parse(text)
    peer = choose(offered, STANCE)
    description, _ = answer(offered, peer, STANCE, GATEWAY)
    ours, _ = Negotiation(Origin("-", "7", 1)).offered(offered).answer(description)
    return ours, peer


def test_an_offer_that_changes_nothing_is_answered_by_the_same() -> None:
    """RFC 4975 §8.4: with a path that is valid now; nothing said is new, nor the o= line."""
    ours, peer = session()
    again = ours.offered(parse(RFC_4975_8_7))
    assert again.unchanged
    assert again.pending is not None
    assert choose(again.pending, STANCE) == peer
    _, said = again.answer(answer(again.pending, peer, STANCE, GATEWAY)[0])
    assert said == ours.local


def test_an_offer_that_ends_the_stream_is_answered() -> None:
    """RFC 3264 §8.2: with port 0 as well. What is left is a dialog without a session."""
    ours, _ = session()
    over = parse(RFC_4975_8_7.replace("m=message 7394", "m=message 0"))
    ours, said = ours.offered(over).answer(decline(over))
    assert [str(each) for each in said.media] == ["message 0 TCP/MSRP *"]
    assert ours.free == (0,)


def test_an_offer_after_a_failure_has_another_path() -> None:
    ours, peer = session()
    path = Path.parse("msrp://gw.example.com:2855/another;tcp")
    _, said = ours.offer(offer(STANCE, path, ours.local, peer.line))
    assert said.origin == Origin("-", "7", 2)
    assert said.media[0].value("path") == str(path)
    answered_again = parse(RFC_4975_8_7.replace("2s93i93idj", "other"))
    assert accept(said, answered_again, STANCE, path).peer.path.last.session_id == "other"


def test_who_answered_does_not_offer_to_be_passive() -> None:
    """RFC 6135 §4.2.2; from then on the same offer is the same."""
    ours, peer = session()
    ours, said = ours.offer(offer(STANCE, GATEWAY, ours.local, peer.line))
    assert setup_of(said.media[0]) == "actpass"
    assert said.origin.version == 2
    ours = ours.answered(parse(RFC_4975_8_7))
    _, again = ours.offer(offer(STANCE, GATEWAY, ours.local, peer.line))
    assert again == said


def test_a_stream_keeps_its_line_in_later_offers() -> None:
    audio = "c=IN IP4 192.0.2.5\nm=audio 49170 RTP/AVP 0\n"
    ours, peer = session(audio + stream().split("\n", 1)[1])
    _, said = ours.offer(offer(STANCE, GATEWAY, ours.local, peer.line))
    assert [str(each) for each in said.media] == ["audio 0 RTP/AVP 0", "message 2855 TCP/MSRP *"]
    assert accept(said, said, STANCE, GATEWAY).peer.line == 1


def test_a_path_elsewhere_has_a_connection_of_its_own() -> None:
    ours, peer = session()
    path = Path.parse("msrp://192.0.2.77:2855/another;tcp")
    said = offer(STANCE, path, ours.local, peer.line)
    assert str(said.connection) == "IN IP4 gw.example.com"
    assert read(said, 0).address == ("192.0.2.77", 2855)


def test_an_offer_needs_a_line() -> None:
    with pytest.raises(LocalError):
        offer(STANCE, GATEWAY, parse("v=0\n"), 1)


@pytest.mark.parametrize(
    "text", [stream(line="m=message 0 TCP/MSRP *"), "v=0\n", stream(types="image/png")]
)
def test_an_answer_that_takes_nothing_is_a_refusal(text: str) -> None:
    with pytest.raises(SdpError) as caught:
        accepted(text)
    assert caught.value.status == 488


def test_an_answer_to_another_offer_is_a_bug_of_ours() -> None:
    with pytest.raises(LocalError):
        accept(offer(STANCE, GATEWAY), parse(stream()), STANCE, SECURE)


def test_the_table_has_an_answer_for_each_setup_where_we_can_be_reached() -> None:
    assert {offered for offered, reachable in ANSWERS if reachable} == {*Setup, None}


# With the sessions that it is for


@pytest.mark.spec("MSRP-25")
@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
@pytest.mark.parametrize(
    ("hers", "his", "she_connects"),
    [(STANCE, STANCE, True), (HIDDEN, STANCE, True), (STANCE, HIDDEN, False)],
    ids=["both are reachable", "the offerer is not", "the answerer is not"],
)
def test_a_message_crosses_by_what_was_agreed(
    transport: Transport, hers: Stance, his: Stance, she_connects: bool
) -> None:
    alice, bob = (End(Endpoint(ADDRESSES, tokens(name))) for name in "ab")
    first = alice.endpoint.prepare(TERMS, transport, port=None if hers.reachable else 9)
    she, offered = Negotiation(Origin()).offer(offer(hers, first.path))

    received = SessionDescription.parse(offered.encode())
    peer = choose(received, his)
    second = bob.endpoint.prepare(TERMS, transport, port=None if his.reachable else 9)
    wanted, meeting = answer(received, peer, his, second.path)
    he, said = Negotiation(Origin()).offered(received).answer(wanted)
    second.start(peer.path, peer.terms, meeting, 0.0)

    result = SessionDescription.parse(said.encode())
    agreed = accept(offered, result, hers, first.path)
    first.start(agreed.peer.path, agreed.peer.terms, agreed.meeting, 0.0)
    assert she.answered(result).state is he.state

    dialler, other = (alice, bob) if she_connects else (bob, alice)
    (dialled,) = dialler.told(ConnectWanted)
    assert other.told(ConnectWanted) == []
    dialler.connection = dialled.connection
    other.connection = other.endpoint.accepted(transport, 0.0)
    dialler.connection.opened(0.0)
    if transport.secure:
        dialler.connection.secured(Certificate(("gw.example.com",)), 0.0)
        assert other.connection is not None
        other.connection.secured(Certificate(), 0.0)
    first.send("text/plain", b"Hi, I'm Alice!", 0.0)
    Wire(alice, bob).run(1.0)
    (arrived,) = bob.told(MessageArrived)
    assert arrived.body == b"Hi, I'm Alice!"
