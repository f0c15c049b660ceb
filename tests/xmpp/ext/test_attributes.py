"""What clients say reaches SDP (RFC 8866 §9) as it is, or not at all."""

from functools import partial

import pytest

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Jingle
from dragoman.xmpp.failure import Condition
from tests.xmpp.ext.jingles import content, description, jingle, refused


def ice(inner: str) -> str:
    return f"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>{inner}</transport>"


GROUP = "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='LS'>"


def raw(inner: str) -> str:
    return f"<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>{inner}</transport>"


# What leaves a client as one of these attributes may be written into a session description.
INJECTED = ("a\r\nb=c", "a\nb=c", "a\rb", "a\u2028b", "a\u0085b", "a\0b")
BLANK = ("a b", "a\tb", " ", "a\u00a0b", "a\u2003b")
PLACES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "media": (description("", "media='{}'"), "audio", (*INJECTED, *BLANK)),
    "name of a payload type": (
        description("<payload-type id='0' name='{}'/>"),
        "opus",
        (*INJECTED, *BLANK, "opus/48000"),
    ),
    "clockrate": (
        description("<payload-type id='0' clockrate='{}'/>"),
        "8000",
        (*INJECTED, *BLANK[:2], "1e3", "-1", "4294967296", "9" * 5000, "\u0661"),
    ),
    "id": (
        description("<payload-type id='{}'/>"),
        "127",
        (*INJECTED, *BLANK, "", "-1", "128", "0x1"),
    ),
    "channels": (
        description("<payload-type id='0' channels='{}'/>"),
        "255",
        (*INJECTED, "256", "x"),
    ),
    "ptime": (description("<payload-type id='0' ptime='{}'/>"), "20", (*INJECTED, "-1", "x")),
    "maxptime": (description("<payload-type id='0' maxptime='{}'/>"), "60", (*INJECTED, "x")),
    "name of a parameter": (
        description("<payload-type id='0'><parameter name='{}' value='1'/></payload-type>"),
        "useinbandfec",
        (*INJECTED, *BLANK[:2]),
    ),
    "value of a parameter": (
        description("<payload-type id='0'><parameter name='a' value='{}'/></payload-type>"),
        "0-15,66",
        (*INJECTED, *BLANK[:2], "a" * 16_385),
    ),
    "bandwidth": (
        description("<bandwidth type='AS'>{}</bandwidth>"),
        "128",
        ("1\r\na=b", "1 2", "", "x", "9" * 21),
    ),
    "type of a bandwidth": (
        description("<bandwidth type='{}'>1</bandwidth>"),
        "AS",
        (*INJECTED, *BLANK, ""),
    ),
    "crypto-suite": (
        description(
            "<encryption><crypto tag='1' crypto-suite='{}' key-params='inline:a'/></encryption>"
        ),
        "AES_CM_128_HMAC_SHA1_80",
        (*INJECTED, *BLANK, ""),
    ),
    "key-params": (
        description("<encryption><crypto tag='1' crypto-suite='a' key-params='{}'/></encryption>"),
        "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32",
        (*INJECTED, *BLANK, ""),
    ),
    "session-params": (
        description(
            "<encryption><crypto tag='1' crypto-suite='a' key-params='b'"
            " session-params='{}'/></encryption>"
        ),
        "KDR=1 UNENCRYPTED_SRTCP",
        INJECTED,
    ),
    "tag": (
        description("<encryption><crypto tag='{}' crypto-suite='a' key-params='b'/></encryption>"),
        "1",
        (*INJECTED, "", "1000000000", "a"),
    ),
    "type of feedback": (
        description("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='{}'/>"),
        "nack",
        (*INJECTED, *BLANK, ""),
    ),
    "subtype of feedback": (
        description("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='a' subtype='{}'/>"),
        "pli",
        (*INJECTED, *BLANK),
    ),
    "interval of feedback": (
        description("<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='{}'/>"),
        "100",
        (*INJECTED, "", "a"),
    ),
    "interval of feedback, as a subtype": (
        description(
            "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='trr-int' subtype='{}'/>"
        ),
        "100",
        (*INJECTED, "", "a"),
    ),
    "uri of a header extension": (
        description("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='{}'/>"),
        "urn:ietf:params:rtp-hdrext:toffset",
        (*INJECTED, *BLANK, ""),
    ),
    "id of a header extension": (
        description("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='{}' uri='a'/>"),
        "1",
        (*INJECTED, "", "65536"),
    ),
    "ssrc": (description("", "media='audio' ssrc='{}'"), "7", (*INJECTED, "x", "4294967296")),
    "ssrc of a source": (
        description("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{}'/>"),
        "1656081975",
        (*INJECTED, "", "x", "4294967296"),
    ),
    "name of what a source has": (
        description(
            "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'>"
            "<parameter name='{}'/></source>"
        ),
        "cname",
        (*INJECTED, *BLANK, ""),
    ),
    "value of what a source has": (
        description(
            "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'>"
            "<parameter name='msid' value='{}'/></source>"
        ),
        "MLTJ MLTJa0",
        INJECTED,
    ),
    "semantics of sources": (
        description("<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='{}'/>"),
        "FID",
        (*INJECTED, *BLANK, ""),
    ),
    "ufrag": (
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='{}'/>",
        "8hhy",
        (*INJECTED, *BLANK, "a" * 257),
    ),
    "pwd": (
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='{}'/>",
        "asd88fgpdd777uzjYhagZg",
        (*INJECTED, *BLANK, "a" * 257),
    ),
    "fingerprint": (
        ice("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-1'>{}</fingerprint>"),
        "AB:cd",
        ("AB\r\na=b", "AB CD", "", "ABCD", "AB:", "AG", "AA" + ":AA" * 128),
    ),
    "hash of a fingerprint": (
        ice("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='{}'>AB</fingerprint>"),
        "SHA-256",
        (*INJECTED, *BLANK, ""),
    ),
    "port of a chosen candidate": (
        ice("<remote-candidate component='1' ip='10.0.1.2' port='{}'/>"),
        "9001",
        (*INJECTED, "", "65536"),
    ),
    "generation of a raw candidate": (
        raw("<candidate component='1' ip='192.0.2.1' port='1' generation='{}'/>"),
        "0",
        (*INJECTED, "x"),
    ),
    "id of a raw candidate": (
        raw("<candidate component='1' ip='192.0.2.1' port='1' id='{}'/>"),
        "a9j3mnbtu1",
        INJECTED,
    ),
    "address of a raw candidate": (
        raw("<candidate component='1' ip='{}' port='1'/>"),
        "192.0.2.1",
        (*INJECTED, *BLANK, "", "224.2.1.1/127", "a" * 256),
    ),
    "component of a raw candidate": (
        raw("<candidate component='{}' ip='192.0.2.1' port='1'/>"),
        "2",
        (*INJECTED, "0", "256"),
    ),
    "port of a raw candidate": (
        raw("<candidate component='1' ip='192.0.2.1' port='{}'/>"),
        "1",
        (*INJECTED, "", "65536"),
    ),
    "address of a chosen candidate": (
        ice("<remote-candidate component='1' ip='{}' port='9001'/>"),
        "10.0.1.2",
        (*INJECTED, *BLANK, ""),
    ),
    "parameter of feedback": (
        description(
            "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='ccm'>"
            "<parameter name='{}'/></rtcp-fb>"
        ),
        "smaxpr",
        (*INJECTED, *BLANK, ""),
    ),
    "parameter of a header extension": (
        description(
            "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='a'>"
            "<parameter name='a' value='{}'/></rtp-hdrext>"
        ),
        "short",
        INJECTED,
    ),
    "semantics of contents": (
        "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='{}'/>",
        "BUNDLE",
        (*INJECTED, *BLANK, ""),
    ),
    "name in a group": (
        f"{GROUP}<content name='{{}}'/></group>",
        "voice",
        (*INJECTED, ""),
    ),
    "source in a group": (
        description(
            "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'>"
            "<source ssrc='{}'/></ssrc-group>"
        ),
        "386328120",
        (*INJECTED, "", "4294967296"),
    ),
    "version of ZRTP": (
        description(
            "<encryption><zrtp-hash xmlns='urn:xmpp:jingle:apps:rtp:zrtp:1' version='{}'>ab"
            "</zrtp-hash></encryption>"
        ),
        "1.10",
        (*INJECTED, *BLANK, ""),
    ),
    "zrtp-hash": (
        description(
            "<encryption><zrtp-hash xmlns='urn:xmpp:jingle:apps:rtp:zrtp:1' version='1.10'>{}"
            "</zrtp-hash></encryption>"
        ),
        "fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df",
        ("ab\r\na=b", "ab cd", "", "xy"),
    ),
}
CANDIDATE = {
    "foundation": ("1", (*INJECTED, *BLANK)),
    "component": ("256", (*INJECTED, "", "0", "257", "a")),
    "protocol": ("udp", (*INJECTED, *BLANK)),
    "priority": ("2130706431", (*INJECTED, "", "-1", "a")),
    "ip": ("f1a7e2b0-0001.local", (*INJECTED, *BLANK, "", "192.0.2.1/32", "[::1]")),
    "port": ("65535", (*INJECTED, "", "65536", "a")),
    "type": ("host", (*INJECTED, *BLANK)),
    "rel-addr": ("::", (*INJECTED, *BLANK)),
    "rel-port": ("9", (*INJECTED, "65536", "a")),
    "generation": ("0", (*INJECTED, "a")),
    "network": ("0", (*INJECTED, "a")),
    "id": ("el0747fg11", INJECTED),
}


def placed(template: str) -> str:
    return template if template.startswith("<group") else content(template)


def put(element: Element, value: str) -> Element:
    """Return a copy with `value` in each place of `{}`, without XML's own rules for it."""
    attributes = {k: v.replace("{}", value) for k, v in element.attributes.items()}
    children = [
        each.replace("{}", value) if isinstance(each, str) else put(each, value)
        for each in element.children
    ]
    return Element(element.name, attributes, children)


def _candidate(attribute: str) -> str:
    attributes = {name: good for name, (good, _) in CANDIDATE.items()} | {attribute: "{}"}
    told = " ".join(f"{name}='{value}'" for name, value in attributes.items())
    return ice(f"<candidate {told}/>")


ALL = PLACES | {
    f"{name} of a candidate": (_candidate(name), good, bad)
    for name, (good, bad) in CANDIDATE.items()
}


@pytest.mark.spec("MED-41")
@pytest.mark.parametrize(("template", "good", "bad"), ALL.values(), ids=ALL)
def test_nothing_is_smuggled_into_a_description(
    template: str, good: str, bad: tuple[str, ...]
) -> None:
    element = jingle(placed(template))
    Jingle.parse(put(element, good))
    for value in bad:
        spoilt = put(element, value)
        assert refused(partial(Jingle.parse, spoilt)) is Condition.BAD_REQUEST, value


def test_what_is_refused_is_not_repeated_to_the_log() -> None:
    element = put(jingle(placed(PLACES["key-params"][0])), "inline:c2VjcmV0 \r\n")
    with pytest.raises(RemoteError) as caught:
        Jingle.parse(element)
    assert "c2VjcmV0" not in caught.value.reason
