"""Where the values of settings come from, and what is said of them."""

from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

from .errors import InvalidSettings
from .origins import config_file, local_file, origin_of, read, secrets_folder
from .settings_problems import problems, shown


class SourcedSettings(BaseSettings):
    """Settings from arguments, the environment, secrets and the settings files, the strongest first.

    Raises:
        InvalidSettings: a value is invalid, the file cannot be read, or it has an unknown key; one line per problem.
    """

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            # No cause, because it quotes the values, which may hold passwords.
            raise InvalidSettings("\n".join(problems(error, type(self).model_fields, arguments))) from None
        self._origins = {name: origin_of(name, arguments) for name in self.model_fields_set}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the strongest first."""
        secrets = [SecretsSettingsSource(settings_cls, folder)] if (folder := secrets_folder()) else []
        file = InitSettingsSource(settings_cls, read(config_file()))
        return init_settings, env_settings, *secrets, file, _LocalSettings(settings_cls, {})

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object, info: ValidationInfo) -> object:
        """An empty text is no value; of `home`, which must have one, it would be the current folder."""
        name = info.field_name or ""
        return None if value == "" and (name == "home" or cls.model_fields[name].default is None) else value

    def origin(self, name: str) -> str:
        """The source of a field's value: "default", "stoker.toml: <path>", "environment: STOKER_…", "argument", …"""
        return self._origins.get(name, "default")

    def shown(self, name: str) -> str:
        """A field's value for people, with its password masked."""
        return shown(getattr(self, name), type(self).model_fields.get(name))


class _LocalSettings(InitSettingsSource):
    """What goes with the local server of a home: nothing where the stronger sources name another server."""

    def __call__(self) -> dict[str, Any]:
        if self.current_state.get("redis_url"):
            return {}
        home = self.current_state.get("home") or self.settings_cls.model_fields["home"].default
        return read(local_file(Path(home)))
