"""Which container serves the models: this project's own image, Google's prebuilt one, or another."""

from datetime import date
from typing import Any

from infra.names import Names
from infra.setting_table import CLASSIC, NAMESPACE
from infra.settings import Settings

PREBUILT = "prebuilt"
PREBUILT_END = date(2027, 1, 14)  # "availability end" of both TensorFlow images that are left, 2.14 and 2.15
PORT = 8080
HEALTH, PREDICT = "/health", "/predict"
# How often, how long and how many times the service asks the container whether it is well, in seconds
PERIOD, TIMEOUT, STARTUP_TRIES, HEALTH_TRIES = 10, 15, 60, 4
MULTI_REGIONS = {"asia": "asia", "australia": "asia", "europe": "europe", "africa": "europe", "me": "europe"}


def has_registry(settings: Settings) -> bool:
    """Say whether the stack has a repository for its image: not where it names an image that others keep.

    With Google's prebuilt image it stays, for the versions that are kept to go back to were made with an image in it.
    """
    named = settings.serving_image not in {"", PREBUILT} and not settings.serving_image.startswith(own_images(settings))
    return not named and settings.platform != CLASSIC


def own_images(settings: Settings) -> str:
    """Return what the addresses of images in the project's own serving repositories begin with."""
    return f"{registry(settings)}/serving-"


def registry(settings: Settings) -> str:
    """Return where the project's repositories of the stack's region are."""
    return f"{settings.region}-docker.pkg.dev/{settings.project}"


def image_uri(settings: Settings, names: Names) -> str:
    """Return the image of the stack's setting.

    Raises:
        pulumi.RunError: the stack is on Google Cloud and its own image is not built.
    """
    if settings.serving_image == PREBUILT:
        continent = settings.region.partition("-")[0]
        return f"{MULTI_REGIONS.get(continent, 'us')}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    if not settings.serving_image and not settings.local:
        key = f"{NAMESPACE}:servingImage"
        from pulumi import RunError  # noqa: PLC0415  # half a second that tasks do not need

        msg = f"{key} is empty: no image serves the models yet. Run: invoke image --stack {names.stack}, then up again"
        raise RunError(msg)
    # A local cloud serves by the same server without any image
    return settings.serving_image or f"{registry(settings)}/{names.repository}/{NAMESPACE}:latest"


def container_spec(image: str) -> dict[str, Any]:
    """Return the container that serves a version; Google's prebuilt ones have routes and probes of their own."""
    if "/vertex-ai/prediction/" in image:
        return {"imageUri": image}
    probe = {"httpGet": {"path": HEALTH, "port": PORT}, "periodSeconds": PERIOD, "timeoutSeconds": TIMEOUT}
    return {
        "imageUri": image,
        "ports": [{"containerPort": PORT}],
        "predictRoute": PREDICT,
        "healthRoute": HEALTH,
        "env": [{"name": "TF_CPP_MIN_LOG_LEVEL", "value": "3"}],
        "startupProbe": {**probe, "failureThreshold": STARTUP_TRIES},
        "healthProbe": {**probe, "failureThreshold": HEALTH_TRIES},
    }


def warn_about(image: str) -> None:
    """Warn where the image goes away, or may change under the models that it serves."""
    import pulumi  # noqa: PLC0415  # as above

    if "/vertex-ai/prediction/tf2-" in image:
        end = f"Google removes its TensorFlow images on {PREBUILT_END}, then no job of these versions starts"
        pulumi.log.warn(f"{image}: {end}. Before that, run: pulumi config rm {NAMESPACE}:servingImage; invoke image")
    elif "@sha256:" not in image and not image.endswith("/keras-batch-prediction:latest"):
        pulumi.log.warn(f"{image} names a tag, which may mean another image tomorrow. Pin it: …@sha256:DIGEST")
