"""Python, the packages, the device."""

import importlib.metadata
import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from pipeline.doctor.check import Check, Place, failed, ok, warning
from pipeline.params import read_params

SPARE = {"av", "dvc", "facenet-pytorch", "librosa", "ruamel-yaml"}
"""Packages that a machine does without which only embeds, trains and evaluates: a bare GPU image."""
OLDEST_BF16 = (8, 0)
"""Compute capability from which on a GPU computes bfloat16 itself."""


def check_packages(place: Place) -> Iterator[Check]:
    """Check Python and the packages against what pyproject.toml requires."""
    try:
        project = tomllib.loads((place.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError) as error:
        yield warning("packages", f"pyproject.toml cannot be read ({type(error).__name__})", "run from the repository's root")
        return
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    found = platform.python_version()
    if SpecifierSet(project["requires-python"]).contains(found, prereleases=True):
        yield ok("python", f"{found} ({sys.executable})")
    else:
        remedy = "`uv sync` makes an environment with a Python that fits"
        yield failed("python", f"{found}; the project requires {project['requires-python']}", remedy)
    requirements = [Requirement(text) for text in project["dependencies"]]
    versions = {each.name: _installed(each.name) for each in requirements}
    absent = [name for name, version in versions.items() if version is None]
    known = [(each, version) for each in requirements if (version := versions[each.name])]
    wrong = [f"{each.name} {version} ({each.specifier})" for each, version in known if not each.specifier.contains(version)]
    spare = [name for name in absent if name in SPARE]
    needed = [f"{name} absent" for name in absent if name not in SPARE]
    if needed or wrong:
        yield failed("packages", ", ".join(needed + wrong), "`uv sync`; on a GPU image, `pip install` what is named")
    elif spare:
        found = f"absent: {', '.join(spare)}; enough to embed, train and evaluate"
        yield warning("packages", found, "`uv sync`, where the stages before embed, DVC or add_corpus are to run here")
    else:
        yield ok("packages", f"{len(requirements)} as pyproject.toml requires; torch {versions.get('torch')}, dvc {versions.get('dvc')}")


def _installed(name: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_device(place: Place) -> Iterator[Check]:
    """Check which device computes, and that it computes bfloat16 where params.yaml asks for it."""
    import torch

    params = read_params(place.params)
    asked = sorted(_find_precisions(params, "bf16"))
    if not torch.cuda.is_available():
        if os.path.exists("/dev/nvidia0"):
            found = f"a GPU is there and torch {torch.__version__} cannot use it"
            yield warning("device", found, "install the torch build of the driver's CUDA version, or a newer driver (`nvidia-smi`)")
        else:
            yield ok("device", f"no GPU; {torch.get_num_threads()} cores compute")
        return
    names = []
    lacking = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        names.append(f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
        if (properties.major, properties.minor) < OLDEST_BF16:
            lacking.append(properties.name)
    found = f"{len(names)} GPU: {'; '.join(sorted(set(names)))}, bf16 {'no' if lacking else 'yes'}"
    if lacking and asked:
        yield warning("device", f"{found}, asked for by {', '.join(asked)}", "`precision: fp32` there, or a GPU from Ampere on")
    else:
        yield ok("device", found)


def _find_precisions(values: Any, wanted: str, where: str = "") -> Iterator[str]:
    """Yield where in params.yaml a precision is asked for."""
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        path = f"{where}.{key}".strip(".")
        if key == "precision" and value == wanted:
            yield where
        yield from _find_precisions(value, wanted, path)
