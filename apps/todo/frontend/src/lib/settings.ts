/** The settings, read from the environment each time: a changed ConfigMap needs new pods, never a new build. */
export type Settings = {
  /** What the browser asks: a path of this host or a whole address, without a slash at its end. */
  apiBaseUrl: string;
  /** The name of the environment, shown in the footer; empty where none was given. */
  environment: string;
};

export class SettingsError extends RangeError {
  override name = "SettingsError";
}

const DEFAULT_API_BASE_URL = "/api/v1";

/** Throws a SettingsError that names the setting, its value, the rule and the remedy. */
export function readSettings(environment: Record<string, string | undefined> = process.env): Settings {
  const given = environment["API_BASE_URL"]?.trim() || DEFAULT_API_BASE_URL;
  return {
    apiBaseUrl: checkedApiBaseUrl(given).replace(/\/+$/, ""),
    environment: environment["ENVIRONMENT"]?.trim() ?? "",
  };
}

/** The origin of an API on another host, which the content security policy must name; null for one on this host. */
export function apiOrigin(apiBaseUrl: string): string | null {
  return apiBaseUrl.startsWith("/") ? null : new URL(apiBaseUrl).origin;
}

function checkedApiBaseUrl(given: string): string {
  if (/^\/[\w\-./~%]*$/.test(given) && !given.startsWith("//")) return given;
  const refused = new SettingsError(
    `API_BASE_URL is ${JSON.stringify(given)}, but it must be a path such as "/api/v1" or an http(s) address ` +
      "without user name, query or fragment: no browser could reach the API. Set it so, or leave it out.",
  );
  if (!URL.canParse(given)) throw refused;
  const url = new URL(given);
  const plain = !url.username && !url.password && !url.search && !url.hash;
  if (!plain || (url.protocol !== "http:" && url.protocol !== "https:")) throw refused;
  return url.href;
}
