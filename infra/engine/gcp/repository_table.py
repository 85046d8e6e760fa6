"""Every property of gcp.artifactregistry.Repository."""

from infra.engine.gcp import settling
from infra.engine.gcp.schema import (
    COMPUTED,
    DELETION,
    LABELS,
    LOCAL,
    NEW,
    OUTPUT,
    PROJECT,
    REQUIRED,
    UNREAD,
    Fields,
    Property,
    block,
    block_set,
    blocks,
    boolean,
    integer,
    string,
    strings,
)


def upstream(choice: str) -> Property:
    """Return a remote source that is either well known or given by its address."""
    custom = block({"uri": string(NEW)}, NEW)
    return block({"customRepository": custom, "publicRepository": string(NEW, choices=(choice,))}, NEW)


def packages(*bases: str) -> Property:
    """Return a remote source of operating system packages."""
    public = {"repositoryBase": string(REQUIRED, NEW, choices=bases), "repositoryPath": string(REQUIRED, NEW)}
    return block({"publicRepository": block(public, NEW)}, NEW)


CREDENTIALS: Fields = {"passwordSecretVersion": string(NEW), "username": string(NEW)}

REMOTE: Fields = {
    "aptRepository": packages("DEBIAN", "UBUNTU", "DEBIAN_SNAPSHOT"),
    "commonRepository": block({"uri": string(REQUIRED, NEW)}, NEW),
    "description": string(NEW),
    "disableUpstreamValidation": boolean(UNREAD),
    "dockerRepository": upstream("DOCKER_HUB"),
    "mavenRepository": upstream("MAVEN_CENTRAL"),
    "noCache": block({}, NEW),
    "npmRepository": upstream("NPMJS"),
    "pythonRepository": upstream("PYPI"),
    "upstreamCredentials": block({"usernamePasswordCredentials": block(CREDENTIALS, NEW)}, NEW),
    "yumRepository": packages("CENTOS", "CENTOS_DEBUG", "CENTOS_VAULT", "CENTOS_STREAM", "ROCKY", "EPEL"),
}

CLEANUP_CONDITION: Fields = {
    "newerThan": string(settle=settling.duration),
    "olderThan": string(settle=settling.duration),
    "packageNamePrefixes": strings(),
    "tagPrefixes": strings(),
    "tagState": string(default="ANY", choices=("TAGGED", "UNTAGGED", "ANY")),
    "versionNamePrefixes": strings(),
}

CLEANUP: Fields = {
    "id": string(REQUIRED),
    "action": string(choices=("DELETE", "KEEP")),
    "condition": block(CLEANUP_CONDITION),
    "mostRecentVersions": block({"keepCount": integer(), "packageNamePrefixes": strings()}),
}

MAVEN: Fields = {
    "allowSnapshotOverwrites": boolean(NEW),
    "versionPolicy": string(
        NEW, default="VERSION_POLICY_UNSPECIFIED", choices=("VERSION_POLICY_UNSPECIFIED", "RELEASE", "SNAPSHOT")
    ),
}

UPSTREAM: Fields = {"id": string(), "priority": integer(), "repository": string()}

SCANNING: Fields = {
    "enablementConfig": string(choices=("INHERITED", "DISABLED")),
    "enablementState": string(OUTPUT),
    "enablementStateReason": string(OUTPUT),
}

REPOSITORY_FIELDS: Fields = {
    "repositoryId": string(REQUIRED, NEW, LOCAL),
    "location": string(COMPUTED, NEW, LOCAL),
    "project": PROJECT,
    **LABELS,
    "cleanupPolicies": block_set(CLEANUP, key="id"),
    "cleanupPolicyDryRun": boolean(),
    "deletionPolicy": DELETION,
    "description": string(),
    "dockerConfig": block({"immutableTags": boolean()}),
    "format": string(REQUIRED, NEW, settle=settling.any_case),
    "kmsKeyName": string(NEW),
    "mavenConfig": block(MAVEN, settle=settling.maven),
    "mode": string(
        NEW, default="STANDARD_REPOSITORY", choices=("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY")
    ),
    "remoteRepositoryConfig": block(REMOTE, NEW),
    "virtualRepositoryConfig": block({"upstreamPolicies": blocks(UPSTREAM, settle=settling.any_order)}),
    "vulnerabilityScanningConfig": block(SCANNING, COMPUTED),
    "createTime": string(OUTPUT),
    "name": string(OUTPUT),
    "registryUri": string(OUTPUT),
    "updateTime": string(OUTPUT),
}
