"""The map: dvc.yaml, the stages and what they import agree; DVC does not follow Python imports, so this test does."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from pipeline.doctor.map import find_closure, find_gone, find_missing, read_body, read_imports, read_stages
from tests.conftest import ROOT

PACKAGES = ["errors", "params", "progress", "storage", "demo", "clips", "shards", "bench", "extract", "embed", "tasks", "fusion"]
PACKAGES += ["training", "report", "search", "doctor"]
LEFTMOST = {"errors", "params", "progress", "storage"}
DOORS = {
    "h5py": {"pipeline/shards/shard.py", "pipeline/clips/csd.py"},
    "av": {"pipeline/extract/", "pipeline/demo/"},
    "facenet_pytorch": {"pipeline/extract/detector.py"},
    "librosa": {"pipeline/extract/logmel.py"},
    "timm": {"pipeline/embed/"},
    "transformers": {"pipeline/embed/", "pipeline/extract/tokens.py"},
    "tokenizers": {"pipeline/extract/tokens.py"},
    "huggingface_hub": {"pipeline/embed/", "pipeline/extract/tokens.py", "pipeline/doctor/"},
    "sklearn": {"pipeline/tasks/metrics.py", "pipeline/fusion/linear.py"},
    "matplotlib": {"pipeline/report/"},
    "dvc": {"pipeline/shards/previous.py", "pipeline/doctor/"},
    "ray": {"pipeline/shards/ray_engine.py"},
    "ruamel": {"pipeline/clips/ready_rows.py", "pipeline/search/apply.py"},
}
BARE_IMAGE = {"dvc", "av", "librosa", "facenet_pytorch", "ruamel"}  # a GPU image lacks these
STAGES = read_stages(ROOT)
BODIES = {name: read_body(stage) for name, stage in STAGES.items()}
SOURCES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").glob("*.py")])
BESIDE_THE_MAP = {"inspect", "add_corpus", "search", "claims", "ablate", "costs", "export", "doctor"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_file_that_it_imports(stage: str) -> None:
    assert find_missing(ROOT, stage, STAGES[stage]) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_no_file_that_is_gone(stage: str) -> None:
    assert find_gone(ROOT, STAGES[stage]) == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_runs_the_module_of_the_stages_name(stage: str) -> None:
    assert BODIES[stage]["cmd"].split()[:3] == ["python", "-m", f"stages.{stage}"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_the_command_is_a_dep_or_an_out(stage: str) -> None:
    paths = re.findall(r"data/\S+", BODIES[stage]["cmd"])
    outs = [
        next(iter(out)) if isinstance(out, dict) else out for kind in ("outs", "metrics", "plots") for out in BODIES[stage].get(kind, ())
    ]
    known = {*BODIES[stage]["deps"], *outs, *(str(Path(out).parent) for out in outs)}
    media = {path for path in paths if path == "data/${item.media}"}  # known to later stages by the digests in clips.jsonl
    assert set(paths) - media <= known


def test_folders_that_a_project_may_have_no_row_of_are_kept_in_git() -> None:
    """A corpus of imported features has neither faces nor log-mels nor tokens, and DVC refuses a dependency that is not there."""
    folders = {dep for stage in STAGES for dep in BODIES[stage]["deps"] if dep in {"data/faces", "data/logmel", "data/tokens"}}
    assert sorted(folders) == ["data/faces", "data/logmel", "data/tokens"]
    assert all((ROOT / folder / ".gitkeep").exists() for folder in folders)


def test_every_stage_module_is_in_the_map() -> None:
    modules = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert modules - BESIDE_THE_MAP == set(STAGES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT)
    package = relative.with_suffix("").parts[1] if relative.parts[0] == "pipeline" and len(relative.parts) > 1 else None
    if package == "__init__":
        return
    for name in read_imports(path):
        parts = name.split(".")
        if parts[0] == "stages":
            assert relative.parts[0] == "stages"
            assert importlib.util.find_spec(name) is None or name == "stages", f"{relative} imports {name}: stages never import each other"
        if package and parts[0] == "pipeline" and len(parts) > 1 and parts[1] != package:
            assert PACKAGES.index(parts[1]) < PACKAGES.index(package), f"{relative} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_heavy_library_has_one_door(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    for library in {name.split(".")[0] for name in read_imports(path)} & DOORS.keys():
        assert any(relative.startswith(door) for door in DOORS[library]), f"{relative} imports {library}"


@pytest.mark.parametrize("stage", ["embed", "train", "prepare_encoder", "evaluate"])
def test_stages_of_a_gpu_image_need_nothing_that_it_lacks(stage: str) -> None:
    for path in find_closure(ROOT, ROOT / "stages" / f"{stage}.py"):
        if path.relative_to(ROOT).as_posix() != "pipeline/shards/previous.py":  # which does without DVC, and says so
            assert not {name.split(".")[0] for name in read_imports(path)} & BARE_IMAGE, path


def test_no_module_knows_a_data_folder() -> None:
    code = [(path, node.value) for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    assert [path for path, value in code if isinstance(value, str) and value.startswith("data/")] == []


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in SOURCES:
        text = path.read_text()
        limit = 60 if path.parent.name == "stages" and path.stem != "__init__" else 250
        long += [f"{path.name}: {text.count(chr(10))} lines"] if text.count("\n") > limit else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno > 60:
                long.append(f"{path.name}: {node.name}")
    assert long == []
