import { vi } from "vitest";
import { ApiFailure, type Api, type Page } from "@/lib/api";
import type { Changes, Draft, Todo, TodoId } from "@/lib/types";

export function todo(id: string, given: Partial<Todo> = {}): Todo {
  const moment = "2026-05-01T10:00:00.000Z";
  return { id, title: id, notes: "", due: null, done: false, position: 1, created: moment, updated: moment, ...given };
}

export const AWAY = new ApiFailure("away", "The server can't be reached.");
export const SIGNED_OUT = new ApiFailure("signed-out", "Sign in first.", {}, 401);
export const refusal = (fields: Record<string, string>, status = 422) =>
  new ApiFailure("refused", "Some of what was sent can't be used.", fields, status);

/** A promise that the test settles itself. */
export function deferred<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** An API that keeps todos in memory and does as it is asked; a test replaces a call to have it fail. */
export function fakeApi(items: Todo[] = []) {
  let kept: Todo[] = items.map((one, index) => ({ ...one, position: index + 1 }));
  let made = 0;
  const find = (id: TodoId) => kept.find((one) => one.id === id)!;
  const api = {
    me: vi.fn(async () => ({ id: "u1", email: "ann@example.org" })),
    signIn: vi.fn(async (email: string, _password: string) => ({ id: "u1", email })),
    register: vi.fn(async (email: string, _password: string) => ({ id: "u1", email })),
    signOut: vi.fn(async () => undefined),
    list: vi.fn(async (filter: { status: string; search: string }, offset = 0, limit = 100): Promise<Page> => {
      const found = kept.filter(
        (one) =>
          (filter.status === "all" || one.done === (filter.status === "done")) && one.title.includes(filter.search),
      );
      return { items: found.slice(offset, offset + limit), total: found.length };
    }),
    add: vi.fn(async (draft: Draft) => {
      made += 1;
      const one = todo(`made-${made}`, { ...draft, position: kept.length + 1 });
      kept = [...kept, one];
      return one;
    }),
    change: vi.fn(async (id: TodoId, changes: Changes) => Object.assign(find(id), changes) as Todo),
    remove: vi.fn(async (id: TodoId) => {
      kept = kept.filter((one) => one.id !== id);
    }),
    move: vi.fn(async (id: TodoId, after: TodoId | null): Promise<unknown> => {
      const one = find(id);
      kept = kept.filter((other) => other !== one);
      kept.splice(after === null ? 0 : kept.findIndex((other) => other.id === after) + 1, 0, one);
      return one;
    }),
    assist: vi.fn(async (text: string) => ({ items: [await api.add({ title: text, notes: "", due: null })] })),
  };
  return api satisfies Api;
}
