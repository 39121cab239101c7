import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

afterEach(cleanup);
// The page's code names what jsdom lacks.
globalThis.CSS ??= {} as typeof CSS;
globalThis.CSS.escape ??= (text: string) => text.replace(/["\\]/g, "\\$&");
