"""The Kubernetes manifests are valid and harmless, and their numbers agree with each other and with the service.

`kubectl` is no requirement: where it is installed, it puts the manifests together as well.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.image import steps
from tests.kustomize import Document, build, containers, identity, template
from tests.pools import POOLS, RESERVED, of_a_process, of_a_worker
from tests.rendering import rendered_files
from tests.shell import run
from tests.variants import Variant, rendered_variants

Rendered = Callable[[Variant], Path]

FOLDER = "deploy/kubernetes"
OVERLAYS = ("production", "staging")
# the newest that kubernetes-validate has, and the oldest that has minReadySeconds, autoscaling/v2 and policy/v1
RELEASES = ("1.37", "1.27")
# of an operator, which has schemas of its own
FOREIGN = {"ServiceMonitor"}
_YES = [each for each in rendered_variants() if each["with_kubernetes"] == "yes"]
# the manifests differ with the queue, and in one number with the pool profile
QUEUES = list({each["task_queue"]: each for each in _YES}.values())
POOLED = list(
    {(each["task_queue"], each["pool_profile"]): each for each in _YES if each["pool_profile"] in POOLS}.values()
)
WITH_QUEUE = [each for each in QUEUES if each["task_queue"] != "none"]

# time in which a process ends after its last request, in seconds
MARGIN = 10

every_variant = pytest.mark.parametrize("variant", QUEUES, ids=lambda variant: variant.id)
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture
def built(variant: Variant, overlay: str, rendered: Rendered) -> dict[tuple[str, str], Document]:
    return {identity(each): each for each in build(rendered(variant) / FOLDER / "overlays" / overlay)}


def settings(built: dict[tuple[str, str], Document]) -> dict[str, str]:
    found: dict[str, str] = built["ConfigMap", "settings"]["data"]
    return found


def workloads(built: dict[tuple[str, str], Document]) -> dict[str, Document]:
    return {name: each for (_, name), each in built.items() if template(each)}


@every_overlay
@every_variant
def test_they_are_valid(built: dict[tuple[str, str], Document]) -> None:
    for each in built.values():
        if each["kind"] not in FOREIGN:
            for release in RELEASES:
                kubernetes_validate.validate(each, release, strict=True)


@every_overlay
@every_variant
def test_kubectl_puts_them_together_in_the_same_way(
    variant: Variant, overlay: str, built: dict[tuple[str, str], Document], rendered: Rendered
) -> None:
    """Where it is missing, every kustomization is at least one that tests/kustomize.py understands in full."""
    if not shutil.which("kubectl"):
        return
    place = rendered(variant) / FOLDER / "overlays" / overlay
    printed = re.sub(r"\bsettings-[a-z0-9]{10}\b", "settings", run("kubectl", "kustomize", str(place), cwd=place))
    assert {identity(each): each for each in yaml.safe_load_all(printed)} == built


@pytest.mark.parametrize("variant", WITH_QUEUE, ids=lambda variant: variant.id)
def test_a_queue_adds_its_worker_and_nothing_else(variant: Variant, rendered: Rendered) -> None:
    without = rendered(next(each for each in QUEUES if each["task_queue"] == "none"))
    for overlay in OVERLAYS:
        before, after = (
            {identity(each) for each in build(root / FOLDER / "overlays" / overlay)}
            for root in (without, rendered(variant))
        )
        more = after - before
        assert more == {("Deployment", "worker"), ("Service", "worker"), ("PodDisruptionBudget", "worker")}


@every_overlay
@every_variant
def test_pods_have_no_rights(built: dict[tuple[str, str], Document], rendered: Rendered, variant: Variant) -> None:
    dockerfile = steps((rendered(variant) / "Dockerfile").read_text())
    user, _, group = [step.text for step in dockerfile if step.word == "USER"][-1].partition(":")
    for each in workloads(built).values():
        pod = template(each)["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(group),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in containers(each):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108


@every_overlay
@every_variant
def test_a_pod_has_the_time_that_its_process_needs_to_stop(built: dict[tuple[str, str], Document]) -> None:
    given = settings(built)
    needs = {"api": int(given["HTTP_DRAIN_SECONDS"]) + int(given["HTTP_SHUTDOWN_TIMEOUT"])}
    if "TASKS_SHUTDOWN_TIMEOUT" in given:
        needs["worker"] = int(given["TASKS_SHUTDOWN_TIMEOUT"])
    for name, seconds in needs.items():
        pod = template(built["Deployment", name])["spec"]
        assert pod["terminationGracePeriodSeconds"] >= seconds + MARGIN
        assert "lifecycle" not in pod["containers"][0], "the service drains by itself, as soon as it gets SIGTERM"
    # else pods that drain pile up in a rolling update, with their connections
    assert built["Deployment", "api"]["spec"]["minReadySeconds"] > int(given["HTTP_DRAIN_SECONDS"])


@every_overlay
@every_variant
def test_probes_ask_the_process_that_listens(built: dict[tuple[str, str], Document]) -> None:
    ports = {"api": "HTTP_PORT", "worker": "TASKS_METRICS_PORT"}
    for name, each in workloads(built).items():
        (container,) = containers(each)
        assert container["args"] == [name]
        probes = {kind: probe["httpGet"] for kind, probe in container.items() if kind.endswith("Probe")}
        if name in {"migrate", "prune"}:
            assert not probes
            continue
        (port,) = container["ports"]
        assert str(port["containerPort"]) == settings(built)[ports[name]]
        assert {get["port"] for get in probes.values()} == {port["name"]}
        paths = {kind: get["path"] for kind, get in probes.items()}
        assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


@every_overlay
@every_variant
def test_expired_rows_are_deleted_once_a_day(built: dict[tuple[str, str], Document]) -> None:
    spec = built["CronJob", "prune"]["spec"]
    assert re.fullmatch(r"[0-5]?\d [01]?\d \* \* \*", spec["schedule"])
    # one run at a time, which ends, and leaves few jobs behind
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= spec["startingDeadlineSeconds"] < 86_400
    assert spec["successfulJobsHistoryLimit"] <= spec["failedJobsHistoryLimit"] <= 3
    pod, migration = (template(built[each])["spec"] for each in (("CronJob", "prune"), ("Job", "migrate")))
    like_the_migration = {**migration["containers"][0], "name": "prune", "args": ["prune"]}
    assert pod == {**migration, "containers": [like_the_migration]}


@every_overlay
@every_variant
def test_an_import_fits_into_the_volume(built: dict[tuple[str, str], Document]) -> None:
    pod = template(built["Deployment", "api"])["spec"]
    (volume,) = pod["volumes"]
    # HTTP_MAX_IMPORTS times HTTP_MAX_IMPORT_BYTES, by default
    needed = int(settings(built)["HTTP_WORKERS"]) * 8 * 256
    assert needed <= mebibytes(volume["emptyDir"]["sizeLimit"])
    limit = pod["containers"][0]["resources"]["limits"]["ephemeral-storage"]
    assert mebibytes(volume["emptyDir"]["sizeLimit"]) < mebibytes(limit)


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


@every_overlay
@every_variant
def test_labels_lead_to_the_right_pods(built: dict[tuple[str, str], Document]) -> None:
    pods = {name: template(each)["metadata"]["labels"] for name, each in workloads(built).items()}

    def chosen(selector: dict[str, str]) -> list[str]:
        return [name for name, labels in pods.items() if selector.items() <= labels.items()]

    for (kind, name), each in built.items():
        spec = each.get("spec", {})
        if kind == "Service":
            assert chosen(spec["selector"]) == [name]
            (port,) = spec["ports"]
            (container,) = containers(built["Deployment", name])
            assert port["targetPort"] == container["ports"][0]["name"]
        elif kind in {"Deployment", "PodDisruptionBudget"}:
            assert chosen(spec["selector"]["matchLabels"]) == [name]
    assert built["HorizontalPodAutoscaler", "api"]["spec"]["scaleTargetRef"]["name"] == "api"
    assert "replicas" not in built["Deployment", "api"]["spec"], "the autoscaler's number would be overwritten"


@every_variant
def test_prometheus_finds_all_processes(variant: Variant, rendered: Rendered) -> None:
    documents = build(rendered(variant) / FOLDER / "overlays/production")
    (monitor,) = [each for each in documents if each["kind"] == "ServiceMonitor"]
    (wanted,) = monitor["spec"]["selector"]["matchExpressions"]
    services = [each for each in documents if each["kind"] == "Service"]
    assert all(each["metadata"]["labels"][wanted["key"]] in wanted["values"] for each in services)
    # alerts add up what one job of Prometheus has
    assert len({each["metadata"]["labels"][monitor["spec"]["jobLabel"]] for each in services}) == 1
    scraped = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
    assert {port["name"] for each in services for port in each["spec"]["ports"]} <= scraped
    policy = next(each for each in documents if identity(each) == ("NetworkPolicy", "metrics"))
    opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    pods = [container for each in documents for container in containers(each) if "ports" in container]
    assert {container["ports"][0]["containerPort"] for container in pods} <= opened


@every_overlay
@pytest.mark.parametrize("variant", POOLED, ids=lambda variant: variant.id)
def test_all_connections_fit_into_the_database(built: dict[tuple[str, str], Document], variant: Variant) -> None:
    """With the most pods of a rolling update, one of them new and one of them draining.

    Where a pooler holds the connections, `python -m app pool-budget` says what to compare there.
    """
    profile, queue = variant["pool_profile"], variant["task_queue"]
    surge = built["Deployment", "api"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    pods = built["HorizontalPodAutoscaler", "api"]["spec"]["maxReplicas"] + surge + 1
    total = pods * int(settings(built)["HTTP_WORKERS"]) * of_a_process(profile)
    if queue != "none":
        worker = built["Deployment", "worker"]["spec"]
        assert worker["strategy"]["rollingUpdate"]["maxSurge"] == 0
        total += worker["replicas"] * of_a_worker(profile, queue)
    # one connection each: a migration, a command run by hand, the daily commands
    migrations, commands = 1, 1 + sum(kind == "CronJob" for kind, _ in built)
    most = int(built["ConfigMap", "settings"]["metadata"]["annotations"]["service/max-connections"])
    assert total + migrations + commands <= most - RESERVED


def test_the_documented_budget_is_that_of_production(rendered: Rendered) -> None:
    root = rendered(WITH_QUEUE[0])
    built = {identity(each): each for each in build(root / FOLDER / "overlays/production")}
    pods = built["HorizontalPodAutoscaler", "api"]["spec"]["maxReplicas"]
    # one more, which drains
    surge = built["Deployment", "api"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] + 1
    page = (root / "docs/deployment.md").read_text()
    assert f"--instances {pods} --surge {surge} " in page
    assert f"--job-workers {built['Deployment', 'worker']['spec']['replicas']}\n" in page


@every_variant
def test_they_hold_no_secret_and_no_floating_tag(variant: Variant, rendered: Rendered) -> None:
    files = rendered_files(rendered(variant))
    text = "\n".join(content.decode() for path, content in files.items() if path.startswith(FOLDER))
    assert not re.search(r"kind: Secret\b|PASSWORD|SECRET_KEY|DATABASE_URL|newTag: latest", text)
    assert text.count("secretRef") == len(re.findall(r"^ +args: ", text, re.MULTILINE))


def test_settings_are_those_of_the_service(rendered: Rendered) -> None:
    variant = WITH_QUEUE[0]
    root = rendered(variant)
    known = "".join((root / f"docs/{page}.md").read_text() for page in ("settings", "jobs", "deployment"))
    for overlay in OVERLAYS:
        documents = {identity(each): each for each in build(root / FOLDER / "overlays" / overlay)}
        assert not [name for name in settings(documents) if f"`{name}`" not in known]


def test_a_release_is_rolled_out_by_the_documented_labels(rendered: Rendered) -> None:
    """The commands in docs/deployment.md choose the migration and its settings by a label."""
    root = rendered(WITH_QUEUE[0])
    page = (root / "docs/deployment.md").read_text()
    (named,) = set(re.findall(r"app\.kubernetes\.io/component in \(([\w, ]+)\)", page))
    documents = build(root / FOLDER / "overlays/production")
    label = "app.kubernetes.io/component"
    found = {each["kind"] for each in documents if each["metadata"].get("labels", {}).get(label) in named.split(", ")}
    assert found == {"ConfigMap", "Job"}
