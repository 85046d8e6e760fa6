"""Secrets sealed as Pulumi's passphrase provider seals them: PBKDF2-SHA256, AES-256-GCM, `v1:NONCE:DATA`."""

import hashlib
import json
import os
import threading
from base64 import b64decode, b64encode
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.engine.errors import EngineError
from infra.engine.wire import SECRET, SIGNATURE, signed

ROUNDS = 1_000_000
PROOF = "pulumi"  # the word sealed into every salt string, so that a wrong passphrase shows


def passphrase() -> str:
    """Return the user's passphrase; local stacks have the empty one unless the user sets another."""
    if file := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            msg = f"No passphrase in {file!r} (PULUMI_CONFIG_PASSPHRASE_FILE): {error.strerror}"
            raise EngineError(msg) from error
    return os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")


class Sealer:
    """Seals and opens with one stack's key, which a thread derives (0.3 s) while the program starts."""

    def __init__(self, raw_salt: bytes, phrase: str, proof: str = "") -> None:
        self._raw = raw_salt
        self._proof = proof
        self._key = b""
        self._known: dict[str, dict[str, str]] = {}
        self._thread = threading.Thread(target=self._derive, args=(phrase,), daemon=True)
        self._thread.start()

    def _derive(self, phrase: str) -> None:
        self._key = hashlib.pbkdf2_hmac("sha256", phrase.encode(), self._raw, ROUNDS, 32)

    @property
    def salt(self) -> str:
        """The salt string that states and stack files carry."""
        if not self._proof:
            self._proof = self._encrypt(PROOF)
        return f"v1:{b64encode(self._raw).decode()}:{self._proof}"

    @cached_property
    def _cipher(self) -> Any:
        # Imported here: a stack without secrets never needs it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        self._thread.join()
        return AESGCM(self._key)

    def check(self) -> None:
        """Refuse a passphrase that is not the stack's: sealing with it would spoil the state."""
        if self._proof:
            self.open(self._proof)

    def open(self, ciphertext: str) -> str:
        """Open a sealed text."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (as above)

        try:
            _, nonce, data = ciphertext.split(":")
            return str(self._cipher.decrypt(b64decode(nonce), b64decode(data), None), "utf-8")
        except (ValueError, InvalidTag) as error:
            msg = "The passphrase does not open the stack's secrets. Set PULUMI_CONFIG_PASSPHRASE to its own"
            raise EngineError(msg) from error

    def _encrypt(self, text: str) -> str:
        nonce = os.urandom(12)
        data = self._cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{b64encode(nonce).decode()}:{b64encode(data).decode()}"

    def seal(self, place: str, text: str) -> str:
        """Seal a text for a place in the state; what is unchanged there keeps its ciphertext."""
        if not self._known:
            self.check()
        sealed = self._known.setdefault(place, {})
        if text not in sealed:
            sealed[text] = self._encrypt(text)
        return sealed[text]

    def remember(self, place: str, text: str, ciphertext: str) -> None:
        """Keep a ciphertext for `seal`."""
        self._known.setdefault(place, {})[text] = ciphertext


def sealer_of(salt: str, phrase: str) -> Sealer:
    """Make the sealer of a salt string; of a new one where there is none yet."""
    if not salt:
        return Sealer(os.urandom(8), phrase)
    try:
        version, raw, proof = salt.split(":", 2)
        if version == "v1":
            return Sealer(b64decode(raw, validate=True), phrase, proof)
    except ValueError:
        pass
    msg = f"Bad encryption salt {salt!r}: expected v1:SALT:v1:NONCE:DATA, as `pulumi stack init` writes it"
    raise EngineError(msg)


def sealed(value: Any, sealer: Sealer, place: str) -> Any:
    """Replace every open secret in a value by its ciphertext."""
    if isinstance(value, dict):
        if signed(value, SECRET):
            text = json.dumps(value.get("value"), separators=(",", ":"), ensure_ascii=False)
            return {SIGNATURE: SECRET, "ciphertext": sealer.seal(place, text)}
        return {key: sealed(item, sealer, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [sealed(item, sealer, f"{place}[{index}]") for index, item in enumerate(value)]
    return value


def opened(value: Any, sealer: Sealer | None, place: str) -> Any:
    """Replace every ciphertext (or exported plain text) in a value by the open secret."""
    if isinstance(value, dict):
        if signed(value, SECRET):
            return {SIGNATURE: SECRET, "value": json.loads(_text_of(value, sealer, place))}
        return {key: opened(item, sealer, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item, sealer, f"{place}[{index}]") for index, item in enumerate(value)]
    return value


def _text_of(value: dict[str, str], sealer: Sealer | None, place: str) -> str:
    if "plaintext" in value:
        return value["plaintext"]
    if sealer is None:
        msg = "The state has sealed secrets but names no passphrase provider (secrets_providers): it cannot be opened"
        raise EngineError(msg)
    text = sealer.open(value["ciphertext"])
    sealer.remember(place, text, value["ciphertext"])
    return text
