"""Pictures between baresip and Chromium, by VP8 and H.264: both decode what the other sends."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Phone, both_hear
from tests.peers.hosts import Program

browsers, client = callers.browsers, callers.client
gateway, plane = callers.with_plane, callers.plane
phone, talker = callers.phone, callers.talker

CODECS: Final = ("VP8", "H264")


def both_see(phone: Phone, client: Program, codec: str) -> None:
    client.hears(event="video received", codec=f"video/{codec}")
    client.hears(event="video sent", codec=f"video/{codec}")
    client.says(r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]')
    phone.program.says("video: receiving with resolution [0-9]+ x [0-9]+")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.spec("MED-02")
def test_a_phone_shows_itself_to_a_client(
    phone: Callable[..., Phone], talker: Program, codec: str
) -> None:
    caller = phone(f"video_codecs={codec}", dials=f"sip:{ALICE}")
    both_hear(caller, talker)
    both_see(caller, talker, codec)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.spec("MED-01")
def test_a_client_shows_itself_to_a_phone(
    phone: Callable[..., Phone], talker: Program, codec: str
) -> None:
    callee = phone(f"video_codecs={codec}")
    talker.tell(f"call {callee.user} --video")
    both_hear(callee, talker)
    both_see(callee, talker, codec)
