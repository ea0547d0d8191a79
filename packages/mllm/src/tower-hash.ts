import type { Params } from "@kd/tensor-core";
import type { LlavaConfig } from "./config.ts";
import { VISION } from "./names.ts";

/** SHA-256 (hex) of what decides a picture's features: the tower's weights and sizes, the layer and selection, and `processor`. */
export async function towerHash(config: LlavaConfig, params: Params, processor = ""): Promise<string> {
  const { vision_config, vision_feature_layer, vision_feature_select_strategy } = config;
  const parts = [JSON.stringify([vision_config, vision_feature_layer, vision_feature_select_strategy, processor])];
  for (const name of [...params.keys()].filter((n) => n.startsWith(VISION)).sort()) {
    const data = await params.get(name)?.data();
    if (data !== undefined)
      parts.push(`${name} ${await digest(new Uint8Array(Float32Array.from(data as Float32Array).buffer))}`);
  }
  return digest(new TextEncoder().encode(parts.join("\n")));
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
