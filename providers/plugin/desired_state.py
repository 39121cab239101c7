"""A kind's wishes and findings as Pulumi keeps them: checked, compared, and turned into outputs. Touches no machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from providers.errors import InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.machine.inventory import Placement
from providers.plugin.difference import Change, entries
from providers.plugin.values import Properties

InputsT = TypeVar("InputsT", bound=Inputs)
FactsT = TypeVar("FactsT", bound=Facts)
MACHINE = "machine"
"""The output that says on which machine a resource is."""
RECORD = "__record"
"""The output that remembers the resource's key in the record on the machine; Pulumi shows no name that begins so."""
MADE = "__made"
"""The output that remembers which properties have their defaults for wishes: those of what Hearth made."""


class DesiredState(Generic[InputsT, FactsT]):
    """The pure part of a kind's verbs."""

    def __init__(self, kind: Kind[InputsT, FactsT]) -> None:
        self.kind = kind
        self.aliases = {name: info.alias or name for name, info in kind.inputs.model_fields.items()}
        self.found_types: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter[Any](cast(Any, info.annotation))
            for name, info in kind.facts.model_fields.items()
            if name in self.aliases
        }
        self._options: dict[str, Any] = {
            name: info.get_default(call_default_factory=True)
            for name, info in kind.inputs.model_fields.items()
            if not info.is_required() and name not in self.found_types
        }
        """Inputs about how a thing is managed, which are not found on a machine -> their defaults."""
        self._wish_types: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter[Any](cast(Any, kind.inputs.model_fields[name].annotation)) for name in self.found_types
        }
        self._secret_outputs = frozenset(kind.facts.model_fields[name].alias or name for name in kind.secret_outputs)
        self.identity = tuple(self.aliases[name] for name in kind.identity)

    def check(self, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """Return inputs in their canonical form, and (property, reason) for every mistake. The unknown is trusted."""
        known = {name: value for name, value in news.values.items() if name not in news.unknown}
        failures: list[tuple[str, str]] = []
        open_ = news.unknown
        try:
            wish = self.kind.inputs.model_validate(known)
            values = self.dump(wish)
            if self.kind.computed:
                values, open_ = self._computed(wish, values, news, failures)
        except ValidationError as error:
            values = self._canonical(known)
            for mistake in error.errors(include_url=False):
                place = ".".join(str(part) for part in mistake["loc"])
                # A rule about the whole can't be judged either while a part of it is unknown.
                if news.unknown and (not mistake["loc"] or mistake["loc"][0] in news.unknown):
                    continue
                secret = not mistake["loc"] or mistake["loc"][0] in news.secret
                failures.append((place, self._reason(dict(mistake), place, secret)))
        inputs = {name: value for name, value in values.items() if name not in open_}
        secret = news.secret
        if secret and self.kind.computed:
            secret |= {self.aliases[name] for name in self.kind.computed}
        return Properties(inputs, secret, open_), failures

    def _computed(
        self, wish: InputsT, values: dict[str, Any], news: Properties, failures: list[tuple[str, str]]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """Work out the inputs that follow from others, with `values`; and what is not known: all, while a part is."""
        if news.unknown:
            return values, news.unknown | {self.aliases[name] for name in self.kind.computed}
        for name, work_out in self.kind.computed.items():
            try:
                values[self.aliases[name]] = work_out(wish)
            except InvalidInput as error:
                failures.append((self.aliases[name], f"{error}\nNothing was touched."))
        return values, news.unknown

    def _canonical(self, known: dict[str, Any]) -> dict[str, Any]:
        """Return what validation makes of each property by itself, for when it can't pass as a whole.

        Defaults are filled in.
        """
        values = dict(known)
        for name, info in self.kind.inputs.model_fields.items():
            alias = self.aliases[name]
            if alias not in known:
                if not info.is_required():
                    values[alias] = info.get_default(call_default_factory=True)
                continue
            # The description is there so that there is something to annotate with.
            adapter = TypeAdapter[Any](cast(Any, Annotated)[info.annotation, info.description, *info.metadata])
            with contextlib.suppress(ValidationError):
                values[alias] = adapter.dump_python(adapter.validate_python(known[alias]), mode="json")
        return values

    def _reason(self, mistake: dict[str, Any], place: str, secret: bool) -> str:
        rule = str(mistake["msg"]).removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            known = ", ".join(sorted(self.aliases.values()))
            return f"{self.kind.name} has no property {place!r}; it has: {known}"
        value = "" if secret or mistake["type"] == "missing" else f" (it is {mistake.get('input')!r})"
        return f"{rule}{value}; nothing was touched"

    def differences(self, old: Properties, new: Properties) -> dict[str, Change]:
        """Return which properties a state falls short of, wish by wish."""
        changes: dict[str, Change] = {}
        made = self.made(old)
        for name, alias in self.aliases.items():
            wish, found = new.values.get(alias), old.values.get(alias)
            if wish is None and name in made:
                wish = self._default(name, new)
            if alias in new.unknown:
                changes[alias] = Change.UPDATE
            elif wish is None and (found is None or name in self.found_types):
                continue  # not managed, whatever is there
            elif wish is None:
                changes[alias] = Change.DELETE
            elif found is None:
                # An option that an older version did not have, left as it is: it says nothing new about the thing.
                if name in self.found_types or wish != self._options.get(name):
                    changes[alias] = Change.ADD
            elif name in self.found_types:
                typed = self.found_types[name].validate_python(found)
                if self.kind.differs(name, self._wish_types[name].validate_python(wish), typed):
                    changes[alias] = Change.UPDATE
            elif wish != found:
                changes[alias] = Change.UPDATE
        return changes

    def items(self, changes: Mapping[str, Change], old: Properties, new: Properties) -> dict[str, Change]:
        """Take those of `changes` apart that are of maps told entry by entry, as `files["a.conf"]`."""
        apart = {self.aliases[name] for name in self.kind.itemized}
        result: dict[str, Change] = {}
        for alias, change in changes.items():
            wish, found = new.values.get(alias), old.values.get(alias)
            if alias not in apart or alias in new.unknown or not isinstance(wish, dict) or not isinstance(found, dict):
                result[alias] = change
                continue
            for key, entry in entries(cast("dict[str, Any]", wish), cast("dict[str, Any]", found)).items():
                quoted = key.replace('"', '\\"')
                result[f'{alias}["{quoted}"]'] = entry
        return result

    def learned(self, alias: str, changes: Mapping[str, Change], old: Properties, new: Properties) -> bool:
        """Return whether an identity property is only new to the state, as after an update of Hearth.

        That is where the state does not have it, and the thing's id is the same.
        """
        if changes.get(alias) is not Change.ADD or new.unknown:
            return False
        identify = self.kind.identify
        return identify(self.inputs_of(old)) == identify(self.inputs_of(new))

    def made(self, outputs: Properties) -> list[str]:
        """Return the inputs whose defaults hold, by what the state remembers."""
        return [name for name in outputs.values.get(MADE) or () if name in self.kind.defaults]

    def _default(self, name: str, inputs: Properties) -> Any:
        return self.kind.default(name, lambda other: inputs.values.get(self.aliases[other]))

    def managed(self, inputs: InputsT) -> list[str]:
        """Return the properties of the thing itself that `inputs` wish for."""
        return [name for name in self.found_types if getattr(inputs, name) is not None]

    def once_managed(self, inputs: InputsT, managed: Iterable[str], before: FactsT) -> InputsT:
        """Return `inputs` for putting back: what was managed at any time is, with the value that it had before."""
        values: dict[str, Any] = {}
        for name in self.found_types.keys() & set(managed):
            if getattr(inputs, name) is None:
                values[name] = getattr(before, name)
                if values[name] is None:  # a text that was not there: it is managed all the same
                    with contextlib.suppress(ValidationError):
                        values[name] = self._wish_types[name].validate_python("")
        return inputs.model_copy(update=values) if values else inputs

    def dump(self, model: Inputs | Facts) -> dict[str, Any]:
        return model.model_dump(mode="json", by_alias=True)

    def outputs(
        self,
        inputs: InputsT,
        facts: FactsT,
        where: Placement | None,
        marks: Properties,
        key: str | None,
        made: Sequence[str] = (),
    ) -> Properties:
        """Return the inputs, managed ones as they were found, the kind's own outputs, the machine, and the record.

        `made` are the properties whose defaults hold.
        """
        values = self.dump(inputs)
        found = self.dump(facts)
        for name in self.found_types:
            alias = self.aliases[name]
            if values.get(alias) is not None and facts.present:
                values[alias] = found[alias]
        for name in self.kind.outputs:
            alias = self.kind.facts.model_fields[name].alias or name
            values[alias] = found[alias]
        if where is not None:
            values[MACHINE] = where.output()
        if key is not None:
            values[RECORD] = key
        if made:
            values[MADE] = list(made)
        return Properties(values, marks.secret | self._secret_outputs)

    def planned(self, news: Properties, old: Properties | None = None) -> Properties:
        """Return the outputs that a preview can promise."""
        open_ = {self.kind.facts.model_fields[name].alias or name for name in self.kind.outputs} | {MACHINE}
        kept = {name: old.values[name] for name in (*open_, RECORD, MADE) if old is not None and name in old.values}
        # What a property is that the program leaves out depends on whether the thing is there already.
        for name in self.kind.defaults if old is None else self.made(old):
            alias = self.aliases[name]
            if news.values.get(alias) is None:
                open_.add(alias)
                if old is not None:
                    kept[alias] = self._default(name, news)
        secret = news.secret | (self._secret_outputs & kept.keys())
        return Properties({**news.values, **kept}, secret, news.unknown | (open_ - kept.keys()))

    def inputs_of(self, *sources: Properties) -> InputsT:
        """Return the inputs that a state holds; `sources` are asked in turn."""
        for source in sources:
            known = {name: value for name, value in source.values.items() if name in self.aliases.values()}
            if known:
                try:
                    return self.kind.inputs.model_validate(known)
                except ValidationError:
                    continue
        raise InvalidInput(f"the state of this {self.kind.name} does not hold its inputs", remedy="import it again")

    def parsed(self, resource_id: str) -> InputsT:
        host, _, identity = resource_id.partition("/")
        if self.kind.parse is None:
            raise InvalidInput(
                f"a {self.kind.name} can't be imported: a machine holds nothing to adopt it from",
                remedy="create it without import; what is right already is left as it is",
            )
        try:
            # Only the identity is known yet: a wish for the rest would be a guess.
            required = {name: "" for name, info in self.kind.inputs.model_fields.items() if info.is_required()}
            values = {**required, "host": host, **self.kind.parse(identity)}
            return self.kind.inputs.model_validate({self.aliases[name]: value for name, value in values.items()})
        except (ValidationError, ValueError) as error:
            raise InvalidInput(
                f"{resource_id!r} is no id of a {self.kind.name}",
                detail=str(error),
                remedy="ids are MACHINE/WHAT; docs/resources.md shows one of each kind",
            ) from None

    def adopted(self, inputs: InputsT, facts: FactsT) -> InputsT:
        found = {name: getattr(facts, name) for name in self.found_types if getattr(facts, name) is not None}
        return inputs.model_copy(update=found)

    def refuse(self, old: Properties, new: Properties, changes: Mapping[str, Change]) -> None:
        """Raise InvalidInput where the kind objects to a change, before anything is touched."""
        if not changes or new.unknown & set(self.aliases.values()):
            return
        inputs = self.kind.inputs.model_validate(
            {key: new.values[key] for key in new.values if key in self.aliases.values()}
        )
        found = {name: old.values.get(alias) for name, alias in self.aliases.items()}
        if said := self.kind.objection(found, inputs):
            summary, _, remedy = said.partition("; ")
            raise InvalidInput(f"{summary}; nothing was touched", remedy=remedy)

    def announced(self, old: Properties | None, new: Properties) -> str:
        """Return what the kind has to say of a creation, or of a change, before anything is touched."""
        own = set(self.aliases.values())
        if new.unknown & own:
            return ""
        inputs = self.kind.inputs.model_validate({key: new.values[key] for key in new.values if key in own})
        found = None if old is None else {name: old.values.get(alias) for name, alias in self.aliases.items()}
        return self.kind.announce(found, inputs)
