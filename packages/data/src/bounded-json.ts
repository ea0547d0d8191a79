import { KdError } from "@kd/contract";

/** Deeper JSON is refused: a LLaVA record has three levels. */
export const MAX_JSON_DEPTH = 64;

/** Levels of arrays and objects that a JSON text opens at most. */
function jsonDepth(text: string): number {
  let [depth, deepest] = [0, 0];
  for (let i = 0, inString = false; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/** `JSON.parse` of outside text, of at most {@link MAX_JSON_DEPTH} levels. Throws `KD_DATA` that begins with `where`. */
export function parseJson(text: string, where: string): unknown {
  if (jsonDepth(text) > MAX_JSON_DEPTH)
    throw new KdError(
      "KD_DATA",
      `${where}: expected JSON of at most ${MAX_JSON_DEPTH} levels, got deeper; correct or remove it`,
    );
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KdError("KD_DATA", `${where}: expected JSON, got ${String(cause)}; correct or remove it`, { cause });
  }
}
