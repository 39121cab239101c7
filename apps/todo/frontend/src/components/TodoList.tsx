"use client";

import { useLayoutEffect, useRef } from "react";
import type { Draft, Fields, Todo, TodoId } from "@/lib/types";
import { TodoEditor } from "./TodoEditor";
import { TodoItem, type Control } from "./TodoItem";
import { useDrag, type Dragged } from "./useDrag";

export type Editing = { id: TodoId; draft: Draft; refusal: { message: string; fields: Fields } | null };
export type FocusWish = { id: TodoId; control: Control } | { id?: never; control: "heading" };

type Props = {
  items: readonly Todo[];
  busy: boolean;
  waiting: ReadonlySet<TodoId>;
  today: string;
  editing: Editing | null;
  /** Each new object is granted once. */
  focus: FocusWish | null;
  onDone: (todo: Todo, done: boolean) => void;
  onMove: (id: TodoId, to: number, control?: Control) => void;
  onEdit: (todo: Todo) => void;
  onSave: (todo: Todo, draft: Draft) => void;
  onCancel: (todo: Todo) => void;
  onDelete: (todo: Todo) => void;
};

const HINT = "move-hint";

export function TodoList(props: Props) {
  const { items, busy, waiting, today, editing, focus, onDone, onMove, onEdit, onSave, onCancel, onDelete } = props;
  const list = useRef<HTMLUListElement>(null);
  const { dragged, grab } = useDrag(list, (id, to) => onMove(id, to));

  useLayoutEffect(() => {
    if (focus?.id === undefined) return;
    const row = list.current?.querySelector(`[data-todo="${CSS.escape(String(focus.id))}"]`);
    row?.querySelector<HTMLElement>(`[data-control=${focus.control}]`)?.focus();
  }, [focus]);

  return (
    <>
      <p id={HINT} hidden>
        Press the arrow keys to move it up or down.
      </p>
      <ul ref={list} className={`todos ${dragged ? "dragging" : ""}`} aria-label="Todos" aria-busy={busy}>
        {items.map((todo, index) =>
          editing?.id === todo.id ? (
            <li key={todo.id} className="todo editing" data-todo={todo.id}>
              <TodoEditor
                title={todo.title}
                initial={editing.draft}
                refusal={editing.refusal}
                onSave={(draft) => onSave(todo, draft)}
                onCancel={() => onCancel(todo)}
              />
            </li>
          ) : (
            <TodoItem
              key={todo.id}
              todo={todo}
              today={today}
              first={index === 0}
              last={index === items.length - 1}
              waiting={waiting.has(todo.id)}
              className={dragClass(dragged, todo.id, index)}
              handleHint={HINT}
              onDone={(done) => onDone(todo, done)}
              onStep={(step, control) => onMove(todo.id, index + step, control)}
              onEdit={() => onEdit(todo)}
              onDelete={() => onDelete(todo)}
              onGrab={(event) => grab(todo.id, index, event)}
            />
          ),
        )}
      </ul>
    </>
  );
}

/** The dragged row fades; a line shows where it would land. */
function dragClass(dragged: Dragged | null, id: TodoId, index: number): string {
  if (!dragged) return "";
  if (dragged.id === id) return "lifted";
  if (dragged.to === index && dragged.to !== dragged.from) return dragged.to > dragged.from ? "land-after" : "land-before";
  return "";
}
