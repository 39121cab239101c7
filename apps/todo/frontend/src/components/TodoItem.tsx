"use client";

import { useId, type KeyboardEvent, type PointerEvent } from "react";
import { describeDue } from "@/lib/dates";
import type { Todo } from "@/lib/types";
import { Icon } from "./Icon";

/** The parts of a row that the focus can be put back on. */
export type Control = "handle" | "done" | "up" | "down" | "edit" | "delete";

type Props = {
  todo: Todo;
  today: string;
  first: boolean;
  last: boolean;
  /** It has no id of the API's yet, so nothing can be done with it. */
  waiting: boolean;
  className: string;
  handleHint: string;
  onDone: (done: boolean) => void;
  onStep: (step: -1 | 1, control: Control) => void;
  onEdit: () => void;
  onDelete: () => void;
  onGrab: (event: PointerEvent<HTMLButtonElement>) => void;
};

export function TodoItem(props: Props) {
  const { todo, today, first, last, waiting, className, handleHint, onDone, onStep, onEdit, onDelete, onGrab } = props;
  const id = useId();
  const due = todo.due === null ? null : describeDue(todo.due, today, todo.done);
  const named = (what: string) => `${what} “${todo.title}”`;

  function step(by: -1 | 1, control: Control) {
    if (!waiting && !(by < 0 ? first : last)) onStep(by, control);
  }

  function onHandleKey(event: KeyboardEvent) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    step(event.key === "ArrowUp" ? -1 : 1, "handle");
  }

  return (
    <li className={`todo ${todo.done ? "done" : ""} ${className}`} data-todo={todo.id} aria-busy={waiting}>
      <button
        type="button"
        className="handle"
        data-control="handle"
        aria-label={named("Move")}
        aria-describedby={handleHint}
        aria-disabled={waiting}
        title="Drag, or press the arrow keys"
        onKeyDown={onHandleKey}
        onPointerDown={(event) => {
          if (!waiting) onGrab(event);
        }}
      >
        <Icon name="handle" />
      </button>
      <input
        id={`${id}-done`}
        type="checkbox"
        data-control="done"
        checked={todo.done}
        aria-disabled={waiting}
        aria-describedby={due ? `${id}-due` : undefined}
        onChange={(event) => {
          if (!waiting) onDone(event.target.checked);
        }}
      />
      <div className="words">
        <label htmlFor={`${id}-done`} className="title">
          {todo.title}
        </label>
        {todo.notes && <p className="notes">{todo.notes}</p>}
      </div>
      <div className="foot">
        {due && (
          <span id={`${id}-due`} className={`due ${due.tone}`}>
            {due.text}
          </span>
        )}
        <div className="actions">
          <button
            type="button"
            data-control="up"
            aria-label={named("Move up")}
            title="Move up"
            aria-disabled={waiting || first}
            onClick={() => step(-1, "up")}
          >
            <Icon name="up" />
          </button>
          <button
            type="button"
            data-control="down"
            aria-label={named("Move down")}
            title="Move down"
            aria-disabled={waiting || last}
            onClick={() => step(1, "down")}
          >
            <Icon name="down" />
          </button>
          <button
            type="button"
            data-control="edit"
            aria-label={named("Edit")}
            title="Edit"
            aria-disabled={waiting}
            onClick={() => {
              if (!waiting) onEdit();
            }}
          >
            <Icon name="edit" />
          </button>
          <button
            type="button"
            data-control="delete"
            aria-label={named("Delete")}
            title="Delete"
            aria-disabled={waiting}
            onClick={() => {
              if (!waiting) onDelete();
            }}
          >
            <Icon name="delete" />
          </button>
        </div>
      </div>
    </li>
  );
}
