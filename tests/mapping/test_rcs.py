"""Files that a message leads to (GSMA RCC.07)."""

import pytest

from dragoman.errors import RemoteError
from dragoman.mapping.rcs import LARGEST, MOST, NS, File, files


def document(*infos: str) -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><file xmlns='{NS}'>{''.join(infos)}</file>".encode()
    )


def info(url: str, name: str = "", kind: str = "file") -> str:
    named = f"<file-name>{name}</file-name>" if name else ""
    return (
        f"<file-info type='{kind}'><file-size>7</file-size>{named}"
        f"<content-type>image/jpeg</content-type><data url='{url}' until='2026-12-01T00:00:00Z'/>"
        "</file-info>"
    )


def test_a_file_and_its_thumbnail() -> None:
    found = files(
        document(
            info("https://s.example/thumb", kind="thumbnail"),
            info("https://s.example/a?b=1&amp;c=2", "holiday\nphoto.jpg"),
        )
    )
    assert found == [File("https://s.example/a?b=1&c=2", "holiday photo.jpg")]


def test_a_file_with_a_key_is_encrypted() -> None:
    """As liblinphone writes it: the key stands beside where the file is."""
    keyed = info("https://s.example/a", "a.jpg").replace(
        "<file-size>", "<file-key>eA==</file-key><file-size>"
    )
    assert files(document(keyed)) == [File("https://s.example/a", "a.jpg", encrypted=True)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<file/>",
        document(),
        document(info("https://s.example/t", kind="thumbnail")),
        document(info("javascript:alert(1)")),
        document(info("file:///etc/passwd")),
        document(info("https://s.example/a b")),
        document("<file-info type='file'/>"),
        b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><file>&e;</file>",
        document(info("https://s.example/" + "x" * LARGEST)),
    ],
)
def test_what_leads_to_no_file(data: bytes) -> None:
    with pytest.raises(RemoteError):
        files(data)


def test_the_number_of_files_is_bounded() -> None:
    infos = [info(f"https://s.example/{number}") for number in range(2 * MOST)]
    assert len(files(document(*infos))) == MOST
