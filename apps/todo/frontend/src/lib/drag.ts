/**
 * The place (0 is the top) that a row takes when it is let go at the height `y`: behind all the other rows whose
 * middle is above it. `middles` are the rows' middles, from top to bottom; `from` is the row that is dragged.
 */
export function dropPlace(middles: readonly number[], from: number, y: number): number {
  return middles.filter((middle, index) => index !== from && middle < y).length;
}
