"use client";

import { useEffect, useRef, useState, type SyntheticEvent } from "react";
import type { Draft, Fields } from "@/lib/types";
import { Field, focusFirstError } from "./Field";

type Props = {
  title: string;
  initial: Draft;
  refusal: { message: string; fields: Fields } | null;
  onSave: (draft: Draft) => void;
  onCancel: () => void;
};

const KNOWN = ["title", "notes", "due"];

export function TodoEditor({ title, initial, refusal, onSave, onCancel }: Props) {
  const [draft, setDraft] = useState(initial);
  const [fields, setFields] = useState<Fields>(refusal?.fields ?? {});
  const form = useRef<HTMLFormElement>(null);
  const message = refusal && !KNOWN.some((name) => name in refusal.fields) ? refusal.message : "";

  useEffect(() => {
    form.current?.querySelector("input")?.focus();
  }, []);

  useEffect(() => focusFirstError(form.current), [fields]);

  function submit(event: SyntheticEvent) {
    event.preventDefault();
    if (!draft.title.trim()) return setFields({ title: "A todo needs a title." });
    onSave({ ...draft, title: draft.title.trim() });
  }

  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- Escape leaves it, from any of its fields
    <form
      ref={form}
      className="editor"
      aria-label={`Edit “${title}”`}
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === "Escape") onCancel();
      }}
      noValidate
    >
      <Field
        label="Title"
        name="title"
        autoComplete="off"
        value={draft.title}
        onChange={(event) => setDraft({ ...draft, title: event.target.value })}
        error={fields["title"]}
      />
      <Field
        multiline
        label="Notes"
        name="notes"
        rows={3}
        value={draft.notes}
        onChange={(event) => setDraft({ ...draft, notes: event.target.value })}
        error={fields["notes"]}
      />
      <Field
        label="Due"
        type="date"
        name="due"
        value={draft.due ?? ""}
        onChange={(event) => setDraft({ ...draft, due: event.target.value || null })}
        error={fields["due"]}
      />
      {message && (
        <p className="problem" role="alert">
          {message}
        </p>
      )}
      <div className="buttons">
        <button type="submit" className="primary">
          Save
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
