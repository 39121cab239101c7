"""Quadlet units of a pod, as texts by file name."""


def _escaped(text):
    return text.replace("%", "%%").replace("$", "$$")


def _word(text):
    inner = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _health(health):
    if health["type"] != "command":
        return []
    # Through `eval`, so that what the command begins and ends with is nobody's to take away.
    quoted = health["command"].replace("'", "'\\''")
    command = _escaped(f"eval '{quoted}'")
    return [f"HealthCmd={command}", "HealthInterval=5s", "Notify=healthy"]


def units(pod):
    """File name -> text."""
    name = pod["name"]
    ports = [f"PublishPort={port}" for service in pod["services"].values() for port in service.get("ports", [])]
    install = ["", "[Install]", "WantedBy=default.target", ""]
    found = {
        f"{name}.pod": "\n".join(["[Pod]", f"PodName={name}", *ports, "PodmanArgs=--exit-policy=continue", *install])
    }
    for short, service in pod["services"].items():
        lines = ["[Unit]"]
        for other in service.get("depends_on", []):
            lines += [f"Requires={name}-{other}.service", f"After={name}-{other}.service"]
        lines += ["", "[Container]", f"ContainerName={name}-{short}", f"Image={service['image']}", f"Pod={name}.pod"]
        lines += [f"Volume={volume}" for volume in service.get("volumes", [])]
        lines += [f"Environment={_word(f'{key}={value}')}" for key, value in service.get("environment", {}).items()]
        if "environment_file" in service:
            lines.append(f"EnvironmentFile={service['environment_file']}")
        lines += [f"PodmanArgs=--group-add={group}" for group in service.get("groups", [])]
        lines += _health(service["health"])
        lines += ["", "[Service]", f"Restart={pod['restart_policy']}", "RestartSec=5", *install]
        found[f"{name}-{short}.container"] = "\n".join(lines)
    return found
