import { ApiFailure, PAGE, type Api, type FailureKind } from "./api";
import { today } from "./dates";
import { DEFAULT_FILTER, matches } from "./filter";
import { apply, type List, type Operation } from "./list";
import type { Changes, Draft, Filter, Todo, TodoId } from "./types";

export type Snapshot = List & {
  filter: Filter;
  /** Whether any answer has come for this filter; before that an empty list means nothing. */
  loaded: boolean;
  loading: boolean;
  away: boolean;
  /** The todos that wait for the API's answer. */
  waiting: ReadonlySet<TodoId>;
};

/** null: done. Otherwise it is undone on the page, and this says why. */
export type Outcome = ApiFailure | null;
type Pending = { operation: Operation };

/**
 * A person's todos: what the API last said, with what was asked of it since on top. A call that fails takes its own
 * change away again and no other's. Calls go out one after the other, so that the last change of a todo also lands last.
 */
export class TodoStore {
  private confirmed: List = { items: [], total: 0 };
  private pending: Pending[] = [];
  private filter: Filter;
  private loaded = false;
  private away = false;
  private loads = 0;
  private size = PAGE;
  private counter = 0;
  private loadedAt = 0;
  private abort: AbortController | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private listeners = new Set<() => void>();
  private snapshot: Snapshot;

  constructor(
    private readonly api: Api,
    filter: Filter = DEFAULT_FILTER,
    private readonly onSignedOut: () => void = () => {},
    private readonly day: () => string = today,
  ) {
    this.filter = filter;
    this.snapshot = this.taken();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  read = (): Snapshot => this.snapshot;

  /** Asks for the list anew, with another filter where one is given. An older question still out is given up. */
  load(filter: Filter = this.filter): Promise<Outcome> {
    if (filter !== this.filter) {
      this.filter = filter;
      this.loaded = false;
      this.size = PAGE;
    }
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.loads += 1;
    this.publish();
    return this.inTurn(async () => {
      try {
        if (abort.signal.aborted) return null;
        const list = await this.pages(abort.signal);
        if (abort.signal.aborted) return null;
        this.confirmed = list;
        this.loaded = true;
        this.loadedAt = Date.now();
        this.away = false;
        return null;
      } catch (error) {
        return abort.signal.aborted ? null : this.noted(error);
      } finally {
        this.loads -= 1;
        this.publish();
      }
    });
  }

  /** Asks for the next part of a long list, keeping what is there. */
  async more(): Promise<Outcome> {
    this.size += PAGE;
    return this.load();
  }

  /** Asks anew when what is shown is older than this many milliseconds, as when a visitor comes back to the page. */
  freshen(age: number): void {
    if (this.loaded && Date.now() - this.loadedAt > age) void this.load();
  }

  add(draft: Draft): Promise<Outcome> {
    const now = new Date().toISOString();
    const todo = { ...draft, id: this.placeholder(), done: false, position: Infinity, created: now, updated: now };
    return this.tried({ kind: "add", todo }, async () => {
      const made = await this.api.add(draft);
      return { kind: "add", todo: made };
    });
  }

  change(id: TodoId, changes: Changes): Promise<Outcome> {
    return this.tried({ kind: "change", id, changes }, async () => {
      const changed = await this.api.change(id, changes);
      return { kind: "change", id, changes: changed };
    });
  }

  async remove(id: TodoId): Promise<Outcome> {
    const operation: Operation = { kind: "remove", id };
    return this.tried(operation, async () => {
      try {
        await this.api.remove(id);
      } catch (error) {
        // Gone already, by another window: that is what was wanted.
        if (!(error instanceof ApiFailure && error.status === 404)) throw error;
      }
      return operation;
    });
  }

  move(id: TodoId, after: TodoId | null): Promise<Outcome> {
    const operation: Operation = { kind: "move", id, after };
    return this.tried(operation, async () => {
      await this.api.move(id, after);
      return operation;
    });
  }

  /** Makes a deleted todo again, with all it had but its id, behind the todo that it came after. */
  restore(todo: Todo, index: number, after: TodoId | null): Promise<Outcome> {
    const shown: Todo = { ...todo, id: this.placeholder() };
    return this.tried({ kind: "restore", todo: shown, index }, async () => {
      let made = await this.api.add({ title: todo.title, notes: todo.notes, due: todo.due });
      if (todo.done) made = await this.api.change(made.id, { done: true });
      // The neighbour may be gone by now; the todo itself is back, and that is what counts.
      const place = await this.api.move(made.id, after).then(() => index, (error: unknown) => {
        if (error instanceof ApiFailure && error.status === 404) return null;
        throw error;
      });
      return place === null ? { kind: "add", todo: made } : { kind: "restore", todo: made, index: place };
    });
  }

  /** Forgets the todos, not the filter: the session has ended, and someone else may be looking. */
  forget(): void {
    this.confirmed = { items: [], total: 0 };
    this.loaded = false;
    this.publish();
  }

  private async pages(signal: AbortSignal): Promise<List> {
    let list = await this.api.list(this.filter, 0, PAGE, signal);
    while (list.items.length < Math.min(this.size, list.total)) {
      const next = await this.api.list(this.filter, list.items.length, PAGE, signal);
      if (next.items.length === 0) break;
      // A todo that came between two answers would push another into both.
      const known = new Set(list.items.map((todo) => todo.id));
      list = { items: [...list.items, ...next.items.filter((todo) => !known.has(todo.id))], total: next.total };
    }
    return list;
  }

  private async tried(operation: Operation, send: () => Promise<Operation>): Promise<Outcome> {
    const pending: Pending = { operation };
    this.pending = [...this.pending, pending];
    this.publish();
    return this.inTurn(async () => {
      try {
        const answered = await send();
        this.confirmed = apply(this.confirmed, answered, this.keep);
        this.away = false;
        return null;
      } catch (error) {
        const failure = this.noted(error);
        // Something else changed meanwhile, or only half of it was done: see what there is.
        if (failure.status === 404 || operation.kind === "restore") void this.load();
        return failure;
      } finally {
        this.pending = this.pending.filter((one) => one !== pending);
        this.publish();
      }
    });
  }

  private inTurn<Answer>(task: () => Promise<Answer>): Promise<Answer> {
    const turn = this.queue.then(task);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private noted(error: unknown): ApiFailure {
    if (!(error instanceof ApiFailure)) throw error;
    const kind: FailureKind = error.kind;
    this.away = kind === "away";
    if (kind === "signed-out") this.onSignedOut();
    return error;
  }

  private keep = (todo: Todo): boolean => matches(todo, this.filter, this.day());

  private placeholder(): string {
    this.counter += 1;
    return `new-${this.counter}`;
  }

  private publish(): void {
    this.snapshot = this.taken();
    for (const listener of this.listeners) listener();
  }

  private taken(): Snapshot {
    const { filter, loaded, away } = this;
    const list = this.pending.reduce((before, one) => apply(before, one.operation, this.keep), this.confirmed);
    const waiting = new Set(
      this.pending.flatMap(({ operation }) => ("todo" in operation ? [operation.todo.id] : [])),
    );
    return { ...list, filter, loaded, loading: this.loads > 0, away, waiting };
  }
}
