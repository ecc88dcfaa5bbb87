"""The contract of tokens: events of a chain of their own, held against one another as they are appended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from noria.errors import Conflict, NoriaError
from noria.records.chain import verify_chain
from noria.records.tokens import CHAIN, Token, TokenMade, TokenRevoked, Tokens, hashed
from noria.testing.records.doors import Doors, begin
from noria.testing.samples import NOON


def a_token(id: str, name: str) -> Token:
    return Token(id=id, name=name, digest=hashed(id.encode()), scopes=("infer",), created=NOON, by="ada")


def make(records: Doors, id: str, name: str) -> None:
    records.ledger.append(CHAIN, [TokenMade(token=a_token(id, name))], at=NOON)


def revoke(records: Doors, id: str, name: str) -> None:
    records.ledger.append(CHAIN, [TokenRevoked(id=id, name=name, by="ada")], at=NOON)


def held(records: Doors) -> dict[str, str]:
    tokens = Tokens(change for _, change in records.ledger.events(CHAIN))
    return {token.name: token.id for token in tokens.held.values()}


class TokenRecordsContract:
    def test_a_name_is_given_once_at_a_time(self, records: Doors) -> None:
        make(records, "one", "web")
        with pytest.raises(Conflict):
            make(records, "two", "web")
        revoke(records, "one", "web")
        make(records, "two", "web")
        assert held(records) == {"web": "two"}
        assert verify_chain(records.ledger.events(CHAIN)) == 3

    def test_a_token_ends_once(self, records: Doors) -> None:
        make(records, "one", "web")
        revoke(records, "one", "web")
        for id in ("one", "never"):
            with pytest.raises(Conflict):
                revoke(records, id, "web")
        assert held(records) == {}

    def test_of_several_who_want_a_name_at_once_one_gets_it(self, records: Doors) -> None:
        def try_it(number: int) -> bool:
            try:
                make(records, f"id-{number}", "web")
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(try_it, range(8))) == 1

    def test_their_chain_is_no_model(self, records: Doors) -> None:
        make(records, "one", "web")
        assert list(records.versions.models()) == []
        with pytest.raises(NoriaError):  # what is a token's belongs into no model's chain
            records.ledger.append("delay", [TokenMade(token=a_token("two", "web"))], at=NOON)

    def test_what_is_new_alone_is_read(self, records: Doors) -> None:
        begin(records)
        make(records, "one", "web")
        make(records, "two", "ops")
        assert [event.seq for event, _ in records.ledger.events(CHAIN, after=1)] == [2]
        assert list(records.ledger.events(CHAIN, after=2)) == []
