import { readSettings, SettingsError } from "./settings";

export const EXIT_BAD_SETTINGS = 2;

export function endOnBadSettings(environment: Record<string, string | undefined> = process.env): void {
  try {
    readSettings(environment);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`todo-frontend: ${error.message}`);
    process.exit(EXIT_BAD_SETTINGS);
  }
}
