import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// Long: the machine may be busy with other tests.
configure({ asyncUtilTimeout: 50_000 });
afterEach(cleanup);

// The page's code names what jsdom lacks.
const css = (globalThis as { CSS?: { escape?: unknown } }).CSS;
if (typeof css?.escape !== "function") {
  Object.assign(globalThis, { CSS: { ...css, escape: (text: string) => text.replace(/["\\]/g, "\\$&") } });
}
