// @vitest-environment jsdom
import "./setup";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reloadOnMissingPart } from "@/lib/reload";

const CSS = readFileSync("src/app/base.css", "utf8");

describe("a page with a missing part", () => {
  const reload = vi.fn();

  function fail(tag: "script" | "img", address: string) {
    const part = document.createElement(tag);
    Object.defineProperty(part, "src", { value: address });
    document.body.append(part);
    part.dispatchEvent(new Event("error"));
    vi.runAllTimers();
  }

  beforeEach(() => {
    vi.useFakeTimers();
    sessionStorage.clear();
  });
  afterEach(() => vi.useRealTimers());

  test("is loaded anew, five times and no more, and not for anything else", () => {
    reloadOnMissingPart(sessionStorage, reload);
    fail("img", "/_next/static/picture.png");
    fail("script", "/elsewhere.js");
    expect(reload).not.toHaveBeenCalled();
    for (let times = 1; times <= 8; times += 1) {
      fail("script", "/_next/static/chunk.js");
      expect(reload).toHaveBeenCalledTimes(Math.min(times, 5));
    }
  });
});

describe("the colours", () => {
  const [light, dark] = CSS.split("@media (prefers-color-scheme: dark)").map(
    (sheet) => new Map([...sheet.matchAll(/--([\w-]+): #([0-9a-f]{6});/g)].map((found) => [found[1], found[2]])),
  );

  function luminance(colour: string): number {
    const [red, green, blue] = [0, 2, 4].map((at) => {
      const part = parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  /** WCAG 2.2, "contrast ratio". */
  function contrast(one: string, other: string): number {
    const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
    return (lighter + 0.05) / (darker + 0.05);
  }

  const words = [
    ["text", "page"], ["text", "card"], ["text", "field"], ["text", "accent-back"], ["text", "off-back"], ["text", "picked"],
    ["soft", "page"], ["soft", "card"], ["soft", "field"],
    ["accent", "page"], ["accent", "card"], ["on-accent", "accent"], ["on-accent", "accent-strong"],
    ["bad", "bad-back"], ["bad", "card"], ["warn", "warn-back"], ["off", "off-back"],
    ["on-bar", "bar"], ["on-bar-accent", "bar"],
  ];
  const lines = [["field-line", "page"], ["field-line", "card"], ["field-line", "field"], ["accent", "page"]];
  const all = [...words.map((pair) => [...pair, 4.5] as const), ...lines.map((pair) => [...pair, 3] as const)];

  test.each(all)("%s on %s have a contrast of at least %d to 1, in light and dark", (front, back, least) => {
    for (const scheme of [light!, dark!]) {
      expect(contrast(scheme.get(String(front))!, scheme.get(String(back))!)).toBeGreaterThanOrEqual(Number(least));
    }
  });
});
