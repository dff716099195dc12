"""0.4.0: the platform and the features have rooms of their own, and the sample is an answer."""

from hooks.alignment import align_imports
from hooks.carriers import carry_dependencies, carry_models, carry_resources, carry_routes, carry_services
from hooks.compose import compose
from hooks.configuration import split_config
from hooks.contracts import drop_contract_entries
from hooks.files import keep, keep_edits, move
from hooks.imports import own_names, rename_modules
from hooks.update import Update

CONFIG = "src/app/config.py"
SAMPLE = "src/app/orders/service.py"
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

# Where files and directories are now. The owner's own files in a directory move along.
MOVES = {
    "src/app/middleware/failures.py": "src/app/platform/http/middleware/unexpected_errors.py",
    "src/app/middleware/stack.py": "src/app/middleware.py",
    "src/app/middleware": "src/app/platform/http/middleware",
    "src/app/db/joined.py": "src/app/platform/db/shared.py",
    "src/app/tasks/dead.py": "src/app/platform/jobs/cli.py",
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
    "tests.orders": "tests.features.orders",
    "tests.payments": "tests.features.payments",
    "tests.users": "tests.features.users",
    "tests.tasks.receivers": "tests.support.receivers",
    "tests.tasks.rows:outbox": "tests.support.outbox:outbox",
}


def before(update: Update) -> None:
    """Answer the new question as the owner did by removing the sample."""
    if "sample" not in update.answers and SAMPLE not in update.head:
        update.write_answers({**update.answers, "sample": "none"})


def after(update: Update) -> None:
    """Bring the owner's edits into the new rooms."""
    keep(update, MIGRATION_OF_THE_SAMPLE)
    for old, new in MOVES.items():
        move(update, old, new)
    rename_modules(update, {**NAMES, **own_names(update, CONFIG)})
    compose(update, "src/app/services.py", "src/app/services.py", carry_services)
    compose(update, "src/app/resources.py", "src/app/resources.py", carry_resources)
    compose(update, "src/app/models.py", "src/app/models.py", carry_models)
    compose(update, "src/app/api/router.py", "src/app/routes.py", carry_routes)
    compose(update, "src/app/api/dependencies.py", "src/app/dependencies.py", carry_dependencies)
    split_config(update)
    drop_contract_entries(update)
    align_imports(update)
    keep_edits(update)
