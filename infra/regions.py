"""The regions that a stack may be in, known before anything is sent."""

# Where Vertex AI, Cloud Storage and Compute Engine all have endpoints, by the discovery documents of
# google-api-python-client 2.202 (aiplatform.v1 and compute.v1 of 2026-11-06, storage.v1 of 2026-10-09). The bucket,
# the models, their jobs and the notebook of a stack share its region, so it has to be one of all three.
AS_OF = "2026-11-06"
REGIONS = frozenset(
    """
    africa-south1
    asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2 asia-southeast1
    asia-southeast2 australia-southeast1 australia-southeast2
    europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2
    europe-west3 europe-west4 europe-west6 europe-west8 europe-west9
    me-central1 me-central2 me-west1
    northamerica-northeast1 northamerica-northeast2 southamerica-east1 southamerica-west1
    us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4
    """.split()  # noqa: SIM905  # one region a literal would be forty lines
)
