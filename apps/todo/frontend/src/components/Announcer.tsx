"use client";

import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

const Announce = createContext<(words: string) => void>(() => {});

/** Says to a screen reader what sighted visitors see happen. */
export const useAnnounce = () => useContext(Announce);

export function Announcer({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState({ words: "", turn: 0 });
  const announce = useCallback((words: string) => setSaid(({ turn }) => ({ words, turn: turn + 1 })), []);
  return (
    <Announce value={announce}>
      {children}
      <p className="unseen" role="status" data-announcer>
        {/* The same words twice are only read twice if something differs. */}
        {said.words && said.words + (said.turn % 2 ? "" : "\u00a0")}
      </p>
    </Announce>
  );
}
