"""Fuzz target: a presence document is refused, or prints and reads alike, and becomes stanzas."""

from dragoman.errors import RemoteError
from dragoman.mapping.pidf import LARGEST, MOST_TUPLES, document_of, parse, write
from dragoman.mapping.presence import from_document, read, to_document, to_stanza
from dragoman.xmpp.jid import Jid
from tests.mapping.test_pidf import BLINK, EXAMPLE_19, KAMAILIO, LINPHONE, related

RELATED = related("", ("Content-Type: application/pidf+xml", EXAMPLE_19))[1]
SEEDS = (EXAMPLE_19, KAMAILIO, LINPHONE, BLINK, RELATED)
TOKENS = (
    *(b"<tuple id='", b"<status>", b"<basic>", b"open", b"closed", b"<show xmlns='jabber:client'>"),
    *(b"<contact priority='", b"sip:a@b;gr=", b"<note xml:lang='", b"<timestamp>", b"'/>", b"ID-_"),
    *(b"<rpid:activities>", b"<dm:person id='a'>", b"mustUnderstand='1'", b"--B\r\n", b"--B--"),
)
ROMEO, JULIET = Jid.parse("romeo@example.net"), Jid.parse("juliet@example.com")
NOW = 1_795_700_000.0


def one_input(data: bytes) -> None:
    for kind in ("application/pidf+xml", "multipart/related;boundary=B"):
        try:
            document = document_of(kind, data)
        except RemoteError:
            continue
        if document is None:
            continue
        assert len(document.tuples) <= MOST_TUPLES
        written = write(document)
        if len(written) <= LARGEST:
            once = parse(written)  # three places of a priority, whole seconds
            assert parse(write(once)) == once
        presences = from_document(document, lambda uri: uri.partition(";gr=")[2], "en", NOW)
        resources = [each.resource for each in presences]
        assert len(set(resources)) == len(resources)
        stanzas = [to_stanza(each, ROMEO, JULIET) for each in presences if each.resource]
        again = [read(each) for each in stanzas if legal(each.get("from", ""))]
        write(to_document("pres:romeo@example.net", again, lambda _: "sip:a@b", NOW))


def legal(address: str) -> bool:
    """Tell whether an address is one: the resource that a contact names is prepared elsewhere."""
    try:
        Jid.parse(address)
    except RemoteError:
        return False
    return True


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
