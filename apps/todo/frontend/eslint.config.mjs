// Next's own rules, and those of React, of accessibility and of TypeScript, without the packages of eslint-config-next
// that nothing here needs.
import next from "@next/eslint-plugin-next";
import accessibility from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig([
  globalIgnores([".next/**", "build/**", "node_modules/**", "next-env.d.ts"]),
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [
      typescript.configs.strict,
      next.configs["core-web-vitals"],
      reactHooks.configs.flat["recommended-latest"],
      accessibility.flatConfigs.strict,
    ],
    rules: {
      // Whether calls that take and give nothing are called so is no matter.
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["tests/**"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
]);
