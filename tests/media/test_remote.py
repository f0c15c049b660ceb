import pytest

from dragoman.media.plane import Keying
from dragoman.media.remote import (
    MOST_CANDIDATES,
    Credentials,
    Remote,
    candidates,
    read,
)
from dragoman.sdp.session import Direction, SessionDescription

KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
PRINT = "a=fingerprint:sha-256 ab:cd"
CANDIDATE = "1 1 udp 2130706431 192.0.2.1 4000 typ host"


def remotes(*lines: str) -> tuple[Remote, ...]:
    return read(SessionDescription.parse("\r\n".join(["v=0", *lines, ""]).encode()))


def one(*lines: str, protocol: str = "RTP/AVP", port: int = 4000) -> Remote:
    (found,) = remotes("c=IN IP4 192.0.2.1", f"m=audio {port} {protocol} 0", *lines)
    return found


def test_a_plain_stream_is_where_it_says() -> None:
    found = one()
    assert (found.rtp, found.rtcp) == (("192.0.2.1", 4000), ("192.0.2.1", 4001))
    assert found.carried
    assert not found.mux
    assert not found.feedback
    assert found.keying is Keying.NONE


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=rtcp:5000", ("192.0.2.1", 5000)),
        ("a=rtcp:5000 IN IP4 192.0.2.9", ("192.0.2.9", 5000)),
        ("a=rtcp-mux", ("192.0.2.1", 4000)),
        ("a=rtcp:x", ("192.0.2.1", 4001)),
    ],
)
def test_rtcp_is_where_it_is_said_to_be(line: str, expected: tuple[str, int]) -> None:
    assert one(line).rtcp == expected


@pytest.mark.parametrize(
    ("connection", "port"),
    [("::", 4000), ("phone.example", 4000), ("224.1.1.1", 4000), ("192.0.2.1", 9)],
)
def test_nobody_is_nowhere(connection: str, port: int) -> None:
    (found,) = remotes(f"c=IN IP4 {connection}", f"m=audio {port} RTP/AVP 0")
    assert found.rtp is None


@pytest.mark.spec("MED-36")
@pytest.mark.parametrize(
    ("protocol", "lines", "keying", "usable"),
    [
        ("RTP/AVP", [], Keying.NONE, True),
        ("RTP/AVPF", [], Keying.NONE, True),
        ("RTP/SAVP", [], Keying.NONE, False),
        ("RTP/SAVP", [KEY], Keying.SDES, True),
        ("RTP/SAVP", ["a=crypto:1 UNKNOWN inline:abc"], Keying.NONE, False),
        ("RTP/AVP", [KEY], Keying.SDES, True),
        ("UDP/TLS/RTP/SAVPF", [PRINT], Keying.DTLS, True),
        ("UDP/TLS/RTP/SAVPF", ["a=fingerprint:md5 ab"], Keying.NONE, False),
        ("RTP/SAVPF", [PRINT, KEY], Keying.DTLS, True),
        ("UDP/BFCP", [], Keying.NONE, False),
    ],
)
def test_who_wants_keys_gets_keys_or_nothing(
    protocol: str, lines: list[str], keying: Keying, usable: bool
) -> None:
    found = one(*lines, protocol=protocol)
    assert (found.keying, found.usable) == (keying, usable)


def test_bundles_are_known_by_their_first() -> None:
    first, second, third, refused = remotes(
        "a=group:BUNDLE a b d",
        "m=audio 9 RTP/AVP 0",
        "a=mid:a",
        "m=video 0 RTP/AVP 96",
        "a=mid:b",
        "a=bundle-only",
        "m=video 9 RTP/AVP 96",
        "a=mid:c",
        "m=video 0 RTP/AVP 96",
        "a=mid:d",
    )
    assert [each.bundle for each in (first, second, third, refused)] == ["a", "a", "", ""]
    assert [each.open for each in (first, second, third, refused)] == [True, True, True, False]


def test_ice_is_whole_or_not_there() -> None:
    found = one("a=ice-ufrag:abcd", "a=ice-pwd:secret", f"a=candidate:{CANDIDATE}")
    assert found.ice == Credentials("abcd", "secret")
    assert [each.port for each in found.candidates] == [4000]
    assert one("a=ice-ufrag:abcd").ice is None
    assert one("a=ice-ufrag:" + "a" * 257, "a=ice-pwd:b").ice is None


ICE = ("a=ice-ufrag:abcd", "a=ice-pwd:secret", f"a=candidate:{CANDIDATE}")


@pytest.mark.parametrize(
    ("connection", "port", "lines", "mismatch"),
    [
        ("192.0.2.1", 4000, (), False),
        ("192.0.2.1", 4002, (), True),
        ("192.0.2.9", 4000, (), True),
        ("0.0.0.0", 9, (), False),  # noqa: S104 (no candidate)
        ("phone.example", 4000, (), False),
        ("2001:db8::1", 4000, ("a=candidate:2 1 udp 1 2001:DB8:0::1 4000 typ host",), False),
        ("192.0.2.1", 4001, ("a=candidate:2 2 udp 1 192.0.2.1 4001 typ host",), True),
    ],
)
def test_who_changes_where_media_go_to_ends_ice(
    connection: str, port: int, lines: tuple[str, ...], mismatch: bool
) -> None:
    """RFC 8839 §4.2.5: but names, and nowhere, are no such change."""
    kind = "IP6" if ":" in connection else "IP4"
    media = f"m=audio {port} RTP/AVP 0"
    (found,) = remotes(f"c=IN {kind} {connection}", media, *ICE, *lines)
    assert found.mismatch is mismatch
    assert (found.ice is None) is mismatch


def test_who_answers_that_ice_was_broken_has_none() -> None:
    assert one(*ICE).ice is not None
    assert one("a=ice-mismatch", *ICE).ice is None


@pytest.mark.parametrize(
    ("lines", "components"),
    [
        (("a=candidate:1 2 udp 1 192.0.2.1 4001 typ host",), 2),
        ((), 1),
        (("a=ice-options:trickle",), 2),
        (("a=ice-options:trickle", "a=rtcp-mux"), 1),
    ],
)
def test_rtcp_has_a_way_of_its_own_or_none(lines: tuple[str, ...], components: int) -> None:
    assert one(*ICE, *lines).components == components


@pytest.mark.parametrize(
    "text", ["", "1 1 udp 1 192.0.2.1", "1 x udp 1 h 1 typ host", "1 1 udp 1 h 1 kind host"]
)
def test_what_is_no_candidate_was_not_said(text: str) -> None:
    assert candidates([text]) == ()


def test_candidates_have_a_bound() -> None:
    assert len(candidates([CANDIDATE] * (MOST_CANDIDATES + 1))) == MOST_CANDIDATES


@pytest.mark.parametrize(
    ("port", "line", "later"),
    [(9, "", True), (9, "a=ice-ufrag:a\r\na=ice-pwd:b", False), (9, PRINT, False), (0, "", False)],
)
def test_who_was_not_heard_of_yet_has_port_9_and_nothing_else(
    port: int, line: str, later: bool
) -> None:
    lines = [line] if line else []
    (found,) = remotes(f"m=audio {port} UDP/TLS/RTP/SAVPF 0", *lines)
    assert found.later is later
    assert found.carried is (port != 0 and (later or line == PRINT))


def test_hold_by_address_is_a_direction() -> None:
    (found,) = remotes("c=IN IP4 0.0.0.0", "m=audio 4000 RTP/AVP 0")
    assert found.direction is Direction.SENDONLY
