// @vitest-environment jsdom
import "./setup";
import { act, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "@/components/App";
import { ApiFailure } from "@/lib/api";
import { DEFAULT_FILTER } from "@/lib/filter";
import type { Filter, Todo } from "@/lib/types";
import { AWAY, deferred, fakeApi, refusal, SIGNED_OUT, todo } from "./fakes";

let api: ReturnType<typeof fakeApi>;
vi.mock("@/lib/api", async (original) => ({ ...(await original<object>()), createApi: () => api }));

const THREE = [todo("Milk"), todo("Bread", { due: "2020-01-01" }), todo("Cheese", { notes: "the old one" })];

async function open(items = THREE, filter: Filter = DEFAULT_FILTER) {
  api = fakeApi(items);
  const user = userEvent.setup({ delay: null });
  render(<App apiBaseUrl="/api/v1" environment="test" filter={filter} />);
  await screen.findByRole("heading", { name: "Your todos" });
  if (items.length > 0) await screen.findAllByRole("checkbox");
  return user;
}

const titles = () => screen.queryAllByRole("checkbox").map((box) => box.closest("li")?.querySelector(".title")?.textContent);
const said = () => document.querySelector("[data-announcer]")?.textContent?.trim();
const button = (name: string | RegExp) => screen.getByRole("button", { name });

afterEach(() => {
  vi.useRealTimers();
});

beforeEach(() => {
  window.history.replaceState(null, "", "/");
});

describe("a visitor who is not signed in", () => {
  async function arrive() {
    api = fakeApi(THREE);
    api.me.mockRejectedValueOnce(SIGNED_OUT);
    render(<App apiBaseUrl="/api/v1" environment="" filter={DEFAULT_FILTER} />);
    await screen.findByRole("heading", { name: "Sign in" });
    return userEvent.setup({ delay: null });
  }

  test("signs in, and the focus goes to the todos", async () => {
    const user = await arrive();
    await user.type(screen.getByLabelText("Email"), "ann@example.org");
    await user.type(screen.getByLabelText("Password"), "secret secret{Enter}");
    const heading = await screen.findByRole("heading", { name: "Your todos" });
    expect(api.signIn).toHaveBeenCalledWith("ann@example.org", "secret secret");
    await waitFor(() => expect(titles()).toEqual(["Milk", "Bread", "Cheese"]));
    expect(document.activeElement).toBe(heading);
  });

  test("reads why the password was refused, and that their session has not ended", async () => {
    const user = await arrive();
    api.signIn.mockRejectedValueOnce(new ApiFailure("refused", "Wrong email or password.", {}, 401));
    await user.type(screen.getByLabelText("Email"), "ann@example.org");
    await user.type(screen.getByLabelText("Password"), "wrong{Enter}");
    expect((await screen.findByRole("alert")).textContent).toBe("Wrong email or password.");
    expect((screen.getByLabelText("Email") as HTMLInputElement).value).toBe("ann@example.org");
  });

  test("registers, and reads beside each field what is wrong with it", async () => {
    const user = await arrive();
    await user.click(button("Create an account"));
    await user.click(button("Create the account"));
    const email = screen.getByLabelText("Email");
    expect(email.getAttribute("aria-invalid")).toBe("true");
    expect(document.activeElement).toBe(email);
    expect(api.register).not.toHaveBeenCalled();

    api.register.mockRejectedValueOnce(refusal({ password: "A password needs at least 8 characters." }));
    await user.type(email, "ann@example.org");
    const password = screen.getByLabelText("Password");
    await user.type(password, "short{Enter}");
    await waitFor(() => expect(document.activeElement).toBe(password));
    const described = password.getAttribute("aria-describedby") ?? "";
    expect(document.getElementById(described)?.textContent).toBe("A password needs at least 8 characters.");
    await user.type(password, " longer{Enter}");
    await screen.findByRole("heading", { name: "Your todos" });
  });
});

describe("a person's todos", () => {
  test("are added at once, for the next to be written", async () => {
    const user = await open();
    const answer = deferred<Todo>();
    api.add.mockReturnValueOnce(answer.promise);
    const field = screen.getByLabelText("New todo") as HTMLInputElement;
    await user.type(field, "Butter{Enter}");
    expect(titles()).toEqual(["Milk", "Bread", "Cheese", "Butter"]);
    expect([field.value, document.activeElement]).toEqual(["", field]);
    await act(async () => answer.resolve(todo("id-1", { title: "Butter", position: 4 })));
    expect(said()).toBe("Added “Butter”.");
  });

  test("that are refused come back to the form, with the message beside the field", async () => {
    const user = await open();
    api.add.mockRejectedValueOnce(refusal({ title: "A title may have 200 characters." }));
    const field = screen.getByLabelText("New todo") as HTMLInputElement;
    await user.type(field, "Butter{Enter}");
    await screen.findByText("A title may have 200 characters.");
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
    expect(field.value).toBe("Butter");
    expect(field.getAttribute("aria-invalid")).toBe("true");
  });

  test("need a title", async () => {
    const user = await open();
    await user.click(button("Add"));
    await screen.findByText("Write what there is to do.");
    expect(api.add).not.toHaveBeenCalled();
  });

  test("leave the open ones when they are done, and the focus goes to the next", async () => {
    const user = await open();
    await user.click(screen.getByRole("checkbox", { name: "Milk" }));
    expect(titles()).toEqual(["Bread", "Cheese"]);
    expect(document.activeElement).toBe(screen.getByRole("checkbox", { name: "Bread" }));
    expect(api.change).toHaveBeenCalledWith("Milk", { done: true });
    expect(said()).toBe("“Milk” is done.");
  });

  test("come back when they could not be completed, and it says why", async () => {
    const user = await open();
    api.change.mockRejectedValueOnce(new ApiFailure("refused", "Not now.", {}, 409));
    await user.click(screen.getByRole("checkbox", { name: "Milk" }));
    expect((await screen.findByRole("alert")).textContent).toBe("“Milk” is still open. Not now.");
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
  });

  test("are edited in their place, and the focus comes back to the button", async () => {
    const user = await open();
    await user.click(button("Edit “Cheese”"));
    const form = screen.getByRole("form", { name: "Edit “Cheese”" });
    const title = within(form).getByLabelText("Title");
    expect(document.activeElement).toBe(title);
    await user.clear(title);
    await user.type(title, "Gouda");
    await user.click(within(form).getByRole("button", { name: "Save" }));
    expect(titles()).toEqual(["Milk", "Bread", "Gouda"]);
    expect(document.activeElement).toBe(button("Edit “Gouda”"));
    expect(api.change).toHaveBeenCalledWith("Cheese", { title: "Gouda", notes: "the old one", due: null });
  });

  test("are left as they were by Escape", async () => {
    const user = await open();
    await user.click(button("Edit “Milk”"));
    await user.keyboard("nonsense{Escape}");
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
    expect(document.activeElement).toBe(button("Edit “Milk”"));
    expect(api.change).not.toHaveBeenCalled();
  });

  test("whose edit is refused open again with what was written", async () => {
    const user = await open();
    api.change.mockRejectedValueOnce(refusal({ due: "The year has to be one from 1900 to 2999." }));
    await user.click(button("Edit “Milk”"));
    await user.keyboard("{End} and honey{Enter}");
    await screen.findByText("The year has to be one from 1900 to 2999.");
    expect((screen.getByLabelText("Title") as HTMLInputElement).value).toBe("Milk and honey");
    expect(document.activeElement).toBe(within(screen.getByRole("form", { name: /Edit/ })).getByLabelText("Due"));
  });

  test("are deleted at once, and come back to their place by Undo", async () => {
    const user = await open();
    await user.click(button("Delete “Bread”"));
    expect(titles()).toEqual(["Milk", "Cheese"]);
    expect(document.activeElement).toBe(button("Delete “Cheese”"));
    await waitFor(() => expect(api.remove).toHaveBeenCalledWith("Bread"));
    await user.click(button("Undo"));
    await waitFor(() => expect(said()).toBe("“Bread” is back."));
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
    expect(document.activeElement).toBe(screen.getByRole("checkbox", { name: "Bread" }));
  });

  test("move by the arrow keys of their handle, which keeps the focus", async () => {
    const user = await open();
    button("Move “Cheese”").focus();
    await user.keyboard("{ArrowUp}{ArrowUp}{ArrowUp}");
    expect(titles()).toEqual(["Cheese", "Milk", "Bread"]);
    expect(document.activeElement).toBe(button("Move “Cheese”"));
    expect(said()).toBe("“Cheese” is now number 1 of 3.");
    await waitFor(() => expect(api.move.mock.calls).toEqual([["Cheese", "Milk"], ["Cheese", null]]));
  });

  test("move by buttons, and back when the move fails", async () => {
    const user = await open();
    expect(button("Move up “Milk”").getAttribute("aria-disabled")).toBe("true");
    api.move.mockRejectedValueOnce(AWAY);
    await user.click(button("Move down “Milk”"));
    await screen.findByText(/“Milk” was not moved/);
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
    await user.click(button("Move down “Milk”"));
    await waitFor(() => expect(titles()).toEqual(["Bread", "Milk", "Cheese"]));
  });

  test("say when they are late", async () => {
    await open();
    const late = screen.getByRole("checkbox", { name: "Bread" });
    const words = document.getElementById(late.getAttribute("aria-describedby") ?? "");
    expect(words?.textContent).toMatch(/^Overdue/);
  });
});

describe("the filter", () => {
  test("asks the API, tells how many there are, and stays in the address", async () => {
    const user = await open([...THREE, todo("Ham", { done: true })]);
    await user.click(screen.getByRole("radio", { name: "Done" }));
    await waitFor(() => expect(titles()).toEqual(["Ham"]));
    expect(window.location.search).toBe("?status=done");
    await waitFor(() => expect(said()).toBe("1 done todo"));
  });

  test("searches once the visitor pauses", async () => {
    await open();
    vi.useFakeTimers();
    const before = api.list.mock.calls.length;
    for (const value of ["C", "Ch", "Che"]) {
      fireEvent.change(screen.getByRole("searchbox"), { target: { value } });
      await act(() => vi.advanceTimersByTimeAsync(200));
    }
    expect(api.list).toHaveBeenCalledTimes(before);
    await act(() => vi.advanceTimersByTimeAsync(50));
    expect(api.list).toHaveBeenCalledTimes(before + 1);
    expect(titles()).toEqual(["Cheese"]);
    expect(window.location.search).toBe("?q=Che");
  });

  test("that nothing fits offers the way back", async () => {
    api = fakeApi(THREE);
    render(<App apiBaseUrl="/api/v1" environment="" filter={{ ...DEFAULT_FILTER, search: "nothing" }} />);
    const user = userEvent.setup({ delay: null });
    await user.click(await screen.findByRole("button", { name: "Show all open todos" }));
    await waitFor(() => expect(titles()).toEqual(["Milk", "Bread", "Cheese"]));
    expect((screen.getByRole("searchbox") as HTMLInputElement).value).toBe("");
  });

  test("that hides a new todo says so", async () => {
    const user = await open([todo("Ham", { done: true })], { ...DEFAULT_FILTER, status: "done" });
    await user.type(screen.getByLabelText("New todo"), "Butter{Enter}");
    await screen.findByText("“Butter” was added, but this view does not show it.");
    expect(titles()).toEqual(["Ham"]);
    await user.click(button("Show open todos"));
    await waitFor(() => expect(titles()).toEqual(["Butter"]));
  });
});

describe("the assistant", () => {
  async function ask(user: ReturnType<typeof userEvent.setup>) {
    await user.click(screen.getByText("Let the assistant write them"));
    await user.type(screen.getByLabelText("Say it in your own words"), "Call mum");
    await user.click(button("Make todos of it"));
  }

  test("makes todos of a sentence", async () => {
    const user = await open();
    await ask(user);
    await waitFor(() => expect(titles()).toContain("Call mum"));
    expect(said()).toBe("One todo was added: “Call mum”.");
  });

  test("that is not set up says so, keeps the sentence, and leaves the rest alone", async () => {
    const user = await open();
    api.assist.mockRejectedValueOnce(new ApiFailure("refused", "The assistant is not set up here.", {}, 503));
    await ask(user);
    expect((await screen.findByRole("alert")).textContent).toBe("The assistant is not set up here.");
    expect((screen.getByLabelText("Say it in your own words") as HTMLInputElement).value).toBe("Call mum");
    expect(screen.queryByText(/can’t be reached/)).toBeNull();
  });
});

describe("a session that ends", () => {
  test("asks to sign in again, shows no todo meanwhile, and goes on where it was", async () => {
    const user = await open();
    await user.type(screen.getByLabelText("New todo"), "Half written");
    api.change.mockRejectedValueOnce(SIGNED_OUT);
    await user.click(screen.getByRole("checkbox", { name: "Milk" }));
    await screen.findByText("Your session has ended. Sign in again to go on.");
    expect(titles()).toEqual([]);
    expect((screen.getByLabelText("Email") as HTMLInputElement).value).toBe("ann@example.org");
    await user.type(screen.getByLabelText("Password"), "secret secret{Enter}");
    await waitFor(() => expect(titles()).toEqual(["Milk", "Bread", "Cheese"]));
    expect((screen.getByLabelText("New todo") as HTMLInputElement).value).toBe("Half written");
  });

  test("by signing out leaves nothing on the page", async () => {
    const user = await open();
    await user.click(button("Sign out"));
    const heading = await screen.findByRole("heading", { name: "Sign in" });
    expect(document.body.textContent).not.toContain("Milk");
    expect(document.activeElement).toBe(heading);
  });

  test("says so when signing out does not work", async () => {
    const user = await open();
    api.signOut.mockRejectedValueOnce(AWAY);
    await user.click(button("Sign out"));
    expect((await screen.findByRole("alert")).textContent).toBe("You are still signed in: The server can't be reached.");
  });
});

describe("a server that is away", () => {
  test("has a banner, which goes once a press finds it back", async () => {
    const user = await open();
    api.change.mockRejectedValueOnce(AWAY);
    await user.click(screen.getByRole("checkbox", { name: "Milk" }));
    await screen.findByText("The server can’t be reached.");
    expect(titles()).toEqual(["Milk", "Bread", "Cheese"]);
    await user.click(button("Try again now"));
    await waitFor(() => expect(screen.queryByText("The server can’t be reached.")).toBeNull());
  });

  test("from the start is asked again by itself, after longer and longer", async () => {
    vi.useFakeTimers();
    api = fakeApi(THREE);
    api.me.mockRejectedValueOnce(AWAY).mockRejectedValueOnce(AWAY);
    render(<App apiBaseUrl="/api/v1" environment="" filter={DEFAULT_FILTER} />);
    const asked = async (after: number) => {
      await act(() => vi.advanceTimersByTimeAsync(after));
      return api.me.mock.calls.length;
    };
    expect(await asked(0)).toBe(1);
    expect(screen.getByRole("alert").textContent).toContain("The server can’t be reached.");
    expect([await asked(1_999), await asked(1)]).toEqual([1, 2]);
    expect([await asked(3_999), await asked(1)]).toEqual([2, 3]);
    expect(screen.getByRole("heading").textContent).toBe("Your todos");
  });
});
