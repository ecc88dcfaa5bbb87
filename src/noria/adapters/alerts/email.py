"""Alarms by SMTP: encrypted unless a setting says otherwise, with the credentials of the environment."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from noria.adapters.alerts.errors import AlertRefused, AlertUnreached, said_of
from noria.adapters.alerts.settings import secret, trusted
from noria.adapters.alerts.words import lines, subject
from noria.records.alarms import Notice
from noria.records.base import digest_of, short
from noria.records.channels import EmailChannel

TIMEOUT = 10.0  # s; for each word with the server


class EmailAlert:
    """See `noria.ports.alerts.Alert`."""

    def __init__(self, channel: EmailChannel, project: Path) -> None:
        self._channel = channel
        self._project = project

    def send(self, notice: Notice) -> None:
        channel = self._channel
        with self._translating(), self._connected() as server:
            if channel.user:
                server.login(secret(channel.name, channel.user), secret(channel.name, channel.password))
            refused = server.send_message(letter(notice, channel))
        if refused:  # some of the addresses; if all are, smtplib raises
            raise AlertRefused(
                channel=channel.name, where=self._where, why=f"{', '.join(sorted(refused))} not accepted"
            )

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        channel = self._channel
        tls = None if channel.tls == "off" else trusted(channel.name, self._project, channel.ca)
        if tls is not None and channel.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=TIMEOUT, context=tls)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT)
        with server:
            if tls is not None and channel.tls == "starttls":
                server.starttls(context=tls)
            yield server

    @contextmanager
    def _translating(self) -> Iterator[None]:
        name, where = self._channel.name, self._where
        try:
            yield
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as error:
            raise AlertUnreached(channel=name, where=where, why=str(error)) from error
        except (smtplib.SMTPNotSupportedError, smtplib.SMTPRecipientsRefused, ssl.SSLError) as error:
            raise AlertRefused(channel=name, where=where, why=str(error)) from error
        except smtplib.SMTPResponseException as error:
            why = f"{error.smtp_code} {_text(error.smtp_error)}"
            kind = AlertUnreached if 400 <= error.smtp_code < 500 else AlertRefused
            raise kind(channel=name, where=where, why=why) from error
        except ValueError as error:  # a host or a password that no protocol has characters for
            raise AlertRefused(channel=name, where=where, why=said_of(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise AlertUnreached(channel=name, where=where, why=str(error) or type(error).__name__) from error

    @property
    def _where(self) -> str:
        return f"{self._channel.host}:{self._channel.port}"


def letter(notice: Notice, channel: EmailChannel) -> EmailMessage:
    """One letter, whose Message-ID is that of the notice: sent again, a mail program shows it once. All letters about
    one alarm are one thread."""
    message = EmailMessage()
    message["Subject"] = " ".join(subject(notice).split())
    message["From"], message["To"] = channel.sender, ", ".join(channel.to)
    message["Date"] = format_datetime(notice.at)
    message["Message-ID"] = f"<{notice.id}@noria>"
    message["References"] = f"<{short(digest_of(notice.alarm))}@noria>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines(notice)) + "\n")
    return message


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
