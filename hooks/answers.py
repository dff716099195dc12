"""Steps of the stage `before`: they edit the answers file, which Copier reads again afterwards.

Without them an answer that has lost its question or its choice falls back to the default, and nobody is told.
"""

from hooks.update import Update


def rename_question(update: Update, old: str, new: str) -> None:
    """Keep the answer under the question's new name; an answer to the new one, if there is any, wins."""
    answers = update.answers
    if old in answers:
        kept = {new if name == old else name: answer for name, answer in answers.items() if name != new}
        if new in answers:
            kept[new] = answers[new]
        update.write_answers(kept)


def rename_choice(update: Update, question: str, old: str, new: str) -> None:
    """Keep the answer under the choice's new value."""
    answers = update.answers
    if answers.get(question) == old:
        update.write_answers({**answers, question: new})


def drop_choice(update: Update, question: str, value: str, instead: str) -> None:
    """Answer otherwise where the owner chose what is gone, and say so."""
    answers = update.answers
    if answers.get(question) == value:
        update.write_answers({**answers, question: instead})
        update.say(f"{question}: {value} is no longer offered, the project now has {instead}")
