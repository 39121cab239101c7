import { NextRequest } from "next/server";
import { afterEach, describe, expect, test, vi } from "vitest";
import { GET } from "@/app/healthz/route";
import { contentSecurityPolicy } from "@/lib/policy";
import { readSettings, SettingsError } from "@/lib/settings";
import { endOnBadSettings } from "@/lib/startup";
import { proxy } from "@/proxy";

afterEach(() => vi.unstubAllEnvs());

describe("the settings", () => {
  test("are the path of this host where nothing is set", () => {
    expect(readSettings({})).toEqual({ apiBaseUrl: "/api/v1", environment: "" });
  });

  test.each([
    ["/api/v1/", "/api/v1"],
    [" /elsewhere ", "/elsewhere"],
    ["https://api.example.org/v1/", "https://api.example.org/v1"],
    ["http://localhost:8000", "http://localhost:8000"],
  ])("take %j as the address of the API", (given, read) => {
    expect(readSettings({ API_BASE_URL: given }).apiBaseUrl).toBe(read);
  });

  test.each(["api/v1", "//example.org", "ftp://example.org", "javascript:alert(1)", "https://a:b@example.org", "/a b", "/a;script-src *"])(
    "refuse %j, and say what it has to be",
    (given) => {
      expect(() => readSettings({ API_BASE_URL: given })).toThrow(SettingsError);
      expect(() => readSettings({ API_BASE_URL: given })).toThrow(/API_BASE_URL is .*must be a path/);
    },
  );

  test("that can't work end the server with exit code 2 and a line that names them", () => {
    const exit = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    endOnBadSettings({ API_BASE_URL: "nonsense" });
    expect(exit).toHaveBeenCalledWith(2);
    expect(log.mock.calls[0]?.[0]).toMatch(/^todo-frontend: API_BASE_URL is "nonsense"/);
  });
});

describe("the security headers", () => {
  test("let scripts run by their nonce alone", () => {
    const policy = contentSecurityPolicy("abc", "/api/v1");
    expect(policy).toContain("script-src 'self' 'nonce-abc' 'strict-dynamic';");
    expect(policy).not.toContain("unsafe");
    expect(policy).toContain("connect-src 'self';");
  });

  test("name the API's host where it has one of its own", () => {
    expect(contentSecurityPolicy("abc", "https://api.example.org/v1")).toContain("connect-src 'self' https://api.example.org;");
  });

  test("are on each answer, with another nonce each time, and follow the setting of the moment", () => {
    const once = proxy(new NextRequest("http://todo.test/"));
    vi.stubEnv("API_BASE_URL", "https://api.example.org/v1");
    const again = proxy(new NextRequest("http://todo.test/"));
    const nonce = (answer: Response) => /'nonce-([^']+)'/.exec(answer.headers.get("content-security-policy") ?? "")?.[1];
    expect(nonce(once)).toHaveLength(24);
    expect(nonce(again)).not.toBe(nonce(once));
    expect(again.headers.get("content-security-policy")).toContain("https://api.example.org");
    expect(once.headers.get("x-content-type-options")).toBe("nosniff");
    expect(once.headers.get("x-frame-options")).toBe("DENY");
  });
});

test("the frontend's health asks nobody", async () => {
  const asked = vi.spyOn(globalThis, "fetch");
  const answer = GET();
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: "ok" });
  expect(asked).not.toHaveBeenCalled();
});
