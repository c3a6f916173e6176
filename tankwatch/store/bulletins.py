"""Mails of the calendar, a digest or a report: each stored before it is sent, and sent once."""

import json
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from tankwatch.store.mails import Mail, MailRow, NewMail, load_mails


def begin_bulletin(connection: Connection, new: NewMail, *, at: datetime) -> Mail | None:
    """Return a mail of the calendar that is to be sent, stored on its first try; None if it was."""
    known = select(MailRow.mail_id).where(MailRow.message_id == new.message_id)
    key = connection.execute(known).scalar_one_or_none()
    if key is None:
        row = {**asdict(new), "recipients": json.dumps(list(new.recipients)), "composed_at": at}
        made = insert(MailRow).values(row).returning(MailRow.mail_id)
        key = connection.execute(made).scalar_one()
    (mail,) = load_mails(connection, ids=[key])
    return mail if mail.sent_at is None else None


def mark_bulletin_sent(connection: Connection, mail_id: int, *, at: datetime) -> bool:
    """Note that a mail of the calendar was handed over; return whether nobody had before."""
    mine = (MailRow.mail_id == mail_id, MailRow.sent_at.is_(None))
    return connection.execute(update(MailRow).where(*mine).values(sent_at=at)).rowcount == 1
