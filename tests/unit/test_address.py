"""Redis URLs: what is taken, what is refused and why, and what of them is shown."""

import pytest

from stoker.redis.celery_app import celery_app
from stoker.settings import Settings
from stoker.urls import TLS_OPTIONS, Sentinels, checked, masked, sentinels_of

THREE = "sentinel://app:p%40ss@a:1;sentinel://b;sentinel://[::1]:3/2?master_name=main&sentinel_password=s%26cret"


def test_a_sentinel_url_names_hosts_master_database_and_both_logins() -> None:
    assert sentinels_of(THREE) == Sentinels(
        hosts=(("a", 1), ("b", 26379), ("::1", 3)),
        master_name="main",
        database=2,
        login={"username": "app", "password": "p@ss"},
        sentinel_login={"password": "s&cret"},
    )
    assert checked(THREE) == THREE
    assert sentinels_of("redis://localhost") is None


def test_celery_gets_login_and_database_with_every_address() -> None:
    sentinels = sentinels_of(THREE)
    assert sentinels is not None
    expected = "sentinel://app:p%40ss@a:1/2;sentinel://app:p%40ss@b:26379/2;sentinel://app:p%40ss@[::1]:3/2"
    assert sentinels.celery_url == expected
    plain = sentinels_of("sentinel://a?master_name=main")
    assert plain is not None
    assert plain.celery_url == "sentinel://a:26379/0"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sentinel://a", "add \\?master_name=NAME"),
        ("sentinel://a?master_name=", "add \\?master_name=NAME"),
        ("sentinel://?master_name=main", "expected redis://"),
        ("sentinel://a:0?master_name=main", "expected redis://"),
        ("sentinel://a;redis://b?master_name=main", "expected redis://"),
        ("sentinel://a,b:x?master_name=main", "expected redis://"),
        ("sentinel://a/jobs?master_name=main", "expected redis://"),
        ("sentinel://:one@a;sentinel://:two@b?master_name=main", "write these once"),
        ("sentinel://a/1;sentinel://b/2?master_name=main", "write these once"),
        ("sentinel://a?master_name=main&ssl_ca_certs=/ca.pem", "ssl_ca_certs is no option of a sentinel:// URL"),
        ("redis://a?ssl_ca_certs=/ca.pem", "ssl_ca_certs is for TLS only: write rediss://"),
        ("rediss://a?ssl_check_hostname=false", "ssl_check_hostname=false is refused"),
        ("rediss://a?ssl_cert_reqs=none", "ssl_cert_reqs=none is refused"),
    ],
)
def test_what_cannot_work_or_checks_too_little_is_refused(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        checked(url)


@pytest.mark.parametrize("name", ["client_name", "db", "health_check_interval", "password", "username"])
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_an_option_that_the_client_reads_and_the_worker_cannot_is_refused(scheme: str, name: str) -> None:
    url = f"{scheme}://a?{name}=1"
    with pytest.raises(TypeError):
        celery_app(Settings(), url).connection()
    with pytest.raises(ValueError, match=f"{name} is no option of such a URL: user, password and database stand befo"):
        checked(url)


def test_the_worker_reads_every_option_that_is_taken() -> None:
    refused = {"ssl_cert_reqs": "required", "ssl_check_hostname": None}
    options = {name: refused.get(name, "x") for name in TLS_OPTIONS}
    url = checked("rediss://a?" + "&".join(f"{name}={value}" for name, value in options.items() if value))
    taken = celery_app(Settings(), url).connection().ssl
    assert taken.keys() == options.keys() - {"ssl_check_hostname"}


def test_no_password_of_a_sentinel_url_is_shown() -> None:
    assert (
        masked(THREE) == "sentinel://***@a:1;sentinel://b;sentinel://[::1]:3/2?master_name=main&sentinel_password=***"
    )
