"""Say what a shard, a folder of shards or a run contains; not a stage of dvc.yaml."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import run_stage


def main(
    path: Annotated[Path, typer.Argument(help="A shard, a folder of shards, or the folder of a run.")],
    clip: Annotated[str | None, typer.Option("--clip", help="Describe this clip's row only.")] = None,
    faces: Annotated[Path | None, typer.Option("--faces", help="Save the clip's faces as a contact sheet: a PNG to write.")] = None,
) -> dict[str, Any]:
    """Print what PATH holds (schema, config, counts, shapes, fingerprints) and test every checksum.

    Examples:
      python -m stages.inspect data/faces/demo

      python -m stages.inspect data/faces/demo --clip video_0003_0012 --faces faces.png

      python -m stages.inspect data/runs/demo_emotion/concat/fold-0/seed-0
    """
    import json

    from pipeline.errors import PipelineError
    from pipeline.report.contact_sheet import write_contact_sheet
    from pipeline.report.contents import describe

    if faces is not None and clip is None:
        raise PipelineError("--faces needs --clip: whose faces?")
    contents = describe(path, clip)
    typer.echo(json.dumps(contents, indent=2, ensure_ascii=False))
    frames = write_contact_sheet(path, clip, faces) if faces is not None and clip is not None else None
    return {"path": str(path), **({"frames": frames, "picture": str(faces)} if frames else {})}


if __name__ == "__main__":
    run_stage(main, records=False)
