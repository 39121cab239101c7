"use client";

import { useEffect, useEffectEvent, useState } from "react";

const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 30_000;

/** Milliseconds until the next try by itself, after so many that failed. */
export const waitAfter = (tries: number): number => Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT);

/** Says that the API is away, and asks again: by itself, at a press, and when the device is back on the network. */
export function AwayBanner({ onRetry, stale }: { onRetry: () => Promise<unknown>; stale: boolean }) {
  const [tries, setTries] = useState(0);
  const [trying, setTrying] = useState(false);

  const retry = useEffectEvent(async () => {
    if (trying) return;
    setTrying(true);
    try {
      await onRetry();
    } finally {
      setTrying(false);
      setTries((before) => before + 1);
    }
  });

  useEffect(() => {
    const timer = setTimeout(() => void retry(), waitAfter(tries));
    const online = () => void retry();
    window.addEventListener("online", online);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("online", online);
    };
  }, [tries]);

  return (
    <div className="banner" role="alert">
      <p>
        <strong>The server can’t be reached.</strong>{" "}
        {stale ? "What you see may be out of date, and changes can’t be saved. " : ""}
        This page keeps trying.
      </p>
      <RetryButton trying={trying} onRetry={onRetry} />
    </div>
  );
}

function RetryButton({ trying, onRetry }: { trying: boolean; onRetry: () => Promise<unknown> }) {
  const [pressed, setPressed] = useState(false);
  const busy = trying || pressed;
  return (
    <button
      type="button"
      aria-disabled={busy}
      onClick={() => {
        if (busy) return;
        setPressed(true);
        void onRetry().finally(() => setPressed(false));
      }}
    >
      {busy ? "Trying…" : "Try again now"}
    </button>
  );
}
