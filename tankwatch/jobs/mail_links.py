"""The buttons of a mail to an operator."""

from datetime import timedelta

from tankwatch.core.incident import Notice
from tankwatch.core.mail_action import actions_of
from tankwatch.notify.links import ActionLink, LinkHolder, action_links
from tankwatch.settings import Settings
from tankwatch.store.people import Operator


def operator_links(
    operator: Operator, notice: Notice, *, key: str, settings: Settings
) -> tuple[ActionLink, ...]:
    """Return the buttons of a mail to `operator`: none where nobody could follow or may act.

    Their end counts from when the message was queued, so that a mail sent again is the same.
    """
    return action_links(
        LinkHolder(operator.name, operator.session_epoch, operator.role),
        notice.incident.uid,
        actions_of(notice.kind),
        key=key,
        base_url=settings.serve.base_url,
        until=notice.queued_at + timedelta(hours=settings.mail.links_valid_h),
    )
