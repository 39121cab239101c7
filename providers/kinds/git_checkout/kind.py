"""A git checkout on a machine, at one branch, tag or commit, owned by one account.

Git runs on the machine, as the owner. HEAD is detached at the commit that `revision` means; tracked files are as in
that commit. A refresh asks no network: a tag or branch is compared with what was fetched at the last apply, so a branch
that has moved upstream is not noticed. Pin a tag or a commit, and change it. Credentials in an https address are used
to fetch, and kept nowhere on the machine. Not managed: large file storage, untracked files, and submodules unless they
are asked for. Git goes by the owner's own configuration, in looking as in making.

A checkout that was there before is put back at its branch or commit, with its remote; what was fetched stays among its
objects. One with local changes is refused rather than overwritten, also where git was told not to look at them. In one
that Hearth has made or changed, local changes of tracked files are drift, and are overwritten; on destroy one that was
there before stays where it is for their sake. An untracked file is never overwritten.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field

from config.git import git_address, git_revision
from providers.errors import CommandFailed, HearthError, InvalidInput, NotConverged
from providers.kind import AbsolutePath, AccountName, Inputs, Kind
from providers.kinds import reasons
from providers.kinds.file import path_to_identity
from providers.kinds.git_checkout.failures import failure
from providers.kinds.owned_folder import (
    OwnedFolderFacts,
    folder_facts,
    put_folder_back,
    put_owner_back,
    refuse_folder,
    take_folder,
)
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in

PROGRAM = Path(__file__).with_name("git_checkout.sh").read_text()
ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
HALF_MADE = ".git.hearth"
ANY = "0" * 40
"""The revision of an import, which asks for what is there. No commit has this id."""


def _refspec(value: str | None) -> str | None:
    if value is not None and (not re.fullmatch(r"refs/[\w./+@*-]+", value, re.ASCII) or value.count("*") > 1):
        raise ValueError("must be the full name of a ref there, as refs/pull/7/head, or a pattern as refs/changes/*")
    return value


class GitCheckoutInputs(Inputs):
    path: Annotated[
        AbsolutePath, Field(description="The folder; its parent must exist. A change replaces the resource.")
    ]
    url: Annotated[
        str,
        AfterValidator(git_address),
        Field(description="Where it comes from: https, ssh or file. Make it a secret if it holds a token."),
    ]
    revision: Annotated[
        str,
        AfterValidator(git_revision),
        Field(description="A tag or a commit; or a branch, which is looked up when something else is applied."),
    ]
    owner: Annotated[AccountName | None, Field(description="Name of the user who owns it, and whom git runs as.")] = (
        None
    )
    depth: Annotated[
        int | None, Field(ge=1, description="How many commits of its history are fetched, in one that Hearth makes.")
    ] = None
    refspec: Annotated[
        str | None,
        AfterValidator(_refspec),
        Field(description="What else is fetched beside branches and tags, as refs/pull/7/head or refs/changes/*."),
    ] = None
    submodules: Annotated[
        bool | None, Field(description="Whether its submodules are checked out, those in them too.")
    ] = None


class GitCheckoutFacts(OwnedFolderFacts):
    url: str = Field(default="", description="Address of the remote `origin`, without credentials.")
    revision: str = Field(default="", description="The wished revision where HEAD is there; else what is there.")
    commit: str = Field(default="", description="The commit that is checked out, in full.")
    branch: str = Field(default="", description="The branch that HEAD is on; empty where it is detached.")
    submodules: bool | None = Field(default=None, description="Whether all of them are there, where that is asked.")
    initialised: bool = Field(default=False, description="Whether any submodule is there, where they are asked for.")
    unreadable: str = Field(default="", description="Why git can't say what is there, if it can't.")


def split_credentials(url: str) -> tuple[str, str]:
    """Return the address without its user and password, and a line for git's credential store; that is empty for none.

    The user of an ssh address is no secret, and stays.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url, ""
    userinfo, _, host = parts.netloc.rpartition("@")
    login = userinfo if ":" in userinfo else f"{userinfo}:"
    return urlunsplit(parts._replace(netloc=host)), f"{parts.scheme}://{login}@{host}"


def remote_section(url: str) -> str:
    """Return the lines of `.git/config` for the remote `origin`. Syntax: git-config(1)."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    return f'[remote "origin"]\n\turl = "{quoted}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'


def program(call: str, **values: str) -> str:
    """Return the text that runs one function of git_checkout.sh; no value is an argument of a command."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + PROGRAM + f"\n{call}\n"


def revision_of(wish: str, found: dict[str, list[str]]) -> str:
    """Return what the field `revision` says: the wish itself where HEAD is there and no tracked file was changed."""
    commit = found["commit"][0]
    changed = found.get("modified", [])
    if wish == ANY:
        here = found["branch"][0] or found["tag"][0] or commit
    elif commit and found["wanted"][0] == commit:
        here = wish
    else:
        here = f"<commit {commit[:12]}>" if commit else "<no commit>"
    if not changed:
        return here
    return f"{here} <changed: {', '.join(changed[:5])}{' ...' if len(changed) > 5 else ''}>"


def parse_facts(wish: str, output: str) -> dict[str, Any]:
    """Fields of the facts from what `observe` in git_checkout.sh printed."""
    found: dict[str, list[str]] = {}
    for line in lines_in(output):
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    if "unreadable" in found:
        why = found["unreadable"][0] or "git says nothing about it"
        return {"revision": f"<unreadable: {why}>", "unreadable": why}
    return {
        "commit": found["commit"][0],
        "branch": found["branch"][0],
        "url": split_credentials(found["url"][0])[0],
        "revision": revision_of(wish, found),
        "submodules": "submodule" not in found,
        "initialised": "initialised" in found,
    }


async def observe(session: Session, inputs: GitCheckoutInputs) -> GitCheckoutFacts:
    stat = await session.stat(inputs.path, entries=True)
    if stat is None:
        return GitCheckoutFacts(present=False)
    names = set(stat.entries or ()) - {HALF_MADE}
    folder = folder_facts(stat, names)
    if stat.type != "directory" or ".git" not in names:
        return GitCheckoutFacts(present=False, **folder)
    submodules = "yes" if inputs.submodules else ""
    script = program("observe", path=inputs.path, revision=inputs.revision, url=inputs.url, submodules=submodules)
    result = await session.run("/bin/sh", script=script, check=False)
    if not result.ok:
        raise _failure(session, inputs, result)
    folder.update(parse_facts(inputs.revision, result.stdout))
    if not inputs.submodules:
        folder["submodules"] = None
    return GitCheckoutFacts(present=True, **folder)


def _failure(session: Session, inputs: GitCheckoutInputs, result: Completed) -> HearthError:
    owner = inputs.owner or "its owner"
    return failure(session, inputs.path, owner, inputs.revision, status=result.status, stderr=result.stderr)


async def _run_as_owner(session: Session, inputs: GitCheckoutInputs, owner: str, script: str) -> None:
    user = None if owner == "root" else owner
    result = await session.run("/bin/sh", script=script, user=user, cwd="/", check=False, environment=ENVIRONMENT)
    if not result.ok:
        raise _failure(session, inputs, result)


def _program(call: str, inputs: GitCheckoutInputs, **values: str) -> str:
    url, credentials = split_credentials(inputs.url)
    given = {
        "path": inputs.path,
        "revision": inputs.revision,
        "url": url,
        "credentials": credentials,
        "section": remote_section(url),
        "depth": str(inputs.depth or ""),
        "refspec": inputs.refspec or "",
        "submodules": "yes" if inputs.submodules else "",
    }
    return program(call, **{**given, **values})


async def apply(session: Session, inputs: GitCheckoutInputs, facts: GitCheckoutFacts) -> None:
    owner = inputs.owner or facts.owner or "root"
    if facts.present:  # before it gets another owner
        await refuse_folder(session, inputs.path, owner, facts, "git checkout")
        await _run_as_owner(session, inputs, facts.owner, _program("refuse", inputs))
    await take_folder(session, inputs.path, owner, facts, "git checkout")
    try:
        await _run_as_owner(session, inputs, owner, _program("make", inputs))
    except InvalidInput as error:
        if facts.present and facts.owner == owner:
            raise
        # The folder was made, or has another owner: something was touched.
        raise NotConverged(error.summary, detail=error.detail, remedy=error.remedy) from None


async def restore(session: Session, inputs: GitCheckoutInputs, before: GitCheckoutFacts) -> None:
    if not await put_folder_back(session, inputs.path, before):
        return
    now = await session.stat(inputs.path, entries=True)
    if now is None or ".git" not in (now.entries or ()):
        session.warn(f"{inputs.path} on {session.machine} is no git checkout any more: it was left as it is")
        return
    was = {"commit": before.commit, "branch": before.branch, "url": before.url}
    had = "yes" if before.initialised else ""
    try:
        await _run_as_owner(session, inputs, now.owner, _program("put_back", inputs, had_submodules=had, **was))
    except CommandFailed as error:
        if error.status != 49:
            raise
        why = error.detail or "git could not read its index"
        session.warn(
            f"{inputs.path} on {session.machine} holds what would be lost ({why}), so it stays at the commit that it is"
            f" at; `git checkout {before.branch or before.commit}` there puts it back"
        )
    await put_owner_back(session, inputs.path, now.owner, before)


def _differs(field: str, wish: str, found: str) -> bool:
    return (split_credentials(wish)[0] if field == "url" else wish) != found


async def explain(session: Session, inputs: GitCheckoutInputs, facts: GitCheckoutFacts) -> str:
    """Return why a checkout is not as wished."""
    if facts.unreadable:
        return facts.unreadable
    if "<changed:" in facts.revision:
        return (
            "files are changed as they are checked out: by a hook, a filter (.gitattributes) or core.autocrlf, or by a"
            " program there that writes them"
        )
    return await reasons.owners(session, inputs.path) if facts.owner != inputs.owner else ""


KIND = Kind(
    token="hearth:host:GitCheckout",
    inputs=GitCheckoutInputs,
    facts=GitCheckoutFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path",),
    identify=lambda inputs: path_to_identity(inputs.path),
    parse=lambda identity: {"path": f"/{identity}", "url": "file:///-", "revision": ANY},
    defaults={"owner": "root"},
    outputs=("commit",),
    locks=lambda inputs: (f"file:{inputs.path}",),
    deadline=300.0,
    differs=_differs,
    unkeepable=lambda facts: facts.unreadable,
    explain=explain,
    by_hand=lambda inputs: f"rm -r {shlex.quote(inputs.path)}",
)
