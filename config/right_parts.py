"""What is right of settings that are wrong somewhere, so that the rules between parts are asked all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from config.mistakes import Mistake, mistake_of
from config.model import Settings

Model = TypeVar("Model", bound=Settings)


def right_parts(model: type[Model], value: Any) -> Model | None:
    """Return a model that has only what is right; asked for the rest it raises NotKnown. None where nothing is.

    Of a group by name it has the entries, each with what is right of it; of a model that may be nothing.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors(include_url=False) if detail["loc"]}
    if not isinstance(value, Mapping):
        return None
    given = cast(Mapping[Any, Any], value)
    known: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in given:
            if not field.is_required():
                known[name] = field.get_default(call_default_factory=True)
        elif key not in wrong:
            known[name] = _adapter_of(model, name).validate_python(given[key])
        elif (part := _inner(field.annotation, given[key])) is not None:
            known[name] = part
    return _of(model, known)


def _of(model: type[Model], known: Mapping[str, Any]) -> Model:
    """Return a model as pydantic's own model_construct makes it, which would put defaults where something is wrong."""
    made = model.__new__(model)
    for name, each in (("__dict__", dict(known)), ("__pydantic_fields_set__", set(known))):
        object.__setattr__(made, name, each)
    for name in ("__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(made, name, None)
    return made


def is_whole(part: Any) -> bool:
    """Return whether a part of settings that are wrong somewhere has nothing wrong itself."""
    if isinstance(part, Settings):
        known = part.__dict__
        return known.keys() >= type(part).model_fields.keys() and all(is_whole(each) for each in known.values())
    return all(is_whole(each) for each in cast(dict[Any, Any], part).values()) if isinstance(part, dict) else True


@cache
def _adapter_of(model: type[Settings], name: str) -> TypeAdapter[Any]:
    """Return what validates one field of a model; made once, as that takes a millisecond."""
    field = model.model_fields[name]
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter[Any](kind)


def _inner(annotation: Any, value: Any) -> Any:
    """Return what is right of a part that is wrong: of a model, or of a group by name."""
    if get_origin(annotation) is dict and isinstance(value, Mapping):
        entries = cast(Mapping[Any, Any], value)
        kind = get_args(annotation)[1]
        if model := _model(kind):
            return {str(name): right_parts(model, entry) or _of(model, {}) for name, entry in entries.items()}
        return dict(_right_entries(_adapter_of_entries(kind), entries))
    model = _model(annotation)
    return right_parts(model, value) if model else None


@cache
def _adapter_of_entries(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter[Any](kind)


def _right_entries(adapter: TypeAdapter[Any], entries: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, entry in entries.items():
        with suppress(ValidationError):
            yield str(name), adapter.validate_python(entry)


def _model(annotation: Any) -> type[Settings] | None:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    found = [model for part in get_args(annotation) if (model := _model(part)) is not None]
    return found[0] if found else None


def disagreements_in(settings: Settings, path: str) -> Iterator[Mistake]:
    """Yield what can't stand together in a model and the models in it, as mistakes below the key `path`."""
    for each in settings.disagreements():
        yield mistake_of(each, path)
    for name, field in type(settings).model_fields.items():
        part, at = settings.__dict__.get(name), f"{path}.{field.alias or name}"
        if isinstance(part, Settings):
            yield from disagreements_in(part, at)
        elif isinstance(part, dict):
            for key, entry in cast(dict[str, Any], part).items():
                if isinstance(entry, Settings):
                    yield from disagreements_in(entry, f"{at}.{key}")
