"""The settings of every party: where Redis and the store are, and the keys that sign and encrypt what they hold."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from .models.encryption import MOST_RECIPIENTS, Encryption, StorePlace, checked_key, checked_recipient
from .origins import PREFIX, listed
from .settings_sources import SourcedSettings
from .urls import checked

RedisUrl = Annotated[str, AfterValidator(checked)]
LocalPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class Places(SourcedSettings):
    """Where things are: the first part of `Settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, validate_default=True)

    redis_url: RedisUrl | None = Field(
        default=None,
        repr=False,
        description="The Redis that holds jobs and queues: redis://…, over TLS rediss://…, or "
        "sentinel://…;sentinel://…?master_name=…. None means the local server of `stoker up`.",
    )
    result_url: RedisUrl | None = Field(
        default=None, repr=False, description="The Redis for Celery's results. None means the same as redis_url."
    )
    home: LocalPath = Field(
        default=Path("~/.stoker"), description="The folder for the local server's data, the logs and the default store."
    )
    store_url: str | None = Field(
        default=None,
        repr=False,
        description="Where artifacts lie: a folder or an fsspec URL such as s3://bucket/stoker that every worker "
        "reaches. None means the folder store under home.",
    )
    signing_key: LocalPath | None = Field(
        default=None,
        description="The file with the private key that signs what a client submits, or a worker makes, as "
        "`stoker keys new` writes it: only its owner may read it. None signs nothing.",
    )
    trusted_keys: LocalPath | None = Field(
        default=None,
        description="The file or folder with the public keys that are trusted, and what each may: what none of them "
        "has signed is refused. None believes everything.",
    )
    encryption_key: Annotated[str, AfterValidator(checked_key)] | None = Field(
        default=None,
        repr=False,
        description="The path of a file of age identities, which its owner alone may read: artifacts are encrypted for "
        "them, and decrypted with them. Or the identities themselves, where secrets are mounted. None: nothing is "
        "encrypted.",
    )
    encryption_recipients: Annotated[
        tuple[Annotated[str, AfterValidator(checked_recipient)], ...],
        Field(max_length=MOST_RECIPIENTS),
        NoDecode,
        BeforeValidator(listed),
    ] = Field(
        default=(),
        repr=False,
        description="The public keys, age1…, that artifacts are encrypted for, where these are not all of "
        "encryption_key; in the environment, with commas between them.",
    )

    @property
    def store(self) -> str:
        """Where artifacts are: `store_url`, or by default a folder of `home`."""
        return self.store_url or str(self.home / "store")

    @property
    def store_place(self) -> StorePlace:
        """The same, with how artifacts are encrypted."""
        return StorePlace(self.store, Encryption(self.encryption_key, self.encryption_recipients))
