"""The search as a command."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.search.test_search import write_search
from tests.training.corpus import make_corpus


def test_the_command_prints_one_summary_line(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    write_search(corpus)
    features = (tmp_path / "faces", tmp_path / "logmel")
    folders = [str(path) for path in (corpus.clips, corpus.embeddings, corpus.encoders, *features, tmp_path / "found")]
    command = [
        sys.executable,
        "-m",
        "stages.search",
        "emotion",
        *folders,
        "--params",
        str(corpus.params),
        "--device",
        "cpu",
        "--workers",
        "2",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["stage"], summary["rows"], summary["trials"], summary["computed"]) == ("search", 3, 7, 7)
