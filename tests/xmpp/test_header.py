"""RFC 6120 §4.7-4.8 and XEP-0478: what headers and features say."""

import pytest

from dragoman.xmpp.element import COMPONENT, SERVER, STREAMS, Element
from dragoman.xmpp.failure import StreamCondition, StreamError
from dragoman.xmpp.header import LIMITS, check_header, domain_of, limits, max_bytes, names
from dragoman.xmpp.parser import StreamStart, parse_document


def header(version: str | None, namespace: str = SERVER) -> StreamStart:
    return StreamStart({} if version is None else {"version": version}, namespace, {})


@pytest.mark.parametrize(
    ("version", "major"),
    [("1.0", 1), (None, 0), ("0.9", 0), ("1.13", 1), ("2.4", 2), ("01.0", 1), ("12.3", 12)],
)
def test_versions(version: str | None, major: int) -> None:
    assert check_header(header(version), SERVER) == major


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize("version", ["", "1", "one", "1.0.0", "-1.0", "1.٣", "9" * 99 + ".0"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(StreamError) as caught:
        check_header(header(version), SERVER)
    assert caught.value.condition is StreamCondition.UNSUPPORTED_VERSION


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize("namespace", ["jabber:client", "urn:x", COMPONENT])
def test_a_foreign_content_namespace(namespace: str) -> None:
    with pytest.raises(StreamError) as caught:
        check_header(header("1.0", namespace), SERVER)
    assert caught.value.condition is StreamCondition.INVALID_NAMESPACE


@pytest.mark.parametrize("namespace", [SERVER, STREAMS, ""])
def test_content_namespaces_that_will_do(namespace: str) -> None:
    assert check_header(header("1.0", namespace), SERVER) == 1


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.net", "example.net"),
        ("EXAMPLE.net", "example.net"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_domains(text: str, domain: str) -> None:
    assert domain_of(text) == domain
    assert names(text, domain)


@pytest.mark.parametrize("text", [None, "", "a@example.net", "example.net/b", "a b", "@", "\u2028"])
def test_what_is_no_domain(text: str | None) -> None:
    with pytest.raises(StreamError) as caught:
        domain_of(text)
    assert caught.value.condition is StreamCondition.IMPROPER_ADDRESSING
    assert not names(text, "example.net")


@pytest.mark.spec("NET-13")
def test_our_limits() -> None:
    assert limits(262144, 900.5) == parse_document(
        f"<limits xmlns='{LIMITS}'><max-bytes>262144</max-bytes>"
        "<idle-seconds>900</idle-seconds></limits>".encode()
    )


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<max-bytes>10000</max-bytes>", 10000),
        ("<max-bytes> 10000\n</max-bytes><idle-seconds>1</idle-seconds>", 10000),
        ("<idle-seconds>1</idle-seconds>", None),
        ("<max-bytes/>", None),
        ("<max-bytes>-1</max-bytes>", None),
        ("<max-bytes>٣</max-bytes>", None),
        ("<max-bytes>²</max-bytes>", None),
        (f"<max-bytes>{'9' * 5000}</max-bytes>", None),
    ],
)
def test_the_limits_of_the_peer(inside: str, expected: int | None) -> None:
    told = parse_document(f"<limits xmlns='{LIMITS}'>{inside}</limits>".encode())
    assert max_bytes(Element(f"{{{STREAMS}}}features", None, (told,))) == expected
    assert max_bytes(Element(f"{{{STREAMS}}}features")) is None
