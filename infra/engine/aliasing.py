"""Former names of resources: what stands under one is the resource's own, not to be made anew."""

from infra.engine import urn as names
from infra.engine.errors import StepError
from infra.engine.goal import Alias, Goal


class Aliases:
    """The names of one deployment's resources, those they have and those they had."""

    def __init__(self, project: str, stack: str) -> None:
        self._project = project
        self._stack = stack
        self._claimed: set[str] = set()
        self._former: dict[str, str] = {}  # name -> the one it had
        self._taken: dict[str, str] = {}  # the other way round

    def claim(self, urn: str) -> None:
        """Take a name for one resource of the program.

        Raises:
            StepError: where another one has it, or had it and is still what stands there.
        """
        what = f"{names.name_of(urn)!r} of type {names.type_of(urn)}"
        if urn in self._claimed:
            msg = f"the program declares {what} twice: name one differently"
            raise StepError(msg)
        if urn in self._taken:
            msg = f"the program declares {what}, and {self._taken[urn]!r} has that name as an alias: drop one of them"
            raise StepError(msg)
        self._claimed.add(urn)

    def claimed(self, urn: str) -> bool:
        """Tell whether the program has declared a resource already."""
        return urn in self._claimed

    def follow(self, urn: str, former: str) -> None:
        """Note that a resource is what stands under a former name.

        Raises:
            StepError: where that is another resource of the program.
        """
        holder = former if former in self._claimed else self._taken.get(former)
        if holder:
            msg = f"the alias {former!r} of {urn!r} names what is {holder!r} already: drop one of them"
            raise StepError(msg)
        self._former[urn] = former
        self._taken[former] = urn

    def of(self, goal: Goal) -> list[str]:
        """Return the names that a resource may have had, its own aliases first, then those by its parent's."""
        own = [self._urn(alias, goal) for alias in goal.aliases]
        former = self._former.get(goal.parent)
        if former is None:
            return own
        pairs = [(goal.type, goal.name), *((names.type_of(urn), names.name_of(urn)) for urn in own)]
        inherited = [self._make(former, type_, _follow(name, goal.parent, former)) for type_, name in pairs]
        return own + inherited

    def _urn(self, alias: Alias, goal: Goal) -> str:
        if alias.urn:
            return alias.urn
        parent = self._former.get(alias.parent, alias.parent) if alias.parent else goal.parent
        parent = "" if alias.no_parent else parent
        stack, project = alias.stack or self._stack, alias.project or self._project
        return names.make_urn(stack, project, parent, alias.type or goal.type, alias.name or goal.name)

    def _make(self, parent: str, type_: str, name: str) -> str:
        return names.make_urn(self._stack, self._project, parent, type_, name)


def _follow(name: str, parent: str, former: str) -> str:
    # A child that carries its parent's name in front of its own was renamed with it.
    now = names.name_of(parent)
    return names.name_of(former) + name.removeprefix(now) if name.startswith(now) else name
