"""Fuzz target: conference documents are refused, or merge in bounds, and print and read alike."""

from dragoman.errors import RemoteError
from dragoman.mapping.conference import LARGEST, MOST_USERS, Document, Known, write
from tests.mapping.rfc4575 import BASIC, RICH

ENTITY = "sip:room@example.com"
SEEDS = (BASIC, RICH, RICH.replace(b'version="5"', b'version="2"'))
TOKENS = (
    *(b"<users state='partial'>", b"<user entity='sip:bob@example.com' state='deleted'/>"),
    *(
        b" state='partial'",
        b" state='full'",
        b" state='deleted'",
        b" version='2'",
        b"<media id='1'>",
    ),
    *(
        b"<endpoint entity='a' state='partial'>",
        b"<media id='1'>",
        b"<entry><uri>a</uri></entry>",
        b"<!--",
        b"-->",
    ),
)


def one_input(data: bytes) -> None:
    known = Known().heard(Document.parse(BASIC))
    try:
        known = known.heard(Document.parse(data))
    except RemoteError:
        return
    told = known.told(ENTITY, 7)
    assert told is not None
    written = write(told)
    assert len(written) <= LARGEST + 200
    assert written.count(b"<user ") <= MOST_USERS or b"sidebars" in written
    if known.over:
        return
    again = Known().heard(Document.parse(written)).told(ENTITY, 7)
    assert again is not None
    assert write(again) == written


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
