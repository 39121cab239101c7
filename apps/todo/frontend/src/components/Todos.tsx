"use client";

import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Api, ApiFailure } from "@/lib/api";
import { DEFAULT_FILTER, filterToQuery, isDefault, matches } from "@/lib/filter";
import { today } from "@/lib/dates";
import { neighbourAt } from "@/lib/list";
import { TodoStore } from "@/lib/store";
import type { Draft, Fields, Filter, Todo, TodoId } from "@/lib/types";
import { AddForm } from "./AddForm";
import { useAnnounce } from "./Announcer";
import { AssistantBox } from "./AssistantBox";
import { AwayBanner } from "./AwayBanner";
import { FilterBar } from "./FilterBar";
import { Notice, type NoticeContent } from "./Notice";
import type { Control } from "./TodoItem";
import { TodoList, type Editing, type FocusWish } from "./TodoList";

type Props = {
  api: Api;
  initialFilter: Filter;
  /** The session has ended: nothing is asked until it is false again. */
  expired: boolean;
  /** Signed in just now, so the focus has to find its way here. */
  arrived: boolean;
  onExpired: () => void;
};

/** Milliseconds after which a list is asked for anew when its visitor comes back to the window. */
const STALE = 30_000;

export function Todos({ api, initialFilter, expired, arrived, onExpired }: Props) {
  const [store] = useState(() => new TodoStore(api, initialFilter, onExpired));
  const list = useSyncExternalStore(store.subscribe, store.read, store.read);
  const [editing, setEditing] = useState<Editing | null>(null);
  const [notice, setNotice] = useState<NoticeContent | null>(null);
  const [focus, setFocus] = useState<FocusWish | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const announce = useAnnounce();
  const day = today();

  useEffect(() => {
    if (expired) store.forget();
    else void store.load();
  }, [store, expired]);

  useEffect(() => {
    if (arrived && !expired) heading.current?.focus();
  }, [arrived, expired]);

  useEffect(() => {
    const onVisible = () => {
      if (document.visibilityState === "visible" && !expired) store.freshen(STALE);
    };
    document.addEventListener("visibilitychange", onVisible);
    return () => document.removeEventListener("visibilitychange", onVisible);
  }, [store, expired]);

  const explain = useCallback((what: string, failure: ApiFailure) => {
    // An ended session explains itself by the form that asks to sign in.
    if (failure.kind !== "signed-out") setNotice({ kind: "problem", text: `${what} ${reason(failure)}` });
  }, []);

  async function filterBy(filter: Filter) {
    window.history.replaceState(null, "", window.location.pathname + filterToQuery(filter));
    setEditing(null);
    const failure = await store.load(filter);
    const { total, loaded } = store.read();
    if (!failure && loaded && store.read().filter === filter) announce(counted(total, filter));
  }

  async function add(draft: Draft) {
    const hidden = !matches({ ...draft, done: false } as Todo, list.filter, day);
    const failure = await store.add(draft);
    if (failure) return failure;
    announce(`Added “${draft.title}”.`);
    if (hidden) setNotice({ kind: "hidden", text: `“${draft.title}” was added, but this view does not show it.` });
    return null;
  }

  async function complete(todo: Todo, done: boolean) {
    const leaves = !matches({ ...todo, done }, list.filter, day);
    if (leaves) setFocus(nextTo(list.items, todo.id, "done"));
    announce(`“${todo.title}” is ${done ? "done" : "open again"}.`);
    const failure = await store.change(todo.id, { done });
    if (failure) explain(`“${todo.title}” is ${done ? "still open" : "still done"}.`, failure);
  }

  async function save(todo: Todo, draft: Draft) {
    setEditing(null);
    const stays = matches({ ...todo, ...draft }, list.filter, day);
    setFocus(stays ? { id: todo.id, control: "edit" } : nextTo(list.items, todo.id, "edit"));
    if (draft.title === todo.title && draft.notes === todo.notes && draft.due === todo.due) return;
    const failure = await store.change(todo.id, draft);
    if (!failure) return announce(`Saved “${draft.title}”.`);
    // Back to what the visitor wrote, unless another todo is being edited by now.
    setEditing((now) => now ?? { id: todo.id, draft, refusal: { message: reason(failure), fields: failure.fields } });
    if (Object.keys(failure.fields).length === 0) explain(`“${todo.title}” was not changed.`, failure);
  }

  async function remove(todo: Todo) {
    const index = list.items.findIndex((one) => one.id === todo.id);
    const after = list.items[index - 1]?.id ?? null;
    setFocus(nextTo(list.items, todo.id, "delete"));
    const deleted: NoticeContent = { kind: "deleted", todo, index, after };
    setNotice(deleted);
    announce(`Deleted “${todo.title}”. It can be undone at the end of the page.`);
    const failure = await store.remove(todo.id);
    if (!failure) return;
    setNotice((now) => (now === deleted ? null : now));
    explain(`“${todo.title}” was not deleted.`, failure);
  }

  async function undo(deleted: Extract<NoticeContent, { kind: "deleted" }>) {
    setNotice(null);
    heading.current?.focus();
    const failure = await store.restore(deleted.todo, deleted.index, deleted.after);
    if (failure) return explain(`“${deleted.todo.title}” is not back.`, failure);
    announce(`“${deleted.todo.title}” is back.`);
    const back = store.read().items[deleted.index];
    if (back?.title === deleted.todo.title) setFocus({ id: back.id, control: "done" });
  }

  async function moveTo(id: TodoId, to: number, control?: Control) {
    const after = neighbourAt(list.items, id, to);
    const todo = list.items.find((one) => one.id === id);
    if (after === undefined || !todo) return;
    if (control) setFocus({ id, control });
    announce(`“${todo.title}” is now number ${to + 1} of ${list.items.length}.`);
    const failure = await store.move(id, after);
    if (failure) explain(`“${todo.title}” was not moved.`, failure);
  }

  function dismiss() {
    setNotice(null);
    heading.current?.focus();
  }

  useLayoutEffect(() => {
    if (focus?.control === "heading") heading.current?.focus();
  }, [focus]);

  return (
    <>
      {list.away && <AwayBanner stale onRetry={() => store.load()} />}
      <section aria-labelledby="todos-heading">
        <div className="heading">
          <h1 id="todos-heading" ref={heading} tabIndex={-1}>
            Your todos
          </h1>
          {list.loaded && <p className="count">{counted(list.total, list.filter)}</p>}
        </div>
        <div className="card">
          <AddForm onAdd={add} />
          <AssistantBox api={api} onMade={() => void store.load()} onSignedOut={onExpired} />
        </div>
        <FilterBar filter={list.filter} onChange={(filter) => void filterBy(filter)} />
        {list.loaded && list.items.length === 0 && (
          <Empty filter={list.filter} onReset={() => void filterBy(DEFAULT_FILTER)} />
        )}
        {!list.loaded && list.items.length === 0 && !list.away && <p className="waiting">Loading…</p>}
        <TodoList
          items={list.items}
          busy={list.loading}
          waiting={list.waiting}
          today={day}
          editing={editing}
          focus={focus}
          onDone={(todo, done) => void complete(todo, done)}
          onMove={(id, to, control) => void moveTo(id, to, control)}
          onEdit={(todo) => setEditing({ id: todo.id, draft: draftOf(todo), refusal: null })}
          onSave={(todo, draft) => void save(todo, draft)}
          onCancel={(todo) => {
            setEditing(null);
            setFocus({ id: todo.id, control: "edit" });
          }}
          onDelete={(todo) => void remove(todo)}
        />
        {list.loaded && list.total > list.items.length && (
          <button type="button" className="wide" onClick={() => void store.more()}>
            Show more ({list.total - list.items.length} left)
          </button>
        )}
      </section>
      <Notice
        content={notice}
        onUndo={(deleted) => void undo(deleted)}
        onShowAll={() => {
          setNotice(null);
          void filterBy(DEFAULT_FILTER);
        }}
        onDismiss={dismiss}
      />
    </>
  );
}

function Empty({ filter, onReset }: { filter: Filter; onReset: () => void }) {
  if (isDefault(filter)) return <p className="empty">Nothing to do. Add a todo above.</p>;
  return (
    <div className="empty">
      <p>No todo is like that.</p>
      <button type="button" onClick={onReset}>
        Show all open todos
      </button>
    </div>
  );
}

/** Where the focus goes when a row leaves: the same control of the row that takes its place. */
function nextTo(items: readonly Todo[], id: TodoId, control: "done" | "edit" | "delete"): FocusWish {
  const index = items.findIndex((todo) => todo.id === id);
  const neighbour = items[index + 1] ?? items[index - 1];
  return neighbour ? { id: neighbour.id, control } : { control: "heading" };
}

function draftOf({ title, notes, due }: Todo): Draft {
  return { title, notes, due };
}

function counted(total: number, filter: Filter): string {
  const kind = filter.status === "all" ? "" : `${filter.status} `;
  return `${total} ${kind}${total === 1 ? "todo" : "todos"}`;
}

/** The API's sentence, and what it says about fields that have no place here. */
function reason(failure: ApiFailure): string {
  const fields: Fields = failure.fields;
  return [failure.message, ...Object.values(fields)].join(" ");
}
