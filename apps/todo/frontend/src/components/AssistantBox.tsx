"use client";

import { useRef, useState, type SyntheticEvent } from "react";
import { ApiFailure, type Api } from "@/lib/api";
import type { Todo } from "@/lib/types";
import { useAnnounce } from "./Announcer";
import { Field, focusFirstError } from "./Field";

type Props = { api: Api; onMade: (todos: Todo[]) => void; onSignedOut: () => void };

/** Turns a sentence into todos. Without an assistant on the server it says so, and nothing else changes. */
export function AssistantBox({ api, onMade, onSignedOut }: Props) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState("");
  const [problem, setProblem] = useState({ beside: "", message: "" });
  const form = useRef<HTMLFormElement>(null);
  const announce = useAnnounce();

  function complain(found: { beside: string; message: string }) {
    setProblem(found);
    if (found.beside) requestAnimationFrame(() => focusFirstError(form.current));
  }

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    if (busy) return;
    if (!text.trim()) return complain({ beside: "Write a sentence first.", message: "" });
    setBusy(true);
    setResult("");
    setProblem({ beside: "", message: "" });
    announce("The assistant is thinking.");
    try {
      const { items } = await api.assist(text.trim());
      setText("");
      setResult(made(items));
      announce(made(items));
      onMade(items);
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.kind === "signed-out") onSignedOut();
      const beside = error.fields["text"] ?? "";
      complain({ beside, message: beside ? "" : error.message });
    } finally {
      setBusy(false);
    }
  }

  return (
    <details className="assistant">
      <summary>Let the assistant write them</summary>
      <form ref={form} onSubmit={(event) => void submit(event)} noValidate aria-busy={busy}>
        <Field
          multiline
          label="Say it in your own words"
          hint="For example: “Call the plumber tomorrow, and pay the rent by Friday.”"
          name="text"
          rows={3}
          value={text}
          onChange={(event) => setText(event.target.value)}
          error={problem.beside}
        />
        {problem.message && (
          <p className="problem" role="alert">
            {problem.message}
          </p>
        )}
        {result && <p className="note">{result}</p>}
        <button type="submit" aria-disabled={busy}>
          {busy ? "Thinking…" : "Make todos of it"}
        </button>
      </form>
    </details>
  );
}

function made(items: Todo[]): string {
  if (items.length === 0) return "The assistant found nothing to do in it.";
  const titles = items.map((todo) => `“${todo.title}”`).join(", ");
  return `${items.length === 1 ? "One todo was" : `${items.length} todos were`} added: ${titles}.`;
}
