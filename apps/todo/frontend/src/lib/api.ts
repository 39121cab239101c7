import { today } from "./dates";
import type { Changes, Draft, Fields, Filter, Todo, TodoId, User } from "./types";

/** Milliseconds until an answer counts as not coming. */
export const PATIENCE = 15_000;
/** The assistant asks a language model, which may think for a while. */
export const ASSISTANT_PATIENCE = 90_000;
export const PAGE = 100;

/**
 * away: nobody answered, or only something in between (the ingress) did. signed-out: the session has ended.
 * refused: the API answered, and said why in `message` and perhaps beside `fields`.
 */
export type FailureKind = "away" | "signed-out" | "refused";

export class ApiFailure extends Error {
  override name = "ApiFailure";
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly fields: Fields = {},
    readonly status = 0,
  ) {
    super(message);
  }
}

export type Page = { items: Todo[]; total: number };
type Options = { body?: unknown; patience?: number; signal?: AbortSignal; expects?: number[] };

export type Api = ReturnType<typeof createApi>;

const AWAY = "The server can't be reached.";
/** What a proxy answers for a server that is away, and the API while its database is. */
const AWAY_STATUSES = [502, 503, 504];

/** The API's calls, each of which gives what the API answered or throws an ApiFailure. */
export function createApi(base: string, send: typeof fetch = (...request) => fetch(...request)) {
  async function call<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
    const { body, patience = PATIENCE, signal, expects = [] } = options;
    const timeout = AbortSignal.timeout(patience);
    let response: Response;
    try {
      response = await send(`${base}${path}`, {
        method,
        credentials: base.startsWith("/") ? "same-origin" : "include",
        cache: "no-store",
        headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      if (response.status === 204) return undefined as Answer;
      const answer: unknown = await response.json().catch(() => undefined);
      if (response.ok && answer !== undefined) return answer as Answer;
      throw failure(response.status, answer, expects);
    } catch (error) {
      if (error instanceof ApiFailure || signal?.aborted) throw error;
      throw new ApiFailure("away", timeout.aborted ? "The server took too long to answer." : AWAY);
    }
  }
  const one = (id: TodoId) => `/todos/${encodeURIComponent(id)}`;
  return {
    me: () => call<User>("GET", "/auth/me"),
    signIn: (email: string, password: string) =>
      call<User>("POST", "/auth/sign-in", { body: { email, password }, expects: [401, 503] }),
    register: (email: string, password: string) =>
      call<User>("POST", "/auth/register", { body: { email, password }, expects: [401, 503] }),
    signOut: () => call<void>("POST", "/auth/sign-out"),
    list: (filter: Filter, offset = 0, limit = PAGE, signal?: AbortSignal) =>
      call<Page>("GET", `/todos?${query(filter, offset, limit)}`, signal ? { signal } : {}),
    add: (draft: Draft) => call<Todo>("POST", "/todos", { body: draft }),
    change: (id: TodoId, changes: Changes) => call<Todo>("PATCH", one(id), { body: changes }),
    remove: (id: TodoId) => call<void>("DELETE", one(id)),
    move: (id: TodoId, after: TodoId | null) => call<unknown>("POST", `${one(id)}/move`, { body: { after } }),
    assist: (text: string) =>
      call<{ items: Todo[] }>("POST", "/assistant/todos", {
        body: { text, today: today() },
        patience: ASSISTANT_PATIENCE,
        expects: [502, 503, 504],
      }),
  };
}

/** `expects` are answers that this call takes as a refusal with a reason, where a reason came with them. */
function failure(status: number, answer: unknown, expects: number[]): ApiFailure {
  const { detail, fields } = refusal(answer);
  const expected = expects.includes(status) && detail !== undefined;
  if (status === 401 && !expected) return new ApiFailure("signed-out", detail ?? "Your session has ended.", {}, status);
  if (AWAY_STATUSES.includes(status) && !expected) return new ApiFailure("away", AWAY, {}, status);
  const message = detail ?? `The server answered in a way that this page does not understand (${status}).`;
  return new ApiFailure("refused", message, fields, status);
}

function refusal(answer: unknown): { detail: string | undefined; fields: Fields } {
  if (typeof answer !== "object" || answer === null) return { detail: undefined, fields: {} };
  const { detail, fields } = answer as { detail?: unknown; fields?: unknown };
  const named = typeof fields === "object" && fields !== null ? Object.entries(fields) : [];
  return {
    detail: typeof detail === "string" ? detail : undefined,
    fields: Object.fromEntries(named.filter((field): field is [string, string] => typeof field[1] === "string")),
  };
}

function query(filter: Filter, offset: number, limit: number): string {
  const asked = new URLSearchParams({ status: filter.status, due: filter.due });
  if (filter.search.trim()) asked.set("q", filter.search.trim());
  // Which day it is, the visitor's clock says: the server may be in another time zone.
  asked.set("today", today());
  asked.set("limit", String(limit));
  asked.set("offset", String(offset));
  return asked.toString();
}
