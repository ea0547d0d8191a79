import type { Params } from "@kd/tensor-core";
import type { LlavaConfig } from "./config.ts";
import { digestOf } from "./digest.ts";
import { VISION } from "./names.ts";

/**
 * Digest (hex) of what decides a picture's features: the tower's weights and sizes, the layer and selection, and `processor`. It tells
 * towers apart; it is no defence against somebody who forges one.
 */
export function towerHash(config: LlavaConfig, params: Params, processor = ""): Promise<string> {
  return hashTower(config, params, { processor, digests: new Map() });
}

/** The same where digests of some weights are known, by their names. */
export async function hashTower(
  config: LlavaConfig,
  params: Params,
  { processor, digests }: { readonly processor: string; readonly digests: ReadonlyMap<string, string> },
): Promise<string> {
  const { vision_config, vision_feature_layer, vision_feature_select_strategy } = config;
  const parts = [JSON.stringify([vision_config, vision_feature_layer, vision_feature_select_strategy, processor])];
  for (const [name, value] of [...params].filter(([n]) => n.startsWith(VISION)).sort(([a], [b]) => (a < b ? -1 : 1)))
    parts.push(`${name} ${digests.get(name) ?? digestOf((await value.data()) as Float32Array)}`);
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(parts.join("\n")));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
