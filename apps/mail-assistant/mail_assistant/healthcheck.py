"""`python -m mail_assistant.healthcheck`: exit 0 only if the application answers and its database does.

The container's health check. `/health` is 200 whatever happens, so the answer has to be read.
"""

from __future__ import annotations

import http.client
import json
import os
import sys

SECONDS = 4


def main() -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        checks = dict(json.loads(connection.getresponse().read())["checks"])
        print(" ".join(f"{name}={status}" for name, status in checks.items()))
        return 0 if checks["db"] == "ok" else 1
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"no answer on port {connection.port}: {type(error).__name__}")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
