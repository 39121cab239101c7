"use client";

import { useRef, useState, type PointerEvent, type RefObject } from "react";
import { dropPlace } from "@/lib/drag";
import type { TodoId } from "@/lib/types";

/** Pixels that a finger or mouse may tremble before it drags. */
const TREMBLE = 4;
/** Pixels from the window's edge where dragging scrolls, and by how much each time. */
const EDGE = 60;
const SCROLL = 12;

export type Dragged = { id: TodoId; from: number; to: number };

/**
 * Drags a row of `list` by its handle, with a mouse, a pen or a finger. Gives what is dragged, and where it would
 * land; `onDrop` hears of it when it is let go at another place. Escape gives up.
 */
export function useDrag(list: RefObject<HTMLElement | null>, onDrop: (id: TodoId, to: number) => void) {
  const [dragged, setDragged] = useState<Dragged | null>(null);
  const end = useRef<(() => void) | null>(null);

  function grab(id: TodoId, from: number, event: PointerEvent<HTMLElement>): void {
    if (event.button !== 0 || end.current) return;
    const handle = event.currentTarget;
    const { pointerId, clientY: start } = event;
    const middles = [...(list.current?.children ?? [])].map((row) => {
      const { top, height } = row.getBoundingClientRect();
      return top + height / 2 + window.scrollY;
    });
    let to: number | null = null;

    const onMove = (move: globalThis.PointerEvent) => {
      if (move.pointerId !== pointerId) return;
      if (to === null && Math.abs(move.clientY - start) < TREMBLE) return;
      if (move.clientY < EDGE) window.scrollBy(0, -SCROLL);
      if (move.clientY > window.innerHeight - EDGE) window.scrollBy(0, SCROLL);
      to = dropPlace(middles, from, move.clientY + window.scrollY);
      setDragged({ id, from, to });
    };
    const onUp = (up: globalThis.PointerEvent) => {
      if (up.pointerId !== pointerId) return;
      const landed = to;
      finish();
      if (up.type === "pointerup" && landed !== null && landed !== from) onDrop(id, landed);
    };
    const onKey = (key: KeyboardEvent) => {
      if (key.key === "Escape") finish();
    };
    const finish = () => {
      handle.removeEventListener("pointermove", onMove);
      handle.removeEventListener("pointerup", onUp);
      handle.removeEventListener("pointercancel", onUp);
      window.removeEventListener("keydown", onKey);
      end.current = null;
      setDragged(null);
    };

    // The handle hears of the pointer wherever it goes, even outside the window.
    handle.setPointerCapture?.(pointerId);
    handle.addEventListener("pointermove", onMove);
    handle.addEventListener("pointerup", onUp);
    handle.addEventListener("pointercancel", onUp);
    window.addEventListener("keydown", onKey);
    end.current = finish;
  }

  return { dragged, grab };
}
