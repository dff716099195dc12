"""Finds the parts of a file that the explorer colours, with Pygments."""

from collections.abc import Iterator

from pygments.lexers import get_lexer_for_filename
from pygments.token import Comment, Generic, Keyword, Name, Number, String, _TokenType
from pygments.util import ClassNotFound

# kinds of tokens by their letter in the style sheet
KINDS = {
    "c": (Comment,),
    "s": (String,),
    "k": (Keyword, Generic.Heading, Generic.Subheading),
    "n": (Name.Function, Name.Class, Name.Decorator, Name.Tag),
    "m": (Number,),
}


def marks(path: str, text: str) -> list[int | str]:
    """Return the coloured parts of a text, three values each: the distance from the part before, the length, the kind.

    Distance and length count UTF-16 units, as JavaScript does. Files of unknown languages have no such parts.
    """
    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return []
    tokens = [(_kind(kind), value) for kind, value in lexer.get_tokens(text)]
    if "".join(value for _, value in tokens) != text:
        # the lexer changes the text, so its lengths would be wrong
        return []
    return list(_parts(tokens))


def _kind(token: _TokenType) -> str:
    return next((letter for letter, kinds in KINDS.items() if any(token in each for each in kinds)), "")


def _parts(tokens: list[tuple[str, str]]) -> Iterator[int | str]:
    distance = 0
    for kind, value in _joined(tokens):
        length = len(value.encode("utf-16-le")) // 2
        if kind:
            yield from (distance, length, kind)
        distance = 0 if kind else distance + length


def _joined(tokens: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Join neighbours of the same kind."""
    kind, text = "", ""
    for each, value in tokens:
        if each != kind:
            yield kind, text
            kind, text = each, ""
        text += value
    yield kind, text
