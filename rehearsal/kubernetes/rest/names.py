"""Names, labels and annotations: their syntax."""

from __future__ import annotations

import re

from rehearsal.kubernetes.errors import Cause, bad_value
from rehearsal.kubernetes.objects import Obj, annotations_of, labels_of

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"

_STYLES = {
    "subdomain": (
        _SUBDOMAIN,
        253,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        f"'{_SUBDOMAIN}')",
    ),
    "label": (
        _LABEL,
        63,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
        f"end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')",
    ),
    "label-1035": (
        _LABEL_1035,
        63,
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
        f"validation is '{_LABEL_1035}')",
    ),
    "path": (r"[^/%]+", 253, "may not contain '/' or '%'"),
}
_QUALIFIED_HINT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    f"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_VALUE_HINT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    f"validation is '{_VALUE}')"
)
_ANNOTATIONS_LIMIT = 256 * 1024


def check_name(value: str, field: str, style: str) -> list[Cause]:
    """Faults of a name by style: ``subdomain``, ``label``, ``label-1035`` or ``path``."""
    pattern, longest, hint = _STYLES[style]
    causes = []
    if len(value) > longest:
        causes.append(bad_value(field, value, f"must be no more than {longest} bytes"))
    if not re.fullmatch(pattern, value):
        causes.append(bad_value(field, value, hint))
    return causes


def check_metadata(obj: Obj, style: str) -> list[Cause]:
    """Faults of an object's name, labels and annotations."""
    causes = check_name(obj["metadata"].get("name", ""), "metadata.name", style)
    causes += check_labels(labels_of(obj), "metadata.labels")
    annotations = annotations_of(obj)
    for key in annotations:
        causes += _check_key(key.lower(), "metadata.annotations")
    if sum(len(k) + len(v) for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        causes.append(Cause("FieldValueTooLong", "Too long: may not be more than 262144 bytes", "metadata.annotations"))
    return causes


def check_labels(labels: dict[str, str], field: str) -> list[Cause]:
    """Faults of label keys and values."""
    causes = []
    for key, value in labels.items():
        causes += _check_key(key, field)
        if len(value) > 63:
            causes.append(bad_value(field, value, "must be no more than 63 bytes"))
        if not re.fullmatch(_VALUE, value):
            causes.append(bad_value(field, value, _VALUE_HINT))
    return causes


def _check_key(key: str, field: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    causes = []
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        causes.append(bad_value(field, key, "prefix part " + _STYLES["subdomain"][2]))
    if len(name) > 63:
        causes.append(bad_value(field, key, "name part must be no more than 63 bytes"))
    if not re.fullmatch(_QUALIFIED, name):
        causes.append(bad_value(field, key, _QUALIFIED_HINT))
    return causes
