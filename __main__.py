"""pulumi up enters here."""

from infra.program import deploy

deploy()
