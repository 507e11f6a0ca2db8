"""The built-in corpus as a folder, laid out as CH-SIMS is: label.csv and Raw/<video_id>/<clip_id>.mp4."""

import csv
import dataclasses
import json
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.demo.config import DemoConfig
from pipeline.demo.emotions import EMOTIONS
from pipeline.demo.script import Script, write_script
from pipeline.progress import show_progress
from pipeline.storage import write_text

VERSION = 1
"""Raised by hand when a clip of the same parameters comes out differently."""

COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode", "speaker", *EMOTIONS)
LABELS_FILE, MEDIA_FOLDER, RECIPE_FILE = "label.csv", "Raw", "recipe.json"


def make_corpus(config: DemoConfig, folder: Path, earlier: Iterable[Path] = (), workers: int = 1) -> dict[str, Any]:
    """Render the corpus into a folder, and return the counts.

    A clip of the same recipe that the folder (a run that was stopped) or an earlier folder holds is kept.

    Args:
        config: what to render.
        folder: written; what does not belong to the corpus is removed.
        earlier: folders of earlier renderings.
        workers: processes.
    """
    scripts = [write_script(config, index) for index in range(config.num_clips)]
    paths = {script.index: folder / media_path(config, script) for script in scripts}
    _clear(folder, config, set(paths.values()))
    _keep(folder, paths.values(), earlier)
    missing = [script for script in scripts if not paths[script.index].exists()]
    with show_progress("make_demo", len(missing)) as progress:
        for _ in _render_all(config, folder, missing, workers):
            progress.advance()
    with (folder / LABELS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *(label_row(config, script) for script in scripts)])
    return {"computed": len(missing), "reused": len(scripts) - len(missing), **summarise(scripts)}


def plan_corpus(config: DemoConfig, earlier: Iterable[Path] = ()) -> dict[str, Any]:
    """The counts that `make_corpus` would return, writing nothing."""
    scripts = [write_script(config, index) for index in range(config.num_clips)]
    sources = [folder for folder in earlier if _read_recipe(folder) == json.loads(json.dumps(recipe(config)))]
    reused = sum(any((folder / media_path(config, script)).exists() for folder in sources) for script in scripts)
    return {"plan": True, "computed": len(scripts) - reused, "reused": reused, **summarise(scripts)}


def summarise(scripts: list[Script]) -> dict[str, Any]:
    """How many clips there are in each part, of each speaker count, emotion and manner of each modality."""
    manners = {m: Counter(s.manner[m] for s in scripts if s.felt) for m in ("text", "audio", "video")}
    return {
        "clips": len(scripts),
        "parts": dict(Counter(s.part for s in scripts)),
        "speakers": len({s.speaker for s in scripts}),
        "emotions": {name: sum(name in s.felt for s in scripts) for name in EMOTIONS},
        "no_emotion": sum(not s.felt for s in scripts),
        "two_emotions": sum(len(s.felt) == 2 for s in scripts),
        "manners": {m: dict(sorted(counts.items())) for m, counts in manners.items()},
    }


def recipe(config: DemoConfig) -> dict[str, Any]:
    """All that a single clip depends on, but for its number."""
    chosen = dataclasses.asdict(config)
    del chosen["num_clips"]
    return {"version": VERSION, **chosen}


def video_id(config: DemoConfig, script: Script) -> str:
    """Name of the recording's folder."""
    return f"video_{script.speaker * config.recordings + script.take + 1:04d}"


def media_path(config: DemoConfig, script: Script) -> Path:
    """Where the clip lies below the corpus' folder."""
    return Path(MEDIA_FOLDER, video_id(config, script), f"{script.index + 1:04d}.mp4")


def label_row(config: DemoConfig, script: Script) -> list[Any]:
    """The clip's line of label.csv, in the order of COLUMNS."""
    values = script.sentiment
    annotation = "Negative" if values["M"] < 0 else "Positive" if values["M"] > 0 else "Neutral"
    names = [video_id(config, script), f"{script.index + 1:04d}", script.text, *(values[a] for a in ("M", "T", "A", "V"))]
    return [*names, annotation, script.part, f"speaker_{script.speaker + 1:02d}", *(int(name in script.felt) for name in EMOTIONS)]


def _read_recipe(folder: Path) -> Any:
    """The recipe that a folder notes; None where there is none or it is torn, so that nothing of the folder is kept."""
    path = folder / RECIPE_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        return None


def _clear(folder: Path, config: DemoConfig, wanted: set[Path]) -> None:
    """Remove what another recipe or a larger corpus left, and note this recipe."""
    if _read_recipe(folder) != json.loads(json.dumps(recipe(config))):
        shutil.rmtree(folder / MEDIA_FOLDER, ignore_errors=True)
    for path in (folder / MEDIA_FOLDER).glob("*/*"):
        if path not in wanted:
            path.unlink()
    for path in (folder / MEDIA_FOLDER).glob("*"):
        if not any(path.iterdir()):
            path.rmdir()
    folder.mkdir(parents=True, exist_ok=True)
    write_text(json.dumps(recipe(config), indent=1, sort_keys=True) + "\n", folder / RECIPE_FILE)


def _keep(folder: Path, paths: Iterable[Path], earlier: Iterable[Path]) -> None:
    """Copy the clips that earlier renderings of the same recipe hold; a dearer one is looked at only while clips are missing."""
    missing, others = [path for path in paths if not path.exists()], iter(earlier)
    while missing and (other := next(others, None)) is not None:
        if _read_recipe(other) == _read_recipe(folder):
            for path in missing:
                _copy(other / path.relative_to(folder), path)
            missing = [path for path in missing if not path.exists()]


def _copy(source: Path, path: Path) -> None:
    """Copy a clip, if it is there; the copy appears when it is whole."""
    if source.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path.with_suffix(".copy"))
        os.replace(path.with_suffix(".copy"), path)


def _render_all(config: DemoConfig, folder: Path, scripts: list[Script], workers: int) -> Iterator[None]:
    """Render clips in processes of their own, in no fixed order of time."""
    render = partial(render_clip, config, folder)
    if workers == 1 or len(scripts) < 2:
        yield from map(render, scripts)
        return
    by_speaker = sorted(scripts, key=lambda script: script.speaker)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker) as pool:
        yield from pool.map(render, by_speaker, chunksize=4)


def _start_worker() -> None:
    """Let a worker process end with its parent, however that ends: an orphan would write into the folder of the next run."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def render_clip(config: DemoConfig, folder: Path, script: Script) -> None:
    """Render a clip into the folder; the file appears when it is whole."""
    from pipeline.demo.render import render

    path = folder / media_path(config, script)
    path.parent.mkdir(parents=True, exist_ok=True)
    render(config, script, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
