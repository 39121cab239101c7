"""Errors of the lab. Each message says the value, the rule, what follows and the remedy."""


class LabError(RuntimeError):
    """The lab can't do what was asked, for a reason that the message gives; nothing foreign was touched."""


class RequirementError(LabError):
    """The computer lacks something that the lab needs and can't get by itself."""


class EngineError(LabError):
    """Docker refused a command; the message carries its last lines."""
