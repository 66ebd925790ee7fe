"""Redis URLs: what is taken, what is refused and why, and what of them is shown."""

import pytest

from stoker.address import Sentinels, checked, masked, sentinels_of

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


def test_no_password_of_a_sentinel_url_is_shown() -> None:
    assert (
        masked(THREE) == "sentinel://***@a:1;sentinel://b;sentinel://[::1]:3/2?master_name=main&sentinel_password=***"
    )
