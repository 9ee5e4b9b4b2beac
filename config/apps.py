from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Humanmark"

    def ready(self) -> None:
        from config import checks  # noqa: F401  registering the checks needs the app registry
