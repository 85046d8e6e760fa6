"""What roles allow in Cloud Storage and Vertex AI, as far as strict mode checks it.

From Google's pages "IAM roles for Cloud Storage" and "Vertex AI access control with IAM"; patterns as for file names.
"""

from fnmatch import fnmatchcase

READ_OBJECTS = (
    *("storage.objects.get", "storage.objects.list"),
    *("storage.folders.get", "storage.folders.list", "storage.managedFolders.get", "storage.managedFolders.list"),
)
WRITE_FOLDERS = ("storage.folders.*", "storage.managedFolders.create", "storage.managedFolders.delete")
READ_VERTEX = ("aiplatform.*.get", "aiplatform.*.list", "aiplatform.deploymentResourcePools.queryDeployedModels")
BUCKET_READS = ("storage.buckets.get", "storage.objects.list", "storage.multipartUploads.list")
PARTS = ("storage.multipartUploads.abort", "storage.multipartUploads.create", "storage.multipartUploads.listParts")

ROLES: dict[str, tuple[str, ...]] = {
    "roles/owner": ("*",),
    "roles/editor": ("storage.buckets.create", "storage.buckets.delete", "storage.buckets.list", "aiplatform.*"),
    "roles/viewer": ("storage.buckets.list", *READ_VERTEX),
    "roles/storage.admin": ("storage.*",),
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.objectAdmin": (
        "storage.objects.*",
        "storage.multipartUploads.*",
        "storage.folders.*",
        "storage.managedFolders.*",
    ),
    "roles/storage.objectUser": (
        *READ_OBJECTS,
        *("storage.objects.create", "storage.objects.delete", "storage.objects.update", "storage.multipartUploads.*"),
        *("storage.objects.move", "storage.objects.restore", *WRITE_FOLDERS),
    ),
    "roles/storage.objectCreator": ("storage.objects.create", *PARTS),
    "roles/storage.objectViewer": READ_OBJECTS,
    "roles/storage.legacyBucketOwner": (
        *BUCKET_READS,
        *("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.update"),
        "storage.bucketOperations.*",
        *("storage.objects.create", "storage.objects.delete", *PARTS),
    ),
    "roles/storage.legacyBucketWriter": (
        *BUCKET_READS,
        *("storage.objects.create", "storage.objects.delete", *PARTS),
    ),
    "roles/storage.legacyBucketReader": BUCKET_READS,
    "roles/storage.legacyObjectOwner": ("storage.objects.get", "storage.objects.update", "storage.objects.*IamPolicy"),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    "roles/aiplatform.admin": ("aiplatform.*",),
    "roles/aiplatform.user": ("aiplatform.*",),
    "roles/aiplatform.viewer": READ_VERTEX,
    "roles/aiplatform.serviceAgent": (
        "aiplatform.*",
        *READ_OBJECTS,
        "storage.objects.create",
        "storage.objects.delete",
    ),
}
# Bound on a project, a basic role means more than its own permissions: a bucket's first policy names its holders.
BASIC = {"roles/owner": "projectOwner", "roles/editor": "projectEditor", "roles/viewer": "projectViewer"}


def allows(role: str, permission: str) -> bool:
    """Tell whether a role has a permission; a role that is not known here has none."""
    return any(fnmatchcase(permission, pattern) for pattern in ROLES.get(role, ()))
