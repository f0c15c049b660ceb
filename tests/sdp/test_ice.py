"""Candidates in SDP (RFC 8839 §5.1), by its examples and as programs write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.sdp.failure import SdpError
from dragoman.sdp.ice import MOST_EXTENSIONS, Candidate, RemoteCandidate

EXAMPLE = "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998"
CHROME = (
    "842163049 1 udp 1677729535 192.0.2.3 45664 typ srflx raddr 0.0.0.0 rport 0 generation 0"
    " ufrag EsAw network-id 1 network-cost 10"
)
FIREFOX = "1 2 TCP 2105524478 2001:db8::1 9 typ host tcptype active"
MDNS = "3 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host"
BASE = ("3", 1, "udp", 1, "192.0.2.3", 9, "host")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            EXAMPLE,
            Candidate(
                *("2", 1, "udp", 1694498815, "192.0.2.3", 45664, "srflx"), ("203.0.113.141", 8998)
            ),
        ),
        (
            CHROME,
            Candidate(
                *("842163049", 1, "udp", 1677729535, "192.0.2.3", 45664, "srflx"),
                ("0.0.0.0", 0),  # noqa: S104 (an address that nobody binds)
                (
                    *(("generation", "0"), ("ufrag", "EsAw")),
                    *(("network-id", "1"), ("network-cost", "10")),
                ),
            ),
        ),
        (
            FIREFOX,
            Candidate(
                *("1", 2, "tcp", 2105524478, "2001:db8::1", 9, "host"),
                None,
                (("tcptype", "active"),),
            ),
        ),
        (
            MDNS,
            Candidate(
                *("3", 1, "udp", 2113937151, "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"),
                *(54596, "host"),
            ),
        ),
        ("3 1 udp 1 192.0.2.3 9 TYP host", Candidate(*BASE)),
        ("3  1 udp 1 192.0.2.3 9 typ host ", Candidate(*BASE)),
        ("3 1 udp 1 192.0.2.3 9 typ host generation", Candidate(*BASE)),
        ("3 1 udp 1 192.0.2.3 9 typ host raddr", Candidate(*BASE)),
        ("3 1 udp 1 192.0.2.3 9 typ host raddr a/b rport 1", Candidate(*BASE)),
        ("3 1 udp 1 192.0.2.3 9 typ host rport 1", Candidate(*BASE)),
        (
            "3 1 udp 1 192.0.2.3 9 typ host rport 1 x y raddr ::",
            Candidate(*BASE, ("::", 1), (("x", "y"),)),
        ),
        (
            "3 256 udp 21149780477 192.0.2.3 9 typ odd",
            Candidate("3", 256, "udp", 2**31 - 1, "192.0.2.3", 9, "odd"),
        ),
    ],
)
def test_candidates(text: str, expected: Candidate) -> None:
    found = Candidate.parse(text)
    assert found == expected
    assert Candidate.parse(str(found)) == found


@pytest.mark.parametrize("text", [CHROME, MDNS, FIREFOX.replace("TCP", "tcp")])
def test_candidates_are_printed_as_they_were(text: str) -> None:
    assert str(Candidate.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 1 udp 1 192.0.2.3 9 typ",
        "3 1 udp 1 192.0.2.3 9 type host",
        "3 0 udp 1 192.0.2.3 9 typ host",
        "3 257 udp 1 192.0.2.3 9 typ host",
        "3 x udp 1 192.0.2.3 9 typ host",
        "3 1 u/dp 1 192.0.2.3 9 typ host",
        "3 1 udp -1 192.0.2.3 9 typ host",
        "3 1 udp \u0661 192.0.2.3 9 typ host",
        f"3 1 udp {'9' * 5000} 192.0.2.3 9 typ host",
        "3 1 udp 1 192.0.2.3/24 9 typ host",
        "3 1 udp 1 192.0.2.3 65536 typ host",
        "3 1 udp 1 192.0.2.3 9 typ a:b",
        "3 1 udp 1 192.0.2.3 9 typ host raddr :: rport x",
    ],
)
def test_what_is_no_candidate(text: str) -> None:
    with pytest.raises(SdpError):
        Candidate.parse(text)


def test_extensions_are_found_by_name_and_bounded() -> None:
    pairs = " ".join(f"a{number} b" for number in range(MOST_EXTENSIONS + 9))
    found = Candidate.parse(f"3 1 udp 1 192.0.2.3 9 typ host {pairs}")
    assert len(found.extensions) == MOST_EXTENSIONS
    assert found.extension("a1") == "b"
    assert found.extension("generation") is None


WORDS = st.text("abcXYZ019+/=:", min_size=1, max_size=8)
TOKENS = st.text("abcxyz019-_.", min_size=1, max_size=8).filter(
    lambda text: text not in {"raddr", "rport"}
)
HOSTS = st.sampled_from(("192.0.2.1", "2001:db8::9:1", "a.local", "::"))
PORTS = st.integers(0, 65_535)


@settings(max_examples=60)
@given(
    st.builds(
        Candidate,
        WORDS,
        st.integers(1, 256),
        TOKENS,
        st.integers(0, 2**31 - 1),
        HOSTS,
        PORTS,
        TOKENS,
        st.none() | st.tuples(HOSTS, PORTS),
        st.lists(st.tuples(TOKENS, WORDS), max_size=4).map(tuple),
    )
)
def test_what_is_printed_reads_alike(candidate: Candidate) -> None:
    assert Candidate.parse(str(candidate)) == candidate


def test_remote_candidates() -> None:
    text = "1 192.0.2.3 45664 2 2001:db8::1 45665"
    found = RemoteCandidate.parse_list(text)
    assert found == (
        RemoteCandidate(1, "192.0.2.3", 45664),
        RemoteCandidate(2, "2001:db8::1", 45665),
    )
    assert " ".join(map(str, found)) == text


@pytest.mark.parametrize("text", ["", "1 192.0.2.3", "1 a/b 2", "0 a 1", "1 a 65536"])
def test_what_are_no_remote_candidates(text: str) -> None:
    with pytest.raises(SdpError):
        RemoteCandidate.parse_list(text)
