"""Every exception that the pipeline raises on purpose.

    PipelineError
    ├── ParamsError       params.yaml: an unknown, missing or ill-typed key
    ├── ManifestError     clips.jsonl or a label file
    ├── SplitError        parts that overlap or name unknown clips
    ├── MediaError        a media file that this machine needs and does not hold
    ├── ShardError        a torn, corrupted or foreign shard
    ├── CacheError        an earlier version that is recorded but cannot be read
    ├── CheckpointError   an encoder or a run that cannot be loaded
    ├── StorageError      a disk that is full, a folder that may not be written
    ├── TaskError         a task that its clips cannot serve
    ├── ModelError        a fusion model that its configuration rules out
    └── SkippedError      more clips skipped than params.yaml allows

A clip that cannot be processed is no exception but a `Skip` (pipeline/shards/extractor.py): it is counted, and the stage goes on.
"""


class PipelineError(Exception):
    """Base of the tree; its message says what, which, and what to do."""


class ParamsError(PipelineError):
    """params.yaml holds an unknown, missing or ill-typed key."""


class ManifestError(PipelineError):
    """A manifest or a label file is not what its layout says."""


class SplitError(PipelineError):
    """The parts of a split overlap, or name clips that are not there."""


class MediaError(PipelineError):
    """A row has to be computed and its media is not on this machine."""


class ShardError(PipelineError):
    """A shard is torn, corrupted or of another schema."""


class CacheError(PipelineError):
    """An earlier version is recorded but cannot be read."""


class CheckpointError(PipelineError):
    """An encoder or a run cannot be loaded."""


class StorageError(PipelineError):
    """A disk is full or fails, or a file or folder may not be read or written."""


class TaskError(PipelineError):
    """A task cannot be served by its clips or its predictions."""


class ModelError(PipelineError):
    """A fusion model cannot be built from its hyperparameters or serve its task."""


class SkippedError(PipelineError):
    """A larger share of clips was skipped than `max_skipped` allows."""
