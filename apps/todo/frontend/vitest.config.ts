import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  esbuild: { jsx: "automatic" },
  test: {
    // What needs a page asks for jsdom in its first line: making one takes longer than most tests.
    environmentOptions: { jsdom: { url: "http://todo.test/" } },
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // Long: the machine may be busy with other tests.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
