"""Encryption keys that callers send: an object written with one is read with the same one only.

The bytes lie on disk as they came, for they are no secret here; of a key its hash is kept, as the service does. Reasons
by Google's "HTTP status and error codes for JSON".
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping

from infra.emulator.errors import ApiError, failed_precondition, invalid
from infra.emulator.resources import Json
from infra.emulator.storage_catalog import StoredObject

FIELD = "customerEncryption"  # of an object's resource
OWN, SOURCE = "x-goog-encryption", "x-goog-copy-source-encryption"
ALGORITHM, LENGTH = "AES256", 32
SUMS = ("md5Hash", "crc32c")  # of such an object shown to nobody without its key


def sent_key(headers: Mapping[str, str], prefix: str = OWN) -> Json:
    """Return what an object keeps of the key that a request sends; empty where it sends none.

    Raises:
        ApiError: 400, it is no key of 32 bytes with its SHA-256.
    """
    algorithm, key, digest = (headers.get(f"{prefix}-{part}") for part in ("algorithm", "key", "key-sha256"))
    if algorithm is None and key is None and digest is None:
        return {}
    if algorithm != ALGORITHM:
        raise invalid(
            f"Missing or unsupported encryption algorithm: {algorithm!r}. Use {ALGORITHM}.",
            reason="customerEncryptionAlgorithmIsInvalid",
        )
    hashed = _hashed(key or "")
    if digest != hashed:
        raise invalid(
            "Missing a SHA256 hash of the encryption key, or it is not that of the key.",
            reason="customerEncryptionKeySha256IsInvalid",
        )
    return {"encryptionAlgorithm": ALGORITHM, "keySha256": hashed}


def _hashed(key: str) -> str:
    try:
        content = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != LENGTH:
        raise invalid(
            f"Missing an encryption key, or it is not base64 of {LENGTH} bytes.",
            reason="customerEncryptionKeyFormatIsInvalid",
        )
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def check_key(found: StoredObject, headers: Mapping[str, str], prefix: str = OWN) -> None:
    """Refuse to read an object's bytes without the key that it was written with, or with one where it had none.

    Raises:
        ApiError: 400.
    """
    sent, needed = sent_key(headers, prefix), found.body.get(FIELD) or {}
    if sent == needed:
        return
    if not sent:
        raise is_encrypted()
    if not needed:
        msg = "The target object is not encrypted by a customer-supplied encryption key."
        raise invalid(msg, reason="resourceNotEncryptedWithCustomerEncryptionKey")
    raise invalid("The provided encryption key is incorrect.", reason="customerEncryptionKeyIsIncorrect")


def check_open(objects: Iterable[StoredObject]) -> None:
    """Refuse objects that a service of Google's cannot read, because it has no key. Raises ApiError 400."""
    for found in objects:
        if found.body.get(FIELD):
            raise failed_precondition(f"gs://{found.bucket}/{found.name}: {is_encrypted().message}")


def is_encrypted() -> ApiError:
    """Make the 400 of those who have no key."""
    msg = "The target object is encrypted by a customer-supplied encryption key."
    return invalid(msg, reason="resourceIsEncryptedWithCustomerEncryptionKey")


def without_sums(found: StoredObject, headers: Mapping[str, str], resource: Json) -> Json:
    """Return an object's resource for a caller: without checksums if he sends no key. Raises ApiError 400."""
    if not found.body.get(FIELD):
        return resource
    if sent_key(headers):
        check_key(found, headers)
        return resource
    return {name: value for name, value in resource.items() if name not in SUMS}


def key_headers(body: Json) -> dict[str, str]:
    """Return the headers by which a read or a write tells of the object's key."""
    kept = body.get(FIELD) or {}
    return {f"{OWN}-algorithm": kept["encryptionAlgorithm"], f"{OWN}-key-sha256": kept["keySha256"]} if kept else {}
