"""Values that callers pass: each impossible one is refused by the name of its field, before anything runs."""

import dataclasses
import math

import pytest

from mlhub_async import Options, RetryPolicy, Selection
from mlhub_async.core.errors import UsageError
from mlhub_async.core.options import CHOICES, LAYOUTS
from mlhub_async.core.options.checks import OPTION_FIELDS, RETRY_FIELDS, SELECTION_FIELDS

CHECKED_ELSEWHERE = {"headers", "layout", "selection", "retry"}

NOT_COUNTS = (-3, 0, 1.5, "4", True, math.nan, [2])
NOT_NUMBERS = (-1, 0, math.inf, math.nan, "10", False)
HALF = "caf\udce9"
NOT_TEXTS = (5, [1], (b"x",), ("a", None), ("a", HALF))
NOT_BOOLEANS = (1, "yes", None)

IMPOSSIBLE = {
    Options: {
        **dict.fromkeys(
            ("concurrency", "max_per_host", "processes", "parts", "bwlimit", "max_transfer", "full_every"),
            NOT_COUNTS,
        ),
        **dict.fromkeys(("tpslimit", "connect_timeout", "timeout", "max_duration"), NOT_NUMBERS),
        **dict.fromkeys(("min_speed", "max_errors", "max_delete"), (-1, 0.5, "3", True)),
        **dict.fromkeys(
            (
                "index",
                "croissant",
                "ro_crate",
                "enrich",
                "allow_empty",
                "fail_fast",
                "prune",
                "allow_private",
                "netrc",
            ),
            NOT_BOOLEANS,
        ),
        **dict.fromkeys(("path_template", "profile", "endpoint_url", "scheduler", "state"), (5, ["x"], HALF)),
        "ca_file": (5, ["x"]),
        "token_file": (5, ["x"]),
        "metrics": (5, ["x"]),
        "from_source": (5, ["x"]),
        **dict.fromkeys(("proxy", "api_key", "api_token"), (5, b"k")),
        **dict.fromkeys(CHOICES, ("nonsense", 1, None, ["auto"])),
        "layout": ("nonsense", 1),
        "shard": (5, "3", "0/4", "5/4", "1/x", "-1/4", "1/4/2", "\u0661/4"),
        "max_outage": (-1, math.nan, "x"),
        **dict.fromkeys(("allow_origins", "auth", "references"), NOT_TEXTS),
        "request_payer": ("owner", 1),
        "headers": (5, "ab", ["K: V"], [("K", 5)], {3: "v"}),
        "selection": ({"bbox": 1}, None),
        "retry": (3, None),
    },
    RetryPolicy: {"attempts": NOT_COUNTS, "base": (-1, "1", math.inf), "cap": (-1, None)},
    Selection: {
        **dict.fromkeys(("limit", "max_items", "split"), NOT_COUNTS),
        **dict.fromkeys(("min_size", "max_size"), (-1, 1.5, "10M")),
        **dict.fromkeys(("collections", "ids", "include", "exclude", "roles", "media_types"), NOT_TEXTS),
        **dict.fromkeys(("classes", "source_include", "source_exclude"), NOT_TEXTS),
        "dataset": (5, ["x"], HALF),
        "group_by": ("bucket", None, 5),
        "bbox": (
            (1, 2, 3),
            5,
            "1,2,3,4",
            (0, 10, 10, 0),
            (0, 0, 200, 1),
            (0, 0, 1, 100),
            (0, 0, math.nan, 1),
        ),
        "intersects": (
            "POINT (1 1)",
            [],
            {"type": "Point"},
            {"type": "GeometryCollection"},
            {"type": "Feature"},
        ),
        **dict.fromkeys(("datetime", "source_datetime"), (2020, ("2020", "2021"))),
        **dict.fromkeys(
            ("query", "source_query"),
            ("eo:cloud_cover<10", ["eo:cloud_cover"], {"x": {"eq": HALF}}, {"x": {1}}),
        ),
        "filter": (5, ["and"], "x = '\udce9'", {"op": b"x"}),
        "method": ("PUT", "get"),
        "subset": ("trane", "Train", 1),
        "follow_sources": NOT_BOOLEANS,
        "open_archives": NOT_BOOLEANS,
    },
}


@pytest.mark.parametrize("kind", IMPOSSIBLE, ids=lambda kind: kind.__name__)
def test_each_impossible_value_is_refused_by_the_name_of_its_field(kind):
    for name, values in IMPOSSIBLE[kind].items():
        for value in values:
            with pytest.raises(UsageError, match=rf"^{name}\b"):
                kind(**{name: value})


def test_every_field_has_a_rule_and_impossible_values_are_tried_for_it():
    for kind, rules in ((Options, OPTION_FIELDS), (RetryPolicy, RETRY_FIELDS), (Selection, SELECTION_FIELDS)):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert fields == rules.keys() | (CHOICES.keys() | CHECKED_ELSEWHERE if kind is Options else set())
        assert fields <= IMPOSSIBLE[kind].keys()


def test_no_message_shows_a_secret():
    for name in ("proxy", "api_key", "api_token"):
        with pytest.raises(UsageError) as error:
            Options(**{name: b"hidden-value"})
        assert "hidden" not in str(error.value)
    with pytest.raises(UsageError) as error:
        Options(headers={"Authorization": b"hidden-value"})
    assert "hidden" not in str(error.value)


def test_possible_values_are_kept():
    selection = Selection(bbox=[170, -20, -170, 20], ids="one", max_items=1, method="GET", min_size=0)
    assert selection.bbox == (170, -20, -170, 20) and selection.ids == ("one",)
    options = Options(selection, concurrency=1, tpslimit=0.5, max_errors=0, max_outage=0, headers={"A": "b"})
    assert options.concurrency == 1 and len(options.headers) == 1
    assert Options(timeout=5).timeout == 5


def test_a_layout_is_a_path_template_by_its_name():
    options = Options(layout="torchgeo")
    assert options.template == LAYOUTS["torchgeo"] == dataclasses.replace(options, timeout=1).template
    with pytest.raises(UsageError, match="layout and path_template"):
        Options(layout="torchgeo", path_template="${id}${ext}")
