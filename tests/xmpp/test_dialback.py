"""XEP-0220 and XEP-0185: their examples, as they stand."""

import pytest

from dragoman.xmpp import dialback
from dragoman.xmpp.dialback import Verdict, VerifyQuery
from dragoman.xmpp.element import SERVER, Element, to_xml
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.parser import parse_document

PREFIXES = {dialback.NS: "db"}
CAPULET_KEY = "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
NOT_FOUND = "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
MONTAGUE_KEY = "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"


@pytest.mark.spec("NET-07")
@pytest.mark.parametrize(
    ("secret", "receiving", "originating", "stream_id", "expected"),
    [
        (
            b"s3cr3tf0rd14lb4ck",
            "xmpp.example.com",
            "example.org",
            "D60000229F",
            "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643",
        ),
        (b"s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F", CAPULET_KEY),
        (b"d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25", MONTAGUE_KEY),
    ],
)
def test_keys_of_the_standards(
    secret: bytes, receiving: str, originating: str, stream_id: str, expected: str
) -> None:
    assert dialback.key(secret, receiving, originating, stream_id) == expected


@pytest.mark.spec("NET-07")
def test_a_key_holds_for_what_it_was_made_for() -> None:
    query = VerifyQuery("capulet.example", "montague.example", "417GAF25", MONTAGUE_KEY)
    assert dialback.holds(b"d14lb4ck43v3r", query)
    for other in (
        VerifyQuery("montague.example", "capulet.example", "417GAF25", MONTAGUE_KEY),
        VerifyQuery("capulet.example", "montague.example", "417GAF26", MONTAGUE_KEY),
        VerifyQuery("capulet.example", "montague.example", "417GAF25", MONTAGUE_KEY[:-1]),
        VerifyQuery("capulet.example", "montague.example", "417GAF25", ""),
        VerifyQuery("capulet.example", "montague.example", "417GAF25", "clé"),
    ):
        assert not dialback.holds(b"d14lb4ck43v3r", other)
    assert not dialback.holds(b"d14lb4ck43v3s", query)


def printed(element: Element) -> str:
    return to_xml(element, SERVER, PREFIXES)


def test_requests_of_the_standard() -> None:
    assert printed(dialback.request("capulet.example", "montague.example", "k")) == (
        "<db:result from='capulet.example' to='montague.example'>k</db:result>"
    )
    query = VerifyQuery("capulet.example", "montague.example", "417GAF25", "k")
    assert printed(query.element()) == (
        "<db:verify from='capulet.example' to='montague.example' id='417GAF25'>k</db:verify>"
    )


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Verdict.VALID, " type='valid'/>"),
        (Verdict.INVALID, " type='invalid'/>"),
        (
            StanzaError(Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
            f" type='error'><error type='cancel'>{NOT_FOUND}</error></db:verify>",
        ),
    ],
)
def test_answers_of_the_standard(outcome: Verdict | StanzaError, expected: str) -> None:
    query = VerifyQuery("capulet.example", "montague.example", "417GAF25", "k")
    addressed = "<db:verify from='montague.example' to='capulet.example' id='417GAF25'"
    assert printed(dialback.answer(query.element(), outcome)) == addressed + expected


def test_an_answer_to_a_result_has_no_id() -> None:
    request = dialback.request("capulet.example", "montague.example", "k")
    assert printed(dialback.answer(request, Verdict.VALID)) == (
        "<db:result from='montague.example' to='capulet.example' type='valid'/>"
    )


def test_the_feature_has_errors() -> None:
    text = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
    assert dialback.offer() == parse_document(text.encode())
