"""Where a pipeline runs: Beam's own options, completed with what this project needs of its runners."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    WorkerOptions,
    _BeamArgumentParser,
)
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from model.batch_predict.settings import UnusableError
from model.beam_predict.files import is_remote
from model.beam_predict.source import build_source

LOCAL = "DirectRunner"
DATAFLOW = "DataflowRunner"
QUIET = "disable_logging_submission_environment"  # it needs pip, which environments of uv have not
NEEDED = {"project": "--project", "region": "--region", "temp_location": "--temp_location"}


def pipeline_options(runner: str, flags: Sequence[str]) -> PipelineOptions:
    """Return Beam's options.

    Raises:
        UnusableError: one is unknown to Beam, or the runner needs one that is not there.
    """
    unknown = _unknown([*flags])
    if unknown:
        msg = f"No option {unknown[0]!r}, here or in Beam. Run: python -m model.beam_predict --help"
        raise UnusableError(msg)
    options = PipelineOptions([*flags, f"--experiments={QUIET}"], runner=None if runner == LOCAL else runner)
    options.view_as(SetupOptions).save_main_session = False  # all that workers need is in the package
    if runner == DATAFLOW:
        _check_dataflow(options)
    return options


def make_pipeline(runner: str, options: PipelineOptions) -> beam.Pipeline:
    """Return an empty pipeline.

    Raises:
        UnusableError: Beam does not take the options.
    """
    try:
        # Beam's DirectRunner would first try to fetch another runner's program from the internet
        return beam.Pipeline(FnApiRunner() if runner == LOCAL else None, options)
    except ValueError as error:
        msg = " ".join(str(error).split())
        raise UnusableError(msg) from None


def run_here(runner: str, options: PipelineOptions, workers: int) -> None:
    """Set how many processes of this machine run the pipeline, where it runs here; the user's own mode stays."""
    direct = options.view_as(DirectOptions)
    if runner == LOCAL and workers > 1 and direct.direct_running_mode == "in_memory":
        direct.direct_running_mode = "multi_processing"
    if runner == LOCAL and direct.direct_running_mode != "in_memory":
        direct.direct_num_workers = workers


def check_reachable(runner: str, options: PipelineOptions, places: Sequence[str]) -> None:
    """Refuse folders of this machine where workers elsewhere would look for them.

    Raises:
        UnusableError: a place is one.
    """
    here = runner == LOCAL or options.view_as(PortableOptions).environment_type == "LOOPBACK"
    for place in places:
        if not here and runner == DATAFLOW and not is_remote(place):
            msg = f"{runner} cannot reach {place!r}: its workers are elsewhere. Give a gs:// address"
            raise UnusableError(msg)


def stage_source(runner: str, options: PipelineOptions, folder: str) -> None:
    """Give workers elsewhere this package, unless the user's own setup does."""
    setup = options.view_as(SetupOptions)
    here = runner == LOCAL or options.view_as(PortableOptions).environment_type == "LOOPBACK"
    if not here and not setup.setup_file:
        setup.extra_packages = [*(setup.extra_packages or []), str(build_source(folder))]


def template(options: PipelineOptions) -> str:
    """Return where the job's description is to be written instead of starting it; "" where it is started."""
    return options.view_as(GoogleCloudOptions).template_location or ""


def _check_dataflow(options: PipelineOptions) -> None:
    cloud = options.view_as(GoogleCloudOptions)
    missing = [flag for name, flag in NEEDED.items() if not getattr(cloud, name)]
    if missing:
        msg = f"{DATAFLOW} needs {', '.join(missing)}; a stack's: invoke predict --on beam --stack STACK"
        raise UnusableError(msg)
    worker = options.view_as(WorkerOptions)
    if worker.use_public_ips is False and not (worker.network or worker.subnetwork):
        msg = "Workers without public addresses need a --subnetwork with Private Google Access"
        raise UnusableError(msg)


def _unknown(flags: list[str]) -> list[str]:
    """Return the flags that no group of Beam's options knows: Beam itself would only log them."""
    parser = _BeamArgumentParser(allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)
    return [flag for flag in parser.parse_known_args(flags)[1] if flag.startswith("-")]
