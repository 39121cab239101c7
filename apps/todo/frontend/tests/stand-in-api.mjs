/**
 * A stand-in for the API and the ingress, for development and for a look at the pages: todos are kept in memory.
 * `node tests/stand-in-api.mjs [port]` answers /api/v1 itself and hands everything else to FRONTEND
 * (default http://127.0.0.1:3000). What it says it is told by POST /stand-in: {"away": true}, {"expire": true},
 * {"refuse": {"path": "/todos", "status": 422, "answer": {...}}}, {"assistant": false}, {"delay": milliseconds}.
 */
import { randomUUID } from "node:crypto";
import http from "node:http";

const NO_ASSISTANT = "The assistant is not set up here: it needs an OPENAI_API_KEY. Everything else works.";

export function createStandIn(frontend = "http://127.0.0.1:3000") {
  const users = new Map();
  const sessions = new Map();
  const told = { away: false, refuse: null, assistant: true, delay: 0 };

  const refused = (status, detail, fields = {}) => ({ status, answer: { detail, fields } });
  const fine = (answer, status = 200, headers = {}) => ({ status, answer, headers });
  const ordered = (user) => user.todos;

  function withSession(user, status) {
    const token = randomUUID();
    sessions.set(token, user);
    const cookie = `todo_session=${token}; Path=/; HttpOnly; SameSite=Lax`;
    return fine({ id: user.id, email: user.email }, status, { "Set-Cookie": cookie });
  }

  function wrong({ title, due }) {
    const fields = {};
    if (title !== undefined && !title.trim()) fields.title = "A todo needs a title.";
    if (title !== undefined && title.length > 200) fields.title = `A title may have 200 characters; this one has ${title.length}.`;
    if (due && (due < "1900" || due > "2999-12-31")) fields.due = "The year has to be one from 1900 to 2999.";
    return Object.keys(fields).length ? refused(422, "Some of what was sent can't be used.", fields) : null;
  }

  function made(user, { title, notes = "", due = null }) {
    const now = new Date().toISOString();
    const todo = { id: randomUUID(), title, notes, due, done: false, position: 0, created: now, updated: now };
    user.todos.push(todo);
    return todo;
  }

  function wanted(todo, query) {
    const [status, due, today] = ["status", "due", "today"].map((name) => query.get(name));
    const week = new Date(Date.parse(today) + 6 * 86_400_000).toISOString().slice(0, 10);
    const words = (query.get("q") ?? "").toLowerCase();
    if (status !== "all" && todo.done !== (status === "done")) return false;
    if (words && !`${todo.title}\n${todo.notes}`.toLowerCase().includes(words)) return false;
    if (due === "none") return !todo.due;
    if (due === "overdue") return todo.due && todo.due < today && !todo.done;
    if (due === "today") return todo.due === today;
    return due !== "week" || (todo.due && todo.due >= today && todo.due <= week);
  }

  function onAuth(what, body, token) {
    if (what === "sign-out") return sessions.delete(token), fine(undefined, 204);
    const known = users.get(body.email);
    if (what === "sign-in") {
      return known?.password === body.password ? withSession(known, 200) : refused(401, "Wrong email or password.");
    }
    if (!body.email.includes("@")) return refused(422, "Some of what was sent can't be used.", { email: "This is no email address." });
    if (body.password.length < 8) {
      return refused(422, "Some of what was sent can't be used.", { password: "A password needs at least 8 characters." });
    }
    if (known) return refused(409, "There is an account already.", { email: "There is an account with this address already." });
    const user = { id: randomUUID(), todos: [], ...body };
    users.set(body.email, user);
    return withSession(user, 201);
  }

  function onTodo(user, method, id, action, body) {
    const index = user.todos.findIndex((todo) => todo.id === id);
    const todo = user.todos[index];
    if (!todo) return refused(404, "There is no such todo.");
    if (method === "DELETE") return user.todos.splice(index, 1), fine(undefined, 204);
    if (method === "PATCH") return wrong(body) ?? fine(Object.assign(todo, body));
    if (action !== "move") return refused(405, "This address does not take that.");
    user.todos.splice(index, 1);
    user.todos.splice(user.todos.findIndex((one) => one.id === body.after) + 1, 0, todo);
    return fine(todo);
  }

  function answer(method, path, query, body, token) {
    if (told.refuse && path.startsWith(told.refuse.path) && (told.refuse.method ?? method) === method) return told.refuse;
    const [, first, second, third] = path.split("/");
    if (first === "health") return fine({ status: "ok", checks: { database: "ok" } });
    if (first === "auth" && second !== "me") return onAuth(second, body, token);
    const user = sessions.get(token);
    if (!user) return refused(401, "Sign in first.");
    if (first === "auth") return fine({ id: user.id, email: user.email });
    if (first === "assistant") {
      if (!told.assistant) return refused(503, NO_ASSISTANT);
      const parts = body.text.split(/,|\band\b/).map((part) => part.trim()).filter(Boolean);
      return fine({ items: parts.map((title) => made(user, { title })) }, 201);
    }
    if (second) return onTodo(user, method, second, third, body);
    if (method === "POST") return wrong(body) ?? fine(made(user, body), 201);
    user.todos.forEach((todo, index) => (todo.position = (index + 1) * 65536));
    const found = ordered(user).filter((todo) => wanted(todo, query));
    const offset = Number(query.get("offset"));
    return fine({ items: found.slice(offset, offset + Number(query.get("limit"))), total: found.length });
  }

  function pass(request, response) {
    const onward = http.request(new URL(request.url, frontend), { method: request.method, headers: request.headers });
    onward.on("response", (from) => {
      response.writeHead(from.statusCode, from.headers);
      from.pipe(response);
    });
    onward.on("error", () => response.writeHead(502).end("the frontend is away"));
    request.pipe(onward);
  }

  return http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://stand.in");
    if (!pathname.startsWith("/api/v1/") && pathname !== "/stand-in") return pass(request, response);
    let text = "";
    for await (const part of request) text += part;
    const body = text ? JSON.parse(text) : {};
    if (pathname === "/stand-in") {
      if (body.expire) sessions.clear();
      Object.assign(told, body);
      return response.writeHead(204).end();
    }
    await new Promise((resolve) => setTimeout(resolve, told.delay));
    if (told.away) return response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad Gateway</h1>");
    const token = /todo_session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];
    const { status, answer: said, headers = {} } = answer(request.method, pathname.slice("/api/v1".length), searchParams, body, token);
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(said === undefined ? undefined : JSON.stringify(said));
  });
}

if (import.meta.filename === process.argv[1]) {
  const port = Number(process.argv[2] ?? 3001);
  createStandIn(process.env.FRONTEND).listen(port, () => console.log(`stand-in on http://127.0.0.1:${port}`));
}
