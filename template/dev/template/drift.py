"""Shows how the template's files differ in this project from what its release renders."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.template.merge import files_of
from dev.template.project import ANSWERS, Project
from dev.template.source import clone_of


def drift(project: Project) -> int:
    """Print the difference; files that only the project has are its own and not shown.

    Raises:
        TemplateError: the template cannot be reached, or does not know what this project was made from.
    """
    with clone_of(project) as source, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source.render(source.release_of(project), project.answers, place / "template")
        # its `_src_path` is the temporary clone
        (place / "template" / ANSWERS).unlink()
        (place / "project").mkdir()
        for path in files_of(place / "template"):
            if (project.root / path).is_file():
                (place / "project" / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project.root / path, place / "project" / path)
        command = ["git", "diff", "--no-index", "--no-prefix", "template", "project"]
        if subprocess.run(command, cwd=place, check=False).returncode == 0:
            print("All files of the template are as it renders them.")
    return 0
