"""The words of the gcp tables: what a property is, and what a resource type is made of.

The facts behind the tables are Terraform's schemas of the google-beta provider 8.x, under the names Pulumi gives them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Literal

from infra.engine.providers import Properties

if TYPE_CHECKING:
    from infra.engine.gcp.rest import Cloud

Json = dict[str, Any]
Fields = Mapping[str, "Property"]
Kind = Literal[
    "string", "boolean", "integer", "long", "real", "asset", "map", "strings", "string_set",
    "block", "set_block", "blocks", "block_set",
]  # fmt: skip
LISTS = ("strings", "string_set", "blocks", "block_set")


class Trait(Flag):
    """What Terraform's schema says of a property, and how it travels."""

    NONE = 0
    REQUIRED = auto()
    COMPUTED = auto()  # unset: the service decides, and what it decided stays
    OUTPUT = auto()  # never an input
    NEW = auto()  # a change replaces the resource
    LOCAL = auto()  # no field of the JSON resource: part of its address, or the provider's own
    UNREAD = auto()  # sent, but what was sent stays in the state whatever the service says


REQUIRED, COMPUTED, OUTPUT = Trait.REQUIRED, Trait.COMPUTED, Trait.OUTPUT
NEW, LOCAL, UNREAD = Trait.NEW, Trait.LOCAL, Trait.UNREAD
ZEROS: Mapping[str, Any] = {"string": "", "boolean": False, "integer": 0, "long": 0, "real": 0}


@dataclass(frozen=True)
class Property:
    """One property; `block` and `set_block` hold one object (Terraform's lists and sets of at most one item)."""

    kind: Kind
    traits: Trait = Trait.NONE
    fields: Fields = field(default_factory=dict)
    default: Any = None  # written into the inputs by check
    fallback: Any = None  # what a missing input means, without being written
    missing: Any = ...  # what a missing JSON field reads as; ... is the zero of the kind
    tf: str = ""  # Terraform's name, where it is not this one in snake case
    api: str = ""  # the JSON name, where it is not Terraform's in camel case
    key: str = ""  # which field tells a set's objects apart
    wrapped: bool = False  # one object here, a list in JSON
    choices: tuple[str, ...] = ()
    wrong: Callable[[Any], str] | None = None  # why a value is refused, or ""
    store: Callable[[Any], Any] | None = None  # how the state keeps the input
    settle: Callable[[Any, Any], Any] | None = None  # (prior, planned) -> planned, where some changes are none
    forces: Callable[[Any, Any], bool] | None = None  # (prior, planned): replace in just this case

    @property
    def decided(self) -> bool:
        """Whether the service gives a value where the inputs have none."""
        return bool(self.traits & (COMPUTED | OUTPUT))


def _traits(given: tuple[Trait, ...]) -> Trait:
    merged = Trait.NONE
    for trait in given:
        merged |= trait
    return merged


def _scalar(kind: Kind) -> Callable[..., Property]:
    def build(*traits: Trait, **options: Any) -> Property:
        return Property(kind, _traits(traits), **options)

    return build


def _structure(kind: Kind) -> Callable[..., Property]:
    def build(fields: Fields, *traits: Trait, **options: Any) -> Property:
        return Property(kind, _traits(traits), fields, **options)

    return build


string, boolean, integer = _scalar("string"), _scalar("boolean"), _scalar("integer")
long, real, mapping = _scalar("long"), _scalar("real"), _scalar("map")
strings, string_set, asset = _scalar("strings"), _scalar("string_set"), _scalar("asset")
block, set_block = _structure("block"), _structure("set_block")
blocks, block_set = _structure("blocks"), _structure("block_set")


@dataclass(frozen=True)
class AutoName:
    """Which input is made from the resource's name when the program gives none."""

    key: str
    longest: int = 63
    numeric: bool = False


@dataclass(frozen=True)
class ResourceType:
    """A row of the provider's table: the properties, and the calls that make them true.

    `create` gets the planned properties and returns id and JSON; `read` gets the id and what is known and returns JSON
    or None; `update` gets id, prior and planned properties and the changed names; JSON has the names of the tables.
    """

    title: str
    properties: Fields
    create: Callable[["Cloud", Properties], tuple[str, Json]]
    read: Callable[["Cloud", str, Properties], Json | None]
    update: Callable[["Cloud", str, Properties, Properties, frozenset[str]], Json]
    delete: Callable[["Cloud", str, Properties], None]
    identify: Callable[[str, str], Properties]  # (id, the provider's project) -> the properties that the id names
    name: Callable[[Properties], str]  # what the user calls it
    minutes: Mapping[str, int] = field(default_factory=dict)  # the provider's time limits, part of the state
    version: str = ""  # Terraform's schema version, where it is not 0
    autoname: AutoName | None = None
    adjust: Callable[[Properties | None, Properties], None] | None = None  # Terraform's CustomizeDiff
    exactly_one: tuple[str, ...] = ()
    apart: tuple[tuple[str, str], ...] = ()  # paths that exclude each other
    standing: Callable[[Properties], str] | None = None  # the id that the planned properties make, to find a leftover
    foreign: Callable[["Cloud", Json, Properties], str] | None = None  # why a leftover is not ours, or ""
    remedy: str = "Choose another name."


def unread(fields: Fields, inputs: Properties) -> bool:
    """Tell whether the inputs set anything that cannot be read back."""
    return any(
        UNREAD in prop.traits or (isinstance(inputs[name], dict) and unread(prop.fields, inputs[name]))
        for name, prop in fields.items()
        if inputs.get(name) is not None
    )


PROJECT = string(COMPUTED, NEW, LOCAL)
DELETION = string(COMPUTED, LOCAL, fallback="DELETE", choices=("DELETE", "PREVENT", "ABANDON"))
LABELS: Fields = {
    "labels": mapping(LOCAL),
    "effectiveLabels": mapping(OUTPUT, LOCAL),
    "pulumiLabels": mapping(OUTPUT, LOCAL, tf="terraform_labels"),
}
