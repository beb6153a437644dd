"""The children: safe, stable across versions, and written only when something is to change."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel import distillation, series, wish
from edgemodel.distillation import Source
from edgemodel_operator.api import resource
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.status import Status, VersionStatus
from edgemodel_operator.model import naming
from edgemodel_operator.render.children import covers, stamp
from edgemodel_operator.render.job import Attempt, render_job
from edgemodel_operator.render.pod import PodDefaults, canonical
from edgemodel_operator.render.wish import NodeGuard, next_revision, render_wish, render_wish_config_map
from edgemodel_operator.render.workers import render_meeting_place
from edgemodel_operator.render.workload import render_service, render_workload
from tests.unit.operator.world import KEY, SPEC, UID, artifact, digest

Body = dict[str, Any]
ATTEMPT = Attempt(number=3, parent=Source(uri="oci://r/m", digest=digest(1)), nodes=("n1", "n2"), epochs=7)


def model(**spec: Any) -> EdgeModel:
    """The EdgeModel of the simulated world, with parts of its spec replaced."""
    body = {"metadata": {"name": KEY.name, "namespace": KEY.namespace, "uid": UID}, "spec": copy.deepcopy(SPEC) | spec}
    return resource.parse(body)


def replicas(number: int = 2) -> EdgeModel:
    return model(placement={"mode": "Replicas", "replicas": number})


def private() -> EdgeModel:
    return model(registry={"pullSecret": {"name": "login"}, "caBundle": {"configMap": "ca"}})


def guarded() -> EdgeModel:
    return model(serving={"tls": {"secret": "cert"}, "tokenSecret": {"name": "callers"}}, healing={})


def calling() -> EdgeModel:
    """Nodes ask two programs about high latency, with keys of two Secrets."""
    hooks = [
        {"url": f"https://{name}.plant/heal", "secret": {"name": name, "key": key}, "retries": 1}
        for name, key in (("reboot", "key"), ("bell", "sign"), ("reboot", "other"))
    ]
    actions = [{"type": "Webhook", "delay": "5s", "webhook": hook} for hook in hooks]
    return model(healing={"strategies": [{"faults": ["high-latency"], "actions": actions}]})


def joint() -> EdgeModel:
    """Nodes ask a cloud that wants a token and has a certificate of its own."""
    cloud = {
        "url": "https://cloud.example/v2/models/digits",
        "adaptive": {"window": 50},
        "timeout": "300ms",
        "dailyBudget": 500,
        "tokenSecret": {"name": "cloud-token"},
        "caBundle": {"configMap": "cloud-ca"},
    }
    return model(cloud=cloud)


def crew(workers: int) -> EdgeModel:
    return model(distillation=copy.deepcopy(SPEC["distillation"]) | {"workers": workers})


def keeping(workers: int = 1) -> EdgeModel:
    """Its Job goes on where it was."""
    return model(
        distillation=copy.deepcopy(SPEC["distillation"]) | {"workers": workers, "checkpoints": {"claim": "kept"}}
    )


WORKLOADS = {
    "calling": render_workload(calling(), "image"),
    "daemonset": render_workload(model(), "image"),
    "deployment": render_workload(replicas(), "image"),
    "guarded": render_workload(guarded(), "image"),
    "joint": render_workload(joint(), "image"),
    "private": render_workload(private(), "image"),
    "job": render_job(private(), "image", ATTEMPT),
    "crew": render_job(crew(3), "image", ATTEMPT),
    "keeping": render_job(keeping(), "image", ATTEMPT),
}


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_pods_keep_the_restricted_pod_security_standard(workload: Body) -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    pod = workload["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert all(volume.keys() - {"name"} <= allowed for volume in pod["volumes"])
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True
        assert not {"privileged", "procMount", "runAsUser"} & context.keys()
        assert all("hostPort" not in port for port in container.get("ports", []))


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_pods_need_no_api_server(workload: Body) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_every_mount_has_its_volume(workload: Body) -> None:
    pod = workload["spec"]["template"]["spec"]
    mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        (1, "1"),
        (0, "0"),
        ("0m", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("100m", "100m"),
        ("0.5m", "500u"),
        (2_000_000, "2M"),
        ("1000k", "1M"),
        ("1000T", "1P"),
        ("512Mi", "512Mi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1024Ti", "1Pi"),
        (1024, "1024"),
    ],
)
def test_amounts_are_written_as_the_api_server_stores_them(amount: int | str, stored: str) -> None:
    assert canonical(amount) == stored


def test_a_host_port_is_opened_only_on_demand() -> None:
    workload = render_workload(model(serving={"hostPort": 8088}, healing={}), "image")
    ports = workload["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [port.get("hostPort") for port in ports] == [8088, None]


def test_a_certificate_and_tokens_reach_the_pod_as_files_and_the_service_says_https() -> None:
    pod = render_workload(guarded(), "image")["spec"]["template"]["spec"]
    assert {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v} == {"cert", "callers"}
    paths = {v["name"]: v.get("value", "") for v in pod["containers"][0]["env"]}
    mounted = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert paths["EDGEMODEL_TLS_CERT"] == f"{mounted['tls']}/tls.crt"
    assert paths["EDGEMODEL_TOKENS"] == f"{mounted['tokens']}/tokens"
    (port,) = render_service(guarded())["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("https", 443, "infer")


def test_grpc_has_a_port_in_the_pod_and_in_the_service_only_where_it_is_wanted() -> None:
    for wanted in (True, False):
        there = model(serving={"grpc": wanted}, healing={})
        (container,) = render_workload(there, "image")["spec"]["template"]["spec"]["containers"]
        told = {"EDGEMODEL_GRPC_PORT": str(series.PORT_GRPC)} if wanted else {}
        assert {v["name"]: v["value"] for v in container["env"] if "GRPC" in v["name"]} == told
        for ports in (container["ports"], render_service(there)["spec"]["ports"]):
            assert ("grpc" in {port["name"] for port in ports}) == wanted


def environment(serving: Body) -> dict[str, Any]:
    (container,) = render_workload(model(serving=serving, healing={}), "image")["spec"]["template"]["spec"][
        "containers"
    ]
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in container["env"]}


def test_a_device_is_told_only_where_it_is_not_the_default_so_that_older_pods_go_on() -> None:
    assert environment({"device": "cuda"}) == {**environment({}), "EDGEMODEL_DEVICE": "cuda"}
    assert environment({"device": "auto"}) == environment({})


def test_a_pod_is_told_where_to_push_and_logs_in_with_headers_from_a_secret() -> None:
    collector = {"metrics": "http://c:4318/v1/metrics", "traces": "http://c:4318/v1/traces", "traceRatio": 0.5}
    told = environment({"otlp": {**collector, "headersSecret": {"name": "login"}}})
    assert {name: value for name, value in told.items() if "OTLP" in name or "TRACE" in name} == {
        "EDGEMODEL_OTLP": "http://c:4318/v1/metrics",
        "EDGEMODEL_OTLP_TRACES": "http://c:4318/v1/traces",
        "EDGEMODEL_TRACE_RATIO": "0.5",
        "OTEL_EXPORTER_OTLP_HEADERS": {"secretKeyRef": {"name": "login", "key": "headers"}},
    }


def test_pods_on_nodes_out_of_sight_stay_for_ever() -> None:
    tolerations = render_workload(model(), "image")["spec"]["template"]["spec"]["tolerations"]
    for key in ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"):
        assert {"key": key, "operator": "Exists", "effect": "NoExecute"} in tolerations


def test_another_version_does_not_touch_the_workload() -> None:
    assert render_workload(model(version="v1"), "image") == render_workload(model(version="v2", backup="v1"), "image")


def test_rules_and_healing_do_not_touch_the_workload() -> None:
    changed = model(healing={}, rollout={}, health={"interval": "7s"})
    assert render_workload(changed, "image") == render_workload(model(), "image")


def test_callers_on_a_node_reach_the_pod_of_that_node() -> None:
    assert render_service(model())["spec"]["internalTrafficPolicy"] == "Local"
    assert render_service(replicas())["spec"]["internalTrafficPolicy"] == "Cluster"


def test_replicas_are_a_deployment_of_that_size() -> None:
    workload = render_workload(replicas(3), "image")
    assert (workload["kind"], workload["spec"]["replicas"]) == ("Deployment", 3)


@pytest.mark.parametrize(
    "body",
    [*WORKLOADS.values(), render_service(model()), render_meeting_place(model(), "digits-d1")],
    ids=lambda b: f"{b['kind']}-{b['metadata']['name']}",
)
def test_every_child_goes_with_its_edgemodel(body: Body) -> None:
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("EdgeModel", KEY.name, UID, True)
    assert "finalizers" not in body["metadata"]
    assert body["metadata"]["labels"][naming.LABEL_MODEL] == KEY.name


# The Job


def order_of(job: Body) -> distillation.Order:
    environment = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return distillation.parse(next(e["value"] for e in environment if e["name"] == distillation.ORDER_VARIABLE))


def test_the_job_gets_an_order_that_it_can_read() -> None:
    order = order_of(render_job(model(), "image", ATTEMPT))
    assert (order.name, order.epochs, order.seed, order.parent) == ("distilled-3", 7, 3, ATTEMPT.parent)
    assert order.samples is not None
    assert len(set(order.samples.tags)) == 2
    assert order.gates.max_size == 2 << 20


def test_without_a_sink_the_job_uses_no_samples() -> None:
    spec = copy.deepcopy(SPEC["healing"])
    del spec["strategies"][0]["actions"][1]["samples"]
    assert order_of(render_job(model(serving={}, healing=spec), "image", ATTEMPT)).samples is None


@pytest.mark.parametrize("workers", [1, 3])
def test_every_worker_has_the_gpu_that_the_resources_ask_for(workers: int) -> None:
    wanted = {"limits": {"nvidia.com/gpu": 1, "memory": "8Gi"}, "requests": {"cpu": 2}}
    spec = copy.deepcopy(SPEC["distillation"]) | {"workers": workers, "resources": wanted}
    (container,) = render_job(model(distillation=spec), "image", ATTEMPT)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "8Gi"}


@pytest.mark.parametrize(
    ("resources", "threads"),
    [
        ({}, "1"),
        ({"requests": {"cpu": 4}}, "1"),
        ({"limits": {"cpu": 16}}, "16"),
        ({"limits": {"cpu": "3500m"}}, "3"),
        ({"limits": {"cpu": "500m"}}, "1"),
    ],
)
def test_a_job_has_as_many_threads_as_its_limit_lets_run(resources: dict[str, object], threads: str) -> None:
    spec = copy.deepcopy(SPEC["distillation"]) | {"resources": resources}
    (container,) = render_job(model(distillation=spec), "image", ATTEMPT)["spec"]["template"]["spec"]["containers"]
    assert {"name": "EDGEMODEL_THREADS", "value": threads} in container["env"]


SCHEDULING = {
    "nodeSelector": {"accelerator": "a100"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
    "runtimeClassName": "nvidia",
    "priorityClassName": "plant-critical",
}


def test_a_job_runs_where_the_distillation_says() -> None:
    job = render_job(model(distillation=copy.deepcopy(SPEC["distillation"]) | SCHEDULING), "image", ATTEMPT)
    assert job["spec"]["template"]["spec"].items() >= SCHEDULING.items()
    assert not WORKLOADS["job"]["spec"]["template"]["spec"].keys() & SCHEDULING.keys()


def test_serving_pods_run_where_the_placement_says() -> None:
    pod = render_workload(model(placement=SCHEDULING), "image")["spec"]["template"]["spec"]
    assert SCHEDULING["tolerations"][0] in pod.pop("tolerations")
    assert pod.items() >= {key: value for key, value in SCHEDULING.items() if key != "tolerations"}.items()


@pytest.mark.parametrize(
    "render",
    [
        lambda pods: render_workload(model(), "image", pods),
        lambda pods: render_job(model(), "image", ATTEMPT, pods),
    ],
)
def test_a_cluster_that_chooses_users_itself_gets_pods_without_any(render: Callable[[PodDefaults], Body]) -> None:
    pod = render(PodDefaults(ids={}, pull_policy="Always"))["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert [container["imagePullPolicy"] for container in pod["containers"]] == ["Always"]


def test_a_jobs_data_may_lie_on_a_volume() -> None:
    lying = {"uri": "file:///data/digits", "digest": digest(9)}
    spec = copy.deepcopy(SPEC["distillation"]) | {"volume": {"claim": "training-data"}, "dataset": lying}
    job = render_job(model(distillation=spec), "image", ATTEMPT)
    pod = job["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == "/data"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
    assert volume["persistentVolumeClaim"] == {"claimName": "training-data", "readOnly": True}
    assert mount["readOnly"]
    assert order_of(job).dataset.uri == "file:///data/digits"


def test_without_claims_a_job_has_no_word_of_them_nor_of_how_its_pods_end() -> None:
    job = WORKLOADS["job"]
    assert "persistentVolumeClaim" not in str(job)
    assert "CHECKPOINTS" not in str(job)
    assert not {"podFailurePolicy", "podReplacementPolicy"} & job["spec"].keys()


def test_each_order_of_each_edgemodel_has_a_folder_of_its_own_on_the_claim() -> None:
    pod = WORKLOADS["keeping"]["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if "persistentVolumeClaim" in each]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"]]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert volume["persistentVolumeClaim"] == {"claimName": "kept"}
    assert not mount.get("readOnly")
    assert environment["EDGEMODEL_CHECKPOINTS"] == f"{mount['mountPath']}/{UID}/distilled-3"


def test_the_claim_is_given_to_the_group_that_the_pods_run_in() -> None:
    pod = WORKLOADS["keeping"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


@pytest.mark.parametrize("workers", [1, 3])
def test_where_work_is_kept_an_eviction_is_no_try_and_a_pod_is_gone_before_the_next_one_comes(workers: int) -> None:
    spec = render_job(keeping(workers), "image", ATTEMPT)["spec"]
    assert spec["podReplacementPolicy"] == "Failed"
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what the policy wants


def test_one_worker_is_a_plain_job_with_no_word_of_workers() -> None:
    job = render_job(crew(1), "image", ATTEMPT)
    assert job == render_job(model(), "image", ATTEMPT)
    assert "completionMode" not in job["spec"]
    assert "subdomain" not in job["spec"]["template"]["spec"]
    assert "WORLD_SIZE" not in {each["name"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert "workers" not in order_of(job).dump()


def test_a_job_works_in_a_volume_and_its_outcome_is_the_containers_termination_message() -> None:
    container = WORKLOADS["job"]["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["EDGEMODEL_WORK"] in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert environment["EDGEMODEL_RESULT"] == container["terminationMessagePath"]


def test_several_workers_are_an_indexed_job_whose_result_is_that_of_index_0() -> None:
    spec = WORKLOADS["crew"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"]) == (2, 0)
    assert order_of(WORKLOADS["crew"]) == order_of(render_job(model(), "image", ATTEMPT))


def test_workers_find_the_leader_by_the_name_that_the_service_gives_it() -> None:
    job = WORKLOADS["crew"]
    pod, name = job["spec"]["template"]["spec"], job["metadata"]["name"]
    service = render_meeting_place(crew(3), name)
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert (service["metadata"]["name"], pod["subdomain"]) == (name, name)
    assert environment["MASTER_ADDR"] == f"{name}-0.{name}"
    assert (environment["WORLD_SIZE"], environment["MASTER_PORT"]) == ("3", str(service["spec"]["ports"][0]["port"]))
    assert service["spec"]["clusterIP"] == "None"


def test_the_same_attempt_is_the_same_job() -> None:
    assert render_job(model(), "image", ATTEMPT) == render_job(model(), "image", ATTEMPT)


@pytest.mark.parametrize("length", [1, 40, 52])
def test_names_of_children_fit_for_the_longest_name(length: int) -> None:
    assert len(naming.job("a" * length, UID, 999_999) + "-15") <= 63
    assert len(naming.wish_config_map("a" * length)) <= 63


def test_long_names_that_end_in_a_dash_when_cut_give_a_legal_name() -> None:
    assert "--" not in naming.job("a" * 39 + "-b", UID, 1)


# The wish


V1, V2 = (VersionStatus(**artifact(name, number)) for name, number in (("v1", 1), ("v2", 2)))
STATUS = Status(version="v1", digest=digest(1), versions=(V1, V2))


GUARD = NodeGuard(turns=4, held=wish.Held.NOTHING)


def rendered(status: Status = STATUS, **spec: Any) -> wish.Wish:
    return render_wish(model(**spec), status, V2, guard=GUARD, everyone=False, revision=1)


def test_a_wish_that_says_the_same_keeps_its_revision() -> None:
    present = rendered().model_copy(update={"revision": 9})
    assert next_revision(rendered(), present, 4) == present


def test_a_wish_that_says_something_else_gets_the_next_revision() -> None:
    present = rendered().model_copy(update={"revision": 9})
    assert next_revision(rendered(healing={}), present, 4).revision == 10


def test_a_wish_older_than_the_one_that_was_decided_last_is_written_anew_though_it_says_the_same() -> None:
    present = rendered().model_copy(update={"revision": 9})
    assert next_revision(rendered(), present, 10).revision == 11


def test_a_revision_that_was_remembered_is_never_given_twice() -> None:
    assert next_revision(rendered(), None, 12).revision == 13


def test_nodes_can_read_what_is_written() -> None:
    wanted = rendered()
    body = render_wish_config_map(model(), wanted)
    assert wish.parse(body["data"][wish.FILE_NAME]) == wanted


def test_the_wish_has_the_users_rules_and_ladder() -> None:
    wanted = rendered()
    assert [rule.name for rule in wanted.rules] == ["low-confidence", "high-latency"]
    assert (wanted.interval, wanted.healing.settle, wanted.healing.cooldown) == (2.0, 20.0, 60.0)
    assert wanted.sampling is not None
    assert wanted.sampling.keep_hardest == 500


# What is there already

SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(SHAPES)
def test_everything_covers_itself(value: object) -> None:
    assert covers(copy.deepcopy(value), value)


def test_defaults_of_the_api_server_are_no_difference() -> None:
    actual = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}, "status": {}}
    assert covers(actual, {"spec": {"ports": [{"port": 80}]}})


def test_a_sidecar_that_somebody_injected_is_no_difference() -> None:
    actual = {"containers": [{"name": "proxy"}, {"name": "inference", "image": "a", "env": [{"name": "X"}]}]}
    assert covers(actual, {"containers": [{"name": "inference", "image": "a"}]})
    assert not covers(actual, {"containers": [{"name": "inference", "image": "b"}]})


def test_what_is_no_longer_wanted_changes_the_stamp() -> None:
    before = {"metadata": {"name": "x"}, "spec": {"env": [{"name": "A"}, {"name": "B"}]}}
    after = {"metadata": {"name": "x"}, "spec": {"env": [{"name": "A"}]}}
    assert covers(stamp(before), after)
    assert not covers(stamp(before), stamp(after))


@pytest.mark.parametrize(
    "actual", [{}, {"a": [1]}, {"a": [1, 2, 3]}, {"a": [1, 3]}, {"a": None}, {"a": {"0": 1, "1": 2}}]
)
def test_what_is_missing_or_differs_is_a_difference(actual: object) -> None:
    assert not covers(actual, {"a": [1, 2]})


def test_a_bandwidth_cap_reaches_the_pods_in_bytes_per_second() -> None:
    pod = render_workload(model(registry={"bandwidth": "1Mi"}), "image")["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["EDGEMODEL_BANDWIDTH"] == str(1 << 20)


def test_a_longer_trial_reaches_the_pods_in_seconds() -> None:
    pod = render_workload(model(serving={**SPEC["serving"], "trialTime": "30s"}), "image")["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["EDGEMODEL_TRIAL_SECONDS"] == "30"


def test_a_node_finds_the_key_of_each_webhook_and_serves_without_it() -> None:
    guard = NodeGuard(turns=4, held=wish.Held.NOTHING)
    (strategy,) = render_wish(calling(), STATUS, V2, guard=guard, everyone=False, revision=1).healing.strategies
    files = [action.webhook.key_file for action in strategy.actions if action.webhook is not None]
    pod = WORKLOADS["calling"]["spec"]["template"]["spec"]
    volumes = {v["name"]: v["secret"] for v in pod["volumes"] if v["name"].startswith("webhook-")}
    mounted = {
        f"{mount['mountPath']}/{item['path']}"
        for mount in pod["containers"][0]["volumeMounts"]
        if mount["name"] in volumes
        for item in volumes[mount["name"]]["items"]
    }
    assert len(files) == 3
    assert set(files) == mounted
    assert all(secret["optional"] for secret in volumes.values())


# Signatures

TRUSTED = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="


def trusting(**signing: Any) -> EdgeModel:
    distillation = SPEC["distillation"] | {"signingSecret": {"name": "signing-key", **signing}}
    return model(registry={"trustedKeys": [TRUSTED]}, distillation=distillation)


def test_nodes_and_the_job_are_told_which_keys_to_trust() -> None:
    told = render_wish(trusting(), STATUS, V2, guard=GUARD, everyone=False, revision=1)
    assert (told.trusted_keys, order_of(render_job(trusting(), "image", ATTEMPT)).trusted_keys) == ((TRUSTED,),) * 2


def test_without_trusted_keys_nothing_is_said_of_them() -> None:
    assert "trustedKeys" not in rendered().dump()
    assert "trustedKeys" not in order_of(render_job(model(), "image", ATTEMPT)).dump()
    assert "igning" not in str(render_job(model(), "image", ATTEMPT))


def test_trusted_keys_restart_no_pod() -> None:
    assert render_workload(trusting(), "image") == render_workload(model(), "image")


def test_the_job_finds_the_key_to_sign_with_in_a_file() -> None:
    pod = render_job(trusting(key="plant.key"), "image", ATTEMPT)["spec"]["template"]["spec"]
    volume = next(volume["secret"] for volume in pod["volumes"] if volume["name"] == "signing")
    mount = next(mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "signing")
    variable = next(e["value"] for e in pod["containers"][0]["env"] if e["name"] == "EDGEMODEL_SIGNING_KEY")
    assert (volume["secretName"], volume["items"]) == ("signing-key", [{"key": "plant.key", "path": "signing.key"}])
    assert (mount["readOnly"], variable) == (True, f"{mount['mountPath']}/signing.key")


def test_serving_pods_never_get_the_key_to_sign_with() -> None:
    assert "signing-key" not in str(render_workload(trusting(), "image"))


def test_a_node_finds_the_clouds_token_and_certificates_and_serves_without_them() -> None:
    guard = NodeGuard(turns=4, held=wish.Held.NOTHING)
    cloud = render_wish(joint(), STATUS, V2, guard=guard, everyone=False, revision=1).cloud
    assert cloud is not None
    assert (cloud.timeout, cloud.threshold, cloud.retries, cloud.daily_budget) == (0.3, 0.7, 3, 500)
    pod = WORKLOADS["joint"]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    found = [volumes[mounts[str(path).rpartition("/")[0]]] for path in (cloud.token_file, cloud.ca_file)]
    assert [next(iter(v.keys() - {"name"})) for v in found] == ["secret", "configMap"]
    assert found[0]["secret"] == {"secretName": "cloud-token", "optional": True}
    assert found[1]["configMap"] == {"name": "cloud-ca", "optional": True}


def test_without_a_cloud_the_wish_and_the_pods_say_nothing_of_one() -> None:
    guard = NodeGuard(turns=4, held=wish.Held.NOTHING)
    wanted = render_wish(model(), STATUS, V2, guard=guard, everyone=False, revision=1)
    assert "cloud" not in wanted.dump()
    assert "cloud" not in str(WORKLOADS["daemonset"])
