"""Find, follow and crop the speaker's face in every clip: MTCNN, 260×260 JPEGs, boxes and landmarks."""

from pathlib import Path
from typing import Any

from stages import (
    PARAMS,
    WORKERS,
    Address,
    ClipsFolder,
    EngineName,
    Limit,
    MediaFolder,
    OutFolder,
    Params,
    Plan,
    Recompute,
    Row,
    Workers,
    run_stage,
)


def main(
    row: Row,
    clips: ClipsFolder,
    media: MediaFolder,
    out: OutFolder,
    params: Params = PARAMS,
    workers: Workers = WORKERS,
    plan: Plan = False,
    limit: Limit = None,
    recompute: Recompute = False,
    engine: EngineName = "local",
    address: Address = None,
) -> dict[str, Any]:
    """Crop the speaker's face from every clip of a corpus.

    Frames are sampled by presentation time at `fps`, faces found by MTCNN, and the main face is followed through the clip. Each crop is
    kept as a JPEG beside its time, box, five landmarks and probability. The row's parameters stand in `faces` of params.yaml.

    Example: python -m stages.crop_faces demo data/clips/demo data/raw/demo data/faces/demo
    """
    from pipeline.clips.manifest import read_manifest
    from pipeline.extract.faces import FaceExtractor, FacesConfig
    from pipeline.params import read_row, read_section
    from pipeline.shards.engine import Engine
    from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded

    config = read_row(params, "faces", row, FacesConfig)
    settings = read_section(params, "shards", ShardSettings)
    options = RunOptions(workers, limit, recompute, plan, Engine(engine, address))
    return run_sharded(read_manifest(clips), FaceExtractor(config, Path(media)), out, settings, options)


if __name__ == "__main__":
    run_stage(main)
