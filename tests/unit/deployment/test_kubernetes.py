"""The Kubernetes manifests: valid by their schemas, and true to the code."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from stoker.cli import app
from stoker.settings import Settings

from .test_docker import DRAIN_S, entrypoint

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "config" / "kubernetes"
FOLDERS = ("base", "overlays/gpu", "overlays/keda")
# What the schemas of Kubernetes itself do not know.
FOREIGN = {"ScaledObject", "Kustomization"}


def documents(folder: str) -> list[dict[str, Any]]:
    files = sorted((KUBERNETES / folder).glob("*.yaml"))
    return [document for path in files for document in yaml.safe_load_all(path.read_text())]


EVERYTHING = [document for folder in FOLDERS for document in documents(folder)]
DEPLOYMENTS = {d["metadata"]["name"]: d for d in EVERYTHING if d["kind"] in ("Deployment", "StatefulSet")}


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    "document",
    [d for d in EVERYTHING if d["kind"] not in FOREIGN],
    ids=lambda d: f"{d['kind']}-{d['metadata']['name']}",
)
def test_a_manifest_is_valid(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, "1.33", strict=True)


def test_a_mistake_would_be_found() -> None:
    wrong = DEPLOYMENTS["stoker-controller"] | {"spec": {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_kustomization_names_all_that_lies_beside_it(folder: str) -> None:
    here = KUBERNETES / folder
    kustomization = yaml.safe_load((here / "kustomization.yaml").read_text())
    for resource in kustomization["resources"]:
        assert (here / resource).exists()
    files = {path.name for path in here.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {name for name in kustomization["resources"] if name.endswith(".yaml")}
    for made in kustomization.get("configMapGenerator", []):
        assert all((here / name).exists() for name in made["files"])
    used = {
        c["image"]
        for d in documents(folder)
        if d["kind"] == "Deployment"
        for c in d["spec"]["template"]["spec"]["containers"]
    }
    assert used == {image["name"] for image in kustomization.get("images", [])}


def test_settings_are_the_projects() -> None:
    assert (KUBERNETES / "base" / "redis.conf").read_text() == (ROOT / "config" / "redis.conf").read_text()
    known = {"STOKER_CONFIG", "STOKER_SECRETS_DIR", *(f"STOKER_{name.upper()}" for name in Settings.model_fields)}
    for name in DEPLOYMENTS.keys() - {"redis"}:
        [container] = pod(name)["containers"]
        assert {variable["name"] for variable in container["env"]} <= known


@pytest.mark.parametrize("folder", FOLDERS)
def test_fleets_count_on_the_slots_that_pods_have(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_CONFIG", str(KUBERNETES / folder / "stoker.toml"))
    for device, fleet in Settings().fleet.items():
        [container] = pod(f"stoker-worker-{device}")["containers"]
        slots = container["args"][container["args"].index("--slots") + 1]
        assert {"name": "STOKER_MOST_SLOTS", "value": slots} in container["env"]
        assert fleet.slots_per_node == int(slots)
        # With KEDA, somebody else starts pods.
        assert fleet.deployment == (None if folder == "overlays/keda" else f"stoker-worker-{device}")


def test_every_container_starts_an_image_of_ours_with_options_that_exist() -> None:
    for name in DEPLOYMENTS.keys() - {"redis"}:
        [container] = pod(name)["containers"]
        command = get_command(app).commands[entrypoint(container["image"].removeprefix("stoker-"))[1]]  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in container.get("args", []) if word.startswith("--")} <= options


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_nothing_runs_as_root_or_writes_to_its_image(name: str) -> None:
    spec = pod(name)
    assert spec["securityContext"]["runAsNonRoot"]
    for container in spec["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        claimed = {claim["metadata"]["name"] for claim in DEPLOYMENTS[name]["spec"].get("volumeClaimTemplates", [])}
        assert mounted == {volume["name"] for volume in spec["volumes"]} | claimed


def test_workers_have_the_time_to_drain() -> None:
    for name in ("stoker-worker-cpu", "stoker-worker-gpu"):
        assert pod(name)["terminationGracePeriodSeconds"] > DRAIN_S


def test_a_controller_may_scale_workers_and_nothing_else() -> None:
    [role] = [d for d in EVERYTHING if d["kind"] == "Role"]
    [rule] = role["rules"]
    assert (rule["resources"], set(rule["verbs"])) == (["deployments/scale"], {"get", "patch"})
    assert set(rule["resourceNames"]) == {"stoker-worker-cpu", "stoker-worker-gpu"} <= set(DEPLOYMENTS)
    for name in DEPLOYMENTS.keys() - {"stoker-controller"}:
        assert pod(name)["automountServiceAccountToken"] is False


def test_selectors_find_what_they_are_for() -> None:
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in DEPLOYMENTS.values()]
    for document in EVERYTHING:
        if document["kind"] in ("Service", "PodDisruptionBudget"):
            selector = document["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= each.items() for each in labels), document["metadata"]["name"]


def test_keda_scales_by_the_slots_of_a_pod() -> None:
    [scaled] = [d for d in EVERYTHING if d["kind"] == "ScaledObject"]
    [trigger] = scaled["spec"]["triggers"]
    target = scaled["spec"]["scaleTargetRef"]["name"]
    args = pod(target)["containers"][0]["args"]
    assert trigger["metadata"]["threshold"] == args[args.index("--slots") + 1]
    assert scaled["spec"]["maxReplicaCount"] * int(trigger["metadata"]["threshold"]) == 16
    assert trigger["metadata"]["query"] == 'max(stoker_fleet_slots_wanted{fleet="cpu"})'
