"""A step of the stage `after`: `config.py` is two files now, the platform's groups and the service's own."""

import ast
import re
from dataclasses import dataclass

from hooks.additions import Item, NotUnderstoodError, comments, name_of, names_in, understand
from hooks.emigrants import PLATFORM, Emigrants
from hooks.loading import without_groups
from hooks.modules import ANCHOR, Draft, Module, bindings, only
from hooks.source import Edit, Source, UnreadableError
from hooks.update import Update

CONFIG = "src/app/config.py"
_MODULE = "app.platform.settings"
_RENAMED = {"_group": "from_environment", "_split": "split_list"}


def split_config(update: Update) -> None:
    """Split `config.py`: the owner's groups stay in it, those of the template move to the platform's settings.

    Edits in the template's groups come along as a three-way merge, to whatever file of the new version has the group.
    Where the owner did something else, such as reading a group in another way, all of the old file is merged into the
    platform's settings, and the owner is told. Run it after `rename_modules`.
    """
    base, mine = update.base.get(CONFIG), update.mine.get(CONFIG)
    if base is None or CONFIG not in update.new or PLATFORM not in update.new:
        return
    update.touch(CONFIG, PLATFORM)
    if mine is None or mine.content == base.content:
        update.base[CONFIG] = update.new[CONFIG]
        if mine is not None:
            update.mine[CONFIG] = mine.holding(update.new[CONFIG].content)
        return
    if PLATFORM in update.mine:
        update.say(f"{CONFIG}: stays as it is, since {PLATFORM} is a file of your own")
        return
    del update.base[CONFIG], update.mine[CONFIG]
    texts = [_called_anew(file.content.decode(errors="surrogateescape")) for file in (base, mine)]
    try:
        split = _split(update, *texts)
        update.base[CONFIG], update.mine[CONFIG] = update.new[CONFIG], mine.holding(split.config.encode())
        texts = [split.base, split.platform]
        split.emigrants.settle(update, mine)
    except (NotUnderstoodError, UnreadableError):
        update.say(f"{PLATFORM}: has all of your {CONFIG}; please move your own groups back there")
    update.base[PLATFORM], update.mine[PLATFORM] = (
        file.holding(text.encode(errors="surrogateescape")) for file, text in zip((base, mine), texts, strict=True)
    )


def leave_group(update: Update, field: str, *names: str) -> None:
    """Make a settings group of the template's the owner's, if it is still there: its field, and these statements.

    Run it before `rename_modules`.
    """
    texts = [
        tree[CONFIG].content.decode(errors="surrogateescape") for tree in (update.base, update.mine) if CONFIG in tree
    ]
    try:
        base, mine = (Module(text.replace("\r\n", "\n")) for text in texts)
        if field not in _fields(_members(base)).keys() & _fields(_members(mine)).keys():
            return
    except (NotUnderstoodError, UnreadableError, ValueError):
        return
    nodes = [*(each for each in base.body if name_of(each) in names), _fields(_members(base))[field]]
    left = base.source.edited(_taken_out(base, each) for each in nodes)
    update.base[CONFIG] = update.base[CONFIG].holding(left.encode(errors="surrogateescape"))


def _called_anew(text: str) -> str:
    """Return a text with plain ends of lines, and the new names of what own groups use."""
    text = text.replace("\r\n", "\n")
    for old, new in _RENAMED.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


@dataclass(frozen=True)
class _Split:
    """What the old file becomes: the owner's new `config.py`, and both sides of the merge of the rest."""

    config: str
    base: str
    platform: str
    emigrants: Emigrants


def _split(update: Update, base: str, mine: str) -> _Split:
    given = Module(base)
    own = Module(mine, given)
    change = _Change(given, own)
    emigrants = Emigrants(update, given, own, change.defined(update))
    config = _config(update, change)
    platform = emigrants.without(change.rest())
    kept = "\n".join([config, platform, *emigrants.texts()])
    known, found = comments(base), comments(kept)
    understand(all(each in found for each in comments(mine) if each not in known))
    return _Split(config, emigrants.without(base), platform, emigrants)


def _config(update: Update, change: "_Change") -> str:
    """Return the new `config.py` with what is the owner's."""
    draft = Draft(update.new[CONFIG].content.decode())
    for name in change.gone:
        node = next(each for each in Source(draft.text).tree.body if name_of(each) == "Settings")
        lines = [each for each in getattr(node, "body", []) if name_of(each) == name]
        if lines:
            draft.replace(lines[0], "")
    methods = "".join(f"\n{item.render(4)}" for item in change.own.items(change.methods))
    draft.put(rf" *{ANCHOR}", change.field_lines() + methods)
    above, below = change.statements()
    draft.surround(above, below, "Settings", "")
    return draft.import_from(change.own, defined=change.defined(update))


class _Change:
    """What the owner did to the old file."""

    def __init__(self, given: Module, own: Module) -> None:
        self.own = own
        self._given = given
        known = {name_of(each) for each in given.body}
        added = [each for each in own.body if name_of(each) not in known or not name_of(each)]
        old, new = _members(given), _members(own)
        fields, before = _fields(new), _fields(old)
        self.fields = [each for name, each in fields.items() if name not in before]
        self.gone = [name for name in before if name not in fields]
        self.methods = [each for each in new if isinstance(each, ast.FunctionDef) and name_of(each) not in _named(old)]
        groups = {name_of(each): ast.unparse(each.annotation) for each in self.fields}
        groups |= {name: ast.unparse(before[name].annotation) for name in self.gone}
        understand(all(isinstance(each.annotation, ast.Name | ast.Attribute) for each in self.fields))
        loaders = [module.find("load_settings") for module in (given, own)]
        understand(without_groups(loaders[0], groups) == without_groups(loaders[1], groups))
        self._added = _leaving(own, added)

    def field_lines(self) -> str:
        """Return the fields of the owner's groups, as the new file has them."""
        lines = ""
        for item, field in zip(self.own.items(self.fields), self.fields, strict=True):
            kind = ast.unparse(field.annotation)
            lines += item.render(4, f"{name_of(field)}: {kind} = group({kind})")
        return lines

    def statements(self) -> tuple[list[Item], list[Item]]:
        """Return the owner's statements that go above `Settings`, and the ones below because they use it."""
        late = [each for each in self._added if names_in(each) & {"Settings", "load_settings"}]
        return self.own.items([each for each in self._added if each not in late]), self.own.items(late)

    def defined(self, update: Update) -> dict[str, str]:
        """Map each name that the platform's settings define, with what the owner added, to their module."""
        fresh = Source(update.new[PLATFORM].content.decode()).tree.body
        staying = [each for each in self.own.body if each not in self._added]
        return {name_of(each): _MODULE for each in (*staying, *fresh) if name_of(each) not in {"", "Settings"}}

    def rest(self) -> str:
        """Return the owner's file without what is in the new `config.py`; it loads as the template did."""
        source = self.own.source
        edits = [_taken_out(self.own, each) for each in (*self._added, *self.fields, *self.methods)]
        start, end = source.span(self.own.find("load_settings"))
        edits.append(Edit(start, end, self._given.source.segment(self._given.find("load_settings"))))
        text = re.sub(r"\n{4,}", "\n\n\n", source.edited(edits)).rstrip("\n") + "\n"
        return self._with_imports_used(Module(text, self._given))

    def _with_imports_used(self, left: Module) -> str:
        """Take out the imports that only the owner's groups needed."""
        source, edits = left.source, []
        used = names_in(source.tree) | {name for each in self._given.imports for name in bindings(each).values()}
        for node in source.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                start, end = source.starts[node.lineno - 1], source.starts[node.end_lineno or node.lineno]
                old = left.imports_of(node)
                new = [only(each, used) for each in old]
                if new != old:
                    edits.append(Edit(start, end, "".join(each.render() for each in new if each)))
        return source.edited(edits)


def _members(module: Module) -> list[ast.stmt]:
    node = module.find("Settings")
    return node.body if isinstance(node, ast.ClassDef) else []


def _named(nodes: list[ast.stmt]) -> set[str]:
    return {name_of(each) for each in nodes}


def _fields(nodes: list[ast.stmt]) -> dict[str, ast.AnnAssign]:
    return {name_of(each): each for each in nodes if isinstance(each, ast.AnnAssign)}


def _leaving(own: Module, added: list[ast.stmt]) -> list[ast.stmt]:
    """Return the owner's statements that nothing of the template's needs; the others stay beside what needs them."""
    staying = [each for each in own.body if each not in added and name_of(each) not in {"Settings", "load_settings"}]
    needed = names_in(*staying)
    while more := {name for each in added if name_of(each) in needed for name in names_in(each)} - needed:
        needed |= more
    return [each for each in added if name_of(each) and name_of(each) not in needed]


def _taken_out(module: Module, node: ast.stmt) -> Edit:
    """Return the edit that removes a statement, its comments, and the blank lines behind it."""
    (item,) = module.items([node])
    source = module.source
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    left = len(item.above)
    while left:
        first -= 1
        left -= source.lines[first - 1].strip() in item.above
    last = node.end_lineno or node.lineno
    while last < len(source.lines) and not source.lines[last].strip() and node.col_offset == 0:
        last += 1
    return Edit(source.starts[first - 1], source.starts[last], "")
