"""What PostgreSQL says, in Noria's words: which error, for whom, and never a password."""

from __future__ import annotations

import pytest

from noria.adapters.sql.sqlstate import Failed, known

URL = "postgresql://ada:s3cret@db.example/records"


def said(text: str, state: str = "", *, lost: bool = True) -> object:
    return known(Failed(state=state, text=text, lost=lost), url=URL, op="append", busy=3.0)


@pytest.mark.parametrize(
    ("text", "state", "code"),
    [
        ('FATAL:  password authentication failed for user "ada"\n', "", "RECORDS-REFUSED"),
        ('FATAL:  role "ada" does not exist\n', "", "RECORDS-REFUSED"),
        ('FATAL:  database "records" does not exist\n', "", "RECORDS-REFUSED"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"\n', "", "RECORDS-REFUSED"),
        ('invalid integer value "abc" for connection option "port"\n', "", "RECORDS-REFUSED"),
        ("FATAL:  the database system is starting up\n", "", "RECORDS-LOST"),
        ("server closed the connection unexpectedly\n\tThis probably means\n", "", "RECORDS-LOST"),
        ("terminating connection due to administrator command", "57P01", "RECORDS-LOST"),
        ("canceling statement due to lock timeout", "55P03", "RECORDS-BUSY"),
        ("deadlock detected", "40P01", "RECORDS-BUSY"),
        ("could not extend file: No space left on device", "53100", "RECORDS-FAILED"),
        ("invalid page in block 7", "XX001", "RECORDS-DAMAGED"),
        ("permission denied for schema public", "42501", "RECORDS-REFUSED"),
    ],
)
def test_each_has_an_error_of_its_own(text: str, state: str, code: str) -> None:
    assert said(text, state).code == code  # type: ignore[attr-defined]


def test_a_wrong_statement_is_a_fault_of_our_own() -> None:
    assert said('syntax error at or near "selec"', "42601", lost=False) is None


def test_a_table_whose_name_reads_like_a_refusal_is_none() -> None:
    """Words count only where no server has spoken."""
    assert said('database "x" does not exist', "42P01", lost=False) is None


def test_the_reason_is_one_line_without_the_password() -> None:
    told = str(said("FATAL:  no room for s3cret\nDETAIL:  more\n"))
    assert "FATAL: no room for ***" in told
    assert "s3cret" not in told and "DETAIL" not in told
