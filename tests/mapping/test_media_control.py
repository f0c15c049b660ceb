"""Requests for a picture, with the examples of RFC 5168."""

import pytest

from dragoman.errors import RemoteError
from dragoman.mapping.media_control import LARGEST, wants_picture

UPDATE = (
    b"<?xml version='1.0' encoding='utf-8' ?>\r\n<media_control>\r\n<vc_primitive>\r\n"
    b"<to_encoder>\r\n<picture_fast_update>\r\n</picture_fast_update>\r\n</to_encoder>\r\n"
    b"</vc_primitive>\r\n</media_control>\r\n"
)


def test_the_example() -> None:
    assert wants_picture(UPDATE)


@pytest.mark.parametrize(
    "data",
    [
        b"<media_control/>",
        b"<media_control><general_error>no</general_error></media_control>",
        b"<media_control><picture_fast_update/></media_control>",
    ],
)
def test_what_asks_for_nothing(data: bytes) -> None:
    assert not wants_picture(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<media_control>",
        b"<other/>",
        UPDATE + b"<more/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><media_control>&b;</media_control>",
        b"<media_control>" + b" " * LARGEST + b"</media_control>",
        b"\xff\xfe",
    ],
)
def test_what_is_no_such_document(data: bytes) -> None:
    with pytest.raises(RemoteError):
        wants_picture(data)
