"use client";

import { useId, type InputHTMLAttributes, type Ref, type TextareaHTMLAttributes } from "react";

type Common = { label: string; error?: string | undefined; hint?: string; className?: string };
type Line = InputHTMLAttributes<HTMLInputElement> & { multiline?: false; ref?: Ref<HTMLInputElement> };
type Lines = TextareaHTMLAttributes<HTMLTextAreaElement> & { multiline: true; ref?: Ref<HTMLTextAreaElement> };

/** An input with its label, and beneath it what is wrong with it, which a screen reader reads with it. */
export function Field({ label, error, hint, className = "", ...input }: Common & (Line | Lines)) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const shared = { id, "aria-invalid": error ? true : undefined, "aria-describedby": described };
  return (
    <div className={`field ${error ? "wrong" : ""} ${className}`}>
      <label htmlFor={id}>{label}</label>
      {input.multiline ? <textarea {...attributes(input)} {...shared} /> : <input {...attributes(input)} {...shared} />}
      {hint && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="error">
          {error}
        </p>
      )}
    </div>
  );
}

function attributes<Given extends { multiline?: boolean }>(given: Given): Omit<Given, "multiline"> {
  const { multiline: _, ...rest } = given;
  return rest;
}

/** Puts the focus on the first field of a form that has a message, once the message is there. */
export function focusFirstError(form: HTMLFormElement | null): void {
  form?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
}
