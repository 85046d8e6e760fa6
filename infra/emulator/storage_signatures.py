"""Signed URLs, V4 and V2: their form and their expiry are checked; the signature itself is not, for no key is here."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from infra.emulator import clock
from infra.emulator.errors import ApiError, invalid
from infra.emulator.resources import Resources
from infra.emulator.storage_conditions import Query

LONGEST = 604_800  # seconds that a V4 URL may be valid: seven days
FAMILIES = ("x-goog-", "x-amz-")
NEEDED = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
ALGORITHMS = {"GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256", "AWS4-HMAC-SHA256"}
V2_ACCOUNTS = frozenset({"googleaccessid", "awsaccesskeyid"})
EXPIRED = "The provided token has expired. Request signature expired at: "


def is_signed(names: Iterable[str]) -> bool:
    """Tell whether an address with these parameters says that it is signed."""
    known = {name.lower() for name in names}
    if any(family + "signature" in known for family in FAMILIES):
        return True
    return "signature" in known and bool(known & V2_ACCOUNTS)


def check_signature(resources: Resources, query: Query, headers: Mapping[str, str]) -> None:
    """Let requests without a signature pass, and signed ones whose time is not over.

    Raises:
        ApiError: 400, the signature is malformed, has expired or is not valid yet.
    """
    lowered = {name.lower(): values[0] for name, values in query.items()}
    for family in FAMILIES:
        if family + "signature" in lowered:
            _check_v4({name: lowered.get(family + name, "") for name in NEEDED}, resources, headers)
            return
    if is_signed(lowered):
        _check_v2(lowered, resources)


def _check_v4(given: Mapping[str, str], resources: Resources, headers: Mapping[str, str]) -> None:
    for name, value in given.items():
        if not value:
            raise invalid(f"A V4 signed URL has the parameter X-Goog-{name.title()}.")
    if given["algorithm"] not in ALGORITHMS:
        raise invalid(f"X-Goog-Algorithm is {given['algorithm']!r}; known are {', '.join(sorted(ALGORITHMS))}.")
    if not re.fullmatch(r"\d{1,9}", given["expires"], re.ASCII) or not 0 < int(given["expires"]) <= LONGEST:
        raise invalid(f"X-Goog-Expires is {given['expires']!r}; it must be between 1 and {LONGEST} seconds.")
    try:
        signed = datetime.strptime(given["date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        until = signed + timedelta(seconds=int(given["expires"]))
    except (ValueError, OverflowError):
        raise invalid(f"X-Goog-Date is {given['date']!r}; its form is 20300131T120000Z.") from None
    _check_time(resources, until, signed)
    for name in given["signedheaders"].lower().split(";"):
        if name not in headers:
            raise invalid(f"Header was included in signedheaders, but not in the request: {name!r}.")


def _check_v2(given: Mapping[str, str], resources: Resources) -> None:
    expires = given.get("expires", "")
    if not re.fullmatch(r"\d{1,11}", expires, re.ASCII):
        raise invalid(f"Expires is {expires!r}; it must be a time in seconds since 1970.")
    _check_time(resources, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(expires)))


def _check_time(resources: Resources, expires: datetime, begins: datetime | None = None) -> None:
    now = clock.now(resources)
    if now > expires:
        raise ApiError(400, EXPIRED + expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if begins and begins > now + timedelta(minutes=15):
        raise ApiError(403, f"The signed URL is not valid before {begins.isoformat()}: the signer's clock is ahead.")
