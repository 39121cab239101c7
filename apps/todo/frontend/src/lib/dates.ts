/** Days as the API writes them (YYYY-MM-DD), which have no time zone. */
const DAY = 86_400_000;

/** The visitor's own day, which at night is not the server's. */
export function today(now: Date = new Date()): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY);
}

export type DueTone = "late" | "soon" | "later";

/** How a due day reads: the words and how urgent they look. Something done is never late. */
export function describeDue(due: string, now: string, done = false): { text: string; tone: DueTone } {
  const days = daysBetween(now, due);
  if (days === 0) return { text: "Due today", tone: done ? "later" : "soon" };
  if (days === 1) return { text: "Due tomorrow", tone: done ? "later" : "soon" };
  if (days < 0 && !done) return { text: days === -1 ? "Due yesterday" : `Overdue, ${shortDay(due, now, false)}`, tone: "late" };
  return { text: `Due ${shortDay(due, now)}`, tone: "later" };
}

/** "Sat 21 Nov", with the year where it is not this one. The same words on every machine. */
export function shortDay(day: string, now: string, withWeekday = true): string {
  const year = day.slice(0, 4) === now.slice(0, 4) ? {} : ({ year: "numeric" } as const);
  const weekday = withWeekday ? ({ weekday: "short" } as const) : {};
  return new Intl.DateTimeFormat("en-GB", { ...weekday, day: "numeric", month: "short", ...year, timeZone: "UTC" })
    .format(Date.parse(`${day}T00:00:00Z`))
    .replace(",", "");
}
