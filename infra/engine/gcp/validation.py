"""What the provider refuses before any call: each function returns the reason, or nothing."""

import ipaddress
import json
import re
from typing import Any

ACCOUNT_ID = re.compile(r"^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$")
LABEL_KEY = re.compile(r"^[a-z0-9_-]{1,63}$")
BUCKET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
PRINCIPAL = re.compile(r".+:.+|projectOwners|projectReaders|projectWriters|allUsers|allAuthenticatedUsers")
SECONDS_A_DAY = 86400
LONGEST_PART, LONGEST_NAME = 63, 222  # of a bucket's name, between dots and as a whole


def account_id(value: Any) -> str:
    """Six to thirty characters that begin with a letter."""
    return "" if ACCOUNT_ID.match(value) else f'"account_id" ("{value}") doesn\'t match regexp "{ACCOUNT_ID.pattern}"'


def bucket_name(value: Any) -> str:
    """The naming rules of Cloud Storage."""
    if not BUCKET_NAME.fullmatch(value):
        allowed = "lowercase letters, digits, dashes, underscores and dots, with a letter or digit at both ends"
        return f'"name" ("{value}") must be made of {allowed}'
    if not 3 <= len(value) <= LONGEST_NAME or any(len(part) > LONGEST_PART for part in value.split(".")):
        return f'"name" ("{value}") must have 3 to {LONGEST_PART} characters, {LONGEST_PART} between dots'
    return f'"name" ("{value}") cannot start with "goog"' if value.startswith("goog") else ""


def bucket_labels(value: Any) -> str:
    """The rules for keys of labels."""
    wrong = [key for key in value if not LABEL_KEY.match(key)]
    about = "See https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels"
    return f'"{wrong[0]}" is an invalid label key. {about}' if wrong else ""


def member(value: Any) -> str:
    """A kind of principal and its name; deleted ones cannot be managed."""
    if value.startswith("deleted"):
        return "invalid value for member (Terraform does not support IAM members for deleted principals)"
    values = "https://cloud.google.com/billing/docs/reference/rest/v1/Policy#Binding"
    known = PRINCIPAL.search(value)
    return (
        "" if known else f"invalid value for member (IAM members must have one of the values outlined here: {values})"
    )


def rotation_period(value: Any) -> str:
    """A number of seconds with its unit, a day or more."""
    found = re.fullmatch(r"(\d+(?:\.\d{1,9})?)s", value)
    if value and not found:
        return "rotation period must be in the format of a decimal number with up to 9 fractional digits, then 's'"
    return "rotation period must be greater than one day" if found and float(found[1]) < SECONDS_A_DAY else ""


def pool_id(value: Any) -> str:
    """Four to thirty-two characters; a prefix is Google's own."""
    if value.startswith("gcp-"):
        return f'"workload_identity_pool_id" ("{value}") can not start with "gcp-"'
    if not re.fullmatch(r"[0-9a-z-]+", value):
        return "must contain only lowercase letters (a-z), numbers (0-9), or dashes (-)"
    return "" if 4 <= len(value) <= 32 else f"({value!r}) must have 4 to 32 characters"


def compute_name(value: Any) -> str:
    """A name as RFC 1035 has it."""
    pattern = "^(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)$"
    return "" if re.match(pattern, value) else f'"name" ("{value}") doesn\'t match regexp "{pattern}"'


def address_range(value: Any) -> str:
    """A range of addresses, written from its first one."""
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        return f"{value!r} is not a valid IP CIDR range: {error}"
    return ""


def json_text(value: Any) -> str:
    """Text that is JSON."""
    try:
        json.loads(value)
    except ValueError as error:
        return f'"traffic_split" contains an invalid JSON: {error}'
    return ""
