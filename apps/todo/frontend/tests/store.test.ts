import { describe, expect, test, vi } from "vitest";
import type { Page } from "@/lib/api";
import { DEFAULT_FILTER } from "@/lib/filter";
import { TodoStore } from "@/lib/store";
import type { Todo } from "@/lib/types";
import { AWAY, deferred, fakeApi, refusal, SIGNED_OUT, todo } from "./fakes";

const ALL = { ...DEFAULT_FILTER, status: "all" } as const;

async function opened(items = [todo("a"), todo("b"), todo("c")], onSignedOut = () => {}) {
  const api = fakeApi(items);
  const store = new TodoStore(api, ALL, onSignedOut, () => "2026-05-10");
  await store.load();
  const titles = () => store.read().items.map((one) => one.title).join(" ");
  return { api, store, titles };
}

const draft = (title: string) => ({ title, notes: "", due: null });

describe("a change", () => {
  test("shows before the API has answered, and stays once it has", async () => {
    const { api, store, titles } = await opened();
    const answer = deferred<Todo>();
    api.add.mockReturnValueOnce(answer.promise);
    const adding = store.add(draft("d"));
    expect(titles()).toBe("a b c d");
    expect(store.read()).toMatchObject({ total: 4 });
    expect(store.read().waiting.size).toBe(1);
    answer.resolve(todo("id-of-d", { title: "d", position: 4 }));
    expect(await adding).toBeNull();
    expect(store.read().items[3]?.id).toBe("id-of-d");
    expect(store.read().waiting.size).toBe(0);
  });

  test.each<[string, (store: TodoStore) => Promise<unknown>, "add" | "change" | "remove" | "move", string]>([
    ["adding", (store) => store.add(draft("d")), "add", "a b c d"],
    ["editing", (store) => store.change("b", { title: "B" }), "change", "a B c"],
    ["deleting", (store) => store.remove("b"), "remove", "a c"],
    ["moving", (store) => store.move("c", null), "move", "c a b"],
  ])("that fails is taken back: %s", async (_what, act, call, during) => {
    const { api, store, titles } = await opened();
    api[call].mockRejectedValueOnce(AWAY);
    const acting = act(store);
    expect(titles()).toBe(during);
    expect(await acting).toBe(AWAY);
    expect(titles()).toBe("a b c");
    expect(store.read()).toMatchObject({ away: true, total: 3 });
  });

  test("that fails takes no other with it", async () => {
    const { api, store, titles } = await opened();
    api.change.mockRejectedValueOnce(refusal({ title: "No." }));
    const first = store.change("a", { title: "A" });
    const second = store.change("b", { title: "B" });
    const third = store.move("c", null);
    expect(titles()).toBe("c A B");
    expect(await first).toMatchObject({ fields: { title: "No." } });
    expect(await second).toBeNull();
    expect(await third).toBeNull();
    expect(titles()).toBe("c a B");
  });

  test("waits for the one before it", async () => {
    const { api, store } = await opened();
    const answer = deferred<Todo>();
    api.change.mockReturnValueOnce(answer.promise);
    const first = store.change("a", { title: "1" });
    const second = store.change("a", { title: "2" });
    await Promise.resolve();
    expect(api.change).toHaveBeenCalledTimes(1);
    answer.resolve(todo("a", { title: "1" }));
    await Promise.all([first, second]);
    expect(api.change.mock.calls[1]).toEqual(["a", { title: "2" }]);
    expect(store.read().items[0]?.title).toBe("2");
  });

  test("of a todo that is gone has the list fetched anew", async () => {
    const { api, store, titles } = await opened();
    await api.remove("b");
    api.change.mockRejectedValueOnce(refusal({}, 404));
    expect(await store.change("b", { done: true })).toMatchObject({ status: 404 });
    await vi.waitFor(() => expect(titles()).toBe("a c"));
  });

  test("tells of a session that has ended", async () => {
    const ended = vi.fn();
    const { api, store, titles } = await opened(undefined, ended);
    api.change.mockRejectedValueOnce(SIGNED_OUT);
    await store.change("a", { done: true });
    expect(ended).toHaveBeenCalledOnce();
    expect(store.read().away).toBe(false);
    store.forget();
    expect(titles()).toBe("");
  });
});

describe("deleting", () => {
  test("what is gone already is no failure", async () => {
    const { api, store, titles } = await opened();
    api.remove.mockRejectedValueOnce(refusal({}, 404));
    expect(await store.remove("b")).toBeNull();
    expect(titles()).toBe("a c");
  });

  test("is undone with all that the todo had", async () => {
    const gone = todo("b", { notes: "n", due: "2026-05-11", done: true });
    const { api, store, titles } = await opened([todo("a"), gone, todo("c")]);
    await store.remove("b");
    const restoring = store.restore(gone, 1, "a");
    expect(titles()).toBe("a b c");
    expect(await restoring).toBeNull();
    expect(titles()).toBe("a b c");
    expect(store.read().items[1]).toMatchObject({ id: "made-1", notes: "n", due: "2026-05-11", done: true });
    expect((await api.list(ALL)).items.map((one) => one.title)).toEqual(["a", "b", "c"]);
  });

  test("is undone even where the todo before it is gone too", async () => {
    const { api, store, titles } = await opened();
    await store.remove("b");
    api.move.mockRejectedValueOnce(refusal({}, 404));
    expect(await store.restore(todo("b"), 1, "a")).toBeNull();
    expect(titles()).toBe("a c b");
  });
});

describe("loading", () => {
  test("drops the answer to a question that is no longer asked", async () => {
    const { api, store, titles } = await opened();
    const slow = deferred<Page>();
    api.list.mockReturnValueOnce(slow.promise);
    const first = store.load({ ...ALL, search: "a" });
    await vi.waitFor(() => expect(api.list).toHaveBeenCalledTimes(2));
    const second = store.load({ ...ALL, search: "b" });
    slow.resolve({ items: [todo("wrong")], total: 1 });
    await Promise.all([first, second]);
    expect(titles()).toBe("b");
    expect(store.read().loading).toBe(false);
  });

  test("keeps what is shown while the server is away, and says when it is back", async () => {
    const { api, store, titles } = await opened();
    api.list.mockRejectedValueOnce(AWAY);
    expect(await store.load()).toBe(AWAY);
    expect([titles(), store.read().away, store.read().loaded]).toEqual(["a b c", true, true]);
    await store.load();
    expect(store.read().away).toBe(false);
  });

  test("goes on with the next part of a long list", async () => {
    const { api, store } = await opened(Array.from({ length: 230 }, (_, index) => todo(`t${index}`)));
    expect(store.read()).toMatchObject({ total: 230 });
    expect(store.read().items).toHaveLength(100);
    await store.more();
    await store.more();
    expect(store.read().items).toHaveLength(230);
    expect(api.list.mock.lastCall?.slice(1, 3)).toEqual([200, 100]);
  });

  test("is repeated for a visitor who comes back, once it is old", async () => {
    const { api, store } = await opened();
    store.freshen(60_000);
    expect(api.list).toHaveBeenCalledTimes(1);
    store.freshen(-1);
    await vi.waitFor(() => expect(api.list).toHaveBeenCalledTimes(2));
  });
});
