"""Settings: the order of their sources, what is refused and how, and what is shown."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stoker.errors import InvalidSettings, StokerError
from stoker.origins import sources
from stoker.settings import Settings
from stoker.tenants import Quota

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "s3cret-hunter2"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STOKER_HOME")


def origins(settings: Settings) -> dict[str, str]:
    return {name: settings.origin(name) for name in Settings.model_fields}


def shown(settings: Settings) -> dict[str, str]:
    return {name: settings.shown(name) for name in Settings.model_fields}


def refusal(**arguments: object) -> str:
    with pytest.raises(InvalidSettings) as caught:
        Settings(**arguments)
    return caught.value.message


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = Settings()
    assert settings.redis_url is None
    assert settings.home == Path.home() / ".stoker"
    assert settings.store == str(Path.home() / ".stoker" / "store")
    assert settings.lease_s == 15
    assert set(origins(settings).values()) == {"default"}


def test_file_beats_default_environment_beats_file_and_argument_beats_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("stoker.toml").write_text("lease_s = 1\nslots = 1\nsocket_timeout_s = 1\n")
    monkeypatch.setenv("STOKER_SLOTS", "2")
    monkeypatch.setenv("STOKER_SOCKET_TIMEOUT_S", "2")
    settings = Settings(socket_timeout_s=3)
    assert (settings.lease_s, settings.slots, settings.socket_timeout_s) == (1, 2, 3)
    shown = origins(settings)
    assert shown["lease_s"] == f"stoker.toml: {tmp_path / 'stoker.toml'}"
    assert shown["slots"] == "environment: STOKER_SLOTS"
    assert shown["socket_timeout_s"] == "argument"
    assert shown["connect_timeout_s"] == "default"


def test_stoker_config_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("stoker.toml").write_text("lease_s = 1")
    other = tmp_path / "other.toml"
    other.write_text("lease_s = 2")
    monkeypatch.setenv("STOKER_CONFIG", str(other))
    settings = Settings()
    assert settings.lease_s == 2
    assert origins(settings)["lease_s"] == f"stoker.toml: {other}"


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_CONFIG", "/nowhere/stoker.toml")
    assert "/nowhere/stoker.toml" in refusal()


def test_a_file_must_be_toml(tmp_path: Path) -> None:
    Path("stoker.toml").write_text("lease_s: 1")
    assert refusal().startswith(f"{tmp_path / 'stoker.toml'} is not TOML")


def test_an_unknown_key_is_named_with_its_file_and_the_closest_known_one(tmp_path: Path) -> None:
    Path("stoker.toml").write_text('redis_ulr = "redis://localhost"')
    expected = f"there is no setting redis_ulr (stoker.toml: {tmp_path / 'stoker.toml'}); the closest one is redis_url"
    assert refusal() == expected


def test_an_unknown_argument_is_refused_too() -> None:
    assert refusal(slot=3) == "there is no setting slot (argument); the closest one is slots"


def test_every_problem_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_SLOTS", "many")
    lines = refusal(lease_s=0, redis_url="http://localhost").splitlines()
    assert [line.split()[0] for line in lines] == ["redis_url", "lease_s", "slots"]
    assert "'many' (environment: STOKER_SLOTS)" in lines[2]


def test_invalid_settings_is_a_stoker_error() -> None:
    assert issubclass(InvalidSettings, StokerError)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://localhost:0",
        "redis://localhost:99999",
        "redis://localhost:port",
        "redis://localhost/jobs",
        f"redis://:{PASSWORD}#@localhost",
    ],
)
@pytest.mark.parametrize("name", ["redis_url", "result_url"])
def test_a_malformed_redis_url_is_refused(name: str, url: str) -> None:
    assert "expected redis://" in refusal(**{name: url})


@pytest.mark.parametrize("url", ["redis://localhost", "redis://user:p%40ss@[::1]:6380/3", "redis://10.0.0.1/0"])
def test_a_plain_redis_url_is_taken_as_it_is(url: str) -> None:
    assert Settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("rediss://h", "rediss://h?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", "rediss://h/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://h?ssl_cert_reqs=required", "rediss://h?ssl_cert_reqs=required"),
    ],
)
def test_tls_always_asks_for_the_certificate_check(given: str, used: str) -> None:
    assert Settings(redis_url=given).redis_url == used


@pytest.mark.parametrize("check", ["none", "CERT_NONE", "optional", ""])
@pytest.mark.parametrize("name", ["redis_url", "result_url"])
def test_tls_without_certificate_check_is_refused(name: str, check: str) -> None:
    assert f"ssl_cert_reqs={check} is refused" in refusal(**{name: f"rediss://h?ssl_cert_reqs={check}"})


def test_a_second_certificate_check_cannot_hide_the_first() -> None:
    assert "is refused" in refusal(redis_url="rediss://h?ssl_cert_reqs=none&ssl_cert_reqs=required")
    assert "is refused" in refusal(redis_url="rediss://h?ssl_cert_reqs=required&ssl_cert_reqs=none")


def test_builders_come_as_a_list_or_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(builders=["a.b:c"]).builders == ("a.b:c",)
    monkeypatch.setenv("STOKER_BUILDERS", "a.b:c, d:e")
    assert Settings().builders == ("a.b:c", "d:e")
    assert refusal(builders=["a.b.c"]) == "builders cannot be 'a.b.c' (argument): expected package.module:function"


def test_what_a_worker_offers_comes_from_its_functions_custom_objects_and_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("stoker.toml").write_text('custom_objects = ["shop.layers"]\n[labels]\nimage = "shop-1.4"\nzone = "b"\n')
    monkeypatch.setenv("STOKER_FUNCTIONS", "shop.jobs:*, shop:rank")
    offered = (
        "function:shop.jobs:*",
        "function:shop:rank",
        "module:shop.layers",
        "label:image=shop-1.4",
        "label:zone=b",
    )
    assert Settings().offers == offered
    monkeypatch.setenv("STOKER_LABELS", " image = registry:5000/shop@sha256:9f ,zone=b")
    assert Settings().labels == {"image": "registry:5000/shop@sha256:9f", "zone": "b"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("functions", "shop.jobs", "functions cannot be 'shop.jobs'"),
        ("functions", "shop.*", "expected package.module:function, or package.module:* for all functions of a module"),
        ("functions", "*:*", "package.module:*"),
        ("functions", "shop.jobs:rank*", "package.module:*"),
        ("functions", "shop.jobs: rank", "package.module:*"),
        ("functions", f"shop:{'x' * 300}", "at most 200 characters"),
        ("functions", ",".join(f"shop:f{number}" for number in range(300)), "at most 256 items"),
        ("custom_objects", "shop.layers:Gate", "expected a module such as package.module"),
        ("custom_objects", "shop.*", "expected a module"),
        ("labels", "shop-1.4", "expected name=value, with commas between several; 'shop-1.4' has no ="),
        ("labels", "Image=shop", "a label's name is a small letter"),
        ("labels", "image=", "a label's value is a letter or digit"),
        ("labels", "image=a b", "a label's value is a letter or digit"),
        ("labels", "image=shop-*", "a label's value is a letter or digit"),
        ("labels", "image=a\nb", "a label's value is a letter or digit"),
        ("labels", f"image={'a' * 10_000}", "at most 128 in all"),
        ("labels", ",".join(f"a{n}=b" for n in range(17)), "at most 16 items"),
    ],
)
def test_what_a_worker_cannot_offer_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"STOKER_{name.upper()}", value)
    assert told in refusal()


def test_an_empty_variable_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("stoker.toml").write_text('redis_url = "redis://localhost"\nslots = 4')
    monkeypatch.setenv("STOKER_REDIS_URL", "")
    monkeypatch.setenv("STOKER_SLOTS", "")
    assert (Settings().redis_url, Settings().slots) == (None, None)


def test_an_empty_home_is_not_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_HOME", "")
    assert refusal().startswith("home cannot be")


def test_home_is_absolute_so_that_a_worker_elsewhere_finds_the_same(tmp_path: Path) -> None:
    assert Settings(home="here").home == tmp_path / "here"
    assert Settings(home="~/there").home == Path.home() / "there"


def test_settings_travel_to_another_process_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(redis_url="rediss://:p@h:1/2", builders=["a:b", "c:d"], slots=3, home="x", labels={"a": "b"})
    Path("stoker.toml").write_text('store_url = "/from/the/file"')
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings().model_dump() == settings.model_dump()


def test_what_is_not_set_is_shown_as_none() -> None:
    assert [name for name, value in shown(Settings()).items() if value == "none"] == [
        "redis_url",
        "result_url",
        "store_url",
        "signing_key",
        "trusted_keys",
        "encryption_key",
        "encryption_recipients",
        "builders",
        "objectives",
        "functions",
        "custom_objects",
        "labels",
        "data_roots",
        "export_roots",
        "slots",
        "most_slots",
        "node",
        "slot_memory_bytes",
        "metrics_port",
        "node_metrics_port",
        "gateway_keys",
        "gateway_hosts",
        "gateway_origins",
        "webhook_roots",
        "log_file",
        "tenants",
        "fleet",
        "retention",
        "roles",
    ]


def test_no_password_is_shown() -> None:
    settings = Settings(
        redis_url=f"redis://me:{PASSWORD}@h:1/0",
        result_url=f"rediss://h?ssl_password={PASSWORD}&ssl_cert_reqs=required",
        store_url=f"s3://key:{PASSWORD}@bucket",
    )
    assert PASSWORD not in repr(settings) + str(settings) + repr(shown(settings))
    assert settings.shown("redis_url") == "redis://***@h:1/0"
    assert settings.shown("result_url") == "rediss://h?ssl_password=***&ssl_cert_reqs=required"
    assert settings.shown("store_url") == "s3://***@bucket"


@pytest.mark.parametrize(
    "url",
    [f"me:{PASSWORD}@host", f"redis://:{PASSWORD}/@h:1/x", f"redis://h:bad?password={PASSWORD}", f"x:{PASSWORD}@"],
)
def test_no_password_is_in_a_refusal(url: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings(redis_url=url)
    assert PASSWORD not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_folder_of_secrets_beats_the_file_and_not_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "stoker_redis_url").write_text("redis://:hidden@redis:6379/0\n")
    (folder / "lease_s").write_text("not ours")
    Path("stoker.toml").write_text('redis_url = "redis://of-the-file:6379/0"')
    monkeypatch.setenv("STOKER_SECRETS_DIR", str(folder))
    found = Settings()
    assert found.redis_url == "redis://:hidden@redis:6379/0"
    assert found.origin("redis_url") == f"secret: {folder / 'stoker_redis_url'}"
    assert "hidden" not in str(shown(found))
    monkeypatch.setenv("STOKER_REDIS_URL", "redis://of-the-environment:6379/0")
    assert Settings().redis_url == "redis://of-the-environment:6379/0"
    monkeypatch.setenv("STOKER_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(InvalidSettings, match="missing is no folder: check STOKER_SECRETS_DIR"):
        Settings()


def test_a_home_with_an_at_sign_is_shown_whole(tmp_path: Path) -> None:
    assert Settings(home=tmp_path / "me@work").shown("home") == str(tmp_path / "me@work")


def test_tenants_are_tables_in_the_file_and_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("stoker.toml").write_text("[tenants.default]\nrunning = 4\n[tenants.big]\nweight = 2\n")
    settings = Settings()
    assert settings.tenants == {"default": Quota(running=4), "big": Quota(weight=2)}
    # A controller follows the file, which may also come to name what it does not yet.
    assert not {"STOKER_TENANTS", "STOKER_AGEING_S", "STOKER_FLEET"} & set(settings.environment())
    given = Settings(tenants=settings.tenants)
    monkeypatch.setenv("STOKER_TENANTS", given.environment()["STOKER_TENANTS"])
    Path("stoker.toml").unlink()
    assert Settings().tenants == settings.tenants


def test_what_is_wrong_in_a_table_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = "(environment: STOKER_TENANTS)"
    for value, told in {
        '{"a": {"runing": 3}}': f"there is no setting tenants.a.runing {origin}; the closest one is running",
        '{"a": {"queued": -1}}': f"tenants.a.queued cannot be '-1' {origin}: input should be greater than or equal "
        "to 0",
        "a=3": f'tenants cannot be \'a=3\' {origin}: expected JSON such as {{"default": {{"running": 4}}}}',
    }.items():
        monkeypatch.setenv("STOKER_TENANTS", value)
        assert refusal() == told


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().lease_s = 1  # type: ignore[misc]  # mypy says so too


def test_a_file_of_the_home_is_among_what_settings_come_from(tmp_path: Path) -> None:
    before = sources(tmp_path)
    assert sources(tmp_path) == before
    (tmp_path / "local.toml").write_text("audit = true")
    assert sources(tmp_path) != before


def test_importing_settings_loads_nothing_heavy() -> None:
    heavy = {"celery", "redis", "numpy", "tensorflow", "fsspec"}
    loaded = "import sys, stoker.settings; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, env=os.environ)
    assert not heavy & set(result.stdout.split())


def test_every_setting_describes_itself() -> None:
    assert all((field.description or "").endswith(".") for field in Settings.model_fields.values())


def test_the_guide_lists_exactly_these_settings() -> None:
    guide = (REPOSITORY / "docs" / "settings.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in guide.splitlines() if line.startswith("| `STOKER_")]
    fields = Settings.model_fields
    assert [variable for variable, *_ in rows] == [f"`STOKER_{name.upper()}`" for name in fields]
    assert [description for *_, description in rows] == [field.description for field in fields.values()]


def test_the_sample_file_sets_every_setting_to_a_value_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = REPOSITORY / "config" / "stoker.toml"
    lines = sample.read_text().splitlines()
    # Each setting stands there as a comment: "#name = value".
    switched_on = "\n".join(line.removeprefix("#") for line in lines if not line.startswith("# "))
    assert list(tomllib.loads(switched_on)) == list(Settings.model_fields)
    Path("stoker.toml").write_text(switched_on)
    assert set(origins(Settings()).values()) == {f"stoker.toml: {Path('stoker.toml').absolute()}"}
