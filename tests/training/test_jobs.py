"""Which source a run depends on."""

import subprocess
import sys

from pipeline.fusion.base import model_names
from pipeline.training.jobs import source_digests
from tests.conftest import ROOT


def test_a_run_depends_on_its_own_model_and_on_no_other() -> None:
    names = set(source_digests("concat"))
    assert {"fusion/base.py", "fusion/layers.py", "fusion/concat.py", "tasks/task.py", "training/trainer.py"} <= names
    assert not {"fusion/linear.py", "tasks/metrics.py", "training/encoder.py"} & names


def test_a_run_that_reads_pictures_or_words_depends_on_what_makes_them() -> None:
    of = {model: {name for name in source_digests(model) if name.startswith(("embed/", "extract/"))} for model in model_names()}
    assert of.pop("fe2e") == {"embed/pictures.py"}
    assert of.pop("emo_embs") == {"embed/text.py", "embed/transformer.py", "extract/tokens.py"}
    assert not any(of.values())


def test_every_file_of_tasks_and_training_that_training_imports_is_covered() -> None:
    shown = "*(m for m in sys.modules if m.startswith(('pipeline.tasks.', 'pipeline.training.')))"
    code = f"import sys, pipeline.training.runner; print({shown})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    names = set(source_digests("constant"))
    assert loaded
    assert {name.removeprefix("pipeline.").replace(".", "/") + ".py" for name in loaded} <= names


def test_every_file_of_fusion_that_a_model_imports_is_covered_and_no_other() -> None:
    code = """
import importlib, sys
from pipeline.fusion.base import model_names
for name in model_names():
    for module in [m for m in sys.modules if m.startswith("pipeline.fusion")]:
        del sys.modules[module]
    importlib.import_module(f"pipeline.fusion.{name}")
    print(name, *(m.rpartition(".")[2] for m in sys.modules if m.startswith("pipeline.fusion.")))
"""
    lines = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(model_names())
    for model, *loaded in map(str.split, lines):
        assert {name for name in source_digests(model) if name.startswith("fusion/")} == {
            f"fusion/{name}.py" for name in (*loaded, "base", "layers")
        }
