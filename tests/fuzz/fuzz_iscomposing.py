"""Fuzz target: an isComposing document is refused, or prints and reads alike (RFC 3994)."""

from dragoman.errors import RemoteError
from dragoman.mapping.composing import LONGEST_REFRESH, Composer, IsComposing

PREFIXED = (
    b"<p:isComposing xmlns:p='urn:ietf:params:xml:ns:im-iscomposing'><p:state>asleep</p:state>"
    b"<p:refresh>+0600</p:refresh><p:contenttype><![CDATA[a<b]]>&#13;</p:contenttype>"
    b"<p:lastactive>2003-01-27T10:43:00.25-08:00</p:lastactive></p:isComposing>"
)
EXTENDED = (
    b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>\n <state>idle</state>\n"
    b" <lastactive>2003-01-27T10:43:00Z</lastactive>\n <contenttype>audio</contenttype>\n"
    b" <x:y xmlns:x='urn:x' z='1'>w</x:y>\n</isComposing>\n"
)
PRINTED = IsComposing(Composer.ACTIVE, 90, "text/plain", 1043664180).encode()
SEEDS = (PRINTED, EXTENDED, PREFIXED)
TOKENS = (
    *(b"<state>", b"</state>", b"active", b"idle", b"<refresh>", b"</refresh>", b"<contenttype>"),
    *(b"<lastactive>", b"</lastactive>", b"</isComposing>", b"1970-01-01T00:00:00Z", b"9" * 400),
    *(b"9999-12-31T23:59:59Z", b"-08:00", b"T24:00:00", b"0", b"+", b"\xd9\xa3", b"&#x2028;"),
)


def one_input(data: bytes) -> None:
    try:
        status = IsComposing.parse(data)
    except RemoteError:
        return
    assert 1 <= status.lifetime <= LONGEST_REFRESH
    assert len(status.contenttype) <= 255
    assert IsComposing.parse(status.encode()) == status


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
