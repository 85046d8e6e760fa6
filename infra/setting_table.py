"""Every setting of a stack, once: what it means, what it may be, what it is where the stack file says nothing."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.regions import AS_OF, REGIONS
from infra.values import (
    Reader,
    address_range,
    boolean,
    choices,
    labels,
    matching,
    named,
    number,
    one_of,
    several,
    uploaded_models,
    whole,
)

NAMESPACE = "keras-batch-prediction"  # the project's name in Pulumi.yaml
WRAPPERS = ("functional", "decorator")
VERTEX, CLASSIC = PLATFORMS = ("vertex-ai", "ai-platform")
OWN_LABELS = ("app", "stack")  # set by the program on everything that takes labels
EXAMPLE = {"project": "my-project", "region": "us-central1"}

PROJECT = matching(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "a project id: 6 to 30 lower-case letters, digits, -")
REGION = one_of(REGIONS, f"a region of Vertex AI, Cloud Storage and Compute Engine (list of {AS_OF})", "us-central1")
ZONE = matching(r"[a-z]+-[a-z]+\d{1,2}-[a-z]", "a zone such as us-central1-b")
BUCKET = matching(r"(?!goog)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]", "a bucket name: 3 to 63 of a-z, 0-9, _ and -")
MACHINE_TYPE = matching(r"[a-z][a-z0-9]*-[a-z0-9-]*[a-z0-9]", "a machine type such as n1-standard-2")
BACKEND = matching(r"|(gs|s3|azblob|file|https)://\S+", "empty, or an address such as gs://my-project-pulumi-state")
STATE = "gs://my-project-pulumi-state"
IMAGE = matching(
    r"|prebuilt|[a-z0-9][^\s]*/[^\s]+",
    "empty, prebuilt, or an image such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:DIGEST",
)
KEY_EXAMPLE = "projects/my-project/locations/us-central1/keyRings/keys/cryptoKeys/data"
KEY = matching(
    r"|new|projects/[a-z][a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}",
    f"empty, new, or a key's full name such as {KEY_EXAMPLE}",
)
RANGE = address_range("private IPv4 addresses in CIDR form, /8 to /29, such as 10.10.0.0/24")
PERSON = matching(r"|[^@\s:,]+@[a-z0-9-]+(\.[a-z0-9-]+)+", "empty, or an e-mail address such as me@example.com")
ANNA = "anna@example.com"
REPOSITORY = matching(r"|[A-Za-z0-9-]{1,39}/[\w.-]{1,100}", "empty, or a GitHub repository written OWNER/NAME")
BRANCH = matching(r"[\w.-]+(/[\w.-]+)*", "a branch such as main")
REGIONS_WANTED = "a list of regions, each once"


@dataclass(frozen=True)
class Setting:
    """One setting; its key with the namespace, texts of its default with {project} and {region} to fill in."""

    key: str
    meaning: str
    read: Reader
    default: Any = None  # None: there is none, the stack file must say
    like: Any = None  # an example, where the default is none

    @property
    def name(self) -> str:
        """The key as refusals and the program's own table have it: our namespace left out."""
        return self.key.removeprefix(f"{NAMESPACE}:")

    @property
    def wanted(self) -> str:
        """What the reader takes, in its own words."""
        try:
            self.read(object())
        except ValueError as error:
            return str(error)
        raise AssertionError(self.key)  # a reader that takes anything checks nothing

    @property
    def example(self) -> str:
        """A value as `pulumi config set` takes it on a command line."""
        value = self.default_for(**EXAMPLE) if self.like is None else self.like
        text = value if isinstance(value, str) else json.dumps(value)
        return shlex.quote(text)

    def default_for(self, project: str, region: str) -> Any:
        """Return the default in a project and region."""
        if isinstance(self.default, str):
            return self.default.format(project=project, region=region)
        return self.default


def _own(name: str, meaning: str, read: Reader, default: Any, like: Any = None) -> Setting:
    return Setting(f"{NAMESPACE}:{name}", meaning, read, default, like)


GOOGLE = (
    Setting("gcp:project", "The Google Cloud project that everything is in.", PROJECT, like="my-project"),
    Setting("gcp:region", "Where bucket, models, jobs and endpoints are.", REGION, like="us-central1"),
    Setting("gcp:zone", "Where the notebook is: a zone of the region.", ZONE, "{region}-b"),
)
OWN = (
    _own(
        "platform",
        "The prediction service: vertex-ai, or on the local cloud its predecessor ai-platform.",
        matching("|".join(PLATFORMS), " or ".join(PLATFORMS)),
        VERTEX,
    ),
    _own("stateBackend", "Where the Pulumi CLI keeps the state; empty: where you are logged in.", BACKEND, "", STATE),
    _own("bucket", "The bucket's name, unique in all of Google Cloud.", BUCKET, "{project}-batch-prediction"),
    _own("predictionsTtlDays", "Days until predictions are deleted from the bucket.", whole(1, 3650), 30),
    _own(
        "softDeleteDays",
        "Days in which a deleted object can be restored (and is paid for); 0: none.",
        whole(7, 90, also=(0,)),
        7,
    ),
    _own(
        "production", "Whether bucket, models and images are protected from deletion and replacement.", boolean, False
    ),
    _own("dataflow", "Whether predictions may run on Dataflow too: invoke predict --on beam.", boolean, False),
    _own("forceDestroy", "Whether destroy deletes a bucket that still holds objects.", boolean, False),
    _own("labels", "Labels on everything that takes them.", labels(OWN_LABELS), {}, {"team": "pricing"}),
    _own(
        "allowedRegions",
        "Where the rules of invoke policy let anything be; empty: in the stack's region only.",
        several(REGION, REGIONS_WANTED),
        [],
        ["us-central1"],
    ),
    _own(
        "kmsKey",
        "The key over bucket, notebook, models, endpoints and jobs; empty: Google's own, new: one of the stack.",
        KEY,
        "",
        "new",
    ),
    _own("kmsRotationDays", "Days after which the stack's own key gets a new version.", whole(1, 3650), 90),
    _own(
        "privateNetwork",
        "Whether the notebook is in a network of the stack's own; a change makes it anew.",
        boolean,
        False,
    ),
    _own("networkRange", "The addresses of that network.", RANGE, "10.10.0.0/24"),
    _own(
        "networkInternet",
        "Whether machines in that network reach the internet (PyPI), through a NAT; Google's APIs they always reach.",
        boolean,
        False,
    ),
    _own("githubRepository", "The repository whose workflow deploys the stack without a key.", REPOSITORY, "", "me/it"),
    _own("githubBranch", "The branch that may change the stack; others may only preview.", BRANCH, "main"),
    _own("notebook", "Whether there is a workbench instance.", boolean, False),
    _own("notebookMachineType", "The notebook's machine.", MACHINE_TYPE, "e2-standard-4"),
    _own("notebookIdleMinutes", "Minutes without use after which the notebook stops.", whole(10, 1440), 180),
    _own(
        "notebookOwner",
        "Who alone may open the notebook; empty: all who may act as its account. A change makes it anew.",
        PERSON,
        "",
        "anna@example.com",
    ),
    _own("machineType", "The machine of batch jobs and endpoints.", MACHINE_TYPE, "n1-standard-2"),
    _own(
        "endpoints",
        "Wrappers that are served online, each by one machine that always runs; invoke deploy writes it.",
        choices(WRAPPERS),
        [],
        ["decorator"],
    ),
    _own("keepVersions", "How many replaced versions of each model stay, to go back to.", whole(0, 100), 3),
    _own("maxRmse", "The error on the test rows, in 1,000 dollars, above which promote refuses.", number(0, 1000), 10),
    _own("models", "The uploaded models; invoke upload writes it.", uploaded_models(WRAPPERS), {}),
    _own(
        "adoptModels",
        "Models of Vertex AI that are there already, by wrapper: the stack adds its versions to them and leaves them on"
        " destroy.",
        named(WRAPPERS, r"[a-z0-9_][a-z0-9_-]{0,62}", f"wrappers ({', '.join(WRAPPERS)}), each with a model's id"),
        {},
        {"decorator": "my-model"},
    ),
    _own(
        "servingImage",
        "The container that serves the models; invoke image builds this project's and writes it. prebuilt: Google's for"
        " TensorFlow 2.15, until 2027-01-14.",
        IMAGE,
        "",
        "prebuilt",
    ),
)
SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in (*GOOGLE, *OWN)}
