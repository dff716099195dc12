"""Puts Kubernetes manifests together as `kubectl kustomize` does, for what the services' kustomizations use of it.

Names of generated ConfigMaps get no digest here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

KNOWN = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "images",
    "replicas",
    "patches",
    "labels",
    "configMapGenerator",
}


def build(directory: Path) -> list[Document]:
    """Return the documents of a kustomization.

    Raises:
        ValueError: it uses a feature that is not known here.
    """
    said = yaml.safe_load((directory / "kustomization.yaml").read_text())
    if unknown := said.keys() - KNOWN:
        message = f"{directory} uses {sorted(unknown)}: teach tests/kustomize.py"
        raise ValueError(message)
    found = [each for name in said.get("resources", []) for each in _resource(directory / name)]
    found += [each for name in said.get("components", []) for each in build(directory / name)]
    for given in said.get("configMapGenerator", []):
        _config_map(found, given)
    for given in said.get("patches", []):
        _patch(found, yaml.safe_load((directory / given["path"]).read_text()))
    for given in said.get("replicas", []):
        _patch(found, {"kind": "Deployment", "metadata": {"name": given["name"]}, "spec": {"replicas": given["count"]}})
    for each in found:
        _change(each, said)
    return found


def _resource(path: Path) -> list[Document]:
    return build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))


def _config_map(found: list[Document], given: Document) -> None:
    data = dict(pair.split("=", 1) for pair in given["literals"])
    made: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": given["name"], **given.get("options", {})},
        "data": data,
    }
    if given.get("behavior") == "merge":
        _patch(found, made)
    else:
        found.append(made)


def _patch(found: list[Document], patch: Document) -> None:
    """Merge a patch without lists into the document of its kind and name, of which there must be one."""
    (target,) = [each for each in found if identity(each) == identity(patch)]
    _merge(target, patch)


def _merge(target: Document, patch: Document) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif isinstance(value, list):
            message = f"{name}: lists are merged by rules that are not known here"
            raise ValueError(message)
        else:
            target[name] = value


def _change(document: Document, said: Document) -> None:
    if "namespace" in said:
        document["metadata"]["namespace"] = said["namespace"]
    for label in said.get("labels", []):
        for metadata in _labelled(document):
            metadata.setdefault("labels", {}).update(label["pairs"])
    for container in containers(document):
        for image in said.get("images", []):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def _labelled(document: Document) -> Iterator[Document]:
    """Yield the metadata of a document, of its jobs and of its pods."""
    yield document["metadata"]
    for job in _job_templates(document):
        yield job.setdefault("metadata", {})
    if pod := template(document):
        yield pod["metadata"]


def _job_templates(document: Document) -> list[Document]:
    return [document["spec"]["jobTemplate"]] if document.get("kind") == "CronJob" else []


def identity(document: Document) -> tuple[str, str]:
    """Return the kind and the name of a document."""
    return document["kind"], document["metadata"]["name"]


def template(document: Document) -> Document:
    """Return the template of a document's pods, if it has one."""
    for job in _job_templates(document):
        return template(job)
    found: Document = document.get("spec", {}).get("template", {})
    return found


def containers(document: Document) -> Iterator[Document]:
    """Yield the containers of a document's pods."""
    yield from template(document).get("spec", {}).get("containers", [])
