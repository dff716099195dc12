"""A simulated release that gives the composition files of 0.3.1, with a queue, their new shapes."""

from dataclasses import dataclass
from pathlib import Path

from tests import shapes
from tests.rendering import commit, fingerprint, render
from tests.shapes import changed, renamed
from tests.simulated import Content, Project, Template

STEPS = f"""
    from hooks.carriers import carry_models, carry_resources, carry_routes, carry_services
    from hooks.compose import compose
    from hooks.configuration import split_config
    from hooks.contracts import drop_contract_entries
    from hooks.files import move
    from hooks.imports import rename_modules

    def after(update):
        for name in ("orders", "payments"):
            move(update, f"src/app/{{name}}", f"src/app/features/{{name}}")
        rename_modules(update, {shapes.NAMES})
        compose(update, "src/app/services.py", "src/app/services.py", carry_services)
        compose(update, "src/app/resources.py", "src/app/resources.py", carry_resources)
        compose(update, "src/app/models.py", "src/app/models.py", carry_models)
        compose(update, "src/app/api/router.py", "src/app/routes.py", carry_routes)
        split_config(update)
        drop_contract_entries(update)
"""
APP = "src/app"
COMPOSED = ("services.py", "resources.py", "models.py", "api/router.py", "config.py")
FEATURES = 'FEATURES = (\n    "users",\n    "orders",\n    "payments",\n    # add your own below\n)\n'
PAYMENTS = ("WebUrl = ", "# add your own group above")


@dataclass(frozen=True)
class Old:
    """The files of a release with a queue, and the project made of them."""

    texts: dict[str, str]
    template: Template
    place: Path

    def project(self, name: str, *edits: tuple[str, str, str], more: dict[str, Content] | None = None) -> Project:
        """Make a project of the old release, and edits in some of its files."""
        root = self.place / name
        render(self.template.root, root, {}, ref="v0.1.0")
        commit(root)
        project = Project(root, self.template.root)
        files: dict[str, Content] = dict(more or {})
        for path, before, after in edits:
            files[path] = changed(str(files.get(path) or self.texts[path]), (before, after))
        project.owner(files)
        return project

    @property
    def fresh(self) -> Path:
        """What the new release renders."""
        root = self.place / "fresh"
        return root if root.exists() else render(self.template.root, root, {}, ref="v0.2.0")

    def unlike_fresh(self, project: Project) -> set[str]:
        """The paths of a project that are not as if rendered afresh."""
        state = {path: what for path, what in project.state().items() if path != "index"}
        other = fingerprint(self.fresh)
        return {path for path in state.keys() | other.keys() if state.get(path) != other.get(path)}


def released(template: Path, place: Path) -> Old:
    """Publish both releases in a place of a test's own."""
    project = render(template, place / "old", {"task_queue": "celery"}, ref=shapes.BEFORE[-1].tag)
    texts = {f"{APP}/{name}": (project / APP / name).read_text() for name in COMPOSED}
    texts["pyproject.toml"] = (project / "pyproject.toml").read_text()
    sample = {f"{APP}/{name}/service.py": f'"""{name}"""\n' for name in ("orders", "payments")}
    made = Template(place / "template")
    made.release("0.1.0", {**texts, **sample})
    config = texts[f"{APP}/config.py"]
    start, end = (config.index(mark) for mark in PAYMENTS)
    made.release(
        "0.2.0",
        {
            **dict.fromkeys([f"{APP}/api/router.py", *sample]),
            **{f"{APP}/features/{name}/service.py": f'"""{name}"""\n' for name in ("orders", "payments")},
            f"{APP}/features/__init__.py": FEATURES,
            f"{APP}/features/payments/settings.py": shapes.PAYMENTS + called(config[start:end]).rstrip("\n") + "\n",
            f"{APP}/services.py": shapes.JOBS_SERVICES,
            f"{APP}/resources.py": shapes.RESOURCES,
            f"{APP}/routes.py": shapes.ROUTES,
            f"{APP}/models.py": shapes.MODELS,
            f"{APP}/config.py": shapes.JOBS_CONFIG,
            f"{APP}/platform/settings.py": _platform(config[:start] + config[end:]),
            "pyproject.toml": contracts(texts["pyproject.toml"]),
        },
        STEPS,
    )
    return Old(texts, made, place)


def called(text: str) -> str:
    """Use the new names of what own groups use."""
    return text.replace("_group", "from_environment").replace("_split", "split_list")


def _platform(config: str) -> str:
    """The platform's settings: the old file with other names, without the sample's group, and loaded otherwise."""
    text = called(renamed(config)).replace("class Settings:", "class PlatformSettings:")
    start, end = text.index("def load_settings"), text.index("def _contradictions")
    read = "".join(f"def {name}(kind: object) -> object:\n    return kind\n\n\n" for name in ("group", "read"))
    gone = (
        PAYMENTS[1] + ", and a field for it below\n\n\n",
        "    payments: PaymentSettings = field(default_factory=PaymentSettings.model_construct)\n",
    )
    return changed(text[:start] + read + text[end:], *((each, "") for each in gone))


def contracts(project: str) -> str:
    """Name no single modules in the contracts any more."""
    start = project.index("layers = [")
    end = project.index("]", start)
    return project[:start] + 'layers = [\n  "app.features.*",\n  "app.platform",\n' + project[end:]
