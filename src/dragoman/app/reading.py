"""How a configuration is read, what is said of one that cannot be used, and how it is printed."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from dragoman.app.config import PREFIX, Configuration, Section

DEFAULT_FILE: Final = Path("/etc/dragoman/dragoman.toml")


class BadConfiguration(Exception):
    """It cannot be used; the text names file, key, what was found and what is allowed."""


def load(file: Path | None = None) -> Configuration:
    """Return the configuration of `file` and the environment.

    Without `file`, the default one is read if it is there.  Raises BadConfiguration.
    """
    path = file or DEFAULT_FILE
    values = _read(path, wanted=file is not None)
    try:
        _refuse_unknown_variables()
        return Configuration(**values)
    except ValidationError as error:
        raise BadConfiguration("\n".join(_complaints(error, path))) from None
    except SettingsError as error:
        raise BadConfiguration(_not_json(error)) from None


def _read(path: Path, *, wanted: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if wanted:
            raise BadConfiguration(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise BadConfiguration(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path}: not TOML: {error}") from None


def _complaints(error: ValidationError, path: Path) -> list[str]:
    found: dict[str, str] = {}
    for each in error.errors():
        key = _key(each["loc"])
        found.setdefault(key, _complaint(each["loc"], each, path))
    return list(found.values())


def _key(where: tuple[int | str, ...]) -> str:
    """Return the key as the file has it: a union's branches are not part of it."""
    branches = ("list[", "function", "bool")
    return ".".join(str(part) for part in where if not str(part).startswith(branches))


def _complaint(where: tuple[int | str, ...], error: Any, path: Path) -> str:
    key = _key(where)
    variable = PREFIX + "__".join(str(part) for part in where[:2]).upper()
    source = f"environment {variable}" if variable in os.environ else str(path)
    if error["type"] == "extra_forbidden":
        return f"{source}: {key}: no such key; allowed here: {', '.join(_siblings(where))}"
    if error["type"] == "missing":
        return f"{source}: {key}: is missing"
    allowed = error["msg"].removeprefix("Value error, ")
    return f"{source}: {key}: found {error['input']!r}, allowed: {allowed}"


def _siblings(where: tuple[int | str, ...]) -> list[str]:
    """Return the keys that exist beside the one at `where`."""
    fields = Configuration.model_fields
    for part in where[:-1]:
        if isinstance(part, str) and part in fields:
            kind: Any = fields[part].annotation
            inner = getattr(kind, "__args__", (kind,))[0]
            fields = getattr(inner, "model_fields", fields)
    return sorted(fields)


def _refuse_unknown_variables() -> None:
    """Find misspelt variables, which the settings library would pass over."""
    for name in os.environ:
        if not name.startswith(PREFIX):
            continue
        first, _, second = name.removeprefix(PREFIX).lower().partition("__")
        field = Configuration.model_fields.get(first)
        inner = getattr(field.annotation, "model_fields", {}) if field else {}
        if field is None or (second and second.partition("__")[0] not in inner):
            allowed = ", ".join(sorted(inner if field else Configuration.model_fields))
            raise BadConfiguration(f"environment {name}: no such key; allowed here: {allowed}")


def _not_json(error: SettingsError) -> str:
    """Say which variable is not the JSON that its key needs."""
    for name, value in os.environ.items():
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or not _holds_json(path):
            continue
        try:
            json.loads(value)
        except ValueError:
            return f'environment {name}: found {value!r}, allowed: JSON, such as ["a", "b"]'
    return f"environment: {error}"


def _holds_json(path: list[str]) -> bool:
    field = Configuration.model_fields.get(path[0])
    if len(path) == 1 or field is None:
        return field is not None and isinstance(field.annotation, type(Section))
    inner = getattr(field.annotation, "model_fields", {}).get(path[1])
    return inner is not None and "list" in str(inner.annotation)


def describe(configuration: Configuration) -> str:
    """Return the configuration as TOML, each key below its description; secrets are masked."""
    plain, tables = [], []
    for name, field in Configuration.model_fields.items():
        value = getattr(configuration, name)
        if isinstance(value, Section):
            tables.append(f"[{name}]\n" + "\n".join(_keys(value, name)))
        else:
            plain.append(f"# {field.description}\n{name} = {_toml(value)}")
    return "\n".join(plain) + "\n\n" + "\n\n".join(tables) + "\n"


def _keys(section: Section, path: str) -> list[str]:
    lines, last = [], []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, list) and value and isinstance(value[0], Section):
            last += [f"\n[[{path}.{name}]]\n" + "\n".join(_keys(each, path)) for each in value]
            continue
        shown = "***" if field.repr is False else value
        lines.append(f"# {field.description}\n{name} = {_toml(shown)}")
    return lines + last


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            return "[" + ", ".join(_toml(each) for each in value) + "]"
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'
