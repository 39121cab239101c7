/** Runs once when the server starts: a setting that can't work ends it at once, with one line that names it. */
export async function register(): Promise<void> {
  if (process.env["NEXT_RUNTIME"] !== "nodejs") return;
  const { endOnBadSettings } = await import("./lib/startup");
  endOnBadSettings();
}
