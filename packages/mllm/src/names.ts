import { slmShapes } from "@kd/slm";
import { visionShapes } from "@kd/vision-encoder";
import type { LlavaConfig } from "./config.ts";
import { featureWidth } from "./visual-tokens.ts";

export const PROJECTOR = "multi_modal_projector.";
/** LLaVA-NeXT's: a token after each row of a picture's tiles. */
export const NEWLINE_NAME = "image_newline";
export const VISION = "vision_tower.";

/** Every parameter that the model reads, with its shape, under Hugging Face's older names (`language_model.model.…`). */
export function llavaShapes(config: LlavaConfig): Map<string, readonly number[]> {
  const [from, to] = [featureWidth(config), config.text_config.hidden_size];
  const shapes = new Map([...visionShapes(config.vision_config), ...slmShapes(config.text_config)]);
  for (const [layer, inputs] of [
    ["linear_1", from],
    ["linear_2", to],
  ] as const) {
    shapes.set(`${PROJECTOR}${layer}.weight`, [to, inputs]);
    if (config.multimodal_projector_bias) shapes.set(`${PROJECTOR}${layer}.bias`, [to]);
  }
  if (config.image_grid_pinpoints !== undefined) shapes.set(NEWLINE_NAME, [to]);
  return shapes;
}

const TINY_LLAVA: Readonly<Record<string, string>> = { 0: "linear_1", 2: "linear_2" };

/**
 * The name in memory of a stored parameter: transformers' before 4.52, which checkpoints are still written with. Knows transformers' newer
 * names (`model.language_model.…`) and TinyLLaVA's (`vision_tower._vision_tower.…`, `connector._connector.0.…`).
 */
export function olderName(name: string): string {
  if (name === "lm_head.weight") return "language_model.lm_head.weight";
  if (name.startsWith("model.language_model.")) return name.replace("model.language_model.", "language_model.model.");
  return name
    .replace(/^model\.(vision_tower\.|multi_modal_projector\.|image_newline$)/, "$1")
    .replace(/^vision_tower\._vision_tower\./, VISION)
    .replace(/^connector\._connector\.([02])\./, (_, layer: string) => `${PROJECTOR}${TINY_LLAVA[layer]}.`);
}
