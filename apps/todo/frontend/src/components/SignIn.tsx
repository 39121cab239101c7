"use client";

import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import { ApiFailure, type Api } from "@/lib/api";
import type { Fields, User } from "@/lib/types";
import { Field, focusFirstError } from "./Field";

type Props = {
  api: Api;
  onSignedIn: (user: User) => void;
  /** Why the visitor is here again, where there is a reason. */
  reason?: string | null;
  email?: string;
};
type Refusal = { message: string; fields: Fields };

const WORDS = {
  "sign-in": { heading: "Sign in", button: "Sign in", other: "No account yet?", change: "Create an account" },
  register: { heading: "Create an account", button: "Create the account", other: "Have an account?", change: "Sign in" },
};

export function SignIn({ api, onSignedIn, reason = null, email: known = "" }: Props) {
  const [mode, setMode] = useState<keyof typeof WORDS>("sign-in");
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const words = WORDS[mode];

  useEffect(() => {
    if (reason !== null) heading.current?.focus();
  }, [reason]);

  useEffect(() => {
    if (refusal) focusFirstError(form.current);
  }, [refusal]);

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    if (busy) return;
    const missing: Record<string, string> = {};
    if (!email.trim()) missing["email"] = "Enter your email address.";
    if (!password) missing["password"] = mode === "register" ? "Choose a password." : "Enter your password.";
    if (Object.keys(missing).length > 0) return setRefusal({ message: "", fields: missing });
    setBusy(true);
    setRefusal(null);
    try {
      onSignedIn(await (mode === "register" ? api.register : api.signIn)(email.trim(), password));
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      const beside = "email" in error.fields || "password" in error.fields;
      setRefusal({ message: beside ? "" : messageOf(error), fields: error.fields });
    } finally {
      setBusy(false);
    }
  }

  function change() {
    setMode(mode === "register" ? "sign-in" : "register");
    setRefusal(null);
    heading.current?.focus();
  }

  return (
    <section className="card sign-in" aria-labelledby="sign-in-heading">
      <h1 id="sign-in-heading" ref={heading} tabIndex={-1}>
        {words.heading}
      </h1>
      {reason && (
        <p className="note" role="status">
          {reason}
        </p>
      )}
      <form ref={form} onSubmit={(event) => void submit(event)} noValidate>
        <Field
          label="Email"
          type="email"
          name="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          error={refusal?.fields["email"]}
        />
        <Field
          label="Password"
          type="password"
          name="password"
          autoComplete={mode === "register" ? "new-password" : "current-password"}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={refusal?.fields["password"]}
        />
        {refusal?.message && (
          <p className="problem" role="alert">
            {refusal.message}
          </p>
        )}
        <button type="submit" className="primary wide" aria-disabled={busy}>
          {busy ? "One moment…" : words.button}
        </button>
      </form>
      <p className="aside">
        {words.other}{" "}
        <button type="button" className="link" onClick={change}>
          {words.change}
        </button>
      </p>
    </section>
  );
}

function messageOf(failure: ApiFailure): string {
  return failure.kind === "away" ? `${failure.message} Try again in a moment.` : failure.message;
}
