import { digestOf } from "./digest.ts";
import type { Llava } from "./llava.ts";
import { VISION } from "./names.ts";

/**
 * Digest (hex) of what decides a model's numbers: its configuration, its tower ({@link towerHash}, with the processor) and its other weights,
 * adapters among them. It tells models apart; it is no defence against somebody who forges one.
 */
export async function modelHash({ config, params, tower }: Llava): Promise<string> {
  const parts = [JSON.stringify(config), tower];
  for (const [name, value] of [...params].filter(([n]) => !n.startsWith(VISION)).sort(([a], [b]) => (a < b ? -1 : 1)))
    parts.push(`${name} ${digestOf((await value.data()) as Float32Array)}`);
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(parts.join("\n")));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
