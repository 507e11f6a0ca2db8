"""The stage as a command: its summary, its errors, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.training.corpus import Corpus, make_corpus

TASK = "emotions"


def command(corpus: Corpus, *options: str) -> list[str]:
    features = (corpus.root / "faces", corpus.root / "logmel")  # which are not there: no row reads them
    folders = [str(path) for path in (corpus.clips, corpus.embeddings, corpus.encoders, *features, corpus.out)]
    return [sys.executable, "-m", "stages.train", TASK, *folders, "--params", str(corpus.params), "--device", "cpu", *options]


def run(corpus: Corpus, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(corpus, *options), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_the_stage_prints_one_summary_line(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    corpus.write_params({"constant": {}, "concat": {}})
    done = run(corpus, "--workers", "2")
    summary = json.loads(done.stdout)
    assert (summary["stage"], summary["computed"], summary["reused"]) == ("train", 2, 0)


def test_an_unknown_model_is_a_message_and_not_a_traceback(tmp_path: Path) -> None:
    done = run(make_corpus(tmp_path), "--model", "concatenation")
    assert done.returncode == 1
    assert "did you mean concat" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_training_keeps_its_finished_runs_and_leaves_no_process_behind(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    corpus.write_params({"concat": {}}, seeds=list(range(16)), max_epochs=30, patience=30)
    killed = subprocess.Popen(command(corpus, "--workers", "2"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    partial = corpus.out.with_name("runs.partial")
    deadline = time.monotonic() + 120
    while not list(partial.glob("*/*/seed-*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    corpus.write_params({"concat": {}}, seeds=list(range(16)), max_epochs=30, patience=30)
    summary = json.loads(run(corpus, "--workers", "2").stdout)
    assert summary["reused"] >= 1
    assert summary["computed"] + summary["reused"] == 16
    assert not partial.exists()
