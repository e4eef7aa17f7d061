"""What `misp-microsoft check` finds: codes that people quote to each other, and one record for each thing tried."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from misp_modules_ext.model.outcome import State


class Code(str, Enum):
    """What was tried. A code never gets another meaning; docs/check.md lists them.

    The letter says where: I this installation, N the network, T signing in, S Sentinel, D Defender, G Graph, P a
    destination as a whole, M a MISP.
    """

    NOTE = "I01"
    LEDGER = "I02"
    STORE = "I03"
    DRAIN = "I04"
    ORPHAN = "I05"
    WARNINGLISTS = "I06"
    LIST_NAME = "I07"
    LOGIN_HOST = "N01"
    API_HOST = "N02"
    MANAGEMENT_HOST = "N03"
    CLOCK = "N04"
    TOKEN = "T01"  # noqa: S105 - a code
    CREDENTIAL = "T02"
    UPLOAD = "S01"
    READ_BACK = "S02"
    COUNT = "S03"
    LOOK_UP_SENTINEL = "S04"
    LOGS = "S05"
    READ = "D01"
    WRITE = "D02"
    SLOTS = "D03"
    SWITCHES = "D04"
    LOOK_UP_DEFENDER = "D05"
    STATISTICS = "D06"
    HUNTING = "D07"
    ALERTS = "D08"
    TI_INDICATORS = "G01"
    RETIRED = "G02"
    ACTIONS = "P01"
    PAUSE = "P02"
    UNFINISHED = "P03"
    MISP = "M01"
    MISP_VERSION = "M02"
    RIGHTS = "M03"
    DELETED = "M04"
    SETTINGS = "M05"
    WORKFLOWS = "M06"
    MODULES_ON = "M07"
    PATIENCE = "M08"
    SERVICE = "M09"
    SERVED = "M10"
    NO_KEY = "M11"

    def __str__(self) -> str:
        return self.value

    @property
    def meaning(self) -> str:
        """What is tried, for the page of codes."""
        return _MEANINGS[self]


_MEANINGS = {
    Code.NOTE: "a note on the configuration",
    Code.LEDGER: "whether the ledger can be opened, and where it is",
    Code.STORE: "whether a store belongs to another ledger",
    Code.DRAIN: "whether anybody sends what waits",
    Code.ORPHAN: "events in the ledger of a MISP that no section names",
    Code.WARNINGLISTS: "whether there is an index of warninglists, of today's package",
    Code.LIST_NAME: "a name in `warninglists` that the index does not have",
    Code.LOGIN_HOST: "whether the sign-in host answers",
    Code.API_HOST: "whether the host of the API answers",
    Code.MANAGEMENT_HOST: "whether Azure's resource manager answers, where reading back is configured",
    Code.CLOCK: "this machine's clock against the `Date` of those answers",
    Code.TOKEN: "whether Entra gives a token",
    Code.CREDENTIAL: "until when the credential is good, where that can be seen",
    Code.UPLOAD: "Sentinel: whether the workspace is there and the application may upload",
    Code.READ_BACK: "Sentinel: whether the application may read back",
    Code.COUNT: "Sentinel: how many indicators of ours the workspace holds",
    Code.LOOK_UP_SENTINEL: "Sentinel: whether the application may look values up through Azure's resource manager",
    Code.LOGS: "Sentinel: whether the application may query the workspace's tables through Log Analytics",
    Code.READ: "Defender: whether the application may read indicators, and whose",
    Code.WRITE: "Defender: whether the application may write indicators",
    Code.SLOTS: "Defender: slots used by us and by others, and free ones",
    Code.SWITCHES: "Defender: switches that blocking depends on, which no API tells",
    Code.LOOK_UP_DEFENDER: "Defender: whether the application may look values up among the indicators",
    Code.STATISTICS: "Defender: whether the application may read the statistics of domains, addresses and files",
    Code.HUNTING: "Defender: whether the application may use advanced hunting",
    Code.ALERTS: "Defender: whether the application may read the list of alerts, for false positives",
    Code.TI_INDICATORS: "Graph: whether tiIndicators still answer",
    Code.RETIRED: "Graph: that Microsoft has announced its removal",
    Code.ACTIONS: "what a destination may do beyond an alert",
    Code.PAUSE: "whether sending to a destination pauses, and why",
    Code.UNFINISHED: "what did not come to an end in time",
    Code.MISP: "whether MISP answers the key, and events can be read",
    Code.MISP_VERSION: "MISP's version, and what is known of it",
    Code.RIGHTS: "the rights of the key's user",
    Code.DELETED: "whether the key is shown deleted attributes",
    Code.SETTINGS: "whether the key may read MISP's settings",
    Code.WORKFLOWS: "`MISP.background_jobs` and `Plugin.Workflow_enable`",
    Code.MODULES_ON: "whether MISP has our modules switched on",
    Code.PATIENCE: "how long MISP waits for our modules",
    Code.SERVICE: "the address of misp-modules in MISP's settings, and whether it answers",
    Code.SERVED: "whether misp-modules offers our modules, of this version",
    Code.NO_KEY: "a MISP whose events are not read, for want of a key",
}


class Finding(NamedTuple):
    """One thing that was tried.

    Attributes:
        code: what.
        what: the same in words, for example `token for https://management.azure.com/.default`.
        answer: what came back.
        remedy: what to do; `""` for nothing. With `ok` it is advice: what was tried works.
        state: OK, or what kind of failure it is.
        fails_with: the exit code of a failure whose code and state do not tell it; `None` where they do.
    """

    code: Code
    what: str
    answer: str
    remedy: str = ""
    state: State = State.OK
    fails_with: int | None = None

    @property
    def ok(self) -> bool:
        """It works; also where something is left out on purpose, which `answer` then says."""
        return self.state is State.OK

    @property
    def refused(self) -> bool:
        """The failure is one of credentials or permission."""
        return self.state is State.REFUSED

    @property
    def misconfigured(self) -> bool:
        """The failure is a wrong address, key of the configuration or workspace."""
        return self.state is State.MISCONFIGURED

    @property
    def exit_code(self) -> int:
        """The exit code of `check` that it means."""
        if self.state in _EXIT_CODES:
            return _EXIT_CODES[self.state]
        if self.fails_with is not None:
            return self.fails_with
        return 5 if self.code.value.startswith("M") else 3


_EXIT_CODES = {State.OK: 0, State.MISCONFIGURED: 2, State.REFUSED: 4}


def codes_markdown() -> str:
    """The table of codes of docs/check.md."""
    rows = [f"| {code} | {code.meaning} |" for code in Code]
    return "\n".join(["| code | what is tried |", "| --- | --- |", *rows]) + "\n"
