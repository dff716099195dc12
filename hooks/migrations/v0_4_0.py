"""0.4.0: the platform and the features have rooms of their own, and the sample is an answer."""

from collections.abc import Mapping
from functools import partial

from hooks.alignment import align_imports
from hooks.carriers import (
    SAMPLE,
    SAMPLE_NAMES,
    carry_dependencies,
    carry_models,
    carry_resources,
    carry_routes,
    carry_services,
)
from hooks.compose import Carry, compose
from hooks.configuration import split_config
from hooks.contracts import drop_contract_entries
from hooks.files import keep, keep_edits, move, settle_own
from hooks.imports import own_names, rename_modules
from hooks.needs import keep_needed, keep_packages
from hooks.sample import leave_sample
from hooks.trees import below
from hooks.update import Update

CONFIG = "src/app/config.py"
SERVICE_OF_THE_SAMPLE = "src/app/orders/service.py"
MIGRATION_OF_THE_SAMPLE = "migrations/service/0002_orders.py"

_SHARED = (
    "concurrency",
    "context",
    "errors",
    "http_client",
    "idempotency",
    "json_errors",
    "logging",
    "metrics",
    "multiprocess",
    "proxies",
    "rate_limits",
    "schemas",
    "security",
    "strict_json",
)
_PROBLEMS = (
    "ClientLeft",
    "Malformed",
    "MethodNotAllowed",
    "NotFound",
    "TooLarge",
    "UnsupportedType",
    "ValidationFailed",
)
_MIDDLEWARE = {
    "access_log:AccessLog": "access_log:AccessLogMiddleware",
    "authentication:Authentication": "authentication:AuthenticationMiddleware",
    "body_limit:BodyLimit": "body_limit:BodyLimitMiddleware",
    "failures": "unexpected_errors",
    "failures:Failures": "unexpected_errors:UnexpectedErrorMiddleware",
    "rate_limit:RateLimit": "rate_limit:RateLimitMiddleware",
    "security_headers:SecurityHeaders": "security_headers:SecurityHeadersMiddleware",
    "startup:StartupMessage": "startup:StartupMessageMiddleware",
    "timing:Timing": "timing:TimingMiddleware",
}

# Where the owner's own files of directories are that move into the platform; src/app/middleware.py is a module now.
OWN = {"src/app/auth": "", "src/app/db": "", "src/app/middleware": "src/app/own_middleware", "src/app/tasks": ""}

# Where files and directories are now. The owner's own files move along, but not into the platform.
MOVES = {
    "src/app/middleware/failures.py": "src/app/platform/http/middleware/unexpected_errors.py",
    "src/app/middleware/stack.py": "src/app/middleware.py",
    "src/app/middleware": "src/app/platform/http/middleware",
    "src/app/db/joined.py": "src/app/platform/db/shared.py",
    "src/app/tasks/dead.py": "src/app/platform/jobs/cli.py",
    "src/app/tasks/statements.py": "src/app/platform/jobs/autocommit.py",
    "src/app/worker.py": "src/app/platform/jobs/worker.py",
    "src/app/lifespan.py": "src/app/platform/http/lifespan.py",
    "src/app/api/ndjson.py": "src/app/platform/http/ndjson.py",
    "src/app/api/ops.py": "src/app/platform/http/health.py",
    "src/app/api/problems.py": "src/app/platform/http/problems.py",
    "src/app/api/v1/auth.py": "src/app/platform/auth/routes.py",
    "src/app/api/v1/orders.py": "src/app/features/orders/routes.py",
    "src/app/api/v1/users.py": "src/app/features/users/routes.py",
    "src/app/auth": "src/app/platform/auth",
    "src/app/db": "src/app/platform/db",
    "src/app/tasks": "src/app/platform/jobs",
    "src/app/orders": "src/app/features/orders",
    "src/app/payments": "src/app/features/payments",
    "src/app/users": "src/app/features/users",
    **{f"src/app/{name}.py": f"src/app/platform/{name}.py" for name in _SHARED},
    "tests/orders": "tests/features/orders",
    "tests/payments": "tests/features/payments",
    "tests/users": "tests/features/users",
    "tests/db/test_migrations.py": "tests/test_migrations.py",
    "tests/process/test_serving.py": "tests/test_process.py",
    "tests/tasks/receivers.py": "tests/support/receivers.py",
}

# What modules and names are called now.
NAMES = {
    **{f"app.{name}": f"app.platform.{name}" for name in (*_SHARED, "auth", "db")},
    "app.config": "app.platform.settings",
    "app.config:Settings": "app.config:Settings",
    "app.config:load_settings": "app.config:load_settings",
    "app.config:PaymentSettings": "app.features.payments.settings:PaymentSettings",
    "app.config:WebUrl": "app.features.payments.settings:WebUrl",
    "app.api.ndjson": "app.platform.http.ndjson",
    "app.api.ops": "app.platform.http.health",
    "app.api.problems": "app.platform.http.problems",
    "app.api.problems:responses": "app.platform.http.openapi:responses",
    **{f"app.api.problems:{name}": f"app.platform.http.errors:{name}" for name in _PROBLEMS},
    "app.api.router": "app.routes",
    "app.api.router:FAILURES": "app.platform.http.application:FAILURES",
    "app.api.v1.auth": "app.platform.auth.routes",
    "app.api.v1.orders": "app.features.orders.routes",
    "app.api.v1.users": "app.features.users.routes",
    "app.api.dependencies": "app.dependencies",
    "app.api.dependencies:IdempotencyKey": "app.platform.http.dependencies:IdempotencyKey",
    "app.api.dependencies:Paging": "app.platform.http.dependencies:Paging",
    "app.api.dependencies:page_request": "app.platform.http.dependencies:page_request",
    **{
        f"app.api.dependencies:{name}": f"app.platform.auth.dependencies:{name}"
        for name in ("ADMIN_ONLY", "AUTHENTICATED", "CallerId", "CurrentActor", "caller_id", "current_actor")
    },
    **{
        f"app.api.dependencies:{name}": f"app.features.users.dependencies:{name}"
        for name in ("ActiveUser", "AdminUser", "active_user", "admin_user")
    },
    "app.lifespan": "app.platform.http.lifespan",
    "app.middleware": "app.platform.http.middleware",
    "app.middleware.stack": "app.middleware",
    "app.middleware.stack:OPERATIONS": "app.platform.http.limits:OPERATIONS",
    "app.middleware.stack:SIGN_IN": "app.platform.http.limits:SIGN_IN",
    **{f"app.middleware.{old}": f"app.platform.http.middleware.{new}" for old, new in _MIDDLEWARE.items()},
    "app.orders": "app.features.orders",
    "app.payments": "app.features.payments",
    "app.users": "app.features.users",
    "app.models:IdempotencyKey": "app.platform.idempotency:IdempotencyKey",
    "app.models:Order": "app.features.orders.models:Order",
    "app.models:OrderLine": "app.features.orders.models:OrderLine",
    "app.models:OutboxMessage": "app.platform.jobs.models:OutboxMessage",
    "app.models:RefreshToken": "app.platform.auth.models:RefreshToken",
    "app.models:User": "app.features.users.models:User",
    "app.resources:Check": "app.platform.resources:Check",
    "app.resources:open_resources": "app.resources:Resources",
    "app.services:build_services": "app.services:Services",
    "app.tasks": "app.platform.jobs",
    "app.tasks.dead": "app.platform.jobs.cli",
    "app.db.joined": "app.platform.db.shared",
    "app.db.joined:Joined": "app.platform.db.shared:SharedTransaction",
    "app.worker": "app.platform.jobs.worker",
    "app.db.monitoring:watch_migrations": "app.platform.db.safety:name_connection_failures",
    "app.db.address:shown": "app.platform.db.address:redacted",
    "app.db.pagination:behind": "app.platform.db.pagination:after_cursor",
    "app.db.pagination:cut": "app.platform.db.pagination:to_page",
    "app.db.startup:temporary": "app.platform.db.startup:temporary_reason",
    "app.json_errors:brief": "app.platform.json_errors:shorten",
    "app.json_errors:details": "app.platform.json_errors:error_details",
    "app.json_errors:more": "app.platform.json_errors:not_shown",
    "app.json_errors:unwritable": "app.platform.json_errors:not_json",
    "app.proxies:checked": "app.platform.proxies:check_entries",
    "app.proxies:in_both_spellings": "app.platform.proxies:with_mapped_addresses",
    "app.rate_limits:Verdict": "app.platform.rate_limits:RateLimitResult",
    "app.strict_json:whole": "app.platform.strict_json:to_integer",
    "app.concurrency:end": "app.platform.concurrency:cancel_and_wait",
    "app.config:TaskSettings": "app.platform.settings:JobSettings",
    "app.tasks.attempt:AttemptOverruled": "app.platform.jobs.attempt:AttemptSuperseded",
    "app.tasks.attempt:add_attempt": "app.platform.jobs.logging:add_attempt",
    "app.tasks.attempt:finish": "app.platform.jobs.outbox:finish",
    "app.tasks.attempt:log_attempts": "app.platform.jobs.logging:log_attempts",
    "app.tasks.broker:Handover": "app.platform.jobs.broker:Delivery",
    "app.tasks.broker:OpenRun": "app.platform.jobs.broker:OpenRunner",
    "app.tasks.broker:Run": "app.platform.jobs.broker:RunJob",
    "app.tasks.broker:Tells": "app.platform.jobs.broker:Publisher",
    "app.tasks.broker:Watched": "app.platform.jobs.broker:QueueStatus",
    "app.tasks.broker:Work": "app.platform.jobs.broker:WorkerContext",
    "app.tasks.broker:url_of": "app.platform.jobs.broker:broker_url",
    "app.tasks.dead:MOST_DAYS": "app.platform.jobs.cli:MAX_DAYS",
    "app.tasks.dead:NoSuchJob": "app.platform.jobs.cli:DeadLetterNotFound",
    "app.tasks.ledger": "app.platform.jobs.outbox",
    "app.tasks.ledger:bury": "app.platform.jobs.outbox:move_to_dead_letters",
    "app.tasks.metrics:DEAD_JOBS": "app.platform.jobs.metrics:DEAD_LETTERS",
    "app.tasks.models:DeadJob": "app.platform.jobs.models:DeadLetter",
    "app.tasks.outbox:Job": "app.platform.jobs.job:Job",
    "app.tasks.runner:MOST_OF_AN_ERROR": "app.platform.jobs.runner:MAX_ERROR_LENGTH",
    "app.tasks.runner:WAIT_SECONDS": "app.platform.jobs.runner:CLAIM_RETRY_SECONDS",
    "app.tasks.runner:described": "app.platform.jobs.runner:describe",
    "app.tasks.statements": "app.platform.jobs.autocommit",
    "app.tasks.statements:Query": "app.platform.jobs.autocommit:Statement",
    "app.worker:open_run": "app.platform.jobs.worker:open_runner",
    "tests.orders": "tests.features.orders",
    "tests.payments": "tests.features.payments",
    "tests.users": "tests.features.users",
    "tests.tasks.receivers": "tests.support.receivers",
    "tests.tasks.rows:outbox": "tests.support.outbox:outbox",
}


def before(update: Update) -> None:
    """Answer the new question as the owner did by removing the sample, or by making something else of it."""
    if _is_sample_gone(update):
        update.write_answers({**update.answers, "sample": "none"})


def after(update: Update) -> None:
    """Bring the owner's edits into the new rooms."""
    keep(update, MIGRATION_OF_THE_SAMPLE)
    is_owned = _is_sample_gone(update) and update.answers["sample"] == "none"
    owned = SAMPLE_NAMES if is_owned else frozenset()
    if is_owned:
        leave_sample(update)
    for old, new in _possible(update, MOVES).items():
        move(update, old, new, own="/platform/" not in new)
    own = {name: new for folder, place in OWN.items() for name, new in settle_own(update, folder, place).items()}
    rename_modules(update, {**_possible(update, NAMES), **own, **own_names(update, CONFIG)})
    carriers: dict[str, tuple[str, Carry]] = {
        "src/app/services.py": ("src/app/services.py", partial(carry_services, owned=owned)),
        "src/app/resources.py": ("src/app/resources.py", carry_resources),
        "src/app/models.py": ("src/app/models.py", partial(carry_models, owned=owned)),
        "src/app/api/router.py": ("src/app/routes.py", partial(carry_routes, owned=owned)),
        "src/app/api/dependencies.py": ("src/app/dependencies.py", carry_dependencies),
    }
    for old, (new, carry) in carriers.items():
        compose(update, old, new, carry, untouched=is_owned)
    split_config(update)
    drop_contract_entries(update)
    align_imports(update)
    keep_needed(update)
    keep_packages(update)
    keep_edits(update)


def _is_sample_gone(update: Update) -> bool:
    """Tell whether the owner removed the sample, or moved it; what is left of it is the owner's then."""
    return "sample" not in update.answers_before and SERVICE_OF_THE_SAMPLE not in update.head


def _possible(update: Update, table: Mapping[str, str]) -> dict[str, str]:
    """Return what leads to features that the new version has: without the sample, what is left of it stays."""
    gone = [name for name in SAMPLE if not below(update.new, f"src/app/features/{name}")]
    ways = [f"features{mark}{name}" for mark in "./" for name in gone]
    return {old: new for old, new in table.items() if not any(way in new for way in ways)}
