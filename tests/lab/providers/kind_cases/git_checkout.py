"""How to try the kind GitCheckout: an origin on the machine itself, the checkouts owned by an ordinary account."""

from tests.lab.providers.kind_cases import CANARY, Case, Inputs

ORIGIN = "/srv/kinds/origin.git"
USER = "backstage440"


def path(variant: str) -> str:
    return f"/srv/kinds/checkout-{variant}"


def wish(variant: str) -> Inputs:
    return {"path": path(variant), "url": f"file://{ORIGIN}", "revision": "v1", "owner": USER}


def holds(variant: str, inputs: Inputs) -> str:
    wanted = f"$(git --git-dir={ORIGIN} rev-parse {inputs['revision']})"
    return (
        # Looking must not refresh the index: that would give it to root.
        "export GIT_OPTIONAL_LOCKS=0; git config --global --replace-all safe.directory '*'\n"
        f'[ "$(git -C {inputs["path"]} rev-parse HEAD)" = "{wanted}" ]\n'
        f'[ -z "$(git -C {inputs["path"]} status --porcelain)" ]\n'
        f'[ -z "$(find {inputs["path"]} ! -user {USER})" ]'
    )


def look(variant: str) -> str:
    git = f"GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' -C {path(variant)}"
    return (
        f"stat -c '%n %F %a %U %G' {path(variant)}; cat {path(variant)}/.git/HEAD {path(variant)}/.git/config;"
        f" {git} for-each-ref; {git} status --porcelain; {git} rev-parse HEAD; cat {path(variant)}/a.txt"
    )


def clone(variant: str, revision: str) -> str:
    return (
        f"runuser -u {USER} -- git clone -q -c advice.detachedHead=false -b {revision} file://{ORIGIN} /tmp/{variant}"
        f"; mv /tmp/{variant} {path(variant)}"
    )


# Serves the origin to whoever gives the password, and to nobody else.
SERVER = f"""
import base64, functools, http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        wanted = "Basic " + base64.b64encode(b"ann:{CANARY}").decode()
        if self.headers.get("Authorization") == wanted:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=kinds")
        self.end_headers()
handler = functools.partial(Handler, directory="/srv/kinds")
http.server.ThreadingHTTPServer(("127.0.0.1", 8418), handler).serve_forever()
"""
PREPARE = f"""
mkdir -p /srv/kinds
git init -q -b main /tmp/origin
cd /tmp/origin
for number in 1 2 3; do
    echo "$number" >a.txt
    git add a.txt
    git -c user.name=t -c user.email=t@example.org commit -q -m "$number"
    [ "$number" = 3 ] || git tag "v$number"
done
git clone -q --bare /tmp/origin {ORIGIN}
git --git-dir={ORIGIN} update-server-info
chown -R {USER} {ORIGIN}
cat >/srv/kinds/server.py <<'END'
{SERVER}END
systemd-run --quiet --unit=kinds-git python3 /srv/kinds/server.py
"""

CASES = [
    Case(
        kind="GitCheckout",
        wish=wish,
        changed=lambda variant: {"revision": "v2"},
        holds=holds,
        look=look,
        right=lambda variant, inputs: clone(variant, inputs["revision"]),
        other=lambda variant: clone(variant, "main"),
        drift=lambda variant: f"echo drift >>{path(variant)}/a.txt",
        drifted="revision",
        remove=lambda variant: f"rm {path(variant)}/a.txt",
        unknown="revision",
        identity=lambda variant: path(variant)[1:],
        secret=lambda variant: {"url": f"http://ann:{CANARY}@127.0.0.1:8418/origin.git"},
        secret_input="url",
        # An adopted checkout is somebody's own: what is changed in it later is refused as well, and not overwritten.
        drifting=("old",),
        unreadable=lambda variant: (
            f"cp {path(variant)}/.git/index /tmp/index-{variant}; echo x >{path(variant)}/.git/index"
        ),
        # What can't be told to be unchanged is not overwritten.
        readable=lambda variant: f"cat /tmp/index-{variant} >{path(variant)}/.git/index",
        refused=wish,
        in_the_way=lambda variant: f"mkdir {path(variant)}; echo dear >{path(variant)}/letter",
        prepare=PREPARE,
    )
]
