"""The settings of payments."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from app.platform.settings import Seconds, from_environment, split_list

WebUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]


class PaymentSettings(BaseSettings):
    """Receipts of paid orders, and the cancellation of unpaid ones."""

    model_config = from_environment("PAYMENTS_")

    webhook_urls: Annotated[tuple[WebUrl, ...], NoDecode, BeforeValidator(split_list)] = Field(
        default=(), description="receivers of receipts, such as https://accounting.example/receipts"
    )
    webhook_timeout: Seconds = Field(default=10.0, description="for each try to deliver a receipt")
    unpaid_after: Annotated[float, Field(gt=0, le=3_153_600_000)] = Field(
        default=7 * 86_400.0, description="seconds until an unpaid order is cancelled"
    )
