import { daysBetween } from "./dates";
import { DUES, STATUSES, type Filter, type Todo } from "./types";

export const DEFAULT_FILTER: Filter = { status: "open", due: "any", search: "" };

/** Whether a todo that was made or changed here still belongs in the list, by the rules the API has. */
export function matches(todo: Todo, filter: Filter, now: string): boolean {
  if (filter.status !== "all" && todo.done !== (filter.status === "done")) return false;
  const words = filter.search.trim().toLowerCase();
  if (words && !`${todo.title}\n${todo.notes}`.toLowerCase().includes(words)) return false;
  if (filter.due === "any") return true;
  if (todo.due === null) return filter.due === "none";
  const days = daysBetween(now, todo.due);
  if (filter.due === "overdue") return days < 0 && !todo.done;
  if (filter.due === "today") return days === 0;
  return filter.due === "week" && days >= 0 && days < 7;
}

export function isDefault(filter: Filter): boolean {
  return filter.status === DEFAULT_FILTER.status && filter.due === DEFAULT_FILTER.due && !filter.search.trim();
}

/** The address keeps the filter, so that a reload or a bookmark finds it again. */
export function filterToQuery(filter: Filter): string {
  const query = new URLSearchParams();
  if (filter.status !== DEFAULT_FILTER.status) query.set("status", filter.status);
  if (filter.due !== DEFAULT_FILTER.due) query.set("due", filter.due);
  if (filter.search.trim()) query.set("q", filter.search.trim());
  const text = query.toString();
  return text && `?${text}`;
}

/** What is not a filter in an address is passed over. */
export function filterFromQuery(query: Record<string, string | string[] | undefined>): Filter {
  const { status, due, q } = query;
  return {
    status: STATUSES.find((known) => known === status) ?? DEFAULT_FILTER.status,
    due: DUES.find((known) => known === due) ?? DEFAULT_FILTER.due,
    search: typeof q === "string" ? q.slice(0, 200) : "",
  };
}
