import pytest

from tankwatch.errors import SettingsError
from tankwatch.ingest.mqtt.topics import Template, Topics

KEY = "sources.mqtt.plant.topics"


@pytest.mark.parametrize(
    ("text", "topic_filter"),
    [
        ("plant/{site}/{tank}/{channel}", "plant/+/+/+"),
        ("plant/TK-{tank}-{channel}/v", "plant/+/v"),
        ("plant/+/{tank}/#", "plant/+/+/#"),
        ("tank", "tank"),
    ],
)
def test_a_level_with_a_name_is_asked_for_as_any_level(text: str, topic_filter: str) -> None:
    assert Topics([text], KEY).filters == (topic_filter,)


@pytest.mark.parametrize(
    ("text", "topic", "found"),
    [
        ("p/{site}/{tank}/{channel}", "p/n/T1/x", {"site": "n", "tank": "T1", "channel": "x"}),
        ("p/{tank}-{channel}", "p/T1-x", {"tank": "T1", "channel": "x"}),
        ("p/+/{tank}/#", "p/anything/T1/a/b/c", {"tank": "T1"}),
        ("p/+/{tank}/#", "p/anything/T1", {"tank": "T1"}),
        ("p.q/{tank}", "p.q/T1", {"tank": "T1"}),
        ("p.q/{tank}", "pxq/T1", None),
        ("p/{tank}", "p/T1/more", None),
        ("p/{tank}", "p/", None),
        ("{tank}/a", "Tank Nº 7/a", {"tank": "Tank Nº 7"}),
    ],
)
def test_a_topic_is_taken_apart(text: str, topic: str, found: dict[str, str] | None) -> None:
    topics = Topics([text], KEY)
    assert topics.take_apart(topic) == found
    assert topics.take_apart(topic) == found


def test_the_first_form_that_fits_is_taken() -> None:
    topics = Topics(["a/{tank}", "{site}/{tank}"], KEY)
    assert topics.take_apart("a/T1") == {"tank": "T1"}
    assert topics.take_apart("b/T1") == {"site": "b", "tank": "T1"}
    assert topics.names == {"tank"}
    assert topics.filters == ("a/+", "+/+")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "names no topic"),
        (["p/{tank"], "is not a template"),
        (["p/{Tank}"], "is not a template"),
        (["p/{tank}/{tank}"], "each {name} once"),
        (["p/a#/{tank}"], "must be a whole level"),
        (["p/#/{tank}"], "must be the last level"),
    ],
)
def test_topics_that_cannot_work_are_refused(texts: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Topics(texts, KEY)


def test_names_are_put_together_and_missing_ones_give_nothing() -> None:
    template = Template.of("{site}-{tank}", "tank")
    assert template.fill({"site": "north", "tank": "T1"}) == "north-T1"
    assert template.fill({"site": "", "tank": "T1"}) == ""
    assert template.fill({"tank": "T1"}) == ""


def test_what_is_remembered_of_topics_has_a_bound() -> None:
    topics = Topics(["p/{tank}"], KEY)
    for number in range(100_010):
        topics.take_apart(f"p/{number}")
    assert topics.take_apart("p/5") == {"tank": "5"}
