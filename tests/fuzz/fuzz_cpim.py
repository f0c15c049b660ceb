"""Fuzz target: message/cpim objects (RFC 3862) either parse and print alike, or are refused."""

from dragoman.msrp.cpim import Cpim, CpimError

SEEDS = (
    (
        b"From: MR SANDERS <im:piglet@100akerwood.com>\r\n"
        b"DateTime: 2000-12-13T13:40:00-08:00\r\n"
        b"Subject:;lang=fr beau \\u00e9t\\\\ \\n\r\n"
        b"NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"
        b"Require: MyFeatures.VitalMessageOption, Subject\r\n"
        b"MyFeatures.WackyMessageOption: Use-silly-font\r\n"
        b"\r\n"
        b"Content-Type: text/plain;\r\n charset=utf-8\r\nContent-ID: <1234567890@foo.com>\r\n"
        b"\r\nHere is the text"
    ),
)


def one_input(data: bytes) -> None:
    try:
        message = Cpim.parse(data)
    except CpimError:
        return
    assert Cpim.parse(message.encode()) == message
    assert len(message.requires()) <= len(data)
    message.subject("en")


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
