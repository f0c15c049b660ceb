"""MSRP's codes and stanza errors (docs/interworking/msrp-chat.md §7)."""

import pytest

from dragoman.mapping.failure import Answer
from dragoman.mapping.msrp import report_status, stanza_error
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError


@pytest.mark.parametrize(
    ("status", "condition", "kind"),
    [
        (400, Condition.BAD_REQUEST, ErrorType.MODIFY),
        (403, Condition.FORBIDDEN, ErrorType.AUTH),
        (404, Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
        (408, Condition.REMOTE_SERVER_TIMEOUT, ErrorType.WAIT),
        (413, Condition.POLICY_VIOLATION, ErrorType.MODIFY),
        (415, Condition.NOT_ACCEPTABLE, ErrorType.MODIFY),
        (423, Condition.BAD_REQUEST, ErrorType.MODIFY),
        (428, Condition.FEATURE_NOT_IMPLEMENTED, ErrorType.CANCEL),
        (481, Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
        (501, Condition.FEATURE_NOT_IMPLEMENTED, ErrorType.CANCEL),
        (506, Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
        (499, Condition.BAD_REQUEST, ErrorType.MODIFY),
    ],
)
def test_each_status_has_its_stanza_error(
    status: int, condition: Condition, kind: ErrorType
) -> None:
    error = stanza_error(status)
    assert (error.condition, error.kind) == (condition, kind)


def test_413_for_what_fits_is_about_the_type() -> None:
    assert stanza_error(413, size=20, limit=100).condition is Condition.NOT_ACCEPTABLE
    assert stanza_error(413, size=200, limit=100).condition is Condition.POLICY_VIOLATION


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (Condition.BAD_REQUEST, 400),
        (Condition.INTERNAL_SERVER_ERROR, 400),
        (Condition.SUBSCRIPTION_REQUIRED, 400),
        (Condition.SERVICE_UNAVAILABLE, 403),
        (Condition.ITEM_NOT_FOUND, 403),
        (Condition.POLICY_VIOLATION, 403),
        (Condition.REMOTE_SERVER_TIMEOUT, 408),
        (Condition.RESOURCE_CONSTRAINT, 408),
        (Condition.NOT_ACCEPTABLE, 415),
        (Condition.FEATURE_NOT_IMPLEMENTED, 415),
    ],
)
def test_each_condition_has_its_status(condition: Condition, status: int) -> None:
    assert report_status(Answer(500, error=StanzaError(condition))) == status


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        *[(403, 403), (404, 403), (415, 415), (406, 415), (413, 413)],
        *[(480, 403), (500, 400), (503, 408), (504, 408), (603, 403)],
    ],
)
def test_a_status_of_sip_has_its_own(answer: int, status: int) -> None:
    assert report_status(Answer(answer)) == status
