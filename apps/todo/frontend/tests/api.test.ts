import { describe, expect, test, vi } from "vitest";
import { ApiFailure, createApi } from "@/lib/api";
import { DEFAULT_FILTER } from "@/lib/filter";

function answering(status: number, body: unknown = undefined) {
  const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
  const send = vi.fn<typeof fetch>(async () => new Response(text, { status }));
  return { send, api: createApi("/api/v1", send) };
}

async function failureOf(call: Promise<unknown>): Promise<ApiFailure> {
  const failure = await call.then(() => null, (error: unknown) => error);
  expect(failure).toBeInstanceOf(ApiFailure);
  return failure as ApiFailure;
}

describe("the API's calls", () => {
  test("send JSON, with the session's cookie, to the address of the settings", async () => {
    const { send, api } = answering(200, { id: "1" });
    await api.change("a/b", { done: true });
    const [address, request] = send.mock.calls[0]!;
    expect(address).toBe("/api/v1/todos/a%2Fb");
    expect(request).toMatchObject({ method: "PATCH", credentials: "same-origin", body: '{"done":true}' });
    expect(request?.headers).toMatchObject({ "Content-Type": "application/json" });
  });

  test("send no content type without a body", async () => {
    const { send, api } = answering(204);
    await expect(api.remove("a")).resolves.toBeUndefined();
    expect(send.mock.calls[0]?.[1]?.headers).not.toHaveProperty("Content-Type");
  });

  test("ask for a page of what the filter wants, and say which day it is here", async () => {
    const { send, api } = answering(200, { items: [], total: 0 });
    await api.list({ ...DEFAULT_FILTER, search: " a&b " }, 100, 50);
    const asked = new URL(String(send.mock.calls[0]?.[0]), "http://x").searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({ status: "open", due: "any", q: "a&b", offset: "100", limit: "50" });
    expect(asked.get("today")).toMatch(/^\d{4}-\d\d-\d\d$/);
  });

  test("give what is wrong with each field", async () => {
    const { api } = answering(422, { detail: "No.", fields: { title: "Too long.", odd: 7 } });
    const failure = await failureOf(api.add({ title: "", notes: "", due: null }));
    expect(failure).toMatchObject({ kind: "refused", message: "No.", fields: { title: "Too long." }, status: 422 });
  });

  test("tell an ended session from a wrong password", async () => {
    const { api } = answering(401, { detail: "Wrong email or password." });
    expect(await failureOf(api.me())).toMatchObject({ kind: "signed-out" });
    expect(await failureOf(api.signIn("a", "b"))).toMatchObject({ kind: "refused", message: "Wrong email or password." });
  });

  test("tell a server that is away from an assistant that is not set up", async () => {
    const { api } = answering(503, { detail: "The assistant is not set up here." });
    expect(await failureOf(api.list(DEFAULT_FILTER))).toMatchObject({ kind: "away" });
    expect(await failureOf(api.assist("a"))).toMatchObject({ kind: "refused", message: "The assistant is not set up here." });
  });

  test.each([502, 503, 504])("take a proxy's %i without a reason as a server that is away", async (status) => {
    const { api } = answering(status, "<h1>Bad Gateway</h1>");
    expect(await failureOf(api.assist("a"))).toMatchObject({ kind: "away" });
  });

  test("say so when nobody answers, or what comes is not understood", async () => {
    const nobody = createApi("/api/v1", () => Promise.reject(new TypeError("Failed to fetch")));
    expect(await failureOf(nobody.me())).toMatchObject({ kind: "away", message: "The server can't be reached." });
    expect(await failureOf(answering(200, "<p>").api.me())).toMatchObject({ kind: "refused" });
    expect(await failureOf(answering(500).api.me())).toMatchObject({ kind: "refused", status: 500 });
  });

  test("that the page itself gives up are no failure of the server", async () => {
    const abort = new AbortController();
    abort.abort();
    const api = createApi("/api/v1", (_address, request) => Promise.reject(request?.signal?.reason));
    await expect(api.list(DEFAULT_FILTER, 0, 100, abort.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});
