export type Todo = {
  id: string | number;
  title: string;
  notes: string;
  /** YYYY-MM-DD. */
  due: string | null;
  done: boolean;
  position: number | string;
  created: string;
  updated: string;
};

export type TodoId = Todo["id"];
export type Draft = { title: string; notes: string; due: string | null };
export type Changes = Partial<Draft & { done: boolean }>;
export type User = { id: string | number; email: string };
export type Fields = Readonly<Record<string, string>>;

export const STATUSES = ["open", "done", "all"] as const;
export const DUES = ["any", "overdue", "today", "week", "none"] as const;
export type Filter = { status: (typeof STATUSES)[number]; due: (typeof DUES)[number]; search: string };

export const EMPTY_DRAFT: Draft = { title: "", notes: "", due: null };
