"""What is said when the sensor is suspected before the tank."""

import pytest

from tankwatch.core.incident import MessageKind, Nature, Symptom
from tankwatch.core.nature import nature_of
from tankwatch.notify import wording
from tankwatch.notify.render import render_mail
from tankwatch.notify.sentences import headline
from tests.unit.test_notify_sentences import evidence, notice, said

ALL_CLEAR = MessageKind.ALL_CLEAR


@pytest.mark.parametrize("symptom", list(Symptom))
def test_every_symptom_has_a_headline_and_a_sentence_standing_over_and_cleared(
    symptom: Symptom,
) -> None:
    standing, over = notice(symptom), notice(symptom, ended_at=notice().queued_at)
    cleared = notice(symptom, ALL_CLEAR)
    told = {said(standing), said(over), said(cleared)}
    assert len(told) == 3
    assert all(sentence.startswith("TK-104 pressure ") for sentence in told)
    assert headline(standing) != headline(cleared)


def test_what_a_rule_found_is_not_told_in_scores() -> None:
    by_rule = notice(Symptom.NOISE, detector="noise_burst")
    assert said(by_rule) == (
        "TK-104 pressure has been much noisier than usual since 06:05 CET (5 min): found by the "
        "noise rule."
    )
    cleared = notice(Symptom.NOISE, ALL_CLEAR, detector="noise_burst")
    assert said(cleared) == (
        "TK-104 pressure has been as quiet as usual since 06:09 CET; it was much noisier than "
        "usual for 4 min from 06:05 CET."
    )
    assert "peak score 4.1" in said(notice(Symptom.NOISE))


@pytest.mark.parametrize(
    ("symptom", "source", "nature"),
    [
        (Symptom.FLAT_LINE, "stuck", Nature.SENSOR),
        (Symptom.SPIKE, "fused", Nature.SENSOR),
        (Symptom.CHATTERING, "chattering", Nature.SENSOR),
        (Symptom.CHATTERING, "limit_chatter", Nature.PROCESS),
        (Symptom.ABOVE_LIMIT, "limit", Nature.PROCESS),
        (Symptom.UNUSUAL_STAY, "fused", Nature.PROCESS),
    ],
)
def test_nature_follows_from_symptom_and_source(
    symptom: Symptom, source: str, nature: Nature
) -> None:
    assert nature_of(symptom, source) is nature
    assert nature_of(symptom, source, planned=True) is Nature.OPERATION


@pytest.mark.parametrize("nature", list(Nature))
def test_the_mail_says_what_it_looks_like(nature: Nature) -> None:
    mail = render_mail(
        notice(nature=nature),
        evidence(),
        sender="a@b.example",
        recipients=["c@d.example"],
        time_zone="UTC",
    )
    body = mail.get_body(("plain",))
    assert body is not None
    told = " ".join(body.get_content().split())
    assert f"Looks like {wording.NATURE_WORDS[nature]}" in told
