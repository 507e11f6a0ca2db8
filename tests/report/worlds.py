"""A corpus with labels and saved runs, without media or training: what evaluate and report read."""

from pathlib import Path

import numpy as np
import yaml

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest, write_manifest
from pipeline.clips.splits import Fold, write_splits
from pipeline.shards.extractor import Skip
from pipeline.shards.shard import ShardRow
from pipeline.tasks.task import Task
from pipeline.training.run import Run, run_folder, write_run
from tests.conftest import make_features, make_header

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
ENCODERS = {"text": "demo_text", "audio": "demo_audio", "video": "demo_video"}
TASKS = {
    "emotion": {"kind": "multi_label", "labels": list(EMOTIONS)},
    "sentiment": {"kind": "regression", "annotations": {"M": "s", "T": "s_T", "A": "s_A", "V": "s_V"}, "range": [-1, 1]},
    "category": {"kind": "multi_class", "label": "category", "classes": ["ang", "hap", "neu"]},
}
SKILL = {"constant": 0.0, "linear": 0.9, "concat": 1.1, "multitask_mbt": 1.6}


def make_params(skill=SKILL, tasks=("emotion", "sentiment"), draws=200, **changes):
    """Return params.yaml's content; keywords change every task."""
    common = {"corpus": "demo", "split": "speaker", "encoders": ENCODERS, "disjoint": {}, "claims": False}
    return {
        "corpora": {"demo": {}},
        "faces": {"demo": {"corpus": "demo", "fps": 5}},
        "logmels": {"demo": {"corpus": "demo", "preset": "davenet"}},
        "tokens": {"demo": {"corpus": "demo", "max_length": 100}},
        "tasks": {name: {**common, **TASKS[name], **changes} for name in tasks},
        "zoo": {row: {} for row in skill},
        "evaluate": {"draws": draws, "seed": 0},
        "report": {"title": "Results on a made-up corpus"},
    }


def make_clips(num_clips, seed=0):
    """Return clips of 8 speakers with the labels of every task; every third one reads a script that the others read too."""
    rng, clips = np.random.default_rng(seed), []
    for i in range(num_clips):
        labels = {name: float(rng.random() < 0.25) for name in EMOTIONS}
        values = np.clip(np.round(rng.normal(0, 0.5) + rng.normal(0, 0.25, 4), 1), -1, 1)
        labels |= dict(zip(("s", "s_T", "s_A", "s_V"), map(float, values), strict=True))
        labels["category"] = ("ang", "hap", "neu")[rng.integers(3)]
        speaker = f"s{i % 8}"
        end = float(np.round(rng.uniform(1.5, 3), 2))
        labels["turns"] = "scripted" if i % 3 == 0 else "improvised"
        text = "The line that everyone reads." if i % 3 == 0 else f"Words of clip {i}."
        place = {"media": f"{speaker}/{i}.mp4", "end": end, "speaker": speaker, "group": speaker, "digest": f"d{i}"}
        clips.append(Clip(f"c{i:04d}", text=text, labels=labels, **place))
    return clips


def make_fold(clips):
    """Return a speaker-disjoint fold: speakers 0–3 train, 4 and 5 valid, 6 and 7 test."""
    parts = {"train": "0123", "valid": "45", "test": "67"}
    return Fold.of({part: [c.id for c in clips if c.speaker[1] in numbers] for part, numbers in parts.items()})


def make_logits(task, target, skill, rng):
    """Return logits that follow the target as closely as `skill` says, (clips, outputs)."""
    if task.config.kind == "multi_class":
        target = np.eye(task.num_outputs)[target]
    if task.config.kind == "regression":
        return (0.4 * skill * target + (skill > 0) * rng.normal(0, 0.3, target.shape)).astype(np.float32)
    return (skill * (2 * target - 1) + (skill > 0) * rng.normal(0, 1, target.shape) - 1).astype(np.float32)


def make_run(task, manifest, fold, row, skill, seed, number=0):
    """Return a run of a row: heads and removed modalities for rows named multitask…, on all annotations."""
    rng = np.random.default_rng([seed, number, *row.encode()])
    ids = {"valid": fold.valid, "test": fold.test}
    heads = row.startswith("multitask")
    outputs = {"fusion": 1.0} | ({"text": 0.6, "audio": 0.5, "video": 0.4} if heads else {})
    outputs |= {f"without_{m}": 0.7 for m in ENCODERS} if row not in ("constant", "linear") else {}
    targets = {part: task.targets([manifest[i] for i in part_ids]) for part, part_ids in ids.items()}
    logits = {p: {o: make_logits(task, targets[p]["M"], skill * share, rng) for o, share in outputs.items()} for p in ids}
    epochs = range(1, 2 if skill == 0 else 15 + seed)
    records = [(e, 0.7 * 0.9**e + 0.2, 0.6 * 0.93**e + 0.25, 1.2 - 0.5 * 0.8**e + 0.02 * rng.normal(), 1e-3) for e in epochs]
    names = ("epoch", "train_loss", "valid_loss", "valid_selection", "learning_rate")
    encoders = {
        m: {
            "row": e,
            "digest": f"{m:0<40}",
            "fit_share": "half" if m != "text" else None,
            "config": {
                "network": f"{m}_net",
                "origin": {} if m != "text" else {"package": "some_package", "sha256": "ab" * 32},
            },
            "embedding": {"feature": "embedding", "version": 1},
        }
        for m, e in ENCODERS.items()
    }
    fields = {
        "hyperparams": {"dim": 64} if heads else {},
        "train": {"learning_rate": 1e-3},
        "spec": {},
        "task_config": {},
        "num_parameters": 0 if skill == 0 else 123456,
        "num_train_clips": len(fold.train),
        "truncated": {},
        "best_epoch": 0 if skill == 0 else max(records, key=lambda r: r[3])[0],
        "annotations": task.annotations if heads else ("M",),
        "modalities": tuple(ENCODERS),
        "history": [dict(zip(names, record, strict=True)) for record in records],
    }
    return Run(task.name, row, row, number, seed, f"{seed}{number}{row:f<38}", encoders=encoders, clip_ids=ids, logits=logits, **fields)


def make_shards(data, manifest):
    """Write faces, log-mels and tokens of the clips, as much of them as the report reads; two clips have no face, one no sound."""
    rng = np.random.default_rng(0)
    for name, feature in (("faces", "faces"), ("logmel", "logmel"), ("tokens", "tokens")):
        rows = []
        for i, clip in enumerate(manifest):
            frames = int(5 * clip.end)
            content = {
                "faces": {"found": rng.random(frames) < 0.97},
                "logmel": {"logmel": np.zeros((int(100 * clip.end), 2), np.float16)},
                "tokens": {"input_ids": np.arange(rng.integers(5, 14), dtype=np.int32), "truncated": np.array([i == 3])},
            }[name]
            skip = {("faces", 5): "no_face", ("faces", 6): "no_face", ("logmel", 7): "no_audio_stream"}.get((name, i))
            rows.append(ShardRow(clip.id, f"{i:040d}", Skip(skip) if skip else content))
        make_features(data / name / "demo", rows, make_header(feature, image_size=260))


def make_world(folder: Path, skill=SKILL, tasks=("emotion", "sentiment"), num_clips=120, seeds=(0, 1), draws=200, **changes):
    """Write params.yaml, data/clips/demo and data/runs/<task> below a folder; return the runs of each task."""
    params = make_params(skill, tasks, draws, **changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    clips = folder / "data" / "clips" / "demo"
    clips.mkdir(parents=True)
    manifest = Manifest(make_clips(num_clips))
    make_shards(folder / "data", manifest)
    fold = make_fold(manifest)
    write_manifest(manifest, clips)
    write_splits({"speaker": (fold,)}, clips)
    runs = {}
    for name in tasks:
        task = Task.read(folder / "params.yaml", name)
        runs[name] = [make_run(task, manifest, fold, row, level, seed) for row, level in skill.items() for seed in seeds]
        for run in runs[name]:
            write_run(run, run_folder(folder / "data" / "runs" / name, run.row, run.fold, run.seed), {})
    return runs
