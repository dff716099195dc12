"""libpq's words in `DATABASE_URL` mean the same with both drivers, or are refused in one line."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.platform.db import address, connecting, driver, poolers, words
from app.platform.db.replica_address import each_host
from app.platform.db.session import Database
from app.platform.settings import ConfigError, PoolProfile
from tests.support.databases import settings_for

PLACE = "postgresql://ada:hunter2@one/shop"
BY_DRIVER = {"postgresql+asyncpg": "asyncpg", "postgresql+psycopg": "psycopg"}


def read(url: str, **values: object) -> tuple[str, dict[str, str]]:
    found, given = address.read(settings_for(url, **values), connecting.VOCABULARY)
    return address.redacted(found).partition("://")[2], given


def refusal(url: str, **values: object) -> str:
    settings = settings_for(url, **values)
    with pytest.raises(ConfigError) as refused:
        driver.connect_arguments(settings)
    message = str(refused.value)
    assert message.startswith("DATABASE_URL: ")
    assert "\n" not in message
    assert "hunter2" not in message
    return message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://one/shop", "one/shop"),
        ("postgresql://one:5433/shop", "one:5433/shop"),
        ("postgresql://[::1]:5433/shop", "[::1]:5433/shop"),
        ("postgresql:///shop", "/shop"),
        ("postgresql:///shop?port=5433", ":5433/shop"),
        ("postgresql:///shop?host=one", "one/shop"),
        ("postgresql:///shop?host=one:5433", "one:5433/shop"),
        ("postgresql://two:1/shop?host=one&port=5433", "one:5433/shop"),
        ("postgresql:///shop?host=::1&port=5433", "[::1]:5433/shop"),
        ("postgresql:///?dbname=shop&user=ada&password=hunter2&host=one", "ada:***@one/shop"),
        ("postgresql:///shop?host=/run/postgresql", "/shop?host=/run/postgresql&port=5432"),
        ("postgresql://%2Frun%2Fpostgresql/shop", "/shop?host=/run/postgresql&port=5432"),
        ("postgresql://%2Frun%2Fpostgresql:5433/shop", "/shop?host=/run/postgresql&port=5433"),
        ("postgresql://one:1,two:2/shop", "/shop?host=one,two&port=1,2"),
        ("postgresql://ada:hunter2@one,two/shop", "ada:***@/shop?host=one,two&port=5432,5432"),
        ("postgresql://ada:a,b@one,two:2", "ada:***@?host=one,two&port=5432,2"),
        ("postgresql://[::1]:1,two/shop", "/shop?host=::1,two&port=1,5432"),
        ("postgresql:///shop?host=one:1&host=two:2", "/shop?host=one,two&port=1,2"),
        ("postgresql:///shop?host=one,two&port=1,2", "/shop?host=one,two&port=1,2"),
        ("postgresql:///shop?host=one,two&port=1", "/shop?host=one,two&port=1,1"),
        ("postgresql:///shop?host=one&host=two&port=1&port=2", "/shop?host=one,two&port=1,2"),
    ],
)
def test_hosts_are_understood_in_every_form(url: str, expected: str) -> None:
    assert read(url) == (expected, {})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///shop?host=one,two&port=1,2,3",
        "postgresql:///shop?host=one:1&host=two:2&port=3",
        "postgresql:///shop?host=one,&port=1",
        "postgresql://one,,two/shop",
        "postgresql:///shop?host=one:hunter2",
        "postgresql://one:70000/shop",
        "postgresql://one,two:0/shop",
    ],
)
def test_hosts_that_are_not_clear_are_refused(url: str) -> None:
    assert "host" in refusal(url)


@pytest.mark.parametrize(
    "given",
    [
        "sslmode=require",
        "sslmode=verify-full&sslrootcert=system&sslnegotiation=direct",
        "sslmode=verify-ca&sslrootcert=FILE&sslcert=FILE&sslkey=FILE&sslcrl=FILE&sslpassword=x",
        "ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.3",
        "application_name=x&fallback_application_name=y",
        "connect_timeout=3&options=-c search_path%3Dshop&target_session_attrs=read-write&load_balance_hosts=random",
        "keepalives=1&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&tcp_user_timeout=9000",
        "passfile=/nowhere&service=shop&krbsrvname=postgres&gsslib=gssapi",
    ],
)
async def test_words_that_both_drivers_understand(given: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.touch()
    given = given.replace("FILE", str(file))
    expected = dict(each.split("=", 1) for each in given.replace("%3D", "=").split("&"))
    assert read(f"{PLACE}?{given}") == ("ada:***@one/shop", expected)
    database = Database(settings_for(f"{PLACE}?{given}"))
    await database.init()
    await database.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ssl=require", {"sslmode": "require"}),
        ("ssl=true", {"sslmode": "require"}),
        ("sslrootcert=system", {"sslrootcert": "system", "sslmode": "verify-full"}),
    ],
)
def test_other_spellings(given: str, expected: dict[str, str]) -> None:
    assert read(f"{PLACE}?{given}")[1] == expected


@pytest.mark.parametrize("given", ["channel_binding=prefer", "gssencmode=disable", "client_encoding=utf8", "sslsni=1"])
def test_value_that_asks_for_what_the_driver_does_anyway_is_no_obstacle(given: str) -> None:
    word = given.partition("=")[0]
    assert set(read(f"{PLACE}?{given}")[1]) <= {word}


LACKED = {
    "asyncpg": {
        "channel_binding=require": "remove it and let sslmode=verify-full check the server",
        "hostaddr=127.0.0.1": "write the address as host",
        "gssencmode=require": "remove it",
        "require_auth=scram-sha-256": "remove it",
        "requirepeer=postgres": "remove it",
        "client_encoding=latin1": "remove it",
        "sslcrldir=/etc": "use sslcrl, a file",
    },
    "psycopg": {"prepared_statement_cache_size=0": "remove it", "command_timeout=5": "remove it"},
}


def test_word_that_the_driver_lacks_is_named_with_the_driver() -> None:
    name = BY_DRIVER[driver.DRIVERNAME]
    for given, instead in LACKED[name].items():
        word = given.partition("=")[0]
        message = f"DATABASE_URL: the driver {name} cannot do what {word} asks for: {instead}"
        assert refusal(f"{PLACE}?{given}").startswith(message)
    for other in LACKED.keys() - {name}:
        for given in LACKED[other]:
            assert read(f"{PLACE}?{given}")[1] == dict([given.split("=")])


def test_no_word_about_tls_gets_lost_beside_the_authorities_of_the_system() -> None:
    settings = settings_for(f"{PLACE}?sslrootcert=system&ssl_min_protocol_version=TLSv1.3")
    if driver.DRIVERNAME == "postgresql+psycopg":
        assert driver.connect_arguments(settings)["ssl_min_protocol_version"] == "TLSv1.3"
    else:
        message = refusal(settings.url.get_secret_value())
        assert message.endswith("cannot have ssl_min_protocol_version beside sslrootcert=system: name a file")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sslmod=require", "unknown word sslmod, did you mean sslmode?"),
        ("aplication_name=x", "unknown word aplication_name, did you mean application_name?"),
        ("frobnicate=1", "unknown word frobnicate (docs/database-url.md lists them)"),
        ("password=a&hunter2=b", "unknown word after the ? (docs/database-url.md lists them)"),
        ("password=a&geheim=b", "unknown word after the ? (docs/database-url.md lists them)"),
        ("Hunter2=b", "unknown word after the ? (docs/database-url.md lists them)"),
        ("sslmode=hunter2", "sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("target_session_attrs=writable", "target_session_attrs must be one of any, read-write, read-only, primary,"),
        ("connect_timeout=0", "connect_timeout must be a whole number from 1"),
        ("connect_timeout=soon", "connect_timeout must be a whole number from 1"),
        ("keepalives_idle=-1", "keepalives_idle must be a whole number from 0"),
        ("sslrootcert=/nowhere/hunter2", "the file of sslrootcert cannot be read"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("sslmode=require&sslmode=disable", "sslmode is given repeatedly"),
    ],
)
def test_wrong_word_is_refused_in_one_line(given: str, expected: str) -> None:
    assert refusal(f"{PLACE}?{given}").removeprefix("DATABASE_URL: ").startswith(expected)


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        ("-c statement_timeout=0", "DB_STATEMENT_TIMEOUT"),
        ("-clock_timeout=0", "DB_LOCK_TIMEOUT"),
        ("--idle-in-transaction-session-timeout=0", "DB_IDLE_IN_TRANSACTION_TIMEOUT"),
        ("-c search_path=shop -c TimeZone=Europe/Berlin", "always UTC"),
    ],
)
def test_settings_of_the_service_are_not_set_by_options(options: str, variable: str) -> None:
    assert f", which is {variable}: remove it from options" in refusal(f"{PLACE}?options={options}")


def test_options_may_set_the_timeouts_where_the_service_cannot() -> None:
    url = f"{PLACE}?options=-c statement_timeout%3D0"
    arguments = driver.connect_arguments(settings_for(url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    assert "statement_timeout=0" in str(arguments)


def test_timeout_for_connecting_is_that_of_the_url_or_of_the_variable() -> None:
    def timeout(url: str, **values: object) -> str:
        settings = settings_for(url, **values)
        return words.with_defaults(address.read(settings, connecting.VOCABULARY)[1], settings)["connect_timeout"]

    assert timeout(PLACE) == "5"
    assert timeout(PLACE, connect_timeout=2.5) == "2.5"
    assert timeout(f"{PLACE}?connect_timeout=7") == "7"
    assert timeout(f"{PLACE}?connect_timeout=7", connect_timeout=7.0) == "7"
    message = refusal(f"{PLACE}?connect_timeout=7", connect_timeout=3.0)
    assert message == "DATABASE_URL: connect_timeout is not that of DB_CONNECT_TIMEOUT: remove one of them"


def test_parts_of_the_address_say_nothing_about_other_urls() -> None:
    """A pooler at `DB_HOST`, and PostgreSQL itself at `DB_MIGRATION_URL`."""
    direct = "postgresql://ada:secret@direct/shop"
    settings = settings_for("postgresql://?host=pooler&dbname=shop", host="pooler", name="shop", migration_url=direct)
    url = driver.url(poolers.for_migrations(settings))
    assert (url.host, url.username, url.database) == ("direct", "ada", "shop")
    with pytest.raises(ConfigError, match="DB_HOST says something else"):
        driver.url(settings.model_copy(update={"url": SecretStr(direct)}))


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("one/shop", ["one/shop"]),
        ("one:6432/shop?sslmode=require", ["one:6432/shop"]),
        ("one,two:6432/shop?target_session_attrs=standby", ["one:5432/shop", "two:6432/shop"]),
        ("one,[::1]:7000/shop", ["one:5432/shop", "[::1]:7000/shop"]),
        # as a zone may be called, which is no percent-encoded character then
        ("[fe80::1%25ed0]:7000/shop", ["[fe80::1%ed0]:7000/shop"]),
        ("one,[fe80::1%25ed0]/shop", ["one:5432/shop", "[fe80::1%ed0]:5432/shop"]),
        ("/shop?host=/run/a,/run/b", ["/shop?host=/run/a&port=5432", "/shop?host=/run/b&port=5432"]),
        ("/shop?host=/run/a", ["/shop?host=/run/a&port=5432"]),
    ],
)
def test_each_host_of_a_replica_url_is_one(hosts: str, expected: list[str]) -> None:
    settings = settings_for(
        "postgresql://?host=primary&dbname=shop", host="primary", name="shop", statement_timeout=7.0
    )
    found = list(each_host(settings, SecretStr(f"postgresql://ada:hunter%402%2F@{hosts}")))
    urls = [address.read(each, connecting.VOCABULARY) for each in found]
    assert [address.redacted(url).partition("@")[2] for url, _ in urls] == expected
    words_given = {tuple(sorted(given.items())) for _, given in urls}
    assert len(words_given) == 1
    assert {url.password for url, _ in urls} == {"hunter@2/"}
    assert {each.statement_timeout for each in found} == {7.0}
