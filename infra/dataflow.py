"""A stack's outputs -> the options of a Dataflow job, as Apache Beam's command line takes them."""

from collections.abc import Mapping
from typing import Any

WORKERS = 4  # that may run at a time, where the command line does not say


def dataflow_flags(outputs: Mapping[str, Any], name: str) -> list[str]:
    """Return the options: whose account, where, on which machines, and where files are staged."""
    root = f"gs://{outputs['bucket']}/dataflow"
    flags = {
        "runner": "DataflowRunner",
        "project": outputs["project"],
        "region": outputs["region"],
        "job_name": name,
        "temp_location": f"{root}/temp",
        "staging_location": f"{root}/staging",
        "service_account_email": outputs.get("predictionAccount"),
        "worker_machine_type": outputs.get("machineType"),
        "max_num_workers": WORKERS,
        "dataflow_kms_key": outputs.get("kmsKey"),
        "labels": "app=keras-batch-prediction",
    }
    return [f"--{flag}={value}" for flag, value in flags.items() if value]
