"""The media of calls, as the configuration has them (RFC 3550)."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dragoman.app.config import Configuration, Media
from dragoman.bridge.call import Rules
from dragoman.bridge.external import Offered
from dragoman.errors import LocalError
from dragoman.media.plane import MediaEvent
from dragoman.net.media import Embedded, Settings
from dragoman.net.servers import Server, Servers

if TYPE_CHECKING:
    from dragoman.net.rtpengine import Rtpengine

OUTSIDE: Final = "192.0.2.1"
"""An address that is nowhere, toward which packets go as they do toward the internet."""
INSTANCE: Final = "rtpengine"
"""The file of the state folder that has the word by which engines know our calls."""


def plane(
    configuration: Configuration,
    local_toward: Callable[[str], str],
    heard: Callable[[MediaEvent], None],
) -> "Embedded | Rtpengine":
    """Return what carries media; needs a running loop."""
    media = configuration.media
    silence = float(media.silence) or None
    if media.plane == "rtpengine":
        from dragoman.media import ngplane  # loaded where it is used only
        from dragoman.net.rtpengine import Rtpengine

        instance = _instance(configuration.state)
        engines = tuple(media.rtpengine)
        found = ngplane.Settings(
            engines, instance, calls=media.calls, silence=silence, transcode=media.transcode
        )
        return Rtpengine(found, heard)
    settings = Settings(
        bind=media.bind or local_toward(OUTSIDE),
        advertised=media.advertise,
        first=media.first_port,
        last=media.last_port,
        servers=_servers(media),
        calls=media.calls,
        silence=silence,
        transcode=media.transcode,
    )
    return Embedded(settings, heard)


def _servers(media: Media) -> Servers:
    """Return whom to ask for candidates."""
    turn = (Server.parse(each.uri, each.user, each.password) for each in media.turn)
    return Servers([*map(Server.parse, media.stun), *turn])


def learn(plane: "Embedded | Rtpengine | None", offered: Offered) -> None:
    """Have what carries media ask servers that another server offers (XEP-0215)."""
    if not isinstance(plane, Embedded):
        return  # an engine asks whom it likes
    found = []
    for each, lasts in offered:
        with suppress(LocalError):  # one that is spoken in a way that we cannot
            how = (each.transport, each.username, each.password)
            found.append((Server.of(each.type, each.host, each.port, *how), lasts))
    plane.settings.servers.offer(found)


def rules(media: Media) -> Rules:
    """Return how calls are made."""
    return Rules(
        early=media.jmi == "early-proceed",
        transfer=media.transfer == "on",
        bypass=media.bypass,
    )


def _instance(state: Path) -> str:
    """Return the word that engines know our calls by, after a restart as well."""
    file = state / INSTANCE
    try:
        known = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        known = ""
    if known.isalnum():
        return known
    made = secrets.token_hex(8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made, "ascii")
    except OSError:
        return made  # calls that a restart leaves end by their silence
    return made
