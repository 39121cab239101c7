#!/usr/bin/env python3
"""A stand-in for ZeroTier's service and for a network's controller: the real ones can be had from no registry here.

It answers the documented API on port 9993, and is as strict about types as the documents say that the real one is: a
value of another type is ignored. It moves packets between machines by a VXLAN of the kernel's, not by ZeroTier's
protocol, and shows nothing of how that finds its ways.

`zerotier-stand-in.json` beside the token says which machine is the controller; that one has `networks` in it.
Source: ZeroTierOne service/README.md and controller/README.md.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOME = "/var/lib/zerotier-one"
LOCAL = {"allowManaged": bool, "allowGlobal": bool, "allowDefault": bool, "allowDNS": bool}
MEMBER = {"authorized": bool, "activeBridge": bool, "noAutoAssignIps": bool, "ipAssignments": list}


def typed(body, types):
    """Return what of a body has the documented type; the rest is ignored, as the real one does it."""
    return {key: value for key, value in body.items() if key in types and type(value) is types[key]}


class ZeroTierNode:
    """One node, and the controller of the networks that it was given."""

    def __init__(self, node, token, networks=(), controller=None):
        self.node, self.token, self.controller = node, token, controller
        self.networks = {each["id"]: {"members": {}, **each} for each in networks}
        self.joined = {}

    def answer(self, method, path, headers, body):
        """Return the status and the object of an answer."""
        if headers.get("x-zt1-auth") != self.token:
            return 401, {}
        words = path.strip("/").split("/")
        if words == ["status"] and method == "GET":
            return 200, {"address": self.node, "online": True, "version": "1.14.2"}
        if words[0] == "network" and len(words) == 2:
            return self.local(method, words[1], body or {})
        if words[:2] == ["controller", "network"] and len(words) >= 3:
            network = self.networks.get(words[2])
            if network is None:
                return 404, {}
            if len(words) == 3:
                return 200, {"id": words[2], "private": True, "routes": network["routes"]}
            return self.member(method, network, words[4], body)
        return 404, {}

    def member(self, method, network, node, body):
        found = network["members"].get(node)
        if method == "GET":
            return (404, {}) if found is None else (200, {"id": node, "address": node, **found})
        if method == "DELETE":
            # One that is still authorised may come back by itself.
            network["members"].pop(node, None)
            return 200, {}
        # The real one takes it for a member that never appeared: that is what it must be waited for.
        if found is None:
            return 400, {}
        found.update(typed(body or {}, MEMBER))
        return 200, {"id": node, **found}

    def appear(self, network, node):
        """Do what a node's first packet to its controller does; give it an address where it is let in."""
        known = self.networks[network]["members"]
        found = known.setdefault(node, {"authorized": False, "ipAssignments": [], "noAutoAssignIps": False})
        if found["authorized"] and not found["ipAssignments"] and not found["noAutoAssignIps"]:
            start = self.networks[network]["routes"][0]["target"].rpartition(".")[0]
            found["ipAssignments"] = ["%s.%d" % (start, 100 + len(known))]
        return found

    def local(self, method, network, body):
        if method == "DELETE":
            self.joined.pop(network, None)
            self.leave(network)
            return 200, {"result": True}
        if method in ("POST", "PUT"):
            self.joined.setdefault(network, {}).update(typed(body, LOCAL))
        if network not in self.joined:
            return 404, {}
        seen = self.seen(network)
        addresses = ["%s/24" % each for each in seen["ipAssignments"]] if seen["authorized"] else []
        if addresses:
            self.carry(network, addresses)
        return 200, {
            "id": network,
            "status": "OK" if seen["authorized"] else "ACCESS_DENIED",
            "assignedAddresses": addresses,
            "routes": [],
            **self.joined[network],
        }

    def seen(self, network):
        """Return what the controller holds of this node."""
        if network in self.networks:
            return self.appear(network, self.node)
        url = "http://%s:9993/stand-in/%s/%s" % (self.controller, network, self.node)
        with urllib.request.urlopen(url, timeout=5) as found:
            return json.load(found)

    def carry(self, network, addresses):
        link = "zt%s" % network[-6:]
        if not os.path.exists("/sys/class/net/%s" % link):
            words = "ip link add %s type vxlan id 9993 group 239.99.93.1 dev eth0 dstport 9994" % link
            subprocess.run(words.split(), check=True)
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
        for each in addresses:
            subprocess.run(["ip", "addr", "replace", each, "dev", link], check=True)

    def leave(self, network):
        subprocess.run(["ip", "link", "delete", "zt%s" % network[-6:]], stderr=subprocess.DEVNULL)


def serve(node):
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"null")
            words = self.path.strip("/").split("/")
            if words[0] == "stand-in":
                status, found = 200, node.appear(words[1], words[2])
            else:
                lower = {key.lower(): value for key, value in self.headers.items()}
                status, found = node.answer(self.command, self.path, lower, body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("0.0.0.0", 9993), Handler).serve_forever()


def main():
    with open(HOME + "/zerotier-stand-in.json") as file:
        given = json.load(file)
    token = HOME + "/authtoken.secret"
    if not os.path.exists(token):
        with open(token, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(given["token"])
    with open("/etc/machine-id", "rb") as file:
        node = hashlib.sha256(file.read()).hexdigest()[:10]
    serve(ZeroTierNode(node, open(token).read().strip(), given.get("networks", ()), given.get("controller")))


if __name__ == "__main__":
    sys.exit(main())
