"""MSRP URIs (RFC 4975 §6, §9): parsed, printed, compared."""

import pytest

from dragoman.msrp.failure import MsrpError
from dragoman.msrp.uri import MAX_PATH, MsrpUri, Path

RFC = "msrp://host.example.com:8493/asfd34;tcp"


@pytest.mark.parametrize(
    "text",
    [
        RFC,
        "msrps://alice@intra.example.com;tcp",
        "msrps://intra.example.com:9000/jui787s2f;tcp",
        "msrps://[2001:db8::1]:2855/a-b.c_d~e+f=g/h;ws",
        "msrp://192.0.2.1:9/x;sctp;a=b;c",
        "msrp://a%2Eb.example:1/x;tcp",
    ],
)
def test_what_is_read_is_what_is_written(text: str) -> None:
    assert str(MsrpUri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:a@example.com",
        "msrp://host.example.com:8493/asfd34",
        "msrp://host.example.com:8493/;tcp",
        "msrp://:8493/a;tcp",
        "msrp://host:84930/a;tcp",
        "msrp://host:84/a b;tcp",
        "msrp://host:84/a;tcp\r\nX: y",
        "msrp://h\u00f6st:84/a;tcp",
        "msrp://u@v@host:84/a;tcp",
        "msrp://host:84/" + "a" * 1024 + ";tcp",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(MsrpError):
        MsrpUri.parse(text)


@pytest.mark.spec("MSRP-32")
@pytest.mark.parametrize(
    "other",
    [
        "MSRP://HOST.Example.com:8493/asfd34;TCP",
        "msrp://bob@host.example.com:8493/asfd34;tcp",
        "msrp://host%2Eexample.com:8493/asfd34;tcp",
        "msrp://host.example.com:8493/asfd34;tcp;a=b",
    ],
)
def test_the_same(other: str) -> None:
    assert MsrpUri.parse(RFC).matches(MsrpUri.parse(other))


@pytest.mark.spec("MSRP-32")
@pytest.mark.parametrize(
    "other",
    [
        "msrps://host.example.com:8493/asfd34;tcp",
        "msrp://host.example.com/asfd34;tcp",
        "msrp://host.example.com:8494/asfd34;tcp",
        "msrp://other.example.com:8493/asfd34;tcp",
        "msrp://host.example.com:8493/ASFD34;tcp",
        "msrp://host.example.com:8493;tcp",
        "msrp://host.example.com:8493/asfd34;ws",
    ],
)
def test_not_the_same(other: str) -> None:
    assert not MsrpUri.parse(RFC).matches(MsrpUri.parse(other))


@pytest.mark.spec("MSRP-32")
def test_addresses_are_compared_as_addresses() -> None:
    one = MsrpUri.parse("msrp://[2001:db8:0:0::1]:1/a;tcp")
    assert one.matches(MsrpUri.parse("msrp://[2001:DB8::1]:1/a;tcp"))


def test_paths_and_their_bounds() -> None:
    text = "msrps://r1.example:1/a;tcp msrp://b.example:2/c;tcp"
    path = Path.parse(text)
    assert (str(path), path.first.host, path.last.host) == (text, "r1.example", "b.example")
    assert path.reversed().reversed() == path
    assert str(Path((path.first,)) + Path((path.last,))) == text
    for bad in ("", f"{RFC}  {RFC}", " ".join([RFC] * (MAX_PATH + 1))):
        with pytest.raises(MsrpError):
            Path.parse(bad)
