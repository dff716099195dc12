"""Shows how this project differs from its release in the template's files."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.template.merge import files_of
from dev.template.project import ANSWERS, Project
from dev.template.source import clone_of


def drift(project: Project) -> int:
    """Print the differences in the template's files; the project's own files are not shown.

    Raises:
        TemplateError: the template cannot be cloned, or this project was not made from one of its releases.
    """
    with clone_of(project) as source, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source.render(source.release_of(project), project.answers, place / "template")
        # always differs: its `_src_path` is the temporary clone
        (place / "template" / ANSWERS).unlink()
        (place / "project").mkdir()
        for path in files_of(place / "template"):
            if (project.root / path).is_file():
                (place / "project" / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project.root / path, place / "project" / path)
        command = ["git", "diff", "--no-index", "--no-prefix", "template", "project"]
        if subprocess.run(command, cwd=place, check=False).returncode == 0:
            print("This project has not changed any file of the template.")
    return 0
