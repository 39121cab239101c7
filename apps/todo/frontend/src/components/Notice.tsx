"use client";

import type { Todo, TodoId } from "@/lib/types";
import { Icon } from "./Icon";

export type NoticeContent =
  | { kind: "problem"; text: string }
  | { kind: "hidden"; text: string }
  | { kind: "deleted"; todo: Todo; index: number; after: TodoId | null };

type Props = {
  content: NoticeContent | null;
  onUndo: (deleted: Extract<NoticeContent, { kind: "deleted" }>) => void;
  onShowAll: () => void;
  onDismiss: () => void;
};

/** One line at the foot of the window. It stays until it is answered or the next takes its place: nobody is hurried. */
export function Notice({ content, onUndo, onShowAll, onDismiss }: Props) {
  return (
    <div className="notice-place" role="region" aria-label="Notices">
      {content && (
        <div className={`notice ${content.kind}`}>
          {/* What was deleted is announced elsewhere, with its way back. */}
          <p role={content.kind === "problem" ? "alert" : undefined}>
            {content.kind === "deleted" ? `Deleted “${content.todo.title}”.` : content.text}
          </p>
          {content.kind === "deleted" && (
            <button type="button" onClick={() => onUndo(content)}>
              Undo
            </button>
          )}
          {content.kind === "hidden" && (
            <button type="button" onClick={onShowAll}>
              Show open todos
            </button>
          )}
          <button type="button" className="plain" aria-label="Dismiss" title="Dismiss" onClick={onDismiss}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
