import { describe, expect, test } from "vitest";
import { waitAfter } from "@/components/AwayBanner";
import { daysBetween, describeDue, today } from "@/lib/dates";
import { dropPlace } from "@/lib/drag";
import { DEFAULT_FILTER, filterFromQuery, filterToQuery, matches } from "@/lib/filter";
import { apply, moved, neighbourAt } from "@/lib/list";
import type { Filter } from "@/lib/types";
import { todo } from "./fakes";

const NOW = "2026-05-10";
const abc = [todo("a"), todo("b"), todo("c")];
const ids = (items: readonly { id: string | number }[]) => items.map((one) => one.id).join("");
const all = () => true;

describe("due days", () => {
  test("today is the visitor's own day", () => expect(today(new Date(2026, 0, 5, 23, 59))).toBe("2026-01-05"));

  test("a change of the clocks makes no day longer", () => expect(daysBetween("2026-03-28", "2026-03-30")).toBe(2));

  test.each([
    ["2026-05-10", false, "Due today", "soon"],
    ["2026-05-11", false, "Due tomorrow", "soon"],
    ["2026-05-09", false, "Due yesterday", "late"],
    ["2026-05-01", false, "Overdue, 1 May", "late"],
    ["2026-05-01", true, "Due Fri 1 May", "later"],
    ["2026-05-20", false, "Due Wed 20 May", "later"],
    ["2027-05-20", false, "Due Thu 20 May 2027", "later"],
  ])("%s (done: %s) reads as %j", (due, done, text, tone) => {
    expect(describeDue(due, NOW, done)).toEqual({ text, tone });
  });
});

describe("the filter", () => {
  test.each<[Partial<Filter>, Parameters<typeof todo>[1], boolean]>([
    [{}, {}, true],
    [{}, { done: true }, false],
    [{ status: "done" }, { done: true }, true],
    [{ status: "all" }, { done: true }, true],
    [{ search: "MILK " }, { title: "Buy milk" }, true],
    [{ search: "milk" }, { notes: "with Milk" }, true],
    [{ search: "milk" }, { title: "Bread" }, false],
    [{ due: "none" }, {}, true],
    [{ due: "none" }, { due: NOW }, false],
    [{ due: "today" }, { due: NOW }, true],
    [{ due: "today" }, {}, false],
    [{ due: "overdue" }, { due: "2026-05-09" }, true],
    [{ due: "overdue", status: "all" }, { due: "2026-05-09", done: true }, false],
    [{ due: "week" }, { due: "2026-05-16" }, true],
    [{ due: "week" }, { due: "2026-05-17" }, false],
    [{ due: "week" }, { due: "2026-05-09" }, false],
  ])("%j with %j: %s", (filter, given, kept) => {
    expect(matches(todo("a", given), { ...DEFAULT_FILTER, ...filter }, NOW)).toBe(kept);
  });

  test("comes back from the address as it went there", () => {
    const filter: Filter = { status: "done", due: "week", search: "milk & bread" };
    const query = Object.fromEntries(new URLSearchParams(filterToQuery(filter)));
    expect(filterFromQuery(query)).toEqual(filter);
    expect(filterToQuery(DEFAULT_FILTER)).toBe("");
  });

  test("passes over what an address can't mean", () => {
    expect(filterFromQuery({ status: "nonsense", due: ["a", "b"], q: ["a"] })).toEqual(DEFAULT_FILTER);
  });
});

describe("the list", () => {
  test.each([
    ["a", "b", "bac"],
    ["a", "c", "bca"],
    ["c", null, "cab"],
    ["c", "a", "acb"],
    ["a", "a", "abc"],
    ["a", "unknown", "abc"],
    ["unknown", "a", "abc"],
  ])("%s moved behind %s is %s", (id, after, order) => expect(ids(moved(abc, id, after))).toBe(order));

  test.each([
    ["a", 1, "b"],
    ["a", 2, "c"],
    ["c", 0, null],
    ["c", 1, "a"],
    ["a", 0, undefined],
    ["a", 3, undefined],
    ["a", -1, undefined],
    ["unknown", 1, undefined],
  ])("%s reaches place %i behind %s", (id, to, after) => expect(neighbourAt(abc, id, to)).toBe(after));

  test("moving to a place and behind its neighbour are the same, wherever it goes", () => {
    for (const id of ["a", "b", "c"])
      for (const to of [0, 1, 2]) {
        const after = neighbourAt(abc, id, to);
        if (after !== undefined) expect(moved(abc, id, after)[to]?.id).toBe(id);
      }
  });

  test("counts what comes and goes", () => {
    const list = { items: abc, total: 10 };
    expect(apply(list, { kind: "add", todo: todo("d", { position: 9 }) }, all)).toMatchObject({ total: 11 });
    expect(apply(list, { kind: "remove", id: "b" }, all)).toEqual({ items: [abc[0], abc[2]], total: 9 });
    expect(apply(list, { kind: "remove", id: "unknown" }, all)).toBe(list);
    expect(ids(apply(list, { kind: "restore", todo: todo("x"), index: 1 }, all).items)).toBe("axbc");
  });

  test("lets go of a todo that no longer belongs in it", () => {
    const keep = (one: { done: boolean }) => !one.done;
    const left = apply({ items: abc, total: 3 }, { kind: "change", id: "b", changes: { done: true } }, keep);
    expect([ids(left.items), left.total]).toEqual(["ac", 2]);
    expect(apply(left, { kind: "add", todo: todo("d", { done: true }) }, keep)).toBe(left);
  });
});

test("a row lands behind the rows whose middle is above the pointer", () => {
  const middles = [10, 30, 50, 70];
  expect([5, 35, 45, 55, 500].map((y) => dropPlace(middles, 1, y))).toEqual([0, 1, 1, 2, 3]);
});

test("the page asks a server that is away less and less often", () => {
  expect([0, 1, 2, 3, 4, 50].map(waitAfter)).toEqual([2000, 4000, 8000, 16000, 30000, 30000]);
});
