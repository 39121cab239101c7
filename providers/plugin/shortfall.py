"""What is missing where all went well and the desired state does not hold."""

from __future__ import annotations

from providers.errors import NotConverged
from providers.plugin.desired_state import DesiredState, FactsT, InputsT
from providers.plugin.difference import entries
from providers.plugin.values import Properties


def shortfall(
    desired: DesiredState[InputsT, FactsT], inputs: InputsT, facts: FactsT, marks: Properties
) -> NotConverged | None:
    """Return the error where all went well and the wish does not hold; None where it does."""
    kind = desired.kind
    what = f"{kind.name} {kind.identify(inputs)} on {inputs.host}"
    if not facts.present:
        return NotConverged(
            f"{what} is not there although all went well",
            remedy="see on the machine what became of it (journalctl -n 50), then run up again",
        )
    lines: list[str] = []
    for name, (wish, found) in kind.differences(inputs, facts).items():
        alias = desired.aliases[name]
        if name in kind.itemized and alias not in marks.secret:
            lines += [
                f"{alias}[{key!r}]: {wish.get(key)!r} wished, {found.get(key)!r} found" for key in entries(wish, found)
            ]
            continue
        lines.append(f"{alias}: a secret" if alias in marks.secret else f"{alias}: {wish!r} wished, {found!r} found")
    if not lines:
        return None
    return NotConverged(
        f"{what} is still not as wished",
        detail="\n".join(lines),
        remedy="compare what was wished with what the machine made of it, above; its log: journalctl -n 50",
    )
