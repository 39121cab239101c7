# What a stand-in for nixos-rebuild knows of nixpkgs and its module system: enough to evaluate Hearth's modules to plain data,
# and no more. FLAKE/configuration.nix is where it begins. Options have no types here.
flake:
let
  lib = {
    mkIf = condition: content: if condition then content else { };
    mkOption = attributes: { _option = true; } // attributes;
    mkEnableOption = text: { _option = true; default = false; };
    mkPackageOption = pkgs: name: attributes: { _option = true; default = pkgs.${name}; };
    optional = condition: content: if condition then [ content ] else [ ];
    types = { str = "str"; port = "port"; path = "path"; nullOr = type: type; };
  };
  # Where the lab has what nixpkgs would bring: see nixos-rebuild.
  pkgs = {
    writeText = builtins.toFile;
    writeShellScriptBin = name: text: { inherit name; script = builtins.toFile name "#!/bin/sh\n${text}\n"; };
    python3 = { outPath = "/opt/nixos-stand-in"; withPackages = choose: "/opt/nixos-stand-in"; };
    maubot = "/opt/nixos-stand-in";
    systemd = "/usr";
    postgresql = "/usr";
  };
  merged = a: b:
    if builtins.isAttrs a && builtins.isAttrs b then
      builtins.zipAttrsWith (name: values: builtins.foldl' merged (builtins.head values) (builtins.tail values)) [ a b ]
    else if builtins.isList a && builtins.isList b then a ++ b
    else b;
  defaults = tree:
    if tree ? _option then tree.default or null
    else builtins.mapAttrs (name: defaults) tree;
  called = module: config:
    let it = if builtins.isPath module then import module else module;
    in if builtins.isFunction it then it { inherit config lib pkgs; } else it;
  imported = module:
    let found = called module { };
    in builtins.concatMap imported (found.imports or [ ]) ++ [ module ];
  modules = imported (flake + "/configuration.nix");
  base = builtins.foldl' merged { } (map (module: defaults ((called module { }).options or { })) modules);
  # NixOS finds the fixed point lazily; here: so often that everything that follows from something has followed.
  step = config:
    builtins.foldl' merged base (map (module:
      let it = called module config;
      in it.config or (removeAttrs it [ "imports" "options" "disabledModules" ])) modules);
  secrets = config: merged config {
    sops.secrets = builtins.mapAttrs (name: secret: { path = "/run/secrets/${name}"; }) (config.sops.secrets or { });
  };
in
builtins.foldl' (config: n: secrets (step config)) base [ 1 2 3 4 ]
