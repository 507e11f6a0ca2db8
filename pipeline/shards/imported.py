"""Imported features become embedding shards, like those of an encoder; the arrays' content decides what is written anew."""

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clips.clip import Clip
from pipeline.clips.features.feature_set import FeatureSet
from pipeline.clips.listing import Listing, write_partial
from pipeline.clips.manifest import write_manifest
from pipeline.clips.splits import check_ids, write_splits
from pipeline.errors import CacheError
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor, Row, Skip
from pipeline.shards.previous import open_partial, publish
from pipeline.storage import read_record, write_record

ORIGIN_NAME = "origin.json"


class ImportedExtractor(Extractor[Clip]):
    """Hands out the arrays of one modality; there is nothing to compute."""

    name = "imported"
    version = 1

    def __init__(self, modality: str, sequences: Mapping[str, NDArray[Any]]) -> None:
        self.config = {"modality": modality}
        self.sequences = sequences

    def source_key(self, source: Clip) -> Any:
        """The array's type, shape and bytes; None where the clip lacks the modality."""
        array = self.sequences.get(source.id)
        return None if array is None else [array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=20).hexdigest()]

    def extract(self, source: Clip) -> Row | Skip:
        """Return the clip's sequence (time, dim)."""
        array = self.sequences.get(source.id)
        return Skip(f"no_{self.config['modality']}_features") if array is None else {"sequence": np.asarray(array)}


def row_name(corpus: str, modality: str) -> str:
    """Return what a task's `encoders` names: the folder of a modality's imported embeddings."""
    return f"{corpus}_{modality}"


def write_imported(
    corpus: str, found: FeatureSet, clips: Path, embeddings: Path, origin: Path, settings: ShardSettings, options: RunOptions
) -> dict[str, Any]:
    """Write a corpus of ready-made features.

    Args:
        corpus: row of `feature_sets`.
        found: what its reader found.
        clips: folder for clips.jsonl and splits.json.
        embeddings: folder for a folder of shards a modality.
        origin: folder for origin.json: which files, by name and SHA-256.
        settings: the section `shards` of params.yaml.
        options: plan, recompute.

    Returns:
        The summary: clips, splits, rows computed and reused, what was skipped, numbers replaced.

    Raises:
        SplitError: a split names unknown clips.
        SkippedError: more clips lack a modality than `max_skipped` allows.
        CacheError: earlier rows are recorded and cannot be read.
    """
    check_ids(found.splits, found.manifest)
    extractors = {row_name(corpus, m): ImportedExtractor(m, sequences) for m, sequences in found.sequences.items()}
    with nullcontext() if options.plan else open_partial(clips) as partial:  # held to the end, so that two runs never mix what they write
        counts = run_sharded(found.manifest, extractors, embeddings, settings, options)
        if partial is not None:
            _write_clips(found, partial)
            publish(partial, clips)
            _write_origin(found, origin)
    splits = {name: len(folds) for name, folds in found.splits.items()}
    return {"clips": len(found.manifest), "splits": splits, "modalities": list(found.sequences), "replaced": dict(found.replaced), **counts}


def _write_clips(found: FeatureSet, folder: Path) -> None:
    """Write clips.jsonl and splits.json."""
    write_manifest(found.manifest, folder)
    write_splits(found.splits, folder)
    write_partial(Listing(found.manifest, found.splits, found.discrepancies), found.manifest, folder)


def _write_origin(found: FeatureSet, out: Path) -> None:
    """Write origin.json: what stands in the place of an encoder's config."""
    files = []
    for path in found.files:
        with path.open("rb") as file:
            files.append({"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
    record = {"source": "imported", "files": files, "replaced": dict(found.replaced)}
    with open_partial(out) as partial:
        write_record(record, partial / ORIGIN_NAME)
        publish(partial, out)


def read_origin(folder: Path) -> dict[str, str]:
    """Return where imported features come from: {source: imported, file: …, sha256: …}, numbered where there are several files.

    Raises:
        CacheError: origin.json is absent, or not what import_features writes.
    """
    path = folder / ORIGIN_NAME
    try:
        files = read_record(path)["files"]
        named = [(f" {k}" if len(files) > 1 else "", str(file["file"]), str(file["sha256"])) for k, file in enumerate(files, 1)]
    except FileNotFoundError as error:
        raise CacheError(f"{path} does not exist; run import_features, or `dvc pull` to get it") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CacheError(f"{path} does not say where features come from ({error}); delete it and run import_features again") from error
    return {"source": "imported"} | {key + k: value for k, *values in named for key, value in zip(("file", "sha256"), values, strict=True)}
