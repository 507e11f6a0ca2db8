"""params.yaml: every row of every table, read into the dataclass that its stage uses; and whether what rows name is there."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.doctor.check import Check, Place, failed, ok, warning
from pipeline.doctor.rows import read_rows
from pipeline.errors import ParamsError, PipelineError
from pipeline.params import build, read_params, read_row, read_section, read_table


def check_params(place: Place) -> Iterator[Check]:
    """Check params.yaml, naming each key that is wrong."""
    wrong: list[str] = []
    unread: set[str] = set()
    count = 0
    tables: dict[str, Callable[[Path, str], object]] = {
        "corpora": _read_corpus,
        "feature_sets": _read_feature_set,
        "faces": _read_faces,
        "logmels": _read_logmel,
        "tokens": _read_tokens,
        "encoders": _read_encoder,
        "tasks": _read_task,
    }
    reads: list[tuple[Callable[..., object], tuple[str, ...]]] = [(_read_sections, ())]
    for table, read in tables.items():
        rows = _try(wrong, unread, read_table, place.params, table) or {}
        reads += [(read, (row,)) for row in rows]
        count += len(rows)
    for read, arguments in reads:
        _try(wrong, unread, read, place.params, *arguments)
    if not wrong:
        _try(wrong, unread, read_rows, place.root, read_params(place.params))
        wrong += _find_dangling(read_params(place.params))
    if wrong:
        yield failed("params", "; ".join(dict.fromkeys(wrong)), "correct the key that is named")
    elif unread:
        yield warning("params", f"{count} rows read, but those that need {', '.join(sorted(unread))}, absent here", "`uv sync`")
    else:
        yield ok("params", f"{count} rows of {len(tables)} tables, the zoo and all sections are valid")


def _try(wrong: list[str], unread: set[str], read: Callable[..., Any], *arguments: Any) -> Any:
    """Call a reader; note its PipelineError, and a package that this machine does without."""
    try:
        return read(*arguments)
    except PipelineError as error:
        wrong.append(str(error))
    except ModuleNotFoundError as error:
        unread.add(str(error.name))
    return None


def _read_sections(params: Path) -> None:
    """Read the sections, and the zoo as each task sees it."""
    from pipeline.bench.config import BenchConfig
    from pipeline.demo.config import DemoConfig
    from pipeline.report.report import ReportConfig
    from pipeline.report.scores import EvaluateConfig
    from pipeline.shards.executor import ShardSettings
    from pipeline.training.zoo import read_zoo

    classes: dict[str, type[Any]] = {"shards": ShardSettings, "evaluate": EvaluateConfig, "report": ReportConfig}
    classes |= {name: cls for name, cls in {"demo": DemoConfig, "bench": BenchConfig}.items() if read_params(params).get(name)}
    for section, cls in classes.items():
        read_section(params, section, cls)
    for task in (None, *read_table(params, "tasks")):
        read_zoo(params, None, task)


def _read_corpus(params: Path, row: str) -> None:
    """Read a row of `corpora`, and find its adapter."""
    from pipeline.clips.corpora import CorpusConfig, load_adapter

    load_adapter(read_row(params, "corpora", row, CorpusConfig, wiring=("labels", "media")).adapter)


def _read_feature_set(params: Path, row: str) -> None:
    """Read a row of `feature_sets` as its format has it."""
    from pipeline.clips.features import load_reader

    where, values = f"{params}: feature_sets.{row}", read_table(params, "feature_sets")[row]
    if not isinstance(values.get("format"), str):
        raise ParamsError(f"{where} lacks `format`, the kind of file")
    build(load_reader(values["format"]).Config, {key: value for key, value in values.items() if key != "features"}, where)


def _read_faces(params: Path, row: str) -> None:
    """Read a row of `faces`."""
    from pipeline.extract.faces import FacesConfig

    read_row(params, "faces", row, FacesConfig)


def _read_logmel(params: Path, row: str) -> None:
    """Read a row of `logmels`."""
    from pipeline.extract.logmel_config import read_logmel_config

    read_logmel_config(params, row)


def _read_tokens(params: Path, row: str) -> None:
    """Read a row of `tokens`."""
    from pipeline.extract.tokens import TokensConfig

    read_row(params, "tokens", row, TokensConfig)


def _read_encoder(params: Path, row: str) -> None:
    """Read a row of `encoders`, and its options as its kind of network has them."""
    from pipeline.embed.encoder import EncoderConfig
    from pipeline.embed.network import read_kind

    config = read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
    build(read_kind(config.network).Options, config.options, f"{params}: encoders.{row}.options")


def _read_task(params: Path, row: str) -> None:
    """Read a row of `tasks`, and the rows of the zoo that it trains."""
    from pipeline.tasks.task import Task

    Task.read(params, row).config.rows(read_table(params, "zoo"))


def _find_dangling(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield each name of a row that is not there."""
    corpora = {*(params.get("corpora") or {}), *(params.get("feature_sets") or {})}
    encoders = params.get("encoders") or {}
    for table in ("faces", "logmels", "tokens", "encoders", "tasks"):
        for name, row in (params.get(table) or {}).items():
            if row["corpus"] not in corpora:
                yield f"{table}.{name}.corpus: there is no corpus `{row['corpus']}`"
    folders = {"faces": "faces", "logmel": "logmels", "tokens": "tokens"}
    for name, row in encoders.items():
        folder, _, feature = str(row["features"]).partition("/")
        if folder not in folders or feature not in (params.get(folders[folder]) or {}):
            yield f"encoders.{name}.features: there are no features `{row['features']}`"
    for name, row in (params.get("tasks") or {}).items():
        known = {*encoders, *(f"{each}_{modality}" for each in params.get("feature_sets") or {} for modality in row["encoders"])}
        yield from (f"tasks.{name}.encoders: there is no encoder `{each}`" for each in row["encoders"].values() if each not in known)
