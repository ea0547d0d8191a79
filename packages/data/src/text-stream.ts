import { earliestStop, heldBack } from "./stop-strings.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** Options of {@link streamText}. */
export interface StreamText {
  readonly tokenizer: Pick<TextTokenizer, "decode">;
  /** The text ends before the first of these. @defaultValue none */
  readonly stopStrings?: readonly string[];
  /** Which row of each step is read. @defaultValue 0 */
  readonly row?: number;
}

/**
 * Text of one row of new ids, piece by piece as they come: never half a character, and nothing that may be the beginning of a stop string.
 * Together the pieces are the text of all ids up to the stop string, at which it stops reading, so that generation ends, too.
 *
 * @param steps what `streamTokens` of `@kd/slm` or `generateStream` of `@kd/mllm` yields: an id a row, undefined for one that has ended
 */
export async function* streamText(
  steps: AsyncIterable<readonly (number | undefined)[]>,
  { tokenizer, stopStrings = [], row = 0 }: StreamText,
): AsyncGenerator<string, void, undefined> {
  const decode = incrementalDecoder(tokenizer);
  let pending = "";
  for await (const step of steps) {
    const id = step[row];
    if (id === undefined) break;
    pending += decode(id);
    const stop = earliestStop(pending, stopStrings);
    const ready = stop < 0 ? pending.length - heldBack(pending, stopStrings) : stop;
    if (ready > 0) yield pending.slice(0, ready);
    if (stop >= 0) return;
    pending = pending.slice(ready);
  }
  pending += decode(undefined);
  const stop = earliestStop(pending, stopStrings);
  const rest = stop < 0 ? pending : pending.slice(0, stop);
  if (rest !== "") yield rest;
}

/** Text that an id completes; of undefined, the end, what is left of an unfinished character. */
function incrementalDecoder({ decode }: Pick<TextTokenizer, "decode">): (id: number | undefined) => string {
  // A token's text may hang on the one before it (Llama drops a first space), so a window that begins with known text is decoded.
  let known: number[] = [];
  let fresh: number[] = [];
  return (id) => {
    if (id !== undefined) fresh.push(id);
    const before = known.length === 0 ? "" : decode(known);
    const after = known.length + fresh.length === 0 ? "" : decode([...known, ...fresh]);
    const unfinished = after.endsWith("\uFFFD") || !after.startsWith(before);
    if (id !== undefined && unfinished) return "";
    if (after.length === before.length) return ""; // an id without text: the next ones may need it
    [known, fresh] = [fresh, []];
    return after.slice(before.length);
  };
}
