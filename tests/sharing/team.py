"""A team: copies and clones of one finished project, and their remote."""

import configparser
import subprocess
from pathlib import Path

from tests.cache.project import Project

FEATURES = ("compute_logmel@mine", "tokenize_text@mine")
FOLDERS = ("clips/mine", "logmel/mine", "tokens/mine")


def make_finished(folder: Path) -> Project:
    """A project without encoders, in which everything has been computed and committed."""
    project = Project.make(folder)
    project.params(lambda params: params["encoders"].clear())
    project.repro()
    project.commit("computed")
    return project


def copy(project: Project, folder: Path) -> Project:
    """A copy of a project, cache and all."""
    subprocess.run(["cp", "-a", str(project.folder), str(folder)], check=True)
    return Project(folder)


def configure(project: Project, **sections: dict[str, str]) -> None:
    """Write sections of DVC's config, as `dvc config` and `dvc remote` do; a remote's section is called remote_<name>."""
    path = project.folder / ".dvc" / "config"
    config = configparser.ConfigParser()
    config.read(path)
    for name, values in sections.items():
        section = f"'remote \"{name.removeprefix('remote_')}\"'" if name.startswith("remote_") else name
        config.read_dict({section: values})
    with path.open("w") as file:
        config.write(file)


def computed(summaries: dict) -> dict[str, int]:
    """The rows that each feature stage computed."""
    return {name: summary["computed"] for name, summary in summaries.items() if name in FEATURES}
