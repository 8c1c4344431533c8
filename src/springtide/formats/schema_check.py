"""A JSON Schema's complaints as errors of the file: with line, dotted key, figures and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from springtide.formats.entries import Entry, did_you_mean
from springtide.model.errors import InputError

_TYPE_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping (`key: value` lines)",
    "string": "text",
}


def check_against_schema(root: Entry, schema: Mapping[str, Any]) -> None:
    """Raise the error of the first line of the file that the schema doesn't allow."""
    failures = Draft202012Validator(schema).iter_errors(root.plain())
    errors = [_error(root, failure) for failure in failures]
    if errors:
        raise min(errors, key=lambda error: (error.line, error.key))


def _error(root: Entry, failure: ValidationError) -> InputError:
    entry = _entry_at(root, failure)
    if failure.validator == "additionalProperties":
        return _unknown_key(entry, failure)
    if failure.validator == "required":
        return _missing_key(entry, failure)
    rule: Any = failure.validator_value
    if failure.validator == "type":
        words = [_TYPE_WORDS[name] for name in ([rule] if isinstance(rule, str) else rule)]
        return entry.error(f"This must be {' or '.join(words)}, not {entry.described}.", _wanted(failure))
    if failure.validator == "enum":
        choices = [str(choice) for choice in rule]
        sentence = f"{entry.described} isn't one of: {', '.join(choices)}."
        return entry.error(sentence, did_you_mean(str(entry.value), choices))
    if failure.validator == "minimum":
        return entry.error(f"{entry.described} is less than {rule}, the least allowed.")
    if failure.validator == "maximum":
        return entry.error(f"{entry.described} is more than {rule}, the most allowed.")
    if failure.validator == "minProperties":
        return entry.error("This is empty.", "Name at least one, or leave the key out where it may be missing.")
    shown = repr(failure.instance) if isinstance(failure.instance, str) else entry.described
    return entry.error(f"{shown} can't be read here.", _wanted(failure))


def _entry_at(root: Entry, failure: ValidationError) -> Entry:
    entry = root
    for step in failure.absolute_path:
        entry = entry.sequence()[step] if isinstance(step, int) else entry.mapping()[step]
    if "propertyNames" in failure.absolute_schema_path and isinstance(failure.instance, str):
        return entry.mapping()[failure.instance]
    return entry


def _unknown_key(entry: Entry, failure: ValidationError) -> InputError:
    known = failure.schema.get("properties", {}) if isinstance(failure.schema, Mapping) else {}
    unknown = min((child for name, child in entry.mapping().items() if name not in known), key=lambda e: e.line)
    name = next(name for name, child in entry.mapping().items() if child is unknown)
    return unknown.error(f"The key {name!r} isn't known here.", did_you_mean(name, known))


def _missing_key(entry: Entry, failure: ValidationError) -> InputError:
    required: Any = failure.validator_value
    missing = next(name for name in required if name not in entry.mapping())
    properties = failure.schema.get("properties", {}) if isinstance(failure.schema, Mapping) else {}
    meaning = properties.get(missing, {}).get("description", "")
    remedy = f"Add `{missing}:`" + (f" ({meaning.rstrip('.')})." if meaning else ".")
    return entry.error(f"The key {missing!r} is missing here.", remedy)


def _wanted(failure: ValidationError) -> str:
    meaning = failure.schema.get("description", "") if isinstance(failure.schema, Mapping) else ""
    return f"Wanted: {meaning.rstrip('.')}." if meaning else ""
