"""The Nix texts of maubot on NixOS: two modules, and the names of the secrets.

Pure functions. T005 to T013 of the task list are in here and in nix_phases.py, which has what each phase of the rollout
switches on. `nix_string` is the one way by which a value gets into Nix.
"""

from __future__ import annotations

from textwrap import indent

from components.maubot.units import ACCOUNT, hardening
from config.systems.maubot import Maubot
from providers.kinds.matrix.common import CONFIG_FILE
from toolchain.lines import lines_in

ANSWERS = """\
import os, socket, sys, time
while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
    try:
        os.kill(int(os.environ["MAINPID"]), 0)
    except ProcessLookupError:
        sys.exit("maubot has ended before it answered")
"""
"""Beside maubot's start: waits until it answers, or has ended. Source of MAINPID: systemd.exec(5)."""


def secrets(settings: Maubot) -> tuple[str, ...]:
    """Names in the machine's own file of secrets."""
    names = ("maubot-admin-password", "maubot-secret-key")
    return (*names, "maubot-database-url") if settings.database == "postgresql" else names


def nix_string(text: str) -> str:
    """Return a text as a Nix string: nix.dev/manual/nix/2.26/language/string-literals."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${").replace("\r", "\\r")
    return f'"{escaped}"'


def _nix_value(text: str) -> str:
    """Return the value of one line of a unit, as NixOS wants it: a truth value where it is one."""
    return {"yes": "true", "no": "false"}.get(text, nix_string(text))


def _service_config() -> str:
    """Return the hardening of units.py as attributes of serviceConfig; what stands there twice is a list."""
    found: dict[str, list[str]] = {}
    for line in lines_in(hardening()):
        name, _, value = line.partition("=")
        found.setdefault(name, []).append(value)
    return "\n".join(
        f"        {name} = {_nix_value(values[0])};"
        if len(values) == 1
        else f"        {name} = [ {' '.join(nix_string(value) for value in values)} ];"
        for name, values in found.items()
    )


def maubot_module() -> str:
    """Return modules/maubot.nix: `services.maubot`.

    It takes the place of the module of that name in nixpkgs, which knows no credentials and lets the service write its
    own configuration.
    """
    return f"""\
# Made by Hearth (hearth:maubot): what is changed by hand is put back.
{{ config, lib, pkgs, ... }}:
let
  cfg = config.services.maubot;
  python = pkgs.python3.withPackages (packages: [ packages.bcrypt ]);
  settings = pkgs.writeText "maubot-settings.json" (builtins.toJSON {{
    database = "sqlite:/var/lib/maubot/bot.db";
    crypto_database = "default";
    plugin_directories = {{
      upload = "/var/lib/maubot/plugins";
      load = [ "/var/lib/maubot/plugins" ];
      trash = "delete";
    }};
    plugin_databases = {{ sqlite = "/var/lib/maubot/dbs"; postgres = null; }};
    server = {{
      hostname = "127.0.0.1";
      port = cfg.port;
      public_url = "http://127.0.0.1:${{toString cfg.port}}";
    }};
    homeservers.${{cfg.serverName}}.url = cfg.homeserverUrl;
    api_features.dev_open = false;
    logging = {{
      version = 1;
      formatters.plain.format = "[%(levelname)s@%(name)s] %(message)s";
      handlers.journal = {{ class = "logging.StreamHandler"; formatter = "plain"; }};
      root = {{ level = "INFO"; handlers = [ "journal" ]; }};
    }};
  }});
  # As root, and not as the service: it writes what the service may only read. JSON is YAML.
  render = pkgs.writeText "render-maubot-config.py" ''
    import base64, bcrypt, hashlib, hmac, json, os, pathlib, sys
    settings, target, admin = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2]), sys.argv[3]
    credentials = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"])
    password = (credentials / "admin-password").read_text().strip().encode()
    key = (credentials / "secret-key").read_text().strip().encode()
    # Another password makes another key, which ends the sessions that the old password opened.
    settings["server"]["unshared_secret"] = base64.b64encode(hmac.digest(key, password, hashlib.sha384)).decode()
    settings["admins"] = {{"root": "", admin: bcrypt.hashpw(password, bcrypt.gensalt(12)).decode()}}
    if (credentials / "database-url").exists():
        settings["database"] = (credentials / "database-url").read_text().strip()
    target.parent.mkdir(parents=True, exist_ok=True)
    os.chown(target.parent, 0, int(sys.argv[4]))
    target.parent.chmod(0o750)  # the unit's UMask would leave the group nothing
    session = pathlib.Path("/var/lib/maubot-session")  # root's alone: handed to what watches maubot
    session.mkdir(mode=0o700, exist_ok=True)
    (session / "key").write_text(settings["server"]["unshared_secret"])
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(settings, file, indent=1)
    os.chown(target, 0, int(sys.argv[4]))
    target.chmod(0o640)
  '';
  answers = pkgs.writeText "maubot-answers.py" ''
{indent(ANSWERS, "    ")}  '';
in
{{
  disabledModules = [ "services/matrix/maubot.nix" ];

  options.services.maubot = {{
    enable = lib.mkEnableOption "maubot, a plugin-based Matrix bot system";
    package = lib.mkPackageOption pkgs "maubot" {{ }};
    homeserverUrl = lib.mkOption {{ type = lib.types.str; default = "http://127.0.0.1:8008"; }};
    serverName = lib.mkOption {{ type = lib.types.str; }};
    port = lib.mkOption {{ type = lib.types.port; default = 29316; }};
    admin = lib.mkOption {{ type = lib.types.str; default = "admin"; }};
    adminPasswordFile = lib.mkOption {{ type = lib.types.path; }};
    secretKeyFile = lib.mkOption {{ type = lib.types.path; }};
    databaseUrlFile = lib.mkOption {{ type = lib.types.nullOr lib.types.path; default = null; }};
  }};

  config = lib.mkIf cfg.enable {{
    users.users.{ACCOUNT} = {{ isSystemUser = true; group = "{ACCOUNT}"; uid = 829; home = "/var/lib/maubot"; }};
    users.groups.{ACCOUNT}.gid = 829;
    systemd.services.maubot = {{
      description = "maubot, the bots on ${{cfg.serverName}}";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "postgresql.service" ];
      serviceConfig = {{
        Type = "exec";
        User = "{ACCOUNT}";
        Group = "{ACCOUNT}";
        StateDirectory = [ "maubot" "maubot/plugins" "maubot/dbs" ];
        WorkingDirectory = "/var/lib/maubot";
        LoadCredential = [
          "admin-password:${{cfg.adminPasswordFile}}"
          "secret-key:${{cfg.secretKeyFile}}"
        ] ++ lib.optional (cfg.databaseUrlFile != null) "database-url:${{cfg.databaseUrlFile}}";
        ExecStartPre = "+${{python}}/bin/python ${{render}} ${{settings}} {CONFIG_FILE} ${{cfg.admin}} 829";
        ExecStart = "${{cfg.package}}/bin/maubot --no-update --config {CONFIG_FILE}";
        ExecStartPost = "${{python}}/bin/python ${{answers}} ${{toString cfg.port}}";
        Restart = "always";
        RestartSec = 2;
        TimeoutStopSec = 15;
        ReadOnlyPaths = [ "-/var/lib/maubot/config" ];
{_service_config()}
      }};
    }};
  }};
}}
"""


def dev_services_module(settings: Maubot) -> str:
    """modules/dev-services-maubot.nix: `services.dev-platform.maubot` (`enable`, `port`) over services.maubot."""
    url = "\n      databaseUrlFile = config.sops.secrets.maubot-database-url.path;"
    return f"""\
# Made by Hearth (hearth:maubot): what is changed by hand is put back.
{{ config, lib, ... }}:
let
  cfg = config.services.dev-platform.maubot;
in
{{
  options.services.dev-platform.maubot = {{
    enable = lib.mkEnableOption "maubot on the development platform";
    port = lib.mkOption {{ type = lib.types.port; default = {settings.port}; }};
  }};

  config = lib.mkIf cfg.enable {{
    systemd.services.maubot.after = [ {nix_string(f"{settings.homeserver_unit}.service")} ];
    services.maubot = {{
      enable = true;
      port = cfg.port;
      homeserverUrl = {nix_string(settings.homeserver)};
      serverName = {nix_string(settings.server_name)};
      admin = {nix_string(settings.admin)};
      adminPasswordFile = config.sops.secrets.maubot-admin-password.path;
      secretKeyFile = config.sops.secrets.maubot-secret-key.path;{url if settings.database == "postgresql" else ""}
    }};
  }};
}}
"""
