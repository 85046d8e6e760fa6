"""What an access list may hold, by the settings of its bucket: the roles, the public, and the owner who stays one.

Texts and order are the service's, as clients have met them.
"""

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass

from infra.emulator.access_entries import OWNERS, Entries, entity_of, stronger
from infra.emulator.callers import PUBLIC
from infra.emulator.errors import ApiError, already_exists, invalid
from infra.emulator.predefined_lists import BUCKET_LISTS, OBJECT_LISTS, predefined
from infra.emulator.resources import Json

MOST = 100  # entries of a list
MORE = "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
READ_BUCKET = f"Cannot get legacy ACL for a bucket that has uniform bucket-level access. {MORE}"
READ_OBJECT = f"Cannot get legacy ACL for an object when uniform bucket-level access is enabled. {MORE}"
WRITE_BUCKET = f"Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled. {MORE}"
WRITE_OBJECT = f"Cannot update access control for an object when uniform bucket-level access is enabled. {MORE}"
INSERT_OBJECT = f"Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. {MORE}"
PREVENTED = (
    "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced."
)
OWNER_STAYS = "The owner of the resource is required to have OWNER access."


@dataclass(frozen=True)
class Rules:
    """What a list may hold: `owner` keeps OWNER (empty: nobody has to), `prevented` keeps the public out."""

    roles: tuple[str, ...]
    predefined: Mapping[str, Entries]
    owner: str
    prevented: bool

    def check(self, entries: Entries) -> None:
        """Raise 412 where entries let the public in and the bucket prevents it."""
        if self.prevented and PUBLIC & entries.keys():
            raise prevented()

    def sent(self, entries: Iterable[Json]) -> Entries:
        """Return entries as they are kept; of two for one entity the stronger counts. Raises ApiError 400, 412."""
        kept: Entries = {}
        _check_number(sent := list(entries))
        for entry in sent:
            entity, role = entry.get("entity"), entry.get("role")
            if not entity:
                raise invalid("Required parameter: entity", reason="required")
            if not role:
                raise invalid("Access control must contain a role", reason="required")
            if role not in self.roles:
                raise invalid(f"Invalid value for: {role} is not a valid value", reason="invalid")
            entity = entity_of(str(entity))
            kept[entity] = stronger(kept, entity, role)
        self.check(kept)
        return kept

    def owned(self, entries: Entries) -> Entries:
        """Return a list in which the owner has OWNER: added where it lacks him. Raises ApiError 403, 400."""
        if entries.get(self.owner, "OWNER") != "OWNER":
            raise owner_stays()
        _check_number(entries)
        return {**entries, self.owner: "OWNER"} if self.owner else entries

    def asked(self, sent: Iterable[Json] | None, name: str) -> Entries | None:
        """Return the list that a request sends or names, None where it does neither; an empty one is none."""
        if sent and name:
            raise already_exists("Cannot provide both a predefinedAcl and access controls.", reason="conflict")
        if name:
            entries = predefined(self.predefined, name)
            self.check(entries)
            owner = {self.owner: "OWNER"} if self.owner else {}
            return {**owner, **entries, **owner}  # first, and with his role whatever the list says
        return self.owned(self.sent(sent)) if sent else None


def is_uniform(bucket: Json) -> bool:
    """Tell whether a bucket's settings leave no room for access lists."""
    settings = bucket.get("iamConfiguration") or {}
    return bool((settings.get("uniformBucketLevelAccess") or {}).get("enabled"))


def is_prevented(bucket: Json) -> bool:
    """Tell whether a bucket keeps the public out, whatever lists and policies say."""
    return (bucket.get("iamConfiguration") or {}).get("publicAccessPrevention") == "enforced"


def bucket_rules(bucket: Json) -> Rules:
    """Return the rules of a bucket's own list, whose owner is the project's team."""
    return Rules(("OWNER", "WRITER", "READER"), BUCKET_LISTS, OWNERS, is_prevented(bucket))


def object_rules(bucket: Json, owner: str = "") -> Rules:
    """Return the rules of an object's list, or of the default one, which has no owner."""
    return Rules(("OWNER", "READER"), OBJECT_LISTS, owner, is_prevented(bucket))


def uniform(message: str) -> ApiError:
    """Make the 400 that lists answer where access is uniform."""
    return invalid(message, reason="invalid")


def prevented() -> ApiError:
    """Make the 412 of a public grant where the bucket prevents public access."""
    return ApiError(412, PREVENTED, reason="conditionNotMet")


def owner_stays() -> ApiError:
    """Make the 403 of a change that would take OWNER from the owner."""
    return ApiError(403, OWNER_STAYS, reason="forbidden")


def _check_number(entries: Sized) -> None:
    if len(entries) > MOST:
        msg = f"An access control list can contain at most {MOST} entries."
        raise invalid(msg, reason="tooManyAccessControlEntries")
