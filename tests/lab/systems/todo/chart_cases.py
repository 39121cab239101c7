"""Tables of the todo app's chart: which value puts what into which object."""

from __future__ import annotations

from typing import Any

DIGEST = "sha256:" + "a" * 64
BACKEND, FRONTEND = "Deployment/todo-backend", "Deployment/todo-frontend"
DATABASE = {"postgresql": {"enabled": True, "password": "p@ss"}}
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
VOLUME, MOUNT = {"name": "v", "emptyDir": {}}, {"name": "v", "mountPath": "/v"}
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
SECCOMP = ("securityContext", "seccompProfile", "type")
READ_ONLY, ESCALATION, CAPABILITIES = (
    ("securityContext", each) for each in ("readOnlyRootFilesystem", "allowPrivilegeEscalation", "capabilities")
)
DATABASE_POD = "StatefulSet/todo-postgresql"
PEER = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
HOOK = {"migrations": {"mode": "hook"}}
SCALING = {"backend": {"autoscaling": {"enabled": True, "minReplicas": 3}}}


def _database(**values: Any) -> dict[str, Any]:
    return {"postgresql": {**DATABASE["postgresql"], **values}}


ALWAYS = {
    "ConfigMap/todo",
    "Secret/todo",
    BACKEND,
    FRONTEND,
    "Ingress/todo",
    "Service/todo-backend",
    "Service/todo-frontend",
    "ServiceAccount/todo-backend",
    "ServiceAccount/todo-frontend",
    "PodDisruptionBudget/todo-backend",
    "PodDisruptionBudget/todo-frontend",
    "NetworkPolicy/todo-backend",
    "NetworkPolicy/todo-frontend",
    "NetworkPolicy/todo-migrations",
    "Pod/todo-test",
}
POSTGRESQL = {"Service/todo-postgresql", "StatefulSet/todo-postgresql", "NetworkPolicy/todo-postgresql"}

# A part's own values, which backend and frontend have alike: value, place in the Deployment, what stands there.
PART: list[tuple[dict[str, Any], tuple[str | int, ...], Any]] = [
    ({"replicas": 5}, ("spec", "replicas"), 5),
    ({}, ("spec", "replicas"), 2),
    ({}, ("spec", "strategy", "rollingUpdate"), {"maxUnavailable": 0, "maxSurge": 1}),
    ({"image": {"repository": "r/x"}}, (*CONTAINER, "image"), "r/x:0.1.0"),
    ({"image": {"repository": "r/x", "tag": "2"}}, (*CONTAINER, "image"), "r/x:2"),
    ({"image": {"repository": "r/x", "digest": DIGEST}}, (*CONTAINER, "image"), f"r/x@{DIGEST}"),
    ({"image": {"repository": "r/x", "tag": "2", "digest": DIGEST}}, (*CONTAINER, "image"), f"r/x:2@{DIGEST}"),
    ({"image": {"pullPolicy": "Always"}}, (*CONTAINER, "imagePullPolicy"), "Always"),
    ({"resources": {"limits": {"cpu": "2"}}}, (*CONTAINER, "resources", "limits", "cpu"), "2"),
    ({"preStopSleepSeconds": 9}, (*CONTAINER, "lifecycle", "preStop", "exec", "command"), ["sleep", "9"]),
    ({"terminationGracePeriodSeconds": 99}, (*POD, "terminationGracePeriodSeconds"), 99),
    ({"probes": {"startup": {"periodSeconds": 7}}}, (*CONTAINER, "startupProbe", "periodSeconds"), 7),
    ({"probes": {"liveness": {"timeoutSeconds": 8}}}, (*CONTAINER, "livenessProbe", "timeoutSeconds"), 8),
    ({"probes": {"readiness": {"failureThreshold": 9}}}, (*CONTAINER, "readinessProbe", "failureThreshold"), 9),
    ({"topologySpread": {"enabled": False}}, (*POD, "topologySpreadConstraints"), None),
    ({"topologySpread": {"topologyKey": "zone"}}, (*POD, "topologySpreadConstraints", 0, "topologyKey"), "zone"),
    (
        {"topologySpread": {"whenUnsatisfiable": "DoNotSchedule"}},
        (*POD, "topologySpreadConstraints", 0, "whenUnsatisfiable"),
        "DoNotSchedule",
    ),
    ({"annotations": {"a": "b"}}, ("metadata", "annotations"), {"a": "b"}),
    ({"podAnnotations": {"a": "b"}}, ("spec", "template", "metadata", "annotations", "a"), "b"),
    ({"podLabels": {"a": "b"}}, ("spec", "template", "metadata", "labels", "a"), "b"),
    ({"extraEnv": [{"name": "A", "value": "b"}]}, (*CONTAINER, "env", -1), {"name": "A", "value": "b"}),
    ({"extraEnvFrom": [{"secretRef": {"name": "a"}}]}, (*CONTAINER, "envFrom"), [{"secretRef": {"name": "a"}}]),
    ({"extraVolumes": [VOLUME]}, (*POD, "volumes", -1), VOLUME),
    ({"extraVolumeMounts": [MOUNT]}, (*CONTAINER, "volumeMounts", -1), MOUNT),
    ({"podSecurityContext": {"fsGroup": 7}}, (*POD, "securityContext"), {"fsGroup": 7, **POD_SECURITY}),
    ({"podSecurityContext": {"runAsNonRoot": None}}, (*POD, "securityContext", "runAsNonRoot"), None),
    ({"podSecurityContext": {"seccompProfile": {"type": "Localhost"}}}, (*POD, *SECCOMP), "Localhost"),
    ({"securityContext": {"runAsUser": 7}}, (*CONTAINER, "securityContext", "runAsUser"), 7),
    ({"securityContext": {"readOnlyRootFilesystem": False}}, (*CONTAINER, *READ_ONLY), False),
    ({"securityContext": {"allowPrivilegeEscalation": None}}, (*CONTAINER, *ESCALATION), None),
    ({"securityContext": {"capabilities": {"drop": ["A"]}}}, (*CONTAINER, *CAPABILITIES), {"drop": ["A"]}),
    ({"nodeSelector": {"a": "b"}}, (*POD, "nodeSelector"), {"a": "b"}),
    ({"tolerations": [{"key": "a"}]}, (*POD, "tolerations"), [{"key": "a"}]),
    ({"affinity": {"nodeAffinity": {"a": "b"}}}, (*POD, "affinity"), {"nodeAffinity": {"a": "b"}}),
]

# All other values: values, object, place, what stands there.
WHOLE: list[tuple[dict[str, Any], str, tuple[str | int, ...], Any]] = [
    (SCALING, BACKEND, ("spec", "replicas"), None),
    (SCALING, "HorizontalPodAutoscaler/todo-backend", ("spec", "minReplicas"), 3),
    (SCALING, "HorizontalPodAutoscaler/todo-backend", ("spec", "scaleTargetRef", "name"), "todo-backend"),
    (
        {"frontend": {"autoscaling": {"enabled": True, "maxReplicas": 9, "targetCPUUtilizationPercentage": 50}}},
        "HorizontalPodAutoscaler/todo-frontend",
        ("spec", "metrics", 0, "resource", "target", "averageUtilization"),
        50,
    ),
    ({"backend": {"pdb": {"maxUnavailable": 2}}}, "PodDisruptionBudget/todo-backend", ("spec", "maxUnavailable"), 2),
    ({}, "PodDisruptionBudget/todo-frontend", ("spec", "maxUnavailable"), 1),
    (
        {"backend": {"shutdownGraceSeconds": 3}},
        BACKEND,
        (*CONTAINER, "env", 12),
        {"name": "SHUTDOWN_GRACE", "value": "3"},
    ),
    ({"backend": {"service": {"port": 80}}}, "Service/todo-backend", ("spec", "ports", 0, "port"), 80),
    (
        {"frontend": {"service": {"annotations": {"a": "b"}}}},
        "Service/todo-frontend",
        ("metadata", "annotations", "a"),
        "b",
    ),
    ({}, "Service/todo-frontend", ("spec", "type"), "ClusterIP"),
    ({"commonLabels": {"a": "b"}}, "Secret/todo", ("metadata", "labels", "a"), "b"),
    ({"commonLabels": {"a": "b"}}, BACKEND, ("spec", "template", "metadata", "labels", "a"), "b"),
    ({"commonAnnotations": {"a": "b"}}, "Service/todo-backend", ("metadata", "annotations"), {"a": "b"}),
    ({"imagePullSecrets": [{"name": "r"}]}, FRONTEND, (*POD, "imagePullSecrets"), [{"name": "r"}]),
    ({"ingress": {"className": "traefik"}}, "Ingress/todo", ("spec", "ingressClassName"), "traefik"),
    ({}, "Ingress/todo", ("spec", "ingressClassName"), None),
    ({"ingress": {"host": "a.example.org"}}, "Ingress/todo", ("spec", "rules", 0, "host"), "a.example.org"),
    ({}, "Ingress/todo", ("spec", "rules", 0, "host"), None),
    ({"ingress": {"tls": [{"secretName": "t"}]}}, "Ingress/todo", ("spec", "tls"), [{"secretName": "t"}]),
    ({"ingress": {"annotations": {"a": "b"}}}, "Ingress/todo", ("metadata", "annotations"), {"a": "b"}),
    (
        {"gateway": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a.example.org"]}},
        "HTTPRoute/todo",
        ("spec", "hostnames"),
        ["a.example.org"],
    ),
    (
        {"gateway": {"enabled": True, "parentRefs": [{"name": "g"}]}},
        "HTTPRoute/todo",
        ("spec", "parentRefs", 0),
        {"name": "g"},
    ),
    (
        {"gateway": {"enabled": True, "parentRefs": [{"name": "g"}], "annotations": {"a": "b"}}},
        "HTTPRoute/todo",
        ("metadata", "annotations", "a"),
        "b",
    ),
    ({"config": {"apiBaseUrl": "/api/v2"}}, "ConfigMap/todo", ("data", "API_BASE_URL"), "/api/v2"),
    ({"config": {"environment": "trial"}}, "ConfigMap/todo", ("data", "ENVIRONMENT"), "trial"),
    ({"config": {"logLevel": "DEBUG"}}, "ConfigMap/todo", ("data", "LOG_LEVEL"), "DEBUG"),
    ({"config": {"openaiBaseUrl": "http://llm/v1"}}, "ConfigMap/todo", ("data", "OPENAI_BASE_URL"), "http://llm/v1"),
    ({"config": {"openaiModel": "m"}}, "ConfigMap/todo", ("data", "OPENAI_MODEL"), "m"),
    ({"config": {"cookieSecure": True}}, "ConfigMap/todo", ("data", "COOKIE_SECURE"), "true"),
    ({"config": {"proxies": 2}}, "ConfigMap/todo", ("data", "PROXIES"), "2"),
    ({}, "ConfigMap/todo", ("data", "PROXIES"), "auto"),
    ({"config": {"registrationsPerHour": 7}}, "ConfigMap/todo", ("data", "REGISTRATIONS_PER_HOUR"), "7"),
    ({}, BACKEND, (*CONTAINER, "env", 13), {"name": "MIGRATE_WHEN_EMPTY", "value": "true"}),
    ({"migrations": {"mode": "none"}}, BACKEND, (*CONTAINER, "env", 13, "value"), "false"),
    ({"migrations": {"mode": "none", "whenEmpty": True}}, BACKEND, (*CONTAINER, "env", 13, "value"), "true"),
    ({"migrations": {"whenEmpty": False}}, BACKEND, (*CONTAINER, "env", 13, "value"), "false"),
    ({}, BACKEND, (*CONTAINER, "env", 14), {"name": "DATABASE_URL_FILE", "value": "/var/run/todo/DATABASE_URL"}),
    ({}, BACKEND, (*CONTAINER, "volumeMounts", 0, "mountPath"), "/var/run/todo"),
    ({}, BACKEND, (*POD, "volumes", 0, "secret", "secretName"), "todo"),
    ({"secrets": {"existingSecret": "mine"}}, BACKEND, (*POD, "volumes", 0, "secret", "secretName"), "mine"),
    (DATABASE, DATABASE_POD, (*POD, "containers", 1, "env", 1), {"name": "PASSWORD_GRACE", "value": "100"}),
    (_database(passwordGraceSeconds=7), DATABASE_POD, (*POD, "containers", 1, "env", 1, "value"), "7"),
    (HOOK, "Job/todo-migrations", ("spec", "activeDeadlineSeconds"), 600),
    (
        {"migrations": {"mode": "hook", "deadlineSeconds": 61}},
        "Job/todo-migrations",
        ("spec", "activeDeadlineSeconds"),
        61,
    ),
    ({"backend": {"extraVolumes": [VOLUME]}, **HOOK}, "Job/todo-migrations", (*POD, "volumes", -1), VOLUME),
    ({"backend": {"extraVolumeMounts": [MOUNT]}}, BACKEND, (*POD, "initContainers", 0, "volumeMounts", -1), MOUNT),
    (
        {"backend": {"securityContext": {"runAsUser": 7}}},
        BACKEND,
        (*POD, "initContainers", 0, "securityContext", "runAsUser"),
        7,
    ),
    (
        {"backend": {"podSecurityContext": {"runAsUser": 7}}},
        "Pod/todo-test",
        ("spec", "securityContext", "runAsUser"),
        7,
    ),
    ({"migrations": {"waitSeconds": 5}}, BACKEND, (*POD, "initContainers", 0, "env", -1, "value"), "5"),
    ({"migrations": {"mode": "none"}}, BACKEND, (*POD, "initContainers"), None),
    (HOOK, "Job/todo-migrations", ("metadata", "annotations", "helm.sh/hook"), "pre-upgrade"),
    (
        {"migrations": {"mode": "hook", "resources": {"limits": {"memory": "1Gi"}}}},
        "Job/todo-migrations",
        (*CONTAINER, "resources", "limits", "memory"),
        "1Gi",
    ),
    (
        {"networkPolicy": {"ingressFrom": PEER}},
        "NetworkPolicy/todo-backend",
        ("spec", "ingress", 0, "from", 0),
        PEER[0],
    ),
    ({}, "NetworkPolicy/todo-backend", ("spec", "ingress", 0, "from"), None),
    ({}, "NetworkPolicy/todo-frontend", ("spec", "egress"), []),
    (
        {"networkPolicy": {"databasePorts": [6432], "openaiPorts": [8080]}},
        "NetworkPolicy/todo-backend",
        ("spec", "egress", 1, "ports"),
        [{"port": 6432, "protocol": "TCP"}, {"port": 8080, "protocol": "TCP"}],
    ),
    ({"serviceAccount": {"create": False}}, BACKEND, (*POD, "serviceAccountName"), "default"),
    ({}, FRONTEND, (*POD, "serviceAccountName"), "todo-frontend"),
    ({"serviceAccount": {"name": "mine"}}, FRONTEND, (*POD, "serviceAccountName"), "mine"),
    ({"serviceAccount": {"create": False, "name": "mine"}}, BACKEND, (*POD, "serviceAccountName"), "mine"),
    (
        {"serviceAccount": {"create": False, "name": "mine"}, **HOOK},
        "Job/todo-migrations",
        (*POD, "serviceAccountName"),
        "mine",
    ),
    # Before an upgrade, an account that comes with it is not there yet.
    ({"serviceAccount": {"name": "mine"}, **HOOK}, "Job/todo-migrations", (*POD, "serviceAccountName"), "default"),
    (DATABASE, DATABASE_POD, (*POD, "securityContext", "runAsUser"), 999),
    (_database(podSecurityContext={"runAsUser": 7}), DATABASE_POD, (*POD, "securityContext", "runAsUser"), 7),
    (_database(podSecurityContext={"runAsGroup": None}), DATABASE_POD, (*POD, "securityContext", "runAsGroup"), None),
    (_database(podSecurityContext={"runAsNonRoot": None, "fsGroup": None}), DATABASE_POD, (*POD, "fsGroup"), None),
    (
        _database(podSecurityContext={"seccompProfile": {"type": "Localhost"}}),
        DATABASE_POD,
        (*POD, *SECCOMP),
        "Localhost",
    ),
    (_database(securityContext={"readOnlyRootFilesystem": False}), DATABASE_POD, (*CONTAINER, *READ_ONLY), False),
    (_database(securityContext={"allowPrivilegeEscalation": None}), DATABASE_POD, (*CONTAINER, *ESCALATION), None),
    (
        _database(securityContext={"capabilities": {"drop": ["A"]}}),
        DATABASE_POD,
        (*POD, "containers", 1, *CAPABILITIES),
        {"drop": ["A"]},
    ),
    (_database(extraEnv=[{"name": "A", "value": "b"}]), DATABASE_POD, (*CONTAINER, "env", -1, "name"), "A"),
    (_database(extraVolumes=[VOLUME]), DATABASE_POD, (*POD, "volumes", -1), VOLUME),
    (_database(extraVolumeMounts=[MOUNT]), DATABASE_POD, (*CONTAINER, "volumeMounts", -1), MOUNT),
    ({"openshift": True, **DATABASE}, DATABASE_POD, (*POD, "securityContext"), POD_SECURITY),
    (
        {"serviceAccount": {"annotations": {"a": "b"}}},
        "ServiceAccount/todo-backend",
        ("metadata", "annotations", "a"),
        "b",
    ),
    (DATABASE, "StatefulSet/todo-postgresql", (*CONTAINER, "image"), "docker.io/library/postgres:17"),
    (
        {"postgresql": {**DATABASE["postgresql"], "image": {"tag": "18", "digest": DIGEST, "pullPolicy": "Never"}}},
        "StatefulSet/todo-postgresql",
        (*CONTAINER, "image"),
        f"docker.io/library/postgres:18@{DIGEST}",
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "user": "u", "database": "d"}},
        "StatefulSet/todo-postgresql",
        (*CONTAINER, "env", 0, "value"),
        "u",
    ),
    (
        DATABASE,
        "StatefulSet/todo-postgresql",
        ("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests"),
        {"storage": "1Gi"},
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "persistence": {"size": "3Gi", "storageClassName": "fast"}}},
        "StatefulSet/todo-postgresql",
        ("spec", "volumeClaimTemplates", 0, "spec", "storageClassName"),
        "fast",
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "persistence": {"enabled": False}}},
        "StatefulSet/todo-postgresql",
        ("spec", "volumeClaimTemplates"),
        None,
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "resources": {"limits": {"memory": "1Gi"}}}},
        "StatefulSet/todo-postgresql",
        (*CONTAINER, "resources", "limits", "memory"),
        "1Gi",
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a"}]}},
        "StatefulSet/todo-postgresql",
        (*POD, "nodeSelector"),
        {"a": "b"},
    ),
    (
        {"postgresql": {**DATABASE["postgresql"], "annotations": {"a": "b"}}},
        "StatefulSet/todo-postgresql",
        ("metadata", "annotations", "a"),
        "b",
    ),
]

# What comes and goes as a whole: values, objects more, objects fewer.
PRESENCE: list[tuple[dict[str, Any], set[str], set[str]]] = [
    ({}, set(), set()),
    ({"ingress": {"enabled": False}}, set(), {"Ingress/todo"}),
    ({"gateway": {"enabled": True, "parentRefs": [{"name": "g"}]}}, {"HTTPRoute/todo"}, set()),
    ({"networkPolicy": {"enabled": False}}, set(), {name for name in ALWAYS if name.startswith("NetworkPolicy/")}),
    ({"backend": {"pdb": {"enabled": False}}}, set(), {"PodDisruptionBudget/todo-backend"}),
    (SCALING, {"HorizontalPodAutoscaler/todo-backend"}, set()),
    ({"serviceAccount": {"create": False}}, set(), {name for name in ALWAYS if name.startswith("ServiceAccount/")}),
    ({"secrets": {"existingSecret": "mine"}}, set(), {"Secret/todo"}),
    (
        {"serviceAccount": {"name": "mine"}},
        {"ServiceAccount/mine"},
        {"ServiceAccount/todo-backend", "ServiceAccount/todo-frontend"},
    ),
    (HOOK, {"Job/todo-migrations"}, set()),
    (DATABASE, POSTGRESQL, set()),
    (
        {
            **DATABASE,
            "backend": {"enabled": False},
            "frontend": {"enabled": False},
            "ingress": {"enabled": False},
            "secrets": {"existingSecret": "mine"},
        },
        POSTGRESQL,
        ALWAYS,
    ),
]
SETS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ()),
    (DATABASE, ()),
    (HOOK, ()),
    ({}, ("values-dev.yaml",)),
    ({}, ("values-prod.yaml",)),
]
