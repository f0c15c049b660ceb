"""Fuzz target: any text is a URI that prints and reads alike (RFC 3261 §19.1), or is refused."""

from dragoman.sip.failure import SipError
from dragoman.sip.header import NameAddress
from dragoman.sip.uri import Uri

SEEDS = (
    b"sip:alice;day=tuesday:secret@atlanta.com:5060;transport=tcp;lr?subject=project%20x&a=b",
    b"sips:f%C3%BC@[2001:db8::7]:5061;gr=urn:uuid:f81d4fae",
    b"tel:+1-212-(555).1212;phone-context=example.com",
    b"sip:user@[2001:db8:::192.0.2.1]",
)


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        uri = Uri.parse(text)
    except SipError:
        return
    assert Uri.parse(str(uri)) == uri
    assert uri.matches(uri)
    assert NameAddress.parse(f"<{uri}>").uri == uri


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
