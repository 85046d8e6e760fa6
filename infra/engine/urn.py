"""Resource names as Pulumi writes them: urn:pulumi:STACK::PROJECT::[PARENTTYPE$]TYPE::NAME."""

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Compose a URN; a parent other than the stack prefixes its own qualified type."""
    prefix = ""
    if parent and type_of(parent) != STACK_TYPE:
        prefix = qualified_type(parent) + "$"
    return f"urn:pulumi:{stack}::{project}::{prefix}{type_}::{name}"


def qualified_type(urn: str) -> str:
    """Return the types of a resource and its ancestors, joined by `$`."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """Return a resource's own type token."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """Return the name the program gave."""
    return urn.split("::", 3)[3]


def stack_of(urn: str) -> str:
    """Return the stack's name."""
    return urn.split("::", 3)[0].removeprefix("urn:pulumi:")


def project_of(urn: str) -> str:
    """Return the project's name."""
    return urn.split("::", 3)[1]


def is_urn(text: str) -> bool:
    """Tell whether a string has a URN's form."""
    return text.startswith("urn:pulumi:") and text.count("::") >= 3


def package_of(type_: str) -> str:
    """Return the package that provides a type: `gcp` for `gcp:storage/bucket:Bucket` and `pulumi:providers:gcp`."""
    if type_.startswith(PROVIDER_PREFIX):
        return type_.removeprefix(PROVIDER_PREFIX)
    return type_.split(":", 1)[0]


def is_provider(urn: str) -> bool:
    """Tell whether a URN names a provider."""
    return type_of(urn).startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Tell whether a URN names a provider that no program asked for."""
    name = name_of(urn)
    return is_provider(urn) and (name == "default" or name.startswith("default_"))


def reference(urn: str, id_: str) -> str:
    """Name a provider as resources refer to it."""
    return f"{urn}::{id_}"


def referred(provider: str) -> str:
    """Return the URN of a provider reference; empty for none."""
    return provider.rsplit("::", 1)[0] if provider else ""
