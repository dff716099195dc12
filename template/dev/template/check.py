"""Reports what an update would bring, without changing anything."""

import textwrap
from collections.abc import Iterator
from typing import Any

from dev.template import kept
from dev.template.follow import LEFT_OUT
from dev.template.project import Project
from dev.template.source import Source, clone_of

Questions = dict[str, dict[str, Any]]


def check(project: Project, *, fail: bool) -> int:
    """Print the report; its first line begins with `update available` when there is a newer release.

    Return 3 if there is a newer release and `fail` is set, else 0.

    Raises:
        TemplateError: the template cannot be cloned, or this project was not made from one of its releases.
    """
    with clone_of(project) as source:
        mine, newest = source.release_of(project), source.newest
        newer = source.releases[newest] > source.releases[mine]
        if newer:
            _explain(project, source, mine, newest)
        else:
            print(f"up to date: {mine} is the newest release")
    for folder, pattern, what in (
        (kept.FOLDER, "*.mine", "your changes of removed files ({})"),
        (LEFT_OUT, "*.*", "changes of the template that could not be merged ({})"),
    ):
        if waiting := sum(1 for _ in (project.root / folder).rglob(pattern)):
            print(f"\n{folder}/ still holds {what.format(waiting)}: port what you need, then delete the folder.")
    return 3 if newer and fail else 0


def _explain(project: Project, source: Source, mine: str, newest: str) -> None:
    print(f"update available: {mine} → {newest}")
    for version, notes in source.notes(mine, newest).items():
        print(f"\n{version}, for existing projects\n\n{textwrap.indent(notes, '  ')}")
    changed = list(changed_questions(project.answers, source.questions(mine), source.questions(newest)))
    print("\nYour answers" + (":" if changed else " mean the same as before."))
    for line in changed:
        print(f"  {line}")
    print("\nMerge it by `make template-update`; everything can be undone until you commit.")


def changed_questions(answers: dict[str, Any], old: Questions, new: Questions) -> Iterator[str]:
    """Yield a line for each question that changed in a way that affects the answers."""
    for name, answer in answers.items():
        if name not in new:
            yield f"{name}: is no longer asked; yours was {answer}"
            continue
        before, after = _meaning(old.get(name, {}), answer), _meaning(new[name], answer)
        if after is None:
            yield f"{name}: {answer} is no longer a choice; an update falls back to {new[name].get('default')}"
        elif before != after:
            yield f"{name}: {answer} meant {before!r}, and now means {after!r}"
        elif old.get(name, {}).get("help") != new[name].get("help"):
            yield f"{name}: the question is now {new[name].get('help')!r}"
    for name in new.keys() - old.keys():
        yield f"{name}: a new question, {new[name].get('help')!r}; an update takes {new[name].get('default')}"


def _meaning(question: dict[str, Any], answer: Any) -> str | None:
    """Return the label of the choice that an answer selects; None if the answer is not a choice of the question."""
    choices = question.get("choices")
    if not choices:
        return str(answer)
    pairs = list(choices.items()) if isinstance(choices, dict) else [(value, value) for value in choices]
    if not isinstance(answer, str) or not all(isinstance(value, str) for _, value in pairs):
        # choices in Copier's other forms have no plain label to compare
        return str(answer)
    return {value: str(label) for label, value in pairs}.get(answer)
