"""Fuzz target: message/cpim objects (RFC 3862) either parse and print alike, or are refused."""

from dragoman.msrp.cpim import Cpim, CpimError


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
