"""Names that Google wants unique, derived from the stack's: two stacks of one project do not meet."""

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """What the stack's resources are called; every name fits its API's limit, however long the stack's is."""

    project: str
    stack: str

    @property
    def label(self) -> str:
        """The stack's name as a label's value (63 characters)."""
        return self._short(63)

    @property
    def prediction_account(self) -> str:
        """The id of the account that models run as (30 characters)."""
        return f"prediction-{self._short(19)}"

    @property
    def notebook_account(self) -> str:
        """The id of the account that the notebook runs as (30 characters)."""
        return f"notebook-{self._short(21)}"

    @property
    def build_account(self) -> str:
        """The id of the account that builds the serving image (30 characters)."""
        return f"build-{self._short(24)}"

    @property
    def repository(self) -> str:
        """The id of the repository that the serving image is in (63 characters)."""
        return f"serving-{self._short(55)}"

    @property
    def notebook(self) -> str:
        """The workbench instance's name (63 characters)."""
        return f"notebook-{self._short(54)}"

    @property
    def network(self) -> str:
        """The name of the stack's network and of what is in it (63 characters)."""
        return f"batch-prediction-{self._short(40)}"

    @property
    def deployer_account(self) -> str:
        """The id of the account that the workflow deploys as (30 characters)."""
        return f"deployer-{self._short(21)}"

    @property
    def previewer_account(self) -> str:
        """The id of the account that the workflow previews as (30 characters)."""
        return f"previewer-{self._short(20)}"

    def pool(self, number: str) -> str:
        """Return the id of an identity pool (32 characters): by a number, for ids of deleted pools are not free."""
        return f"github-{self._short(16)}-{number[-8:]}"

    def model(self, wrapper: str) -> str:
        """Return a model's id, which is also its display name (63 characters)."""
        return f"housing-{wrapper}-{self._short(40)}"

    def classic_model(self, wrapper: str) -> str:
        """Return a model's name on AI Platform: the tutorial's own in the stack `local`, so that its code runs."""
        base = f"housing_price{1 if wrapper == 'functional' else 2}"
        return base if self.stack == "local" else f"{base}_{self._short(40).replace('-', '_')}"

    def endpoint(self, wrapper: str) -> str:
        """Return an endpoint's id: up to 9 digits, the first not 0 (`endpointId` of Vertex AI's endpoints.create)."""
        digest = hashlib.sha256(f"{self.project}/{self.stack}/{wrapper}".encode()).hexdigest()
        return str(10**8 + int(digest, 16) % (9 * 10**8))

    def _short(self, length: int) -> str:
        """Return the stack's name in a-z, 0-9 and -; where letters were lost, its digest keeps it apart from others."""
        plain = re.sub(r"[^a-z0-9-]", "-", self.stack.lower()).strip("-")
        if plain == self.stack and len(plain) <= length:
            return plain
        digest = hashlib.sha256(self.stack.encode()).hexdigest()[:5]
        return f"{plain[: length - 6].rstrip('-')}-{digest}".lstrip("-")
