import { fail, quote } from "./fail.ts";

/** A JSON object whose keys are all different: `JSON.parse` alone would keep the last of two tensors with one name. */
export function parseObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    fail(where, "expected JSON, got malformed text; write or download the file again", { cause });
  }
  if (!isObject(value)) fail(where, `expected a JSON object, got ${quote(value)}`);
  const twice = duplicateKey(text);
  if (twice !== undefined) fail(where, `expected every name once, got ${quote(twice)} twice`);
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first key that one object of a well-formed JSON text holds twice. By hand: a pattern runs out of stack on a text of megabytes. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x7b) open.push(new Set());
    else if (code === 0x7d) open.pop();
    else if (code === 0x22) {
      const end = endOfText(text, at);
      const raw = text.slice(at, end + 1);
      at = end;
      if (text.charCodeAt(skipSpace(text, end + 1)) !== 0x3a) continue;
      const key = raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/** The quote that ends the text which one at `start` begins. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at;
  }
  return text.length;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= 0x20) at++;
  return at;
}
