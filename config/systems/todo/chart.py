"""Whether further values fit the chart, by its own schema: Helm would say so when other things are made already."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from config.model import Disagreement
from toolchain.versions import ROOT

SCHEMA_FILE = ROOT / "apps" / "todo" / "chart" / "values.schema.json"


def wrong_values(values: Mapping[str, Any]) -> Iterator[Disagreement]:
    """Yield what the chart's schema does not allow, each with its place; no value is shown, as it may be a secret."""
    import jsonschema  # it takes a tenth of a second, and few settings have such values

    validator: Any = cast(Any, jsonschema).Draft7Validator(json.loads(SCHEMA_FILE.read_text()))
    for error in validator.iter_errors(values):
        place = ".".join(["values", *map(str, error.absolute_path)])
        unknown, known = _unknown_keys(error)
        if unknown:
            for key in unknown:
                near = difflib.get_close_matches(str(key), known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                yield Disagreement(f"{place}.{key}", f"is not a value that the chart has; {remedy}")
        else:
            rule = f"must fit the chart's schema ({error.validator}: {json.dumps(error.validator_value)})"
            yield Disagreement(place, f"{rule}; see apps/todo/chart/values.yaml")


def _unknown_keys(error: Any) -> tuple[list[str], list[str]]:
    """Return the keys that are there and must not be, and those that may; none where the error is about a value."""
    if error.validator == "additionalProperties" and error.validator_value is False:
        known: list[str] = sorted(error.schema.get("properties", {}))
        return sorted(set(error.instance) - set(known)), known
    if error.validator == "enum" and "propertyNames" in error.absolute_schema_path:
        return [error.instance], sorted(error.validator_value)
    return [], []
