import type { Llava } from "./llava.ts";
import { VISION } from "./names.ts";

/**
 * SHA-256 (hex) of what decides a model's numbers: its configuration, its tower ({@link towerHash}, with the processor) and its other weights.
 * Adapters are weights, too.
 */
export async function modelHash({ config, params, tower }: Llava): Promise<string> {
  const parts = [JSON.stringify(config), tower];
  for (const name of [...params.keys()].filter((n) => !n.startsWith(VISION)).sort()) {
    const data = await params.get(name)?.data();
    if (data !== undefined) parts.push(`${name} ${await digest(Float32Array.from(data as Float32Array))}`);
  }
  return digest(new TextEncoder().encode(parts.join("\n")));
}

async function digest(bytes: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
