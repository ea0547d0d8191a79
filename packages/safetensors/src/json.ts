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

/** The first key that one object of a well-formed JSON text holds twice. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (token.endsWith(":")) {
      const key = JSON.parse(token.slice(0, -1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
