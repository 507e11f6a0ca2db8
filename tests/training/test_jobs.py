"""Which source a run depends on."""

import subprocess
import sys

from pipeline.training.jobs import source_digests
from tests.conftest import ROOT


def test_a_run_depends_on_its_own_model_and_on_no_other() -> None:
    names = set(source_digests("concat"))
    assert {"fusion/base.py", "fusion/layers.py", "fusion/concat.py", "tasks/task.py", "training/trainer.py"} <= names
    assert not {"fusion/linear.py", "tasks/metrics.py", "training/encoder.py"} & names


def test_every_file_of_tasks_and_training_that_training_imports_is_covered() -> None:
    shown = "*(m for m in sys.modules if m.startswith(('pipeline.tasks.', 'pipeline.training.')))"
    code = f"import sys, pipeline.training.runner; print({shown})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    names = set(source_digests("constant"))
    assert loaded
    assert {name.removeprefix("pipeline.").replace(".", "/") + ".py" for name in loaded} <= names
