"use client";

import { useCallback, useEffect, useMemo, useState } from "react";
import { ApiFailure, createApi } from "@/lib/api";
import { RELOADS } from "@/lib/reload";
import type { Filter, User } from "@/lib/types";
import { Announcer } from "./Announcer";
import { AwayBanner } from "./AwayBanner";
import { Icon } from "./Icon";
import { SignIn } from "./SignIn";
import { Todos } from "./Todos";

type Phase =
  | { kind: "starting" }
  | { kind: "away" }
  | { kind: "signed-out"; reason: string | null }
  /** An expired session keeps what the visitor was writing, until the same person is back. */
  | { kind: "signed-in"; user: User; expired: boolean; arrived: boolean };

type Props = { apiBaseUrl: string; environment: string; filter: Filter };

/** Milliseconds after which no reload is to come any more. */
const UP_FOR_GOOD = 30_000;
const EXPIRED = "Your session has ended. Sign in again to go on.";

export function App({ apiBaseUrl, environment, filter }: Props) {
  const api = useMemo(() => createApi(apiBaseUrl), [apiBaseUrl]);
  const [phase, setPhase] = useState<Phase>({ kind: "starting" });
  const [problem, setProblem] = useState("");

  const start = useCallback(async () => {
    try {
      const user = await api.me();
      setPhase({ kind: "signed-in", user, expired: false, arrived: false });
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      setPhase(error.kind === "signed-out" ? { kind: "signed-out", reason: null } : { kind: "away" });
    }
  }, [api]);

  useEffect(() => {
    // eslint-disable-next-line react-hooks/set-state-in-effect -- it is set once the answer is there, not now
    void start();
  }, [start]);

  // Up for a while, so nothing is missing: what is another time is to be fetched anew again.
  useEffect(() => {
    const timer = setTimeout(() => {
      sessionStorage.removeItem(RELOADS);
    }, UP_FOR_GOOD);
    return () => clearTimeout(timer);
  }, []);

  const expire = useCallback(
    () => setPhase((now) => (now.kind === "signed-in" ? { ...now, expired: true } : now)),
    [],
  );

  async function signOut() {
    setProblem("");
    try {
      await api.signOut();
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      // Where the session has ended already, there is nothing left to end.
      if (error.kind !== "signed-out") return setProblem(`You are still signed in: ${error.message}`);
    }
    setPhase({ kind: "signed-out", reason: "" });
  }

  const signedIn = phase.kind === "signed-in" ? phase : null;
  const asks = phase.kind === "signed-out" || signedIn?.expired;
  return (
    <Announcer>
      <header className="top">
        <p className="brand">
          <span className="mark">
            <Icon name="check" />
          </span>
          Todo
        </p>
        {signedIn && !signedIn.expired && (
          <div className="account">
            <span className="who">{signedIn.user.email}</span>
            <button type="button" onClick={() => void signOut()}>
              Sign out
            </button>
          </div>
        )}
      </header>
      <main id="main">
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {phase.kind === "starting" && <p className="waiting">Loading…</p>}
        {phase.kind === "away" && <AwayBanner onRetry={start} stale={false} />}
        {asks && (
          <SignIn
            api={api}
            reason={phase.kind === "signed-out" ? phase.reason : EXPIRED}
            email={signedIn?.user.email ?? ""}
            onSignedIn={(user) => setPhase({ kind: "signed-in", user, expired: false, arrived: true })}
          />
        )}
        {signedIn && (
          <div hidden={signedIn.expired}>
            <Todos
              key={signedIn.user.id}
              api={api}
              initialFilter={filter}
              expired={signedIn.expired}
              arrived={signedIn.arrived}
              onExpired={expire}
            />
          </div>
        )}
      </main>
      {environment && <footer className="bottom">Environment: {environment}</footer>}
    </Announcer>
  );
}
