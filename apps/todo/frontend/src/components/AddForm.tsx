"use client";

import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import type { Outcome } from "@/lib/store";
import { EMPTY_DRAFT, type Draft, type Fields } from "@/lib/types";
import { Field, focusFirstError } from "./Field";

type Props = { onAdd: (draft: Draft) => Promise<Outcome> };
type Refusal = { message: string; fields: Fields };

const KNOWN = ["title", "due"];

/** Empties itself at once for the next todo; one that is refused comes back, unless another is being written. */
export function AddForm({ onAdd }: Props) {
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    if (refusal) focusFirstError(form.current);
  }, [refusal]);

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    const given = { ...draft, title: draft.title.trim() };
    if (!given.title) return setRefusal({ message: "", fields: { title: "Write what there is to do." } });
    setRefusal(null);
    setDraft(EMPTY_DRAFT);
    form.current?.querySelector("input")?.focus();
    const failure = await onAdd(given);
    if (!failure) return;
    setDraft((now) => (now.title.trim() ? now : given));
    const beside = KNOWN.some((name) => name in failure.fields);
    setRefusal({ message: beside ? "" : `“${given.title}” was not added. ${failure.message}`, fields: failure.fields });
  }

  return (
    <form ref={form} className="add" onSubmit={(event) => void submit(event)} noValidate aria-label="Add a todo">
      <div className="row">
        <Field
          label="New todo"
          className="grow"
          name="title"
          autoComplete="off"
          placeholder="What is there to do?"
          value={draft.title}
          onChange={(event) => setDraft({ ...draft, title: event.target.value })}
          error={refusal?.fields["title"]}
        />
        <Field
          label="Due (optional)"
          type="date"
          name="due"
          value={draft.due ?? ""}
          onChange={(event) => setDraft({ ...draft, due: event.target.value || null })}
          error={refusal?.fields["due"]}
        />
        <button type="submit" className="primary">
          Add
        </button>
      </div>
      {refusal?.message && (
        <p className="problem" role="alert">
          {refusal.message}
        </p>
      )}
    </form>
  );
}
