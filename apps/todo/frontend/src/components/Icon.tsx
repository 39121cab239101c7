const PATHS = {
  up: "M12 19V5m-6 6 6-6 6 6",
  down: "M12 5v14m6-6-6 6-6-6",
  edit: "M4 20h4L19 9l-4-4L4 16v4Zm9-13 4 4",
  delete: "M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13m-7 4v5m4-5v5",
  close: "M6 6l12 12M18 6 6 18",
  handle: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  check: "M5 12.5l4.5 4.5L19 7.5",
} as const;

/** A drawing beside words or in a named button; a screen reader passes it over. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
