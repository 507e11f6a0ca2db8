"""The artifacts of an encoder's row: one, or one for each fold of the task that it is fitted for. Earlier ones are reused."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.splits import read_splits
from pipeline.embed.encoder import CONFIG_NAME, WEIGHTS_NAME, Encoder, EncoderConfig, FitConfig, check_weights, read_encoder, write_encoder
from pipeline.embed.origins import locate, read_origin
from pipeline.errors import CheckpointError
from pipeline.shards.features import Features, read_features
from pipeline.shards.fingerprint import fingerprint
from pipeline.shards.previous import Previous, open_partial, publish
from pipeline.tasks.task import Task
from pipeline.training.encoder_clips import choose_clips

log = logging.getLogger(__name__)
VERSION = 1
"""Raised by hand when the same row, clips and features would give another artifact."""


@dataclass(frozen=True)
class Sources:
    """What an encoder's row is prepared from.

    Args:
        params: params.yaml.
        clips: the corpus' clips and splits.
        features: the shards that the encoder reads.
    """

    params: Path
    clips: Path
    features: Path


@dataclass(frozen=True)
class Options:
    """What changes the speed or reach only.

    Args:
        device: auto, cpu, cuda or cuda:<n>.
        threads: that decode beside the device.
        recompute: prepare again what is recorded and cannot be read.
        plan: count only.
    """

    device: str = "auto"
    threads: int = 2
    recompute: bool = False
    plan: bool = False


@dataclass(frozen=True)
class Job:
    """One artifact to prepare.

    Args:
        folder: below the row's own: "" or "fold-<k>".
        fingerprint: of everything that can change it.
        make: writes it into a folder.
    """

    folder: str
    fingerprint: str
    make: Callable[[Path], Encoder]


def prepare_encoder(name: str, row: EncoderConfig, sources: Sources, out: Path, options: Options) -> dict[str, Any]:
    """Prepare an encoder's artifacts in `out`; those that an earlier version holds are copied.

    Returns:
        The summary: computed, reused, seconds.

    Raises:
        CheckpointError: the weights cannot be had or are another network's.
        CacheError: an earlier version is recorded and cannot be read.
        TaskError, SplitError: the task's train part cannot serve the fit.
    """
    began = time.monotonic()
    jobs = list_jobs(name, row, sources, options)
    if options.plan:
        with Previous(out, options.recompute) as previous:
            reused = len(_find(jobs, previous))
        return {"plan": True, "to_compute": len(jobs) - reused, "reused": reused}
    with open_partial(out) as partial, Previous(out, options.recompute) as previous:
        found = _find(jobs, previous)
        for job in jobs:
            target = partial / job.folder
            if job.folder not in found:
                job.make(target)
            elif found[job.folder] != target.absolute():
                _copy(found[job.folder], target)
        _remove_others(partial, jobs)
        publish(partial, out)
    return {"computed": len(jobs) - len(found), "reused": len(found), "seconds": round(time.monotonic() - began, 2)}


def list_jobs(name: str, row: EncoderConfig, sources: Sources, options: Options) -> list[Job]:
    """Return the artifacts that a row asks for."""
    identity = {"modality": row.modality, "network": row.network, "options": row.options}
    if row.fit is not None:
        return list(_list_fits(name, row, row.fit, sources, options, identity))
    place, version = locate(row)
    origin = {"source": row.source, **version}
    whole = fingerprint("encoder", VERSION, identity, origin)

    def make(target: Path) -> Encoder:
        weights = read_origin(row, place)
        encoder = Encoder(row.modality, row.network, row.options, weights.architecture, origin, whole)
        return write_encoder(encoder, weights.state, target)

    return [Job("", whole, make)]


def _list_fits(
    name: str, row: EncoderConfig, fit: FitConfig, sources: Sources, options: Options, identity: dict[str, Any]
) -> Iterator[Job]:
    """Yield a fit for each fold of the task."""
    task = Task.read(sources.params, fit.task)
    manifest = read_manifest(sources.clips)
    folds = task.folds(manifest, read_splits(sources.clips))
    features = read_features(sources.features)
    for number, fold in enumerate(folds):
        where = f"encoders.{name}, fold {number}"
        clips = [manifest[i] for i in fold.train if i in features]
        fitted, valid = choose_clips(clips, fit.fit_share, fit.valid_share, where)
        parts = ([clip.id for clip in fitted], [clip.id for clip in valid])
        folder = f"fold-{number}" if len(folds) > 1 else ""
        mark = fingerprint("encoder", VERSION, identity, _learned(fit, task), [_seen(ids, task, manifest, features) for ids in parts])
        yield Job(folder, mark, _Fit(f"{name} {folder}".strip(), row, task, manifest, features, parts, options, mark))


def _learned(fit: FitConfig, task: Task) -> dict[str, Any]:
    """Return what of the fit and its task can change the weights; the labels themselves stand beside it."""
    kept = ("kind", "labels", "classes", "range", "accuracy")
    return {**asdict(fit), "task": {key: getattr(task.config, key) for key in kept}}


def _seen(ids: Sequence[str], task: Task, manifest: Manifest, features: Features) -> list[Any]:
    """Return what a fit reads of these clips: ids, labels, and the fingerprints of their features."""
    target = task.targets([manifest[i] for i in ids])["M"]
    return [list(ids), target.tolist(), [features.fingerprint(i) for i in ids]]


@dataclass(frozen=True)
class _Fit:
    """Fits one artifact when it is called."""

    name: str
    row: EncoderConfig
    task: Task
    manifest: Manifest
    features: Features
    parts: tuple[list[str], list[str]]
    options: Options
    fingerprint: str

    def __call__(self, target: Path) -> Encoder:
        from pipeline.embed.device import choose_device
        from pipeline.embed.network import read_kind
        from pipeline.training.encoder import CHECKPOINT_NAME, EncoderFit, FitData

        row, checkpoint = self.row, target / CHECKPOINT_NAME
        kind = read_kind(row.network)
        network = kind(row.options, kind.describe(row.options))
        network.check_features(self.features.header.config_values)
        rows = [[self.features[i] for i in ids] for ids in self.parts]
        targets = [self.task.targets([self.manifest[i] for i in ids])["M"] for ids in self.parts]
        data = FitData(rows[0], targets[0], rows[1], targets[1])
        fit = EncoderFit(row, network, self.task, data, choose_device(self.options.device), self.options.threads)
        standing = fit.run(self.name, checkpoint, self.fingerprint)
        encoder = Encoder(
            row.modality,
            row.network,
            row.options,
            network.architecture,
            {"source": "fit", "task": self.task.name, "best_epoch": standing.best_epoch},
            self.fingerprint,
            tuple(sorted(self.parts[0] + self.parts[1])),
            fit.config.fit_share,
            tuple(standing.history),
        )
        written = write_encoder(encoder, standing.best, target)
        checkpoint.unlink()
        return written


def _find(jobs: Sequence[Job], previous: Previous) -> dict[str, Path]:
    """Return where earlier artifacts of the same fingerprints lie, by the folder of their job; one that was changed since is left out."""
    found: dict[str, Path] = {}
    for folder in previous.folders():
        for job in jobs:
            path = folder / job.folder
            if job.folder not in found and (path / CONFIG_NAME).exists() and _is_usable(path, job.fingerprint):
                found[job.folder] = path.absolute()
        if len(found) == len(jobs):
            break
    return found


def _is_usable(path: Path, wanted: str) -> bool:
    """Whether an artifact has the fingerprint and the weights that it says it has."""
    try:
        encoder = read_encoder(path)
        if encoder.fingerprint != wanted:
            return False
        check_weights(encoder, path)
    except CheckpointError as error:
        log.warning("an earlier encoder is left out: %s", error)
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy an artifact, its config last."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_NAME, CONFIG_NAME):
        temporary = target / f".{name}.tmp"
        shutil.copyfile(source / name, temporary)
        temporary.replace(target / name)


def _remove_others(partial: Path, jobs: Sequence[Job]) -> None:
    """Remove what an earlier run left and this one did not write."""
    wanted = {partial / job.folder / name for job in jobs for name in (CONFIG_NAME, WEIGHTS_NAME)}
    for path in sorted(partial.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
