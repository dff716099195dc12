"""A step of the stage `after`: the import contracts name no single modules any more."""

import re
from collections.abc import Mapping

from hooks.trees import File
from hooks.update import Update

PROJECT = "pyproject.toml"
_CONTRACT = re.compile(r"^\[\[tool\.importlinter\.contracts\]\]\n(?:(?!\[).*\n?)*", re.MULTILINE)
_NAME = re.compile(r'^name = "([^"]*)"', re.MULTILINE)
_LIST = re.compile(r"^(layers|source_modules) = \[((?:[^\]#]|#[^\n]*\n)*)\]", re.MULTILINE)


def drop_contract_entries(update: Update, path: str = PROJECT) -> None:
    """Take the owner's modules out of the lists of the template's import contracts, which name none any more.

    Contracts of the owner's own stay, and so do lists with comments of the owner's.
    """
    base, mine = update.base.get(path), update.mine.get(path)
    if base is None or mine is None or base.same(mine):
        return
    try:
        lists = _lists(_text(base))
        newline = "\r\n" if b"\r\n" in mine.content else "\n"
        text, dropped = _reset(_text(mine), lists)
    except UnicodeDecodeError:
        return
    if text == _text(mine):
        return
    update.touch(path)
    update.mine[path] = mine.holding(text.replace("\n", newline).encode())
    if dropped:
        update.say(f"{path}: the import contracts name no single modules any more, so these are gone: {dropped}")


def _text(file: File) -> str:
    return file.content.decode().replace("\r\n", "\n")


def _lists(text: str) -> dict[tuple[str, str], str]:
    """Return the bodies of the lists, by the names of contract and list."""
    found: dict[tuple[str, str], str] = {}
    for contract in _CONTRACT.findall(text):
        if name := _NAME.search(contract):
            found |= {(name[1], key): body for key, body in _LIST.findall(contract)}
    return found


def _reset(text: str, lists: Mapping[tuple[str, str], str]) -> tuple[str, str]:
    """Return the text with the lists as they were, and the owner's modules that were in them."""
    dropped: list[str] = []

    def contract(found: re.Match[str]) -> str:
        name = _NAME.search(found[0])
        return _LIST.sub(lambda each: body(name[1] if name else "", each), found[0])

    def body(name: str, found: re.Match[str]) -> str:
        base = lists.get((name, found[1]))
        if base is None or not _comments(found[2]) <= _comments(base):
            return found[0]
        dropped.extend(sorted(_modules(found[2]) - _modules(base)))
        return f"{found[1]} = [{base}]"

    return _CONTRACT.sub(contract, text), ", ".join(dict.fromkeys(dropped))


def _comments(body: str) -> set[str]:
    return {line.strip() for line in re.findall(r"#[^\n]*", body)}


def _modules(body: str) -> set[str]:
    """Return the modules that a list names, be they independent of each other or not."""
    entries = re.findall(r'"([^"]*)"', re.sub(r"#[^\n]*", "", body))
    return {module.strip() for entry in entries for module in re.split(r"[|:]", entry)}
