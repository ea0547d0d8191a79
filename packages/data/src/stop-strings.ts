import type { TextTokenizer } from "./tokenizer.ts";

/**
 * Whether a row of new ids holds a stop string by its latest id: `stopWhen` of `@kd/slm`'s and `@kd/mllm`'s generation, for whole batches.
 * The ids keep the stop string; `textBefore` cuts it off.
 */
export function stopAt(
  tokenizer: Pick<TextTokenizer, "decode">,
  stopStrings: readonly string[],
): (ids: readonly number[]) => boolean {
  const encoder = new TextEncoder();
  // Each id is at least a byte, but for a few that are nothing.
  const span = Math.max(0, ...stopStrings.map((stop) => encoder.encode(stop).length)) + 8;
  return (ids) => earliestStop(tokenizer.decode(ids.slice(-span)), stopStrings) >= 0;
}

/** A text up to its first stop string. */
export function textBefore(text: string, stopStrings: readonly string[]): string {
  const stop = earliestStop(text, stopStrings);
  return stop < 0 ? text : text.slice(0, stop);
}

/** Where the first stop string begins; -1 where there is none. */
export function earliestStop(text: string, stopStrings: readonly string[]): number {
  const places = stopStrings.filter((stop) => stop !== "").map((stop) => text.indexOf(stop));
  return places.filter((place) => place >= 0).reduce((a, b) => (a < 0 ? b : Math.min(a, b)), -1);
}

/** How many characters at the end may be the beginning of a stop string. */
export function heldBack(text: string, stopStrings: readonly string[]): number {
  const longest = Math.max(0, ...stopStrings.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--)
    if (stopStrings.some((stop) => stop.length > length && text.endsWith(stop.slice(0, length)))) return length;
  return 0;
}
