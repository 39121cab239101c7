import type { Changes, Todo, TodoId } from "./types";

/** What was asked for and is not yet answered. It shows at once, over what the API last said. */
export type Operation =
  | { kind: "add"; todo: Todo }
  | { kind: "change"; id: TodoId; changes: Changes }
  | { kind: "remove"; id: TodoId }
  | { kind: "move"; id: TodoId; after: TodoId | null }
  | { kind: "restore"; todo: Todo; index: number };

export type Keep = (todo: Todo) => boolean;
export type List = { items: readonly Todo[]; total: number };

/** The list as it is once `operation` is done. `keep` says whether what was touched still belongs in it. */
export function apply(list: List, operation: Operation, keep: Keep): List {
  switch (operation.kind) {
    case "add":
      return insert(list, operation.todo, null, keep);
    case "restore":
      return insert(list, operation.todo, operation.index, keep);
    case "remove":
      return without(list, operation.id);
    case "change": {
      const before = list.items.find((todo) => todo.id === operation.id);
      if (!before) return list;
      const after = { ...before, ...operation.changes };
      if (!keep(after)) return without(list, operation.id);
      return { ...list, items: list.items.map((todo) => (todo.id === operation.id ? after : todo)) };
    }
    case "move":
      return { ...list, items: moved(list.items, operation.id, operation.after) };
  }
}

/** The same todos, `id` right behind `after` (at the top for null). Unknown ids change nothing. */
export function moved(items: readonly Todo[], id: TodoId, after: TodoId | null): readonly Todo[] {
  const todo = items.find((one) => one.id === id);
  const others = items.filter((one) => one.id !== id);
  const before = others.findIndex((one) => one.id === after);
  if (!todo || id === after || (after !== null && before < 0)) return items;
  return [...others.slice(0, before + 1), todo, ...others.slice(before + 1)];
}

/**
 * Behind which todo `id` comes when it takes the place `to` (0 is the top): what the API's move wants.
 * undefined where there is no such place, or it is there already.
 */
export function neighbourAt(items: readonly Todo[], id: TodoId, to: number): TodoId | null | undefined {
  const from = items.findIndex((todo) => todo.id === id);
  if (from < 0 || to < 0 || to >= items.length || to === from) return undefined;
  if (to === 0) return null;
  return items[to > from ? to : to - 1]?.id;
}

function insert(list: List, todo: Todo, index: number | null, keep: Keep): List {
  if (!keep(todo) || list.items.some((one) => one.id === todo.id)) return list;
  const at = index ?? placeOf(list.items, todo);
  return { items: [...list.items.slice(0, at), todo, ...list.items.slice(at)], total: list.total + 1 };
}

/** Where the API's order puts a todo. One that has no position yet goes to the end, as the API will have it. */
function placeOf(items: readonly Todo[], todo: Todo): number {
  const behind = items.findIndex((one) => one.position > todo.position);
  return behind < 0 ? items.length : behind;
}

function without(list: List, id: TodoId): List {
  const items = list.items.filter((todo) => todo.id !== id);
  return items.length === list.items.length ? list : { items, total: list.total - 1 };
}
