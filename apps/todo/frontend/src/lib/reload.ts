/** Where the number of reloads is kept, for the time of a visit. */
export const RELOADS = "reloads";

/**
 * Loads the page anew when a part of it is missing: while a new version rolls out, the page may come from the new
 * server and its scripts be asked of the old. It runs in the page before anything else, as text: it uses nothing from
 * around it. After five times it gives up.
 */
export function reloadOnMissingPart(
  kept: Storage = sessionStorage,
  reload: () => void = () => {
    location.reload();
  },
): void {
  addEventListener(
    "error",
    (event) => {
      const part = event.target;
      const address = part instanceof HTMLScriptElement ? part.src : part instanceof HTMLLinkElement ? part.href : "";
      const times = Number(kept.getItem("reloads"));
      if (!address.includes("/_next/") || times >= 5) return;
      kept.setItem("reloads", String(times + 1));
      setTimeout(reload, 1000 * (times + 1));
    },
    true,
  );
}
