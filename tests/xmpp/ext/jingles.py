"""Elements and values of Jingle's extensions, for tests that read, print and read again."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import strategies as st

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import NS, Action, Content, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.jingle_rtp import (
    Bandwidth,
    Crypto,
    Encryption,
    Info,
    Parameter,
    PayloadType,
    Rtp,
    SessionInfo,
)
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp
from dragoman.xmpp.ext.rtcp_fb import INTERVAL, Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source, SourceGroup
from dragoman.xmpp.ext.zrtp import ZrtpHash
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document

T = TypeVar("T")
SID = "a73sjjvkla37jfea"


def read(text: str) -> Element:
    """Return an element; white space between elements, which examples are full of, is left out."""
    return trimmed(parse_document(text.strip().encode()))


def trimmed(element: Element) -> Element:
    inner = [each for each in element.children if not isinstance(each, str) or each.strip()]
    element.children = [each if isinstance(each, str) else trimmed(each) for each in inner]
    return element


def jingle(inner: str, attributes: str = f"action='session-initiate' sid='{SID}'") -> Element:
    return read(f"<jingle xmlns='{NS}' {attributes}>{inner}</jingle>")


def content(
    inner: str = "", attributes: str = "creator='initiator' name='voice' senders='both'"
) -> str:
    return f"<content {attributes}>{inner}</content>"


def description(inner: str = "", attributes: str = "media='audio'") -> str:
    return f"<description xmlns='urn:xmpp:jingle:apps:rtp:1' {attributes}>{inner}</description>"


def refused(read_: Callable[[], object]) -> Condition:
    with pytest.raises(StanzaError) as caught:
        read_()
    return caught.value.condition


def few(each: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(each, max_size=most).map(tuple)


NUMBERS = st.integers(0, 2**32 - 1)
SOME = st.integers(1, 2**32 - 1)
PORTS = st.integers(0, 65_535)
TOKENS = st.text("abcXYZ019-_.+!%", min_size=1, max_size=12)
WORDS = st.text("abcXYZ019-_.+/=;,:|'\"<&\u00e9\u4e2d", min_size=1, max_size=20)
LINES = st.text("ab01 -+/=;,:'<&\u00e9\u4e2d", min_size=1, max_size=20)
TEXTS = st.text("ab01 \n\t'<&\u00e9", max_size=20)
HOSTS = st.sampled_from(("192.0.2.1", "2001:db8::9:1", "fe80::1%eth0", "1f4712db-ea17.local"))
HEX = st.lists(st.sampled_from(("00", "AB", "7F")), min_size=1, max_size=5)
WORD_PAIRS = few(st.tuples(WORDS, st.just("") | LINES))

FEEDBACK = st.builds(
    Feedback, TOKENS.filter(lambda text: text != INTERVAL), st.just("") | WORDS, WORD_PAIRS
) | st.builds(Feedback, st.just(INTERVAL), NUMBERS.map(str))
PAYLOAD_TYPES = st.builds(
    PayloadType,
    st.integers(0, 127),
    st.just("") | TOKENS,
    st.none() | SOME,
    st.integers(1, 255),
    st.none() | SOME,
    st.none() | SOME,
    few(st.builds(Parameter, st.just("") | WORDS, st.just("") | WORDS)),
    few(FEEDBACK),
)
ENCRYPTIONS = st.builds(
    Encryption,
    few(
        st.builds(Crypto, st.integers(0, 999_999_999).map(str), TOKENS, WORDS, st.just("") | LINES)
    ),
    st.booleans(),
    few(st.builds(ZrtpHash, TOKENS, HEX.map("".join))),
)
DESCRIPTIONS = st.builds(
    Rtp,
    TOKENS,
    few(PAYLOAD_TYPES),
    st.booleans(),
    few(st.builds(Bandwidth, TOKENS, NUMBERS.map(str))),
    st.none() | ENCRYPTIONS,
    few(FEEDBACK),
    few(st.builds(HeaderExtension, PORTS, WORDS, st.sampled_from(Senders), WORD_PAIRS)),
    st.booleans(),
    few(st.builds(Source, NUMBERS, few(st.tuples(TOKENS, st.none() | st.just("") | LINES)))),
    few(st.builds(SourceGroup, TOKENS, few(NUMBERS))),
    st.just("") | NUMBERS.map(str),
)
ICE = st.builds(
    IceUdp,
    st.just("") | WORDS,
    st.just("") | WORDS,
    few(
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
            NUMBERS,
            NUMBERS,
            st.just("") | LINES,
        )
    ),
    few(
        st.builds(
            Fingerprint,
            st.sampled_from(("sha-256", "sha-1")),
            HEX.map(":".join),
            st.sampled_from(("", "active", "passive", "actpass", "holdconn")),
        )
    ),
    few(st.tuples(st.integers(1, 256), HOSTS, PORTS)),
    st.booleans(),
)
RAW = st.builds(
    RawUdp,
    few(st.builds(RawCandidate, st.integers(1, 255), HOSTS, PORTS, NUMBERS, st.just("") | LINES)),
)
STRANGE = st.sampled_from(
    (Element("{urn:example:a}description", {"a": "b"}), Element("{urn:example:b}description"))
)
STRANGE_WAYS = st.just(Element("{urn:xmpp:jingle:transports:ibb:1}transport", {"sid": "a"}))
OTHERS = st.sampled_from((Element("{urn:example:a}a", None, ["b"]), Element("{urn:example:b}c")))
REASONS = st.builds(
    Reason, st.sampled_from(Why), TEXTS, st.just(""), st.sampled_from(("", "{urn:example:a}b"))
) | st.builds(Reason, st.just(Why.ALTERNATIVE_SESSION), TEXTS, TOKENS)
CONTENTS = st.builds(
    Content,
    LINES,
    st.sampled_from(Creator),
    st.sampled_from(Senders),
    st.none() | DESCRIPTIONS | STRANGE,
    st.none() | ICE | RAW | STRANGE_WAYS,
    st.just("session") | TOKENS,
)
_WITHOUT_INFO = st.builds(
    Jingle,
    st.sampled_from(Action),
    LINES,
    few(CONTENTS),
    st.just("") | LINES,
    st.just("") | LINES,
    st.none() | REASONS,
    st.none(),
    few(st.builds(Group, TOKENS, few(LINES))),
)
_INFORMING = st.builds(Jingle, st.just(Action.SESSION_INFO), LINES, info=OTHERS, others=few(OTHERS))
JINGLES = _WITHOUT_INFO | _INFORMING
INITIATIONS = st.builds(
    Initiation,
    st.sampled_from(Step),
    LINES,
    few(DESCRIPTIONS),
    st.none() | REASONS,
    st.booleans(),
    st.just("") | LINES,
)
SESSION_INFOS = st.builds(
    SessionInfo, st.sampled_from(Info), st.just("") | LINES, st.none() | st.sampled_from(Creator)
)
