"use client";

import { useEffect, useEffectEvent, useId, useState } from "react";
import { STATUSES, type Filter } from "@/lib/types";

const STATUS_WORDS = { open: "Open", done: "Done", all: "All" };
const DUE_WORDS = { any: "Any day", overdue: "Overdue", today: "Today", week: "Within 7 days", none: "No due date" };
/** Milliseconds without a keystroke until the search is made. */
const SEARCH_PAUSE = 250;

export function FilterBar({ filter, onChange }: { filter: Filter; onChange: (filter: Filter) => void }) {
  const id = useId();
  return (
    <div className="filters" role="search" aria-label="Filter the todos">
      <fieldset className="segments">
        <legend className="unseen">Show</legend>
        {STATUSES.map((status) => (
          <label key={status}>
            <input
              type="radio"
              name={`${id}-status`}
              checked={filter.status === status}
              onChange={() => onChange({ ...filter, status })}
            />
            <span>{STATUS_WORDS[status]}</span>
          </label>
        ))}
      </fieldset>
      <SearchBox search={filter.search} onSearch={(search) => onChange({ ...filter, search })} />
      <div className="due-filter">
        <label htmlFor={`${id}-due`} className="unseen">
          Due
        </label>
        <select
          id={`${id}-due`}
          value={filter.due}
          onChange={(event) => onChange({ ...filter, due: event.target.value as Filter["due"] })}
        >
          {Object.entries(DUE_WORDS).map(([due, words]) => (
            <option key={due} value={due}>
              {due === "any" ? "Due: any day" : words}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}

function SearchBox({ search, onSearch }: { search: string; onSearch: (search: string) => void }) {
  const id = useId();
  const [text, setText] = useState(search);
  const [followed, setFollowed] = useState(search);
  // Set from outside, as by "Show all": what was typed here is already the same but for spaces.
  if (search !== followed) {
    setFollowed(search);
    if (text.trim() !== search) setText(search);
  }
  const ask = useEffectEvent(() => {
    if (text.trim() !== search) onSearch(text.trim());
  });

  useEffect(() => {
    const timer = setTimeout(() => ask(), SEARCH_PAUSE);
    return () => clearTimeout(timer);
  }, [text]);

  return (
    <div className="search">
      <label htmlFor={id} className="unseen">
        Search
      </label>
      <input
        id={id}
        type="search"
        maxLength={200}
        placeholder="Search"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </div>
  );
}
